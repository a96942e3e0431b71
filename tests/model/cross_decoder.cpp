#include "cddrec/model/cross_decoder.hpp"

#include "compare.hpp"
#include "layers.hpp"
#include "reference/reference.hpp"
#include "test.hpp"

namespace cddrec::test {

namespace {
using decoder = model::cross_decoder<double>;

double distance(const core::matrix<double>& a, const core::matrix<double>& b) { return (a - b).cwiseAbs().maxCoeff(); }
}  // namespace

TEST_CASE("the decoder has PyTorch's values at every step, and its gradients, whatever it is made of") {
  const auto torch = reference::load();
  const auto offsets = offsets_of(reference::whole<index>(torch, "decoder.lengths"));
  const core::ragged layout(offsets);
  const auto& direction = reference::get(torch, "decoder.direction");
  const index d = direction.cols(), steps = direction.rows() / layout.rows();
  for (int way = 0; way < 16; ++way) {
    const index heads = way & 8 ? 2 : 1, layers = way & 4 ? 2 : 1;
    const bool residual = way & 2, feed_forward = way & 1;
    const std::string kind =
        "decoder." + std::to_string(heads) + "." + std::to_string(layers) + (residual ? ".1" : ".0") + (feed_forward ? ".1." : ".0.");
    INFO(kind);
    decoder layer({.width = d, .steps = steps, .heads = heads, .layers = layers, .residual = residual, .feed_forward = feed_forward},
                  core::random());
    const auto parameters = parameters_of(layer, "decoder");
    REQUIRE(parameters.size() == static_cast<std::size_t>(1 + layers * (3 + (residual ? 2 : 0) + (feed_forward ? 6 : 0))));
    for (const auto& [name, p] : parameters) {
      const auto& value = reference::get(torch, name);
      REQUIRE(value.size() == p->value.size());
      p->value = value;
    }
    autodiff::parameter<double> encoding;
    encoding.value = reference::get(torch, "decoder.encoding");
    const auto& expected = reference::get(torch, kind + "output");

    core::arena memory;
    autodiff::tape<double> t(memory, {1}, autodiff::mode::training, true);
    const auto context = layer.prepare(t.leaf(encoding), layout, {});
    for (index step = 0; step < steps; ++step) {
      const auto y = layer.predict(context, step, {});
      CHECK(error_of<double>(y.value().matrix_map(), expected.middleRows(step * layout.rows(), layout.rows())) < 1e-10);
      y.grad().matrix_map() += direction.middleRows(step * layout.rows(), layout.rows());
    }
    t.backward();
    const std::string last = layers == 1 ? "decoder.key.weight" : "decoder.layers.1.key.weight";
    CHECK(error_of(encoding.gradient, reference::get(torch, kind + "encoding.gradient")) < 1e-10);
    CHECK(error_of(parameters.at("decoder.step_embedding.weight")->gradient, reference::get(torch, kind + "step.gradient")) < 1e-10);
    CHECK(error_of(parameters.at(last)->gradient, reference::get(torch, kind + "key.gradient")) < 1e-10);
  }
}

TEST_CASE("gradients of the decoder on ragged batches, plain and dressed, with and without dropout") {
  const auto offsets = offsets_of(ragged_lengths());
  const core::ragged layout(offsets);
  const core::random draw(core::seed{3});
  for (bool dressed : {false, true})
    for (double rate : {0.0, 0.2}) {
      decoder layer(
          {.width = 4, .steps = 3, .heads = 2, .residual = dressed, .feed_forward = dressed, .dropout = rate, .attention_dropout = rate},
          core::random(core::seed{1}));
      const auto parameters = parameters_of(layer, "denoiser");
      make_wild(parameters);
      CHECK(layer_error(parameters, normal_matrix<double>(layout.rows(), 4, 2), [&](auto&, const auto& v) {
              const auto context = layer.prepare(v, layout, {});
              return autodiff::linear_combination(1.0, layer.predict(context, 0, draw), 0.7, layer.predict(context, 2, draw.child(1)));
            }) < 1e-6);
    }
}

TEST_CASE("gradients of a decoder of several layers, and its last position") {
  const auto offsets = offsets_of({3, 1, 6, 2});
  const core::ragged layout(offsets);
  const core::random draw(core::seed{3});
  for (bool dressed : {false, true}) {
    decoder layer({.width = 4,
                   .steps = 3,
                   .heads = 2,
                   .layers = 3,
                   .residual = dressed,
                   .feed_forward = dressed,
                   .dropout = 0.2,
                   .attention_dropout = 0.2},
                  core::random(core::seed{1}));
    const auto parameters = parameters_of(layer, "denoiser");
    REQUIRE(parameters.size() == (dressed ? 1 + 3 * 11 : 1 + 3 * 3));
    make_wild(parameters);
    const auto x = normal_matrix<double>(layout.rows(), 4, 2);
    CHECK(layer_error(parameters, x, [&](auto&, const auto& v) { return layer.predict(layer.prepare(v, layout, {}), 2, draw); }) < 1e-6);
    core::arena memory;
    autodiff::tape<double> t(memory, {1}, autodiff::mode::inference);
    const auto all = layer.predict(layer.prepare(t.constant(x), layout, {}), 1, {}), last = layer.predict_last(t.constant(x), layout, 1);
    for (index s = 0; s < layout.size(); ++s) CHECK(last.value().matrix_map().row(s) == all.value().matrix_map().row(layout.end(s) - 1));
  }
}

TEST_CASE("steps one at a time leave the gradients of all steps together") {
  const auto offsets = offsets_of(ragged_lengths());
  const core::ragged layout(offsets);
  const auto target = normal_matrix<double>(layout.rows(), 6, 9);
  for (bool dressed : {false, true}) {
    const auto run = [&](bool one_at_a_time) {
      decoder layer({.width = 6, .steps = 4, .heads = 2, .residual = dressed, .feed_forward = dressed}, core::random(core::seed{1}));
      const auto parameters = parameters_of(layer, "denoiser");
      make_wild(parameters);
      autodiff::parameter<double> encoding;
      encoding.value = normal_matrix<double>(layout.rows(), 6, 2);
      core::arena memory;
      autodiff::tape<double> t(memory, {1});
      const auto context = layer.prepare(autodiff::affine(t.leaf(encoding), 1.5, 0.1), layout, {});
      const auto loss = [&](index step) {
        return autodiff::mean(autodiff::squared_distance(layer.predict(context, step, {}), t.constant(target)));
      };
      if (one_at_a_time) {
        for (index step : {1, 3}) {
          autodiff::tape<double>::scope sub(t);
          sub.backward(loss(step));
        }
        t.backward();
      } else {
        t.backward(autodiff::add(loss(1), loss(3)));
      }
      std::vector<core::matrix<double>> gradients{encoding.gradient};
      for (const auto& [_, p] : parameters) gradients.push_back(p->gradient);
      return gradients;
    };
    const auto apart = run(true), together = run(false);
    for (std::size_t k = 0; k < apart.size(); ++k) {
      CHECK(together[k].cwiseAbs().maxCoeff() > 1e-3);
      CHECK(distance(apart[k], together[k]) < 1e-12 * std::max(1.0, together[k].cwiseAbs().maxCoeff()));
    }
  }
}

TEST_CASE("in training each rate of the decoder drops out what it is for, and every place has a draw of its own") {
  const auto offsets = offsets_of(ragged_lengths());
  const core::ragged layout(offsets);
  const core::random draw(core::seed{3}), other(core::seed{4});
  const auto x = normal_matrix<double>(layout.rows(), 4, 2);
  const auto make = [](double hidden, double attention) {
    decoder made({.width = 4,
                  .steps = 3,
                  .heads = 2,
                  .layers = 2,
                  .residual = true,
                  .feed_forward = true,
                  .feed_forward_factor = 2,
                  .dropout = hidden,
                  .attention_dropout = attention},
                 core::random(core::seed{1}));
    make_wild(parameters_of(made, "denoiser"));
    return made;
  };
  const auto run = [&](const decoder& own, const core::random& r) {
    return in_training(x, [&](const auto& v) { return own.predict(own.prepare(v, layout, {}), 1, r); });
  };
  const auto still = run(make(0, 0), draw);
  for (const auto& [hidden, attention] : {std::pair(0.5, 0.0), std::pair(0.0, 0.5), std::pair(0.5, 0.25)}) {
    decoder layers = make(hidden, attention);
    const auto weights = parameters_of(layers, "denoiser");
    const double rate = hidden, of_attention = attention;
    const auto by_hand = in_training(x, [&](autodiff::variable<double> h) {
      autodiff::tape<double>& t = h.owner();
      const auto leaf = [&](const std::string& name) { return t.leaf(*weights.at(name)); };
      const auto step = leaf("denoiser.step_embedding.weight").middle_rows(1, 1);
      for (const std::string name : {"denoiser.", "denoiser.layers.1."}) {
        const core::random r = name == "denoiser." ? draw : draw.child(4);
        const auto project = [&](const auto& v, const char* part) { return autodiff::linear(v, leaf(name + part), {}); };
        const auto attended = autodiff::prefix_attention(project(step, "query.weight"), project(h, "key.weight"),
                                                         project(h, "value.weight"), layout, 2, {of_attention, r.child(0)});
        h = autodiff::layer_norm(autodiff::add(h, autodiff::dropout(attended, rate, r.child(1))), leaf(name + "norm1.weight"),
                                 leaf(name + "norm1.bias"));
        const auto wide = autodiff::gelu(autodiff::linear(h, leaf(name + "linear1.weight"), leaf(name + "linear1.bias")));
        const auto fed =
            autodiff::linear(autodiff::dropout(wide, rate, r.child(2)), leaf(name + "linear2.weight"), leaf(name + "linear2.bias"));
        h = autodiff::layer_norm(autodiff::add(h, autodiff::dropout(fed, rate, r.child(3))), leaf(name + "norm2.weight"),
                                 leaf(name + "norm2.bias"));
      }
      return h;
    });
    CHECK(run(layers, draw) == by_hand);
    CHECK(run(layers, draw) != run(layers, other));
    CHECK(run(layers, draw) != still);
  }
}

TEST_CASE("fresh layers of the decoder and their parts are drawn apart") {
  decoder layers({.width = 4, .heads = 2, .layers = 3, .feed_forward = true}, core::random(core::seed{1}));
  CHECK(drawn_apart(parameters_of(layers, "denoiser")));
}

TEST_CASE("the decoder refuses settings out of range") {
  const auto refused = [](const decoder::settings& s, const std::string& why) {
    CHECK_THROWS_WITH(decoder(s, core::random()), "model::cross_decoder: " + why);
  };
  refused({.width = 10, .heads = 4}, "heads must be 1 or more and divide the width 10, not 4");
  refused({.heads = 0}, "heads must be 1 or more and divide the width 128, not 0");
  refused({.layers = 0}, "layers must be 1 or more, not 0");
  refused({.width = -8}, "width must be 1 or more, not -8");
  refused({.steps = 0}, "steps must be 1 or more, not 0");
  refused({.dropout = 1}, "dropout must be in [0, 1), not 1");
  refused({.attention_dropout = -1e-9}, "attention_dropout must be in [0, 1), not -1e-09");
  refused({.attention_dropout = std::numeric_limits<double>::quiet_NaN()}, "attention_dropout must be in [0, 1), not nan");
}

}  // namespace cddrec::test
