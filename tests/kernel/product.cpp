#include "cddrec/kernel/product.hpp"

#include "compare.hpp"
#include "test.hpp"

namespace cddrec::test {

TEMPLATE_TEST_CASE("a product of its own is matmul's, for any operands and threads", "", float, double) {
  using T = TestType;
  for (index k : {0, 1, 40, 700}) {
    const auto left = normal_matrix<T>(9, k, 1), right = normal_matrix<T>(k, 21, 2), tall = normal_matrix<T>(k, 9, 3);
    const auto b = kernel::plain(core::view<const T>(right));
    for (const auto& a : {kernel::plain(core::view<const T>(left)), kernel::transposed(core::view<const T>(tall))}) {
      auto expected = not_a_number<T>(9, 21);
      workspace<T> space(kernel::matmul_workspace<T>(a, b, {}));
      kernel::matmul<T>(a, b, kernel::write::assign, expected, space, {});
      for (int threads : {1, 2, 8}) CHECK(same_bits(kernel::product(a, b, {threads}), expected));
    }
  }
}

}  // namespace cddrec::test
