#include "cddrec/kernel/fixed_point.hpp"
#include "compare.hpp"

namespace cddrec::test {

namespace {
template <class T>
core::matrix<T> unit_rows(index rows, index d, std::uint64_t name) {
  core::matrix<T> m = normal_matrix<T>(rows, d, name);
  for (index i = 0; i < rows; ++i) m.row(i) /= m.row(i).norm() * T(1.00001);
  return m;
}
}  // namespace

TEMPLATE_TEST_CASE("fixed-point products are within their bound of exact ones", "", float, double) {
  using T = TestType;
  for (const index d : {1, 2, 7, 16, 33, 64, 128, 515})
    for (const index n : {1, 16, 45}) {
      const core::matrix<T> a = unit_rows<T>(9, d, 1), b = unit_rows<T>(n, d, 2);
      const index pairs = kernel::fixed_pairs(d);
      std::vector<kernel::fixed_pair> left(static_cast<std::size_t>(9 * pairs), -1), right(static_cast<std::size_t>(n * pairs), -1),
          panels(static_cast<std::size_t>(kernel::packed_size<kernel::fixed_pair>(pairs, n)), -1),
          space(static_cast<std::size_t>(kernel::fixed_point_workspace(9, n)));
      std::vector<T> left_error(9), right_error(static_cast<std::size_t>(n));
      for (index i = 0; i < 9; ++i) left_error[std::size_t(i)] = kernel::to_fixed_point(a.row(i).data(), d, left.data() + i * pairs);
      for (index i = 0; i < n; ++i) right_error[std::size_t(i)] = kernel::to_fixed_point(b.row(i).data(), d, right.data() + i * pairs);
      kernel::pack<kernel::fixed_pair>(kernel::transposed(core::view<const kernel::fixed_pair>(right.data(), n, pairs)), panels.data(), {});
      for (int threads : {1, 4}) {
        core::matrix<T> out = not_a_number<T>(9, n);
        kernel::matmul_fixed_point<T>(core::view<const kernel::fixed_pair>(left.data(), 9, pairs), panels.data(), 0, out, space, {threads});
        const core::matrix<double> exact = a.template cast<double>() * b.template cast<double>().transpose();
        for (index i = 0; i < 9; ++i)
          for (index j = 0; j < n; ++j)
            REQUIRE(std::abs(static_cast<double>(out(i, j)) - exact(i, j)) <=
                    static_cast<double>(kernel::fixed_point_error(left_error[std::size_t(i)], right_error[std::size_t(j)], d)));
      }
    }
}

TEST_CASE("the bound is hardly more than the two errors of rounding") {
  for (const index d : {1, 64}) {
    const float a = 1e-4f, b = 3e-5f, bound = kernel::fixed_point_error(a, b, d);
    CHECK(bound > a + b);
    CHECK(bound < 1.01f * (a + b) + static_cast<float>(d + 5) * 1e-7f);
    CHECK(kernel::fixed_point_error(0.0f, 0.0f, d) < static_cast<float>(d + 5) * 1e-7f);
  }
}

TEST_CASE("the error of rounding is half a unit a coordinate at most, and that of an axis what 1 is off the largest number") {
  for (const index d : {5, 64}) {
    const core::matrix<float> a = unit_rows<float>(20, d, 3);
    std::vector<kernel::fixed_pair> fixed(static_cast<std::size_t>(kernel::fixed_pairs(d)));
    for (index i = 0; i < 20; ++i) {
      const float error = kernel::to_fixed_point(a.row(i).data(), d, fixed.data());
      CHECK(error > 0);
      CHECK(error <= std::sqrt(float(d)) / 65536.0f);
    }
  }
  const float axis[] = {0, -1, 0};
  kernel::fixed_pair fixed[2];
  CHECK(kernel::to_fixed_point(axis, 3, fixed) == 1.0f / 32768.0f);
}

TEST_CASE("products of the longest rows do not overflow") {
  for (const index d : {1, 2, 128}) {
    std::vector<float> row(static_cast<std::size_t>(d), 1.0f / std::sqrt(float(d)));
    std::vector<kernel::fixed_pair> fixed(static_cast<std::size_t>(kernel::fixed_pairs(d))),
        panels(static_cast<std::size_t>(kernel::packed_size<kernel::fixed_pair>(kernel::fixed_pairs(d), 1))),
        space(static_cast<std::size_t>(kernel::fixed_point_workspace(1, 1)));
    REQUIRE(std::isfinite(kernel::to_fixed_point(row.data(), d, fixed.data())));
    const core::view<const kernel::fixed_pair> as_row(fixed.data(), 1, kernel::fixed_pairs(d));
    kernel::pack<kernel::fixed_pair>(kernel::transposed(as_row), panels.data(), {});
    core::matrix<float> out(1, 1);
    kernel::matmul_fixed_point<float>(as_row, panels.data(), 0, out, space, {});
    CHECK(std::abs(out(0, 0) - 1.0f) < 1e-3f);
  }
}

TEST_CASE("a row that is too long or not finite has no fixed point") {
  kernel::fixed_pair fixed[2];
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  for (const float bad : {nan, infinity, -infinity, 1.1f, 1e30f}) {
    const float row[] = {0.1f, bad, 0.1f};
    CHECK(kernel::to_fixed_point(row, 3, fixed) == infinity);
  }
  const float long_row[] = {0.9f, 0.9f, 0.9f};
  CHECK(kernel::to_fixed_point(long_row, 3, fixed) == infinity);
}

}  // namespace cddrec::test
