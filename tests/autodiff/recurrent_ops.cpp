#include "cddrec/autodiff/recurrent_ops.hpp"

#include "cddrec/autodiff/gradcheck.hpp"
#include "compare.hpp"
#include "test.hpp"

namespace cddrec::test {

namespace ad = cddrec::autodiff;

TEST_CASE("gradients of the recurrence in its inputs, its weight and its bias") {
  for (const auto& lengths : {ragged_lengths(), {1}, {2, 1, 2}}) {
    const auto offsets = offsets_of(lengths);
    const core::ragged layout(offsets);
    for (index d : {1, 3}) {
      const std::vector<core::matrix<double>> x{normal_matrix<double>(layout.rows(), 3 * d, 1), normal_matrix<double>(3 * d, d, 2, 0.7),
                                                normal_matrix<double>(1, 3 * d, 3)};
      for (int threads : {1, 2})
        CHECK(ad::gradient_error(x, [&](auto&, auto& v) { return ad::gru(v[0], v[1], v[2], layout); }, {threads}) < 1e-6);
    }
  }
}

TEST_CASE("the recurrence trains weights over inputs that have no gradient, and inputs under weights that have none") {
  const auto offsets = offsets_of(ragged_lengths());
  const core::ragged layout(offsets);
  const auto x = normal_matrix<double>(layout.rows(), 6, 1), weight = normal_matrix<double>(6, 2, 2), bias = normal_matrix<double>(1, 6, 3);
  CHECK(ad::gradient_error({weight, bias}, [&](auto& t, auto& v) { return ad::gru(t.constant(x), v[0], v[1], layout); }) < 1e-6);
  CHECK(ad::gradient_error({x}, [&](auto& t, auto& v) { return ad::gru(v[0], t.constant(weight), t.constant(bias), layout); }) < 1e-6);
}

TEST_CASE("the recurrence has the same bits in training, in inference and with weights laid out before") {
  const auto offsets = offsets_of(ragged_lengths());
  const core::ragged layout(offsets);
  const auto x = normal_matrix<float>(layout.rows(), 36, 1), weight = normal_matrix<float>(36, 12, 2),
             bias = normal_matrix<float>(1, 36, 3);
  const auto recur = [&](ad::tape<float>& t) {
    return core::matrix<float>(ad::gru(t.constant(x), t.constant(weight), t.constant(bias), layout).value().matrix_map());
  };
  core::arena memory;
  ad::packed_weights<float> laid_out;
  ad::tape<float> training(memory, {1}, ad::mode::training, true), inference(memory, {2}, ad::mode::inference);
  ad::tape<float> gathering(memory, {1}, laid_out), reading(memory, {1}, std::as_const(laid_out));
  const auto expected = recur(training);
  CHECK(same_bits(recur(inference), expected));
  CHECK(same_bits(recur(gathering), expected));
  CHECK(laid_out.find(weight) != nullptr);
  CHECK(same_bits(recur(reading), expected));
}

}  // namespace cddrec::test
