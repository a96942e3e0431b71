#include "cddrec/data/split.hpp"

#include <memory>

#include "test.hpp"

namespace cddrec::test {

using data::item;
using items = std::vector<item>;

namespace {
data::interactions log_of(const std::vector<items>& histories, item count) {
  data::interactions log;
  for (item i = 0; i < count; ++i) log.items.add("item " + std::to_string(i));
  for (const auto& h : histories) {
    log.users.add("user " + std::to_string(log.histories.size()));
    log.histories.push_back(h);
  }
  return log;
}
items copy(std::span<const item> s) { return {s.begin(), s.end()}; }
}  // namespace

TEST_CASE("leave-one-out for users of 1 to 5 items") {
  const auto s = data::leave_one_out(log_of({{0}, {1, 2}, {3, 4, 5}, {6, 7, 8, 9}, {10, 11, 12, 13, 14}}, 20));
  CHECK(s.items() == 20);
  CHECK(s.users() == 5);
  CHECK(s.unusable() == 1);
  CHECK(s.not_tested() == 3);

  REQUIRE(s.training_users() == 4);
  CHECK(copy(s.training(0)) == items{1, 2});
  CHECK(copy(s.training(1)) == items{3, 4, 5});
  CHECK(copy(s.training(2)) == items{6, 7});
  CHECK(copy(s.training(3)) == items{10, 11, 12});

  const auto validation = s.validation();
  REQUIRE(validation.size() == 2);
  CHECK(copy(validation.history(0)) == items{6, 7});
  CHECK(validation.target(0) == 8);
  CHECK(copy(validation.history(1)) == items{10, 11, 12});
  CHECK(validation.target(1) == 13);

  const auto test = s.test();
  REQUIRE(test.size() == 2);
  CHECK(copy(test.history(0)) == items{6, 7, 8});
  CHECK(test.target(0) == 9);
  CHECK(copy(test.history(1)) == items{10, 11, 12, 13});
  CHECK(test.user(0) == 3);
  CHECK(test.user(1) == 4);
  CHECK(test.target(1) == 14);
}

TEST_CASE("no held-out item is trained on, however long the history") {
  for (index n = 4; n < 60; ++n) {
    items history(static_cast<std::size_t>(n));
    std::iota(history.begin(), history.end(), 0);
    const auto s = data::leave_one_out(log_of({history}, 60));
    const auto count = static_cast<std::size_t>(n);
    CHECK(copy(s.training(0)) == items(history.begin(), history.end() - 2));
    CHECK(copy(s.validation().history(0)) == items(history.begin(), history.end() - 2));
    CHECK(s.validation().target(0) == history[count - 2]);
    CHECK(copy(s.test().history(0)) == items(history.begin(), history.end() - 1));
    CHECK(s.test().target(0) == history[count - 1]);
  }
}

TEST_CASE("repeated items are kept, and the split outlives its log") {
  auto log = std::make_unique<data::interactions>(log_of({{2, 2, 2, 2}, {}, {1, 0, 1, 0, 1}}, 3));
  const auto s = data::leave_one_out(*log);
  log.reset();
  CHECK(s.unusable() == 1);
  CHECK(copy(s.training(0)) == items{2, 2});
  CHECK(copy(s.training(1)) == items{1, 0, 1});
  CHECK(copy(s.test().history(1)) == items{1, 0, 1, 0});
  CHECK(s.test().target(1) == 1);
}

TEST_CASE("a log that cannot be split is refused") {
  CHECK_THROWS_AS(data::leave_one_out(log_of({}, 3)), input_error);
  CHECK_THROWS_WITH(data::leave_one_out(log_of({{0, 1, 2}, {0}}, 3)), ContainsSubstring("none of the 2 users has 4 items"));
  CHECK_THROWS_WITH(data::leave_one_out(log_of({{0, 1, 2, 3}}, 3)), ContainsSubstring("item number 3 is not one of the log's 3 items"));
  CHECK_THROWS_WITH(data::leave_one_out(log_of({{0, 1, -1, 2}}, 3)), ContainsSubstring("item number -1"));
}

namespace {
data::interactions timed_log(const std::vector<std::vector<std::pair<item, double>>>& users, item count) {
  std::vector<items> histories;
  std::vector<double> times;
  for (const auto& user : users) {
    histories.emplace_back();
    for (const auto& [what, when] : user) histories.back().push_back(what), times.push_back(when);
  }
  data::interactions log = log_of(histories, count);
  log.times = times;
  return log;
}
}  // namespace

TEST_CASE("a log divided by time") {
  // Ten interactions: the eighth begins validation, at 8, and the ninth the test, at 9, where two stand.
  const auto log = timed_log({{{0, 1}, {1, 2}, {2, 8}, {3, 9}}, {{1, 3}, {4, 9}}, {{2, 4}, {0, 5}}, {{5, 6}, {2, 7}}}, 6);
  const auto s = data::by_time(log, 0.2, 0.1);
  // Of ten times, sorted, those at 7 and 9 divide: 8 of the validation, and 9 of the test with what is of its time.
  REQUIRE(s.training_users() == 3);
  CHECK(copy(s.training(0)) == items{0, 1});
  CHECK(copy(s.training(1)) == items{2, 0});
  CHECK(copy(s.training(2)) == items{5, 2});
  REQUIRE(s.validation().size() == 1);
  CHECK(copy(s.validation().history(0)) == items{0, 1});
  CHECK(s.validation().target(0) == 2);
  REQUIRE(s.test().size() == 2);
  CHECK(copy(s.test().history(0)) == items{0, 1, 2});
  CHECK(s.test().target(0) == 3);
  CHECK(copy(s.test().history(1)) == items{1});
  CHECK(s.test().target(1) == 4);
  CHECK(s.not_tested() == 2);
  CHECK(s.unusable() == 0);
  CHECK(data::cold_targets(s, s.test()) == 2);
  CHECK(data::cold_targets(s, s.validation()) == 0);
}

TEST_CASE("targets that stand in their own history are counted") {
  const auto s = data::leave_one_out(log_of({{0, 1, 2, 0}, {1, 2, 2, 3}, {3, 3, 3, 3}}, 4));
  CHECK(data::targets_in_history(s.test()) == 2);
  CHECK(data::targets_in_history(s.validation()) == 2);
}

TEST_CASE("nothing that is trained on, or stands in a history, is later than a target") {
  core::random draw(core::seed{4});
  std::vector<std::vector<std::pair<item, double>>> users(200);
  index next = 0;
  const auto below = [&](float limit) { return std::floor(limit * draw.uniform(next++)); };
  for (auto& user : users) {
    for (index n = 3 + static_cast<index>(below(7)); n > 0; --n) {
      const auto what = static_cast<item>(below(50));
      user.emplace_back(what, below(300));
    }
    std::stable_sort(user.begin(), user.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  }
  const auto log = timed_log(users, 50);
  const auto s = data::by_time(log, 0.15, 0.1);
  std::vector<double> sorted = log.times;
  std::sort(sorted.begin(), sorted.end());
  const auto last = [&](double share) {
    return sorted[sorted.size() - static_cast<std::size_t>(std::lround(static_cast<double>(sorted.size()) * share))];
  };
  const double first = last(0.25), second = last(0.1);
  index training = 0, validation = 0, test = 0;
  for (const auto& user : users) {
    const auto before = [&](double time) {
      return std::count_if(user.begin(), user.end(), [&](const auto& p) { return p.second < time; });
    };
    const auto early = before(first), late = before(second);
    if (early >= 2) CHECK(s.training(training++).size() == static_cast<std::size_t>(early));
    if (early >= 1 && late > early) {
      CHECK(s.validation().target(validation) == user[static_cast<std::size_t>(early)].first);
      CHECK(s.validation().history(validation++).size() == static_cast<std::size_t>(early));
    }
    if (late >= 1 && late < static_cast<std::ptrdiff_t>(user.size())) {
      CHECK(s.test().target(test) == user[static_cast<std::size_t>(late)].first);
      CHECK(s.test().history(test++).size() == static_cast<std::size_t>(late));
    }
  }
  CHECK(training == s.training_users());
  CHECK(validation == s.validation().size());
  CHECK(test == s.test().size());
}

TEST_CASE("a log that cannot be divided by time is refused") {
  CHECK_THROWS_WITH(data::by_time(log_of({{0, 1, 2, 3}}, 4)), ContainsSubstring("the log has no times"));
  const auto log = timed_log({{{0, 1}, {1, 1}, {2, 1}}}, 3);
  for (const auto& [validation, test] : {std::pair{0.0, 0.1}, {0.1, 0.0}, {0.5, 0.5}, {0.1, -1.0}, {std::nan(""), 0.1}})
    CHECK_THROWS_WITH(data::by_time(log, validation, test), ContainsSubstring("each must be above 0"));
  CHECK_THROWS_WITH(data::by_time(log), ContainsSubstring("no users to train on"));
  CHECK_THROWS_WITH(data::by_time(timed_log({{{0, 1}, {1, 2}, {2, 3}}, {{1, 9}}}, 3), 0.2, 0.2), ContainsSubstring("no users to"));
}

TEST_CASE("a log whose times are not one an item cannot be divided by time") {
  auto log = timed_log({{{0, 1}, {1, 2}, {2, 8}, {3, 9}}, {{1, 3}, {4, 9}}, {{2, 4}, {0, 5}}, {{5, 6}, {2, 7}}}, 6);
  log.times.pop_back();
  CHECK_THROWS_WITH(data::by_time(log, 0.2, 0.1), ContainsSubstring("data::by_time: the log has 9 times for 10 items"));
  log.times.resize(11, 9);
  CHECK_THROWS_WITH(data::by_time(log, 0.2, 0.1), ContainsSubstring("11 times for 10 items"));
}

TEST_CASE("a log with times that fall, or are not numbers, cannot be divided by time") {
  data::interactions log;
  log.users.add("a"), log.items.add("x");
  log.histories.push_back(std::vector<data::item>{0, 0, 0, 0});
  log.times = {1, 2, std::nan(""), 4};
  CHECK_THROWS_WITH(data::by_time(log), ContainsSubstring("data::by_time: a time in the log is not a number"));
  log.times = {1, 2, 4, 3};
  CHECK_THROWS_WITH(data::by_time(log), ContainsSubstring("data::by_time: the times of user 0 (from 0) are out of order"));
}

TEST_CASE("splits are told apart by what is trained on and validated by, and by nothing else") {
  const std::vector<items> log{{0, 1, 2, 3, 4}, {4, 2, 1, 0}};
  const auto number = [](const std::vector<items>& histories, item count = 5) {
    return data::leave_one_out(log_of(histories, count)).fingerprint();
  };
  CHECK(number(log) == number(log));
  CHECK(number(log) == number({{0, 1, 2, 3, 0}, {4, 2, 1, 3}}));  // another item is tested
  CHECK(number(log) != number({{0, 1, 2, 0, 4}, {4, 2, 1, 0}}));  // another one validates
  CHECK(number(log) != number({{0, 2, 1, 3, 4}, {4, 2, 1, 0}}));  // another order
  CHECK(number(log) != number({{4, 2, 1, 0}, {0, 1, 2, 3, 4}}));
  CHECK(number(log) != number({{0, 1, 2, 3, 4, 4}, {2, 1, 0}}));
  CHECK(number(log) != number(log, 6));
}

}  // namespace cddrec::test
