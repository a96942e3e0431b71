#include "cddrec/model/transformer_decoder.hpp"

#include "compare.hpp"
#include "layers.hpp"
#include "reference/reference.hpp"

namespace cddrec::test {

namespace {
using decoder = model::transformer_decoder<double>;
}  // namespace

TEST_CASE("the transformer decoder has PyTorch's values at every step, and its gradients, of one layer and of two") {
  const auto torch = reference::load();
  const auto offsets = offsets_of(reference::whole<index>(torch, "encoder.lengths"));
  const core::ragged layout(offsets);
  const auto& direction = reference::get(torch, "transformer_decoder.direction");
  const index d = direction.cols(), steps = direction.rows() / layout.rows();
  for (index layers : {1, 2}) {
    decoder layer({.width = d, .steps = steps, .heads = 2, .layers = layers}, core::random());
    const auto parameters = parameters_of(layer, "transformer_decoder");
    REQUIRE(parameters.size() == static_cast<std::size_t>(1 + 18 * layers));
    for (const auto& [name, p] : parameters) {
      const std::size_t own = name.find(".step_");  // of a layer, or the embedding
      const std::string attention = name.substr(0, own) + ".multihead_attn.";
      core::matrix<double> value;
      // PyTorch stacks query, key and value of the attention to the step; of one key only the value matters.
      if (name.ends_with("step_value.weight"))
        value = reference::get(torch, attention + "in_proj_weight").bottomRows(d);
      else if (name.ends_with("step_value.bias"))
        value = core::matrix<double>(reference::get(torch, attention + "in_proj_bias").reshaped<Eigen::RowMajor>(3, d).bottomRows(1));
      else if (name.find("step_out") != name.npos)
        value = reference::get(torch, attention + "out_proj" + name.substr(own + 9));
      else
        value = reference::get(torch, name == "transformer_decoder.step_embedding.weight" ? "transformer_decoder.step" : name);
      REQUIRE(value.size() == p->value.size());
      std::copy_n(value.data(), value.size(), p->value.data());
    }
    const std::string kind = "transformer_decoder." + std::to_string(layers) + ".";
    autodiff::parameter<double> encoding;
    encoding.value = reference::get(torch, "transformer_decoder.encoding");
    core::arena memory;
    autodiff::tape<double> t(memory, {1}, autodiff::mode::training, true);
    const auto context = layer.prepare(t.leaf(encoding), layout, {});
    const auto& expected = reference::get(torch, kind + "output");
    for (index step = 0; step < steps; ++step) {
      const auto y = layer.predict(context, step, {});
      CHECK(error_of<double>(y.value().matrix_map(), expected.middleRows(step * layout.rows(), layout.rows())) < 1e-10);
      y.grad().matrix_map() += direction.middleRows(step * layout.rows(), layout.rows());
    }
    t.backward();
    const std::string last = "transformer_decoder.layers." + std::to_string(layers - 1) + ".";
    CHECK(error_of(encoding.gradient, reference::get(torch, kind + "encoding.gradient")) < 1e-10);
    CHECK(error_of(parameters.at("transformer_decoder.step_embedding.weight")->gradient, reference::get(torch, kind + "step.gradient")) <
          1e-10);
    CHECK(error_of(parameters.at(last + "linear2.bias")->gradient, reference::get(torch, kind + "linear2.bias.gradient")) < 1e-10);
  }
}

TEST_CASE("gradients of the transformer decoder, one layer and two, with and without dropout") {
  const auto offsets = offsets_of({3, 1, 6, 2});
  const core::ragged layout(offsets);
  const core::random draw(core::seed{3});
  for (index layers : {1, 2})
    for (double rate : {0.0, 0.2}) {
      decoder layer({.width = 4,
                     .steps = 3,
                     .heads = 2,
                     .layers = layers,
                     .feed_forward_factor = layers == 1 ? 1 : 4,  // the authors' and ours
                     .dropout = rate,
                     .attention_dropout = rate},
                    core::random(core::seed{1}));
      const auto parameters = parameters_of(layer, "denoiser");
      REQUIRE(parameters.size() == static_cast<std::size_t>(1 + 18 * layers));
      make_wild(parameters);
      CHECK(layer_error(parameters, normal_matrix<double>(layout.rows(), 4, 2), [&](auto&, const auto& v) {
              const auto context = layer.prepare(v, layout, draw.child(7));
              return autodiff::linear_combination(1.0, layer.predict(context, 0, draw), 0.7, layer.predict(context, 2, draw.child(1)));
            }) < 1e-6);
    }
}

TEST_CASE("serving's last position is that of every position, and no user sees another") {
  const auto offsets = offsets_of(ragged_lengths());
  const core::ragged layout(offsets);
  for (index layers : {1, 2}) {
    decoder layer({.width = 6, .steps = 3, .heads = 2, .layers = layers}, core::random(core::seed{1}));
    make_wild(parameters_of(layer, "denoiser"));
    core::matrix<double> x = normal_matrix<double>(layout.rows(), 6, 2);
    const auto last = [&] {
      core::arena memory;
      autodiff::tape<double> t(memory, {1}, autodiff::mode::inference);
      return core::matrix<double>(layer.predict_last(t.constant(x), layout, 1).value().matrix_map());
    };
    core::arena memory;
    autodiff::tape<double> t(memory, {1}, autodiff::mode::inference);
    const auto all = layer.predict(layer.prepare(t.constant(x), layout, {}), 1, {});
    const core::matrix<double> before = last();
    for (index s = 0; s < layout.size(); ++s) CHECK(before.row(s) == all.value().matrix_map().row(layout.end(s) - 1));
    x.topRows(layout.end(0)) *= -2;
    const core::matrix<double> after = last();
    CHECK(after.row(0) != before.row(0));
    CHECK(after.bottomRows(layout.size() - 1) == before.bottomRows(layout.size() - 1));
  }
}

TEST_CASE("in training each rate of the transformer decoder drops out what it is for, and every place has a draw of its own") {
  const auto offsets = offsets_of(ragged_lengths());
  const core::ragged layout(offsets);
  const core::random draw(core::seed{3}), other(core::seed{4}), shared(core::seed{5});
  const auto x = normal_matrix<double>(layout.rows(), 4, 2);
  const auto make = [](double hidden, double attention) {
    decoder made(
        {.width = 4, .steps = 3, .heads = 2, .layers = 2, .feed_forward_factor = 2, .dropout = hidden, .attention_dropout = attention},
        core::random(core::seed{1}));
    make_wild(parameters_of(made, "denoiser"));
    return made;
  };
  const auto run = [&](const decoder& own, const core::random& first, const core::random& r) {
    return in_training(x, [&](const auto& v) { return own.predict(own.prepare(v, layout, first), 1, r); });
  };
  const auto still = run(make(0, 0), shared, draw);
  for (const auto& [hidden, attention] : {std::pair(0.5, 0.0), std::pair(0.0, 0.5), std::pair(0.5, 0.25)}) {
    decoder layers = make(hidden, attention);
    const auto weights = parameters_of(layers, "denoiser");
    std::vector<nn::attention<double, nn::causal>> attention_of;
    for (const std::string name : {"denoiser.layers.0.self_attn", "denoiser.layers.1.self_attn"}) {
      attention_of.emplace_back(4, 2, attention, core::random());
      for (const auto& [own, p] : parameters_of(attention_of.back(), name)) p->value = weights.at(own)->value;
    }
    const double rate = hidden;
    const auto by_hand = in_training(x, [&](autodiff::variable<double> h) {
      autodiff::tape<double>& t = h.owner();
      const auto leaf = [&](const std::string& name) { return t.leaf(*weights.at(name)); };
      const auto step = leaf("denoiser.step_embedding.weight").middle_rows(1, 1);
      for (std::size_t l = 0; l < 2; ++l) {
        const std::string name = "denoiser.layers." + std::to_string(l) + ".";
        const auto linear = [&](const auto& v, const std::string& part) {
          return autodiff::linear(v, leaf(name + part + ".weight"), leaf(name + part + ".bias"));
        };
        const auto norm = [&](const auto& v, const std::string& part) {
          return autodiff::layer_norm(v, leaf(name + part + ".weight"), leaf(name + part + ".bias"));
        };
        // The first self-attention is shared by all steps, so its draw is prepare()'s.
        const core::random r = draw.child(l), own = l == 0 ? shared : r.child(0);
        h = norm(autodiff::add(h, autodiff::dropout(attention_of[l](h, layout, own.child(0)), rate, own.child(1))), "norm1");
        h = norm(autodiff::add_row(h, autodiff::dropout(linear(linear(step, "step_value"), "step_out"), rate, r.child(1))), "norm2");
        const auto fed = linear(autodiff::dropout(autodiff::gelu(linear(h, "linear1")), rate, r.child(2)), "linear2");
        h = norm(autodiff::add(h, autodiff::dropout(fed, rate, r.child(3))), "norm3");
      }
      return h;
    });
    CHECK(run(layers, shared, draw) == by_hand);
    CHECK(run(layers, shared, draw) != run(layers, shared, other));
    CHECK(run(layers, shared, draw) != run(layers, other, draw));
    CHECK(run(layers, shared, draw) != still);
  }
}

TEST_CASE("fresh layers of the transformer decoder and their parts are drawn apart") {
  decoder layers({.width = 4, .heads = 2, .layers = 3}, core::random(core::seed{1}));
  CHECK(drawn_apart(parameters_of(layers, "denoiser")));
}

TEST_CASE("the transformer decoder refuses settings out of range") {
  const auto refused = [](const decoder::settings& s, const std::string& why) {
    CHECK_THROWS_WITH(decoder(s, core::random()), "model::transformer_decoder: " + why);
  };
  refused({.width = 10, .heads = 4}, "heads must be 1 or more and divide the width 10, not 4");
  refused({.width = 4, .heads = 2, .layers = 0}, "layers must be 1 or more, not 0");
  refused({.steps = -1}, "steps must be 1 or more, not -1");
  refused({.dropout = 1}, "dropout must be in [0, 1), not 1");
}

}  // namespace cddrec::test
