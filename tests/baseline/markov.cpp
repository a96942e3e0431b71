#include "cddrec/baseline/markov.hpp"
#include "test.hpp"

namespace cddrec::test {

namespace {
using list = std::vector<kernel::scored<double>>;

data::split small_split() {
  data::interactions log;
  for (const char* name : {"a", "b", "c", "d", "e"}) log.items.add(name);
  log.histories.push_back(std::vector<data::item>{0, 1, 2, 4, 4});     // trains on 0 1 2
  log.histories.push_back(std::vector<data::item>{0, 1, 3, 2, 0});     // trains on 0 1 3
  log.histories.push_back(std::vector<data::item>{0, 2});              // too short to hold anything out
  log.histories.push_back(std::vector<data::item>{3, 3, 1, 3, 2, 2});  // trains on 3 3 1 3
  return data::leave_one_out(log);
}
}  // namespace

TEST_CASE("Markov counts neighbours in the training sequences") {
  const baseline::markov m(small_split());
  CHECK(m.item_counts().counts() == std::vector<index>{3, 3, 2, 4, 0});
  const auto& table = m.transition_counts();
  // 0 → 1 twice, 2 once; 1 → 2 once, 3 twice; 3 → 1 and 3 once each
  CHECK(table.offsets == std::vector<index>{0, 2, 4, 4, 6, 6});
  CHECK(table.items == std::vector<data::item>{1, 2, 2, 3, 1, 3});
  CHECK(table.values == std::vector<index>{2, 1, 1, 2, 1, 1});
}

TEST_CASE("Markov ranks transitions first, popularity below, by the newest item alone") {
  const baseline::markov m(small_split());
  const std::vector<data::item> zero{4, 0}, four{0, 4}, unknown{0, 99}, negative{0, -2};
  const std::vector<std::span<const data::item>> histories{zero, four, {}, unknown, negative};
  const auto lists = eval::recommend(m, histories, 5);
  const double p = 13;  // 12 items seen in training, and 1
  CHECK(lists[0] == list{{1, 2 + 3 / p}, {2, 1 + 2 / p}, {3, 4 / p}});
  CHECK(lists[1] == list{{3, 4 / p}, {1, 3 / p}, {2, 2 / p}});  // nothing followed 4
  CHECK(lists[2] == list{{3, 4 / p}, {0, 3 / p}, {1, 3 / p}, {2, 2 / p}, {4, 0}});
  CHECK(lists[3] == list{{3, 4 / p}, {1, 3 / p}, {2, 2 / p}, {4, 0}});
  CHECK(lists[4] == lists[3]);
  for (const eval::block_sizes blocks : {eval::block_sizes{1, 1}, {2, 3}})
    for (int threads : {1, 2, 4}) CHECK(eval::recommend(m, histories, 5, {threads}, {.blocks = blocks}) == lists);
}

TEST_CASE("Markov made from its own counts ranks the same") {
  const data::split split = small_split();
  const baseline::markov m(split);
  const baseline::markov again(m.item_counts(), m.transition_counts());
  // test: 4 is seen; after 2 nothing follows and of 4 alone is left; 2 is seen
  CHECK(eval::rank(m, split.test()) == std::vector<index>{eval::missed, eval::missed, eval::missed});
  // validation: 4 after 0 1 2, behind 3; 2 after 0 1 3, the only one before 4; 2 after 3 3 1 3, behind 0
  CHECK(eval::rank(m, split.validation()) == std::vector<index>{1, 0, 1});
  CHECK(eval::rank(again, split.validation(), {2}, {1, 1}) == std::vector<index>{1, 0, 1});
}

TEST_CASE("damaged transitions are refused") {
  const baseline::popularity items(std::vector<index>{1, 1});
  const auto make = [&](std::vector<index> offsets, std::vector<data::item> successors, std::vector<index> counts) {
    return baseline::markov(items, {std::move(offsets), std::move(successors), std::move(counts)});
  };
  CHECK(make({0, 2, 2}, {0, 1}, {1, 1}).items() == 2);
  const auto offsets = ContainsSubstring("offsets do not ascend");
  CHECK_THROWS_WITH(make({}, {}, {}), offsets);
  CHECK_THROWS_WITH(make({0, 2}, {0, 1}, {1, 1}), offsets);
  CHECK_THROWS_WITH(make({1, 2, 2}, {0, 1}, {1, 1}), offsets);
  CHECK_THROWS_WITH(make({0, 3, 2}, {0, 1}, {1, 1}), offsets);
  CHECK_THROWS_WITH(make({0, 2, 3}, {0, 1}, {1, 1}), offsets);
  CHECK_THROWS_WITH(make({0, 2, 2}, {0, 1}, {1}), offsets);
  const auto successors = ContainsSubstring("row of item 0");
  CHECK_THROWS_WITH(make({0, 2, 2}, {1, 0}, {1, 1}), successors);
  CHECK_THROWS_WITH(make({0, 2, 2}, {1, 1}, {1, 1}), successors);
  CHECK_THROWS_WITH(make({0, 2, 2}, {0, 2}, {1, 1}), successors);
  CHECK_THROWS_WITH(make({0, 2, 2}, {-1, 1}, {1, 1}), successors);
  CHECK_THROWS_WITH(make({0, 2, 2}, {0, 1}, {1, 0}), successors);
}

}  // namespace cddrec::test
