#include "cddrec/autodiff/packed_weights.hpp"

#include "cddrec/autodiff/ops.hpp"
#include "compare.hpp"
#include "test.hpp"

namespace cddrec::test {

TEST_CASE("products with weights laid out once have the bits of those that lie as they are") {
  autodiff::parameter<float> p;
  p.value = normal_matrix<float>(30, 300, 1);
  const auto x = normal_matrix<float>(7, 300, 2);
  core::arena memory;
  const auto product = [&](auto&& tape, index first, index rows) {
    return core::matrix<float>(autodiff::linear(tape.constant(x), tape.leaf(p).middle_rows(first, rows)).value().matrix_map());
  };
  const auto whole = product(autodiff::tape<float>(memory, {1}, autodiff::mode::inference), 0, 30);
  autodiff::packed_weights<float> weights;
  CHECK(weights.find(p.value) == nullptr);
  CHECK(same_bits(product(autodiff::tape<float>(memory, {1}, weights), 0, 30), whole));  // gathers
  CHECK(weights.find(p.value) != nullptr);
  const auto& fixed = weights;
  CHECK(same_bits(product(autodiff::tape<float>(memory, {1}, fixed), 0, 30), whole));
  // The first rows of a weight are a weight of their own, and one that was not met is read as it lies.
  CHECK(same_bits<float>(product(autodiff::tape<float>(memory, {1}, fixed), 0, 20), whole.leftCols(20)));
  CHECK(same_bits<float>(product(autodiff::tape<float>(memory, {1}, weights), 10, 20), whole.rightCols(20)));
  CHECK(weights.find(core::view<const float>(p.value).middle_rows(10, 20)) != nullptr);
  CHECK(weights.find({p.value.data(), 30, 150}) == nullptr);  // half as wide, at the same address
  // What is laid out is what is read.
  p.value *= 2;
  CHECK(same_bits(product(autodiff::tape<float>(memory, {1}, fixed), 0, 30), whole));
}

TEST_CASE("a weight that was computed on the gathering tape is not kept: the next tape has another at its address") {
  const auto first = normal_matrix<float>(6, 40, 1), second = normal_matrix<float>(6, 40, 2);
  core::arena memory;
  const auto product = [&](auto& laid_out, const core::matrix<float>& rows) {
    autodiff::tape<float> t(memory, {1}, laid_out);
    const auto x = t.constant(rows);
    return core::matrix<float>(autodiff::linear(x, autodiff::gelu(x)).value().matrix_map());
  };
  autodiff::packed_weights<float> gathered;
  const autodiff::packed_weights<float> none;
  product(gathered, first);
  CHECK(same_bits(product(std::as_const(gathered), second), product(none, second)));
}

}  // namespace cddrec::test
