#include "model/small_network.hpp"
#include "test.hpp"

namespace cddrec::test {

TEST_CASE("heads that do not divide the width are refused with both, since either may be a default") {
  const model::recommender_settings narrow{.items = 10, .width = 6}, seven{.items = 10, .heads = 7};
  CHECK_THROWS_AS(make(narrow), input_error);
  CHECK_THROWS_WITH(make(narrow), ContainsSubstring("heads must be 1 or more and divide the width 6, not 4"));
  CHECK_THROWS_WITH(make(seven), ContainsSubstring("divide the width 128, not 7"));
}

TEST_CASE("a ranker is made of a network that stays, never of a temporary") {
  STATIC_REQUIRE(std::is_constructible_v<model::ranker<network>, network&>);
  STATIC_REQUIRE(std::is_constructible_v<model::ranker<network>, const network&, core::execution, std::size_t, model::generation>);
  STATIC_REQUIRE_FALSE(std::is_constructible_v<model::ranker<network>, network>);
  STATIC_REQUIRE_FALSE(std::is_constructible_v<model::ranker<network>, const network, core::execution, std::size_t, model::generation>);
}

}  // namespace cddrec::test
