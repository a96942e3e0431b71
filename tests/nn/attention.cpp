#include "cddrec/nn/attention.hpp"

#include "layers.hpp"
#include "test.hpp"

namespace cddrec::test {

TEMPLATE_TEST_CASE("gradients of the self-attention layer", "", nn::causal, nn::bidirectional) {
  const auto offsets = offsets_of(ragged_lengths());
  const core::ragged layout(offsets);
  for (double rate : {0.0, 0.3}) {
    nn::attention<double, TestType> layer(6, 2, rate, core::random(core::seed{1}));
    const auto parameters = parameters_of(layer, "self_attn");
    CHECK(parameters.size() == 4);
    make_wild(parameters);
    const auto x = normal_matrix<double>(layout.rows(), 6, 2);
    const core::random draw(core::seed{3});
    CHECK(layer_error(parameters, x, [&](auto&, const auto& v) { return layer(v, layout, draw); }) < 1e-6);
  }
}

TEST_CASE("a causal row sees nothing later, a bidirectional one does") {
  const std::vector<index> offsets{0, 5};
  const auto first_row = [&](const auto& layer, const core::matrix<double>& x) {
    core::arena memory;
    autodiff::tape<double> t(memory, {1}, autodiff::mode::inference);
    return core::matrix<double>(layer(t.constant(x), core::ragged(offsets), {}).value().matrix_map().topRows(4));
  };
  const core::matrix<double> x = normal_matrix<double>(5, 6, 2);
  core::matrix<double> other = x;
  other.row(4) *= -2;
  const nn::attention<double, nn::causal> causal(6, 3, 0, core::random(core::seed{1}));
  const nn::attention<double, nn::bidirectional> both(6, 3, 0, core::random(core::seed{1}));
  CHECK(first_row(causal, x) == first_row(causal, other));
  CHECK(first_row(both, x) != first_row(both, other));
}

TEMPLATE_TEST_CASE("in training the weights of attention are dropped out, by the draw that is given", "", nn::causal, nn::bidirectional) {
  const auto offsets = offsets_of(ragged_lengths());
  const core::ragged layout(offsets);
  nn::attention<double, TestType> layer(6, 2, 0.5, core::random(core::seed{1})), still(6, 2, 0, core::random(core::seed{1}));
  for (auto* own : {&layer, &still}) make_wild(parameters_of(*own, "self_attn"));
  const auto x = normal_matrix<double>(layout.rows(), 6, 2);
  const core::random draw(core::seed{3});
  const auto run = [&](const auto& own, std::uint64_t name) {
    return in_training(x, [&](const auto& v) { return own(v, layout, draw.child(name)); });
  };
  const auto by_hand = in_training(x, [&](const auto& v) {
    autodiff::tape<double>& t = v.owner();
    const auto weight = t.leaf(layer.in_projection), bias = t.leaf(layer.in_projection_bias);
    const auto project = [&](index part) { return autodiff::linear(v, weight.middle_rows(6 * part, 6), bias.middle_rows(part, 1)); };
    return layer.out_projection(
        autodiff::attention(project(0), project(1), project(2), layout, 2, TestType::is_causal, {0.5, draw.child(1)}));
  });
  CHECK(run(layer, 1) == by_hand);
  CHECK(run(layer, 1) != run(layer, 2));
  CHECK(run(layer, 1) != run(still, 1));
  CHECK(run(still, 1) == run(still, 2));
}

TEST_CASE("heads that do not divide the width are refused") {
  using layer = nn::attention<float, nn::causal>;
  CHECK_THROWS_WITH(layer(10, 3, 0, core::random()),
                    ContainsSubstring("nn::attention: heads must be 1 or more and divide the width 10, not 3"));
  CHECK_THROWS_AS(layer(10, 0, 0, core::random()), input_error);
  CHECK_THROWS_WITH(layer(-8, 2, 0, core::random()), ContainsSubstring("nn::attention: width must be 1 or more, not -8"));
}

}  // namespace cddrec::test
