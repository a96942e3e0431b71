#include "cddrec/nn/transformer.hpp"

#include "compare.hpp"
#include "layers.hpp"
#include "reference/reference.hpp"
#include "test.hpp"

namespace cddrec::test {

namespace {
using encoder = nn::transformer<double, nn::causal>;
}  // namespace

TEST_CASE("gradients of two transformer layers, with and without dropout") {
  const auto offsets = offsets_of(ragged_lengths());
  const core::ragged layout(offsets);
  const core::random draw(core::seed{3});
  for (double rate : {0.0, 0.2}) {
    encoder layers({.width = 4, .layers = 2, .heads = 2, .feed_forward_factor = 2, .dropout = rate, .attention_dropout = rate},
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

TEMPLATE_TEST_CASE("one layer and two after embedding and normalisation have PyTorch's values and gradients", "", nn::causal,
                   nn::bidirectional) {
  const auto torch = reference::load();
  const auto items = reference::whole<std::int32_t>(torch, "encoder.items");
  const auto offsets = offsets_of(reference::whole<index>(torch, "encoder.lengths"));
  const core::ragged layout(offsets);
  for (index count : {1, 2}) {
    autodiff::parameter<double> embedding, position, gain, bias;
    embedding.value = reference::get(torch, "encoder.embedding");
    position.value = reference::get(torch, "encoder.position");
    gain.value = reference::get(torch, "encoder.norm.weight");
    bias.value = reference::get(torch, "encoder.norm.bias");
    nn::transformer<double, TestType> layers(
        {.width = embedding.value.cols(), .layers = count, .heads = 2, .feed_forward_factor = 4, .dropout = 0, .attention_dropout = 0},
        core::random());
    const auto parameters = parameters_of(layers, "encoder");
    REQUIRE(parameters.size() == static_cast<std::size_t>(12 * count));
    for (const auto& [name, p] : parameters) {
      const auto& value = reference::get(torch, name);
      REQUIRE(value.size() == p->value.size());
      std::copy_n(value.data(), value.size(), p->value.data());  // PyTorch's in_proj_bias is one row, ours three
    }
    std::vector<std::int32_t> positions;
    for (index s = 0; s < layout.size(); ++s)
      for (index i = layout.begin(s); i < layout.end(s); ++i)
        positions.push_back(static_cast<std::int32_t>(position.value.rows() - (layout.end(s) - i)));

    const std::string kind = std::string("encoder.") + (TestType::is_causal ? "causal." : "bidirectional.") + std::to_string(count) + ".";
    core::arena memory;
    autodiff::tape<double> t(memory, {1}, autodiff::mode::training, true);
    const auto x = autodiff::add(autodiff::gather<double, std::int32_t>(t.leaf(embedding), items),
                                 autodiff::gather<double, std::int32_t>(t.leaf(position), positions));
    const auto y = layers(autodiff::layer_norm(x, t.leaf(gain), t.leaf(bias)), layout, {});
    CHECK(error_of<double>(y.value().matrix_map(), reference::get(torch, kind + "output")) < 1e-10);
    y.grad().matrix_map() += reference::get(torch, "encoder.direction");
    t.backward();
    CHECK(error_of(embedding.gradient, reference::get(torch, kind + "embedding.gradient")) < 1e-10);
    CHECK(error_of(position.gradient, reference::get(torch, kind + "position.gradient")) < 1e-10);
    for (const std::string name : {"self_attn.in_proj_weight", "linear1.bias", "norm1.weight"})  // of the last layer
      CHECK(error_of(parameters.at("encoder.layers." + std::to_string(count - 1) + "." + name)->gradient,
                     reference::get(torch, kind + name + ".gradient")) < 1e-10);
  }
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

namespace {
/// One layer, put together by hand from the parts that a transformer has.
struct parts_of_layer {
  nn::attention<double, nn::causal> attend;
  nn::feed_forward<double> feed;
  nn::layer_norm<double> norm1{4}, norm2{4};

  template <class Self, class F>
  static void visit(Self& self, const std::string& name, F&& f) {
    nn::attention<double, nn::causal>::visit(self.attend, name + ".self_attn", f);
    nn::feed_forward<double>::visit(self.feed, name, f);
    nn::layer_norm<double>::visit(self.norm1, name + ".norm1", f);
    nn::layer_norm<double>::visit(self.norm2, name + ".norm2", f);
  }
};
}  // namespace

TEST_CASE("in training each rate of the transformer drops out what it is for, and every place has a draw of its own") {
  const auto offsets = offsets_of(ragged_lengths());
  const core::ragged layout(offsets);
  const core::random draw(core::seed{3}), other(core::seed{4});
  const auto x = normal_matrix<double>(layout.rows(), 4, 2);
  const auto make = [](double hidden, double attention) {
    encoder made({.width = 4, .layers = 2, .heads = 2, .feed_forward_factor = 2, .dropout = hidden, .attention_dropout = attention},
                 core::random(core::seed{1}));
    make_wild(parameters_of(made, "encoder"));
    return made;
  };
  const auto run = [&](const encoder& own, const core::random& r) {
    return in_training(x, [&](const auto& v) { return own(v, layout, r); });
  };
  const auto still = run(make(0, 0), draw);
  for (const auto& [hidden, attention] : {std::pair(0.5, 0.0), std::pair(0.0, 0.5), std::pair(0.5, 0.25)}) {
    encoder layers = make(hidden, attention);
    const auto weights = parameters_of(layers, "encoder");
    std::vector<parts_of_layer> parts;
    for (const std::string name : {"encoder.layers.0", "encoder.layers.1"}) {
      parts.push_back({nn::attention<double, nn::causal>(4, 2, attention, {}), nn::feed_forward<double>(4, 2, hidden, {})});
      for (const auto& [own, p] : parameters_of(parts.back(), name)) p->value = weights.at(own)->value;
    }
    const double rate = hidden;
    const auto by_hand = in_training(x, [&](autodiff::variable<double> h) {
      for (std::size_t l = 0; l < 2; ++l) {
        const core::random r = draw.child(l);
        h = parts[l].norm1(autodiff::add(h, autodiff::dropout(parts[l].attend(h, layout, r.child(0)), rate, r.child(1))));
        h = parts[l].norm2(autodiff::add(h, autodiff::dropout(parts[l].feed(h, r.child(2)), rate, r.child(3))));
      }
      return h;
    });
    CHECK(run(layers, draw) == by_hand);
    CHECK(run(layers, draw) != run(layers, other));
    CHECK(run(layers, draw) != still);
  }
}

TEST_CASE("a transformer without a layer is refused") {
  CHECK_THROWS_WITH(encoder({.width = 4, .layers = 0, .heads = 2}, {}),
                    ContainsSubstring("nn::transformer: layers must be 1 or more, not 0"));
}

TEST_CASE("a dropout rate that is none is refused, by the layer that drops") {
  for (const double bad : {-0.1, 1.0, 20.0, std::nan("")}) {
    const std::string given = " must be in [0, 1), not " + to_text(bad);
    CHECK_THROWS_WITH(encoder({.width = 4, .heads = 2, .dropout = bad}, {}), ContainsSubstring("nn::feed_forward: dropout" + given));
    CHECK_THROWS_WITH(encoder({.width = 4, .heads = 2, .attention_dropout = bad}, {}), ContainsSubstring("nn::attention: dropout" + given));
  }
}

TEST_CASE("fresh layers and their parts are drawn apart") {
  encoder layers({.width = 4, .layers = 3, .heads = 2}, core::random(core::seed{1}));
  CHECK(drawn_apart(parameters_of(layers, "encoder")));
}

}  // namespace cddrec::test
