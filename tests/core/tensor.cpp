#include "cddrec/core/tensor.hpp"

#include <unsupported/Eigen/CXX11/Tensor>
#include "test.hpp"

namespace cddrec::test {

TEST_CASE("row-major Eigen matrices, vectors and tensors are viewed without a copy") {
  core::matrix<float> m(3, 4);
  m.setRandom();
  core::view v(m);
  CHECK(v.data() == m.data());
  CHECK(v.rows() == 3);
  CHECK(v.cols() == 4);
  CHECK(v(2, 1) == m(2, 1));
  CHECK(v.matrix_map() == m);
  const core::matrix<float>& c = m;
  core::view<const float> w = c;
  CHECK(w.middle_rows(1, 2)(1, 3) == m(2, 3));

  Eigen::Tensor<double, 3, Eigen::RowMajor> t(2, 3, 5);
  t.setRandom();
  core::view<double> u(t);
  CHECK(u.rows() == 6);
  CHECK(u.cols() == 5);
  CHECK(u(4, 2) == t(1, 1, 2));
  Eigen::Tensor<double, 0, Eigen::RowMajor> sum = t.sum();
  core::view<double> whole(sum);
  REQUIRE((whole.rows() == 1 && whole.cols() == 1));
  CHECK(whole(0, 0) == sum());

  // A map at an odd address is as good as any.
  std::vector<float> raw(13);
  Eigen::Map<core::matrix<float>> odd(raw.data() + 1, 3, 4);
  CHECK(core::view<float>(odd).data() == raw.data() + 1);
}

TEST_CASE("a block with gaps between its rows is refused with the remedy") {
  core::matrix<float> m(3, 4);
  CHECK_THROWS_WITH(core::view<float>(m.leftCols(2)), ContainsSubstring("copy the block once"));
  CHECK(core::view<float>(m.topRows(2)).rows() == 2);
}

TEST_CASE("two shapes that differ are named with whose they are") {
  const core::matrix<float> a(2, 4), b(3, 4), c(2, 3);
  CHECK_NOTHROW(core::require_same_shape<float>("here", "a", a, "b", a.topRows(2)));
  CHECK_THROWS_WITH(core::require_same_shape<float>("here", "a", a, "b", b), "here: a is [2, 4] but b [3, 4]; give both the same shape");
  CHECK_THROWS_AS(core::require_same_shape<float>("here", "a", a, "c", c), input_error);
}

TEST_CASE("a vector is one column or one row, whatever its stride says") {
  Eigen::VectorXf column = Eigen::VectorXf::LinSpaced(5, 1, 5);
  const core::view<float> v(column);
  CHECK(v.data() == column.data());
  CHECK(v.rows() == 5);
  CHECK(v.cols() == 1);
  CHECK(v(3, 0) == 4);
  const Eigen::Map<Eigen::VectorXf> mapped(column.data() + 1, 4);
  CHECK(core::view<const float>(mapped)(3, 0) == 5);
  const Eigen::Matrix<float, 3, 1> fixed(1, 2, 3);
  CHECK(core::view<const float>(fixed).rows() == 3);
  CHECK(core::view<float>(column.topRows(2)).rows() == 2);
  Eigen::RowVectorXf row = column.transpose();
  CHECK(core::view<float>(row).rows() == 1);
  CHECK(core::view<float>(row)(0, 4) == 5);
}

}  // namespace cddrec::test
