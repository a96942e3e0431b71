#include "cddrec/autodiff/parameter.hpp"

#include "test.hpp"

namespace cddrec::test {

using autodiff::parameter;

TEST_CASE("a parameter is filled or drawn") {
  const parameter<float> filled(2, 3, 1.5f);
  CHECK((filled.value.array() == 1.5f).all());
  const core::random draw(core::seed{4});
  const parameter<float> drawn(50, 40, 0.1, draw), again(50, 40, 0.1, draw), other(50, 40, 0.1, draw.child(1));
  CHECK(drawn.value == again.value);
  CHECK(drawn.value != other.value);
  CHECK(drawn.value == normal_matrix<float>(50, 40, 4, 0.1f));
}

TEST_CASE("the gradient is made at the first use, zeroed once, and belongs to a const network too") {
  const parameter<double> p(2, 3, 1.0);
  CHECK(p.gradient.size() == 0);
  CHECK(p.grad().matrix_map().isZero(0));
  p.grad()(1, 2) = 5;
  CHECK(p.grad()(1, 2) == 5);
  CHECK(p.gradient.rows() == 2);
}

TEST_CASE("a parameter remembers which rows of its gradient were given out to be written") {
  const parameter<double> p(5, 3, 1.0);
  CHECK_FALSE(p.touched.all());
  const std::vector<std::int32_t> ids{4, 1, 4};
  CHECK(p.grad_of_rows(std::span<const std::int32_t>(ids)).matrix_map().isZero(0));
  CHECK(p.gradient.rows() == 5);
  CHECK_FALSE(p.touched.all());
  CHECK(std::vector<index>(p.touched.rows().begin(), p.touched.rows().end()) == std::vector<index>{4, 1});
  p.grad();
  CHECK(p.touched.all());
}

}  // namespace cddrec::test
