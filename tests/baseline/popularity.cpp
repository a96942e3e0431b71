#include "cddrec/baseline/popularity.hpp"
#include "test.hpp"

namespace cddrec::test {

namespace {
using list = std::vector<kernel::scored<double>>;

data::split small_split() {
  data::interactions log;
  for (const char* name : {"a", "b", "c", "d", "e"}) log.items.add(name);
  log.histories.push_back(std::vector<data::item>{0, 1, 2, 3});  // trains on 0 1
  log.histories.push_back(std::vector<data::item>{2, 1, 4, 4});  // trains on 2 1
  log.histories.push_back(std::vector<data::item>{3, 1, 2});     // too short to hold anything out
  return data::leave_one_out(log);
}
}  // namespace

TEST_CASE("popularity counts the training items and nothing that is held out") {
  const baseline::popularity p(small_split());
  CHECK(p.counts() == std::vector<index>{1, 3, 2, 1, 0});
  const std::vector<data::item> seen{1};
  const std::vector<std::span<const data::item>> histories{seen, {}};
  const auto lists = eval::recommend(p, histories, 3);
  CHECK(lists[0] == list{{2, 2}, {0, 1}, {3, 1}});
  CHECK(lists[1] == list{{1, 3}, {2, 2}, {0, 1}});
}

TEST_CASE("popularity made from its own counts ranks the same") {
  const data::split split = small_split();
  const baseline::popularity p(split), again(std::vector<index>(p.counts()));
  CHECK(eval::rank(again, split.test()) == std::vector<index>{0, eval::missed});
  CHECK(eval::rank(p, split.test(), {2}, {1, 2}) == std::vector<index>{0, eval::missed});
  CHECK(eval::rank(p, split.validation()) == std::vector<index>{0, 2});
}

TEST_CASE("a negative count is refused") {
  CHECK_THROWS_WITH(baseline::popularity(std::vector<index>{3, -1}), ContainsSubstring("count of item 1 is -1"));
}

}  // namespace cddrec::test
