#include "cddrec/core/check.hpp"

#include <limits>

#include "test.hpp"

namespace cddrec::test {

TEST_CASE("a number in a message reads back as itself") {
  CHECK(to_text(-1e-9) == "-1e-09");
  CHECK(to_text(0.0249999f) == "0.0249999");
  CHECK(to_text(std::int64_t{-5}) == "-5");
  CHECK(to_text(std::numeric_limits<double>::denorm_min()) == "5e-324");
  CHECK(to_text(-std::numeric_limits<double>::max()) == "-1.7976931348623157e+308");
}

TEST_CASE("what is required is named with where, what it must be, and what it is") {
  CHECK_NOTHROW(require(true, "here", "x", 3, "1 or more"));
  CHECK_THROWS_AS(require(false, "here", "x", 0, "1 or more"), input_error);
  CHECK_THROWS_WITH(require(false, "here", "x", 0, "1 or more"), "here: x must be 1 or more, not 0");
}

}  // namespace cddrec::test
