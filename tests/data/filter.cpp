#include "cddrec/data/filter.hpp"

#include <random>
#include <set>

#include "test.hpp"

namespace cddrec::test {

namespace {
using names = std::vector<std::vector<std::string>>;

// Users u0, u1, … and items i0, i1, …; times are the places in the log.
data::interactions log_of(const std::vector<std::vector<data::item>>& histories, data::item items) {
  data::interactions log;
  for (data::item i = 0; i < items; ++i) log.items.add("i" + std::to_string(i));
  for (const auto& h : histories) {
    log.users.add("u" + std::to_string(log.histories.size()));
    log.histories.push_back(h);
    for (std::size_t i = 0; i < h.size(); ++i) log.times.push_back(static_cast<double>(log.times.size()));
  }
  return log;
}
names named(const data::interactions& log) {
  names all;
  for (index u = 0; u < log.histories.size(); ++u) {
    all.push_back({log.users.name(static_cast<data::item>(u))});
    for (const data::item i : log.histories[u]) all.back().push_back(log.name(i));
  }
  return all;
}
}  // namespace

TEST_CASE("a chain of rare users and items goes link by link") {
  // i4 is u3's alone; without it u3 has one item left, without u3 i3 one user, and so on to u1; u0 and u4 hold i0 and i1.
  const auto log = log_of({{0, 1}, {2, 0}, {2, 3}, {3, 4}, {1, 0}}, 5);
  const auto f = data::keep(log, {.user_interactions = 2, .item_interactions = 2});
  CHECK(named(f.log) == names{{"u0", "i0", "i1"}, {"u4", "i1", "i0"}});
  CHECK(f.users == 3);
  CHECK(f.items == 3);
  CHECK(f.rare == 6);
  CHECK(f.repeats == 0);
  CHECK(f.log.times == std::vector<double>{0, 1, 8, 9});
  CHECK(f.log.items.size() == 2);
}

TEST_CASE("the first of a user's repeats stays, with its time") {
  const auto log = log_of({{1, 0, 1, 1, 2}, {1}}, 3);
  const auto f = data::keep(log, {.repeats = false});
  CHECK(named(f.log) == names{{"u0", "i1", "i0", "i2"}, {"u1", "i1"}});
  CHECK(f.repeats == 2);
  CHECK(f.log.times == std::vector<double>{0, 1, 4, 5});
  CHECK(data::keep(log, {}).log.histories.items.size() == 6);
  // A repeat counts for the core where repeats are kept.
  CHECK(data::keep(log, {.user_interactions = 1, .item_interactions = 4}).log.histories.items.size() == 4);
}

TEST_CASE("what is kept is the largest part in which nobody is rare") {
  // The core is found again by taking one rare user or item away at a time, in another order.
  std::minstd_rand draw(5);
  for (int trial = 0; trial < 40; ++trial) {
    std::vector<std::vector<data::item>> histories(12);
    for (auto& h : histories)
      for (std::size_t n = 1 + draw() % 6; n > 0; --n) h.push_back(static_cast<data::item>(draw() % 10));
    const index users = 1 + static_cast<index>(draw() % 4), items = 1 + static_cast<index>(draw() % 4);
    auto rest = histories;
    for (bool changed = true; changed;) {
      changed = false;
      for (data::item i = 9; i >= 0 && !changed; --i) {
        index count = 0;
        for (const auto& h : rest) count += std::count(h.begin(), h.end(), i);
        if (count == 0 || count >= items) continue;
        for (auto& h : rest) std::erase(h, i);
        changed = true;
      }
      for (auto& h : rest)
        if (!changed && !h.empty() && static_cast<index>(h.size()) < users) h.clear(), changed = true;
    }
    names expected;
    for (std::size_t u = 0; u < rest.size(); ++u) {
      if (rest[u].empty()) continue;
      expected.push_back({"u" + std::to_string(u)});
      for (const data::item i : rest[u]) expected.back().push_back("i" + std::to_string(i));
    }
    const auto log = log_of(histories, 10);
    if (expected.empty())
      CHECK_THROWS_WITH(data::keep(log, {.user_interactions = users, .item_interactions = items}), ContainsSubstring("nothing is left of"));
    else
      CHECK(named(data::keep(log, {.user_interactions = users, .item_interactions = items}).log) == expected);
  }
  CHECK_THROWS_WITH(data::keep(log_of({{0}}, 1), {.user_interactions = -1}), ContainsSubstring("negative"));
}

TEST_CASE("items and users without a name are refused") {
  for (const data::item wrong : {-1, 3, INT32_MIN, INT32_MAX})
    CHECK_THROWS_WITH(data::keep(log_of({{0, wrong}}, 3), {}),
                      ContainsSubstring("data::keep: item " + std::to_string(wrong) + " is not one of the log's 3"));
  auto log = log_of({{0, 1}}, 3);
  log.histories.push_back(std::vector<data::item>{2});
  CHECK_THROWS_WITH(data::keep(log, {}), ContainsSubstring("data::keep: the log has 2 users but names 1"));
}

TEST_CASE("times that are not one an item are refused; none are none") {
  auto log = log_of({{0, 1}, {2}}, 3);
  log.times.pop_back();
  CHECK_THROWS_WITH(data::keep(log, {}), ContainsSubstring("data::keep: the log has 2 times for 3 items"));
  log.times.resize(4);
  CHECK_THROWS_WITH(data::keep(log, {}), ContainsSubstring("data::keep: the log has 4 times for 3 items"));
  log.times.clear();
  CHECK(data::keep(log, {}).log.times.empty());
}

}  // namespace cddrec::test
