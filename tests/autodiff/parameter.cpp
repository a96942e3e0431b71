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

}  // namespace cddrec::test
