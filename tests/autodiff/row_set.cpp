#include "cddrec/autodiff/row_set.hpp"

#include "test.hpp"

namespace cddrec::test {

namespace {
std::vector<index> listed(const autodiff::row_set& s) { return {s.rows().begin(), s.rows().end()}; }
}  // namespace

TEST_CASE("a row set lists each row once, in the order of the first touch") {
  autodiff::row_set s;
  CHECK(s.rows().empty());
  CHECK_FALSE(s.all());
  for (index row : {7, 2, 7, 0, 9, 2}) s.insert(row, 10);
  CHECK(listed(s) == std::vector<index>{7, 2, 0, 9});
  CHECK_FALSE(s.all());
  s.clear();
  CHECK(s.rows().empty());
  s.insert(2, 10);  // its mark is gone too
  CHECK(listed(s) == std::vector<index>{2});
}

TEST_CASE("a row set may be all rows, until it is cleared") {
  autodiff::row_set s;
  s.insert(1, 3);
  s.insert_all();
  CHECK(s.all());
  s.clear();
  CHECK_FALSE(s.all());
  CHECK(s.rows().empty());
  s.insert(1, 3);
  CHECK(listed(s) == std::vector<index>{1});
}

TEST_CASE("a row set of another matrix starts empty") {
  autodiff::row_set s;
  s.insert(1, 3);
  s.insert(4, 5);
  CHECK(listed(s) == std::vector<index>{4});
  s.clear();
  s.insert(1, 5);
  CHECK(listed(s) == std::vector<index>{1});
}

}  // namespace cddrec::test
