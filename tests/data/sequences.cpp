#include "cddrec/data/sequences.hpp"

#include "test.hpp"

namespace cddrec::test {

using data::item;

TEST_CASE("sequences are packed and read back one by one") {
  const std::vector<std::vector<item>> histories{{4, 2, 4}, {}, {9}, {0, 1, 2, 3}};
  data::sequences packed;
  CHECK(packed.size() == 0);
  for (const auto& h : histories) packed.push_back(h);
  REQUIRE(packed.size() == 4);
  for (index u = 0; u < 4; ++u) {
    const auto s = packed[u];
    CHECK(std::vector<item>(s.begin(), s.end()) == histories[static_cast<std::size_t>(u)]);
  }
  CHECK(packed.items == std::vector<item>{4, 2, 4, 9, 0, 1, 2, 3});
  CHECK(packed.offsets == std::vector<index>{0, 3, 3, 4, 8});
}

TEST_CASE("a log names its items and users") {
  data::interactions log;
  log.users.add("ann");
  const std::vector<item> history{log.items.add("tea"), log.items.add("cup"), log.items.add("tea")};
  log.histories.push_back(history);
  CHECK(log.name(log.histories[0][2]) == "tea");
  CHECK(log.name(log.histories[0][1]) == "cup");
  CHECK(log.users.name(0) == "ann");
}

}  // namespace cddrec::test
