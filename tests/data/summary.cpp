#include "cddrec/data/summary.hpp"

#include "test.hpp"

namespace cddrec::test {

TEST_CASE("a log in figures") {
  data::interactions log;
  for (const char* name : {"a", "b", "c", "d"}) log.items.add(name);
  for (const std::vector<data::item>& history : std::vector<std::vector<data::item>>{{0, 1, 2}, {3}, {0, 0, 1, 1, 2, 2}, {1, 2}})
    log.histories.push_back(history);
  const auto s = data::summarise(log);
  CHECK(s.users == 4);
  CHECK(s.items == 4);
  CHECK(s.interactions == 12);
  CHECK(s.density == 0.75);
  CHECK(s.shortest == 1);
  CHECK(s.longest == 6);
  CHECK(s.mean == 3);
  CHECK(s.median == 2.5);
  CHECK(data::summarise({}).density == 0);
}

}  // namespace cddrec::test
