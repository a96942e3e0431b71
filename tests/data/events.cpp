#include "cddrec/data/events.hpp"

#include <random>

#include "test.hpp"

namespace cddrec::test {

TEST_CASE("events become histories in the order of time, as a stable sort of each user's rows says") {
  std::minstd_rand draw(3);
  data::events e;
  std::vector<std::vector<std::pair<double, data::item>>> expected(7);
  for (int u = 0; u < 7; ++u) e.users.add("u" + std::to_string(u));
  for (data::item row = 0; row < 200; ++row) {
    e.items.add("i" + std::to_string(row));
    const auto user = static_cast<data::item>(draw() % 7);
    const double time = static_cast<double>(draw() % 9) - 4.5;
    e.user.push_back(user), e.what.push_back(row), e.time.push_back(time);
    expected[static_cast<std::size_t>(user)].emplace_back(time, row);
  }
  const auto log = data::grouped(e);
  REQUIRE(log.histories.size() == 7);
  for (index u = 0; u < 7; ++u) {
    auto& rows = expected[static_cast<std::size_t>(u)];
    std::sort(rows.begin(), rows.end());  // rows are numbered in the order of the table
    REQUIRE(log.histories[u].size() == rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      CHECK(log.histories[u][i] == rows[i].second);
      CHECK(log.times_of(u)[i] == rows[i].first);
    }
  }
  e.time.pop_back();
  CHECK_THROWS_WITH(data::grouped(e), ContainsSubstring("200 users, 200 items and 199 times do not make one table"));
}

TEST_CASE("a time that is not a number has no place in a log") {
  data::events e;
  e.user = {e.users.add("a"), 0}, e.what = {e.items.add("x"), 0}, e.time = {1, std::nan("")};
  CHECK_THROWS_WITH(data::grouped(e), ContainsSubstring("data::grouped: the time of event 1 (from 0) is not a number"));
}

TEST_CASE("events of users and items without a name are refused") {
  data::events e;
  e.users.add("a"), e.items.add("x"), e.items.add("y");
  for (const data::item wrong : {-1, 1, INT32_MIN, INT32_MAX}) {
    e.user = {0, wrong}, e.what = {0, 1};
    CHECK_THROWS_WITH(data::grouped(e), ContainsSubstring("data::grouped: event 1 (from 0) has user " + std::to_string(wrong) +
                                                          ", but there are names for 1"));
  }
  for (const data::item wrong : {-1, 2, INT32_MIN, INT32_MAX}) {
    e.user = {0, 0}, e.what = {1, wrong};
    CHECK_THROWS_WITH(data::grouped(e), ContainsSubstring("data::grouped: event 1 (from 0) has item " + std::to_string(wrong) +
                                                          ", but there are names for 2"));
  }
}

}  // namespace cddrec::test
