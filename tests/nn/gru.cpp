#include "cddrec/nn/gru.hpp"

#include "cddrec/model/encoder.hpp"
#include "compare.hpp"
#include "layers.hpp"
#include "reference/reference.hpp"
#include "test.hpp"

namespace cddrec::test {

static_assert(model::sequence_encoder<nn::gru<float>> && model::sequence_encoder<nn::gru<double>>);
static_assert(nn::gru<float>::ordered);

TEST_CASE("gradients of two recurrent layers, with and without dropout") {
  const auto offsets = offsets_of(ragged_lengths());
  const core::ragged layout(offsets);
  const core::random draw(core::seed{3});
  for (double rate : {0.0, 0.2}) {
    nn::gru<double> layers({.width = 3, .layers = 2, .dropout = rate}, core::random(core::seed{1}));
    const auto parameters = parameters_of(layers, "encoder");
    CHECK(parameters.size() == 8);
    make_wild(parameters);
    const auto x = normal_matrix<double>(layout.rows(), 3, 2);
    CHECK(layer_error(parameters, x, [&](auto&, const auto& v) { return layers(v, layout, draw); }) < 1e-6);
  }
}

TEST_CASE("two recurrent layers have PyTorch's values and gradients") {
  const auto torch = reference::load();
  const auto offsets = offsets_of(reference::whole<index>(torch, "gru.lengths"));
  const core::ragged layout(offsets);
  autodiff::parameter<double> x;
  x.value = reference::get(torch, "gru.x");
  nn::gru<double> layers({.width = x.value.cols(), .layers = 2}, core::random());
  const auto parameters = parameters_of(layers, "gru");
  REQUIRE(parameters.size() == 8);
  for (const auto& [name, p] : parameters) {
    const auto& value = reference::get(torch, name);
    REQUIRE((value.rows() == p->value.rows() && value.cols() == p->value.cols()));
    p->value = value;
  }
  core::arena memory;
  autodiff::tape<double> t(memory, {1}, autodiff::mode::training, true);
  const auto y = layers(t.leaf(x), layout, {});
  CHECK(error_of<double>(y.value().matrix_map(), reference::get(torch, "gru.output")) < 1e-10);
  y.grad().matrix_map() += reference::get(torch, "gru.direction");
  t.backward();
  CHECK(error_of<double>(x.gradient, reference::get(torch, "gru.x.gradient")) < 1e-10);
  for (const auto& [name, p] : parameters) {
    INFO(name);
    CHECK(error_of<double>(p->gradient, reference::get(torch, name + ".gradient")) < 1e-10);
  }
}

TEST_CASE("dropout of a recurrent layer follows its draw and is absent from inference") {
  const auto offsets = offsets_of(ragged_lengths());
  const core::ragged layout(offsets);
  const auto x = normal_matrix<float>(layout.rows(), 12, 2);
  const nn::gru<float> dropping({.width = 12, .layers = 2, .dropout = 0.5}, core::random(core::seed{1}));
  const nn::gru<float> keeping({.width = 12, .layers = 2}, core::random(core::seed{1}));
  const auto encode = [&](const nn::gru<float>& layers, autodiff::mode m, std::uint64_t seed) {
    core::arena memory;
    autodiff::tape<float> t(memory, {1}, m);
    return core::matrix<float>(layers(t.constant(x), layout, core::random(core::seed{seed})).value().matrix_map());
  };
  using autodiff::mode;
  CHECK(same_bits(encode(dropping, mode::inference, 1), encode(keeping, mode::training, 1)));
  CHECK(same_bits(encode(dropping, mode::training, 1), encode(dropping, mode::training, 1)));
  CHECK(!same_bits(encode(dropping, mode::training, 1), encode(dropping, mode::training, 2)));
  const auto dropped = (encode(dropping, mode::training, 1).array() == 0).count();
  CHECK(std::abs(static_cast<double>(dropped) / static_cast<double>(x.size()) - 0.5) < 0.1);
}

TEST_CASE("a packed sequence is encoded recurrently with the same bits as alone") {
  const auto offsets = offsets_of(ragged_lengths());
  const core::ragged layout(offsets);
  const nn::gru<float> layers({.width = 12, .layers = 2}, core::random(core::seed{1}));
  const auto x = normal_matrix<float>(layout.rows(), 12, 2);
  const auto encode = [&](const core::matrix<float>& rows, core::ragged own, int threads) {
    core::arena memory;
    autodiff::tape<float> t(memory, {threads}, autodiff::mode::inference);
    return core::matrix<float>(layers(t.constant(rows), own, {}).value().matrix_map());
  };
  const auto whole = encode(x, layout, 1);
  for (int threads : {2, 4}) CHECK(same_bits(encode(x, layout, threads), whole));
  for (index s = 0; s < layout.size(); ++s) {
    const auto cut = [&](const core::matrix<float>& m) { return core::matrix<float>(m.middleRows(layout.begin(s), layout.length(s))); };
    const std::vector<index> alone{0, layout.length(s)};
    CHECK(same_bits(encode(cut(x), core::ragged(alone), 1), cut(whole)));
  }
}

TEST_CASE("recurrent units without a layer or a width, or that drop everything, are refused") {
  CHECK_THROWS_WITH(nn::gru<double>({.width = 4, .layers = -1}, {}), ContainsSubstring("nn::gru: layers must be 1 or more, not -1"));
  CHECK_THROWS_WITH(nn::gru<double>({.width = 0}, {}), ContainsSubstring("nn::gru: width must be 1 or more, not 0"));
  CHECK_THROWS_WITH(nn::gru<double>({.width = 4, .dropout = 1}, {}), ContainsSubstring("nn::gru: dropout must be in [0, 1), not 1"));
}

}  // namespace cddrec::test
