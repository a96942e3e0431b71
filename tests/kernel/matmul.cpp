#include "cddrec/kernel/matmul.hpp"

#include "compare.hpp"
#include "test.hpp"

namespace cddrec::test {

using kernel::write;

namespace {
template <class T>
core::matrix<T> multiply(kernel::operand<T> a, kernel::operand<T> b, write mode, core::matrix<T> out, int threads = 1) {
  workspace<T> space(kernel::matmul_workspace<T>(a, b, {threads}));
  kernel::matmul<T>(a, b, mode, out, space, {threads});
  return out;
}

template <class T>
kernel::operand<T> as_is(const core::matrix<T>& m) {
  return kernel::plain(core::view<const T>(m));
}

template <class T>
core::matrix<T> product(const core::matrix<T>& a, const core::matrix<T>& b, int threads = 1) {
  return multiply<T>(as_is(a), as_is(b), write::assign, not_a_number<T>(a.rows(), b.cols()), threads);
}

template <class T>
core::matrix<double> plain_loops(const core::matrix<T>& a, const core::matrix<T>& b) {
  core::matrix<double> out = core::matrix<double>::Zero(a.rows(), b.cols());
  for (index i = 0; i < a.rows(); ++i)
    for (index p = 0; p < a.cols(); ++p)
      for (index j = 0; j < b.cols(); ++j) out(i, j) += static_cast<double>(a(i, p)) * static_cast<double>(b(p, j));
  return out;
}
}  // namespace

TEMPLATE_TEST_CASE("products of ragged shapes and every transpose", "", float, double) {
  using T = TestType;
  using kernel::transposed;
  for (index m : {1, 3, 5, 13, 57})
    for (index n : {1, 7, 33, 70})
      for (index k : {1, 6, 257, 600}) {
        const auto a = normal_matrix<T>(m, k, 1), b = normal_matrix<T>(k, n, 2), noise = normal_matrix<T>(m, n, 3);
        const core::matrix<T> at = a.transpose(), bt = b.transpose();
        const auto expected = plain_loops(a, b);
        const core::matrix<double> added = expected + noise.template cast<double>();
        for (const auto& left : {as_is(a), transposed(core::view<const T>(at))})
          for (const auto& right : {as_is(b), transposed(core::view<const T>(bt))}) {
            CHECK(error_of(multiply<T>(left, right, write::assign, not_a_number<T>(m, n)), expected) < tolerance<T>);
            CHECK(error_of(multiply<T>(left, right, write::add, noise), added) < tolerance<T>);
          }
      }
}

TEST_CASE("a product over nothing is zero") {
  const core::matrix<float> a(3, 0), b(0, 5);
  CHECK(same_bits<float>(product<float>(a, b), core::matrix<float>::Zero(3, 5)));
  const core::matrix<float> at(0, 3), noise = normal_matrix<float>(3, 5, 1);
  const auto left = kernel::transposed(core::view<const float>(at));
  CHECK(same_bits<float>(multiply<float>(left, as_is(b), write::assign, not_a_number<float>(3, 5)), core::matrix<float>::Zero(3, 5)));
  CHECK(same_bits<float>(multiply<float>(left, as_is(b), write::add, noise), noise));
}

TEMPLATE_TEST_CASE("a row has the same bits alone and among others, for any threads", "", float, double) {
  using T = TestType;
  const auto a = normal_matrix<T>(131, 300, 1), b = normal_matrix<T>(300, 301, 2);
  const auto whole = product(a, b);
  for (int threads : {2, 4}) CHECK(same_bits(product(a, b, threads), whole));
  for (index first = 0; first < a.rows(); first += 7)
    for (index count : {1, 5, 6, 17}) {
      const index rows = std::min(count, a.rows() - first);
      CHECK(same_bits<T>(product<T>(a.middleRows(first, rows), b), whole.middleRows(first, rows)));
    }
}

TEMPLATE_TEST_CASE("a column has the same bits however many columns there are", "", float, double) {
  using T = TestType;
  const auto a = normal_matrix<T>(19, 270, 1), b = normal_matrix<T>(270, 70, 2);
  const auto whole = product(a, b);
  for (index n = 1; n < b.cols(); ++n) REQUIRE(same_bits<T>(product<T>(a, b.leftCols(n)), whole.leftCols(n)));
}

TEMPLATE_TEST_CASE("with the left side transposed, an element has the same bits for any threads and among any others", "", float, double) {
  using T = TestType;
  for (index k : {1, 127, 128, 600, 2100, 9000}) {
    const auto at = normal_matrix<T>(k, 103, 1), b = normal_matrix<T>(k, 37, 2), noise = normal_matrix<T>(103, 37, 3);
    for (const write mode : {write::assign, write::add}) {
      const auto transposed_product = [&](index m, index n, int threads) {
        const core::matrix<T> left = at.leftCols(m), right = b.leftCols(n), out = noise.topLeftCorner(m, n);
        return multiply<T>(kernel::transposed(core::view<const T>(left)), as_is(right), mode, out, threads);
      };
      const auto whole = transposed_product(103, 37, 1);
      for (int threads : {0, 2, 3, 16}) CHECK(same_bits(transposed_product(103, 37, threads), whole));
      for (index m : {2, 6, 97})
        for (index n : {1, 16, 33}) CHECK(same_bits<T>(transposed_product(m, n, 2), whole.topLeftCorner(m, n)));
    }
  }
}

TEST_CASE("columns of a packed matrix are multiplied from any panel on") {
  constexpr index panel = kernel::detail::panel<float>;
  const auto a = normal_matrix<float>(9, 20, 1), b = normal_matrix<float>(20, 5 * panel + 3, 2);
  const auto whole = product(a, b);
  std::vector<float> packed(static_cast<std::size_t>(kernel::packed_size<float>(b.rows(), b.cols())));
  kernel::pack<float>(as_is(b), packed.data(), {1});
  for (index first = 0; first < b.cols(); first += panel)
    for (index n : {index(1), panel + 1, b.cols() - first}) {
      const index count = std::min(n, b.cols() - first);
      auto out = not_a_number<float>(a.rows(), count);
      kernel::matmul_packed<float>(as_is(a), packed.data(), first, write::assign, out, {1});
      CHECK(same_bits<float>(out, whole.middleCols(first, count)));
    }
  // Into a part of wider rows, whose rest stays as it is.
  const auto noise = normal_matrix<float>(9, b.cols() + 4, 3);
  core::matrix<float> wide = noise, expected = noise;
  expected.middleCols(2, b.cols()) = whole;
  kernel::matmul_packed<float>(as_is(a), packed.data(), write::assign, wide.data() + 2, b.cols(), wide.cols());
  CHECK(same_bits(wide, expected));
}

}  // namespace cddrec::test
