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
  CHECK(s.not_evaluated() == 3);

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

}  // namespace cddrec::test
