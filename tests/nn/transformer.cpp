#include "cddrec/nn/transformer.hpp"

#include <map>

#include "layers.hpp"
#include "reference/reference.hpp"
#include "test.hpp"

namespace cddrec::test {

namespace {
using encoder = nn::transformer<double, nn::causal>;

double distance(const core::matrix<double>& a, const core::matrix<double>& b) { return (a - b).cwiseAbs().maxCoeff(); }
}  // namespace

TEST_CASE("gradients of two transformer layers, with and without dropout") {
  const auto offsets = offsets_of(ragged_lengths());
  const core::ragged layout(offsets);
  const core::random draw(core::seed{3});
  for (double rate : {0.0, 0.2}) {
    encoder layers({.width = 4, .layers = 2, .heads = 2, .feed_forward = 2, .dropout = rate, .attention_dropout = rate},
                   core::random(core::seed{1}));
    const auto parameters = parameters_of(layers, "encoder");
    CHECK(parameters.size() == 24);
    make_wild(parameters);
    const auto x = normal_matrix<double>(layout.rows(), 4, 2);
    // Two normalisations of four values each bend sharply: the difference quotient needs a short step.
    CHECK(layer_error(
              parameters, x, [&](auto&, const auto& v) { return layers(v, layout, draw); }, 2e-4) < 1e-6);
  }
}

TEST_CASE("one encoder layer after embedding and normalisation has PyTorch's values and gradients") {
  const auto torch = reference::load();
  const auto items = reference::whole<std::int32_t>(torch, "encoder.items");
  const auto offsets = offsets_of(reference::whole<index>(torch, "encoder.lengths"));
  const core::ragged layout(offsets);
  autodiff::parameter<double> embedding, position, gain, bias;
  embedding.value = reference::get(torch, "encoder.embedding");
  position.value = reference::get(torch, "encoder.position");
  gain.value = reference::get(torch, "encoder.norm.weight");
  bias.value = reference::get(torch, "encoder.norm.bias");
  encoder layers({.width = embedding.value.cols(), .layers = 1, .heads = 2, .feed_forward = 4, .dropout = 0, .attention_dropout = 0},
                 core::random());
  const auto parameters = parameters_of(layers, "");
  const std::string prefix = ".layers.0";
  REQUIRE(parameters.size() == 12);
  for (const auto& [name, p] : parameters) {
    const auto& value = reference::get(torch, "encoder" + name.substr(prefix.size()));
    REQUIRE(value.size() == p->value.size());
    std::copy_n(value.data(), value.size(), p->value.data());  // PyTorch's in_proj_bias is one row, ours three
  }
  std::vector<std::int32_t> positions;
  for (index s = 0; s < layout.size(); ++s)
    for (index i = layout.begin(s); i < layout.end(s); ++i)
      positions.push_back(static_cast<std::int32_t>(position.value.rows() - (layout.end(s) - i)));

  core::arena memory;
  autodiff::tape<double> t(memory, {1}, autodiff::mode::training, true);
  const auto x = autodiff::add(autodiff::gather<double, std::int32_t>(t.leaf(embedding), items),
                               autodiff::gather<double, std::int32_t>(t.leaf(position), positions));
  const auto y = layers(autodiff::layer_norm(x, t.leaf(gain), t.leaf(bias)), layout, {});
  CHECK(distance(y.value().matrix_map(), reference::get(torch, "encoder.output")) < 1e-10);
  y.grad().matrix_map() += reference::get(torch, "encoder.direction");
  t.backward();
  CHECK(distance(embedding.gradient, reference::get(torch, "encoder.embedding.gradient")) < 1e-10);
  CHECK(distance(position.gradient, reference::get(torch, "encoder.position.gradient")) < 1e-10);
  for (const char* name : {"self_attn.in_proj_weight", "linear1.weight", "norm1.weight"})
    CHECK(distance(parameters.at(prefix + "." + name)->gradient, reference::get(torch, std::string("encoder.") + name + ".gradient")) <
          1e-10);
}

TEST_CASE("a packed sequence is encoded with the same bits as alone") {
  const auto offsets = offsets_of(ragged_lengths());
  const core::ragged layout(offsets);
  const nn::transformer<float, nn::causal> layers({.width = 12, .layers = 2, .heads = 3}, core::random(core::seed{1}));
  const auto x = normal_matrix<float>(layout.rows(), 12, 2);
  const auto encode = [&](const core::matrix<float>& rows, core::ragged own, int threads) {
    core::arena memory;
    autodiff::tape<float> t(memory, {threads}, autodiff::mode::inference);
    return core::matrix<float>(layers(t.constant(rows), own, {}).value().matrix_map());
  };
  const auto whole = encode(x, layout, 1);
  for (int threads : {2, 4}) CHECK(encode(x, layout, threads) == whole);
  for (index s = 0; s < layout.size(); ++s) {
    const std::vector<index> alone{0, layout.length(s)};
    CHECK(encode(x.middleRows(layout.begin(s), layout.length(s)), core::ragged(alone), 1) ==
          whole.middleRows(layout.begin(s), layout.length(s)));
  }
}

}  // namespace cddrec::test
