#include "cddrec/nn/positions.hpp"

#include "cddrec/autodiff/gradcheck.hpp"
#include "test.hpp"

namespace cddrec::test {

TEST_CASE("positions are counted from the end, the newest is the table's last row") {
  const std::vector<index> offsets{0, 3, 4, 9};
  const core::ragged layout(offsets);
  const auto table = normal_matrix<double>(5, 3, 1);
  core::arena memory;
  autodiff::tape<double> t(memory, {1}, autodiff::mode::inference);
  const auto y = nn::positions(t.constant(table), layout);
  const std::vector<index> expected{2, 3, 4, 4, 0, 1, 2, 3, 4};
  REQUIRE(y.rows() == 9);
  for (index i = 0; i < 9; ++i) CHECK(y.value().matrix_map().row(i) == table.row(expected[static_cast<std::size_t>(i)]));
  CHECK(autodiff::gradient_error({table}, [&](auto&, auto& v) { return nn::positions(v[0], layout); }) < 1e-6);
}

TEST_CASE("a sequence longer than the table is refused") {
  const std::vector<index> offsets{0, 3, 9};
  const auto table = normal_matrix<double>(5, 3, 1);
  core::arena memory;
  autodiff::tape<double> t(memory, {1}, autodiff::mode::inference);
  CHECK_THROWS_AS(nn::positions(t.constant(table), core::ragged(offsets)), input_error);
  CHECK_THROWS_WITH(nn::positions(t.constant(table), core::ragged(offsets)),
                    ContainsSubstring("sequence 1 has 6 items, but there are positions for 5"));
}

}  // namespace cddrec::test
