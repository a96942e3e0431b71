#include "cddrec/baseline/vae.hpp"

#include "cddrec/data/synthetic.hpp"
#include "cddrec/loss/combine.hpp"
#include "cddrec/loss/latent.hpp"
#include "cddrec/train/fit.hpp"
#include "compare.hpp"
#include "layers.hpp"
#include "network_gradients.hpp"
#include "reference/reference.hpp"

namespace cddrec::test {

namespace {
using rows = baseline::variational<baseline::row_decoder<double>>;
using attentive = baseline::variational<nn::transformer<double, nn::causal>>;

template <class Network>
Network fresh(index items) {
  return Network({.items = items, .width = 16, .heads = 2, .max_length = 8, .dropout = 0.1},
                 diffusion::process<typename Network::scalar>(diffusion::linear_schedule{}, 1), core::seed{5});
}

template <class Network>
constexpr bool is_variational =
    std::is_same_v<Network, baseline::vae<typename Network::scalar>> || std::is_same_v<Network, baseline::svae<typename Network::scalar>>;

/// As the command line composes that of variational networks; for others without the divergence.
template <class Network>
auto objective(float contrast) {
  return loss::combine(loss::item_softmax{.temperature = 0.1f, .augmented = true},
                       loss::cross_view{.weight = contrast, .temperature = 0.1f, .samples = false},
                       loss::latent_kl{.weight = is_variational<Network> ? 0.1f : 0, .annealed_over = 20});
}
}  // namespace

TEST_CASE("variational heads are denoisers") {
  STATIC_REQUIRE(model::denoiser<rows>);
  STATIC_REQUIRE(model::denoiser<attentive>);
}

TEST_CASE("gradients of the variational heads through the draw, with and without dropout") {
  const auto offsets = offsets_of({3, 1, 4});
  const core::ragged layout(offsets);
  const core::random draw(core::seed{3});
  const auto check = [&](auto& layer) {
    const auto parameters = parameters_of(layer, "latent");
    make_wild(parameters);
    CHECK(layer_error(parameters, normal_matrix<double>(layout.rows(), 4, 2), [&](auto&, const auto& v) {
            const auto context = layer.prepare(v, layout, {});
            const auto z = layer.latent(context);
            return autodiff::linear_combination(1.0, autodiff::mean(autodiff::gaussian_kl(z.mean, z.log_variance)), 0.5,
                                                autodiff::mean(autodiff::row_dot(layer.predict(context, 0, draw), z.mean)));
          }) < 1e-6);
  };
  for (double rate : {0.0, 0.2}) {
    rows plain({.width = 4, .dropout = rate}, core::random(core::seed{1}));
    check(plain);
    attentive with_attention({.width = 4, .heads = 2, .dropout = rate, .attention_dropout = rate}, core::random(core::seed{1}));
    check(with_attention);
  }
}

TEST_CASE("the variational head is PyTorch's, for the same noise: latent variables, prediction, divergence and all gradients") {
  const auto torch = reference::load();
  const auto of = [&](const std::string& name) -> const auto& { return reference::get(torch, "variational." + name); };
  autodiff::parameter<double> x;
  x.value = of("x");
  const core::random draw(core::seed{reference::whole<std::uint64_t>(torch, "variational.seed")[0]});
  rows layer({.width = x.value.cols()}, core::random(core::seed{1}));
  const auto parameters = parameters_of(layer, "variational");
  REQUIRE(parameters.size() == 8);
  for (const auto& [name, p] : parameters) {
    const auto& value = reference::get(torch, name);
    REQUIRE((value.rows() == p->value.rows() && value.cols() == p->value.cols()));
    p->value = value;
  }
  const std::vector<index> offsets{0, x.value.rows()};
  const auto close = [&](const autodiff::variable<double>& got, const std::string& name) {
    INFO(name);
    CHECK(error_of<double>(got.value().matrix_map(), of(name)) < 1e-12);
  };
  core::arena memory;
  {
    autodiff::tape<double> t(memory, {1}, autodiff::mode::training, true);
    const core::matrix<double> zero = core::matrix<double>::Zero(x.value.rows(), x.value.cols());
    close(autodiff::gaussian_sample(t.constant(zero), t.constant(zero), draw.child(0)), "noise");
    const auto context = layer.prepare(t.leaf(x), core::ragged(offsets), {});
    const auto z = layer.latent(context);
    close(z.mean, "latent_mean");
    close(z.log_variance, "latent_log_variance");
    const auto prediction = layer.predict(context, 0, draw);
    close(prediction, "prediction");
    const auto loss = autodiff::linear_combination(1.0, autodiff::mean(autodiff::row_dot(prediction, t.constant(of("direction")))),
                                                   reference::scalar(torch, "variational.kl_weight"),
                                                   autodiff::mean(autodiff::gaussian_kl(z.mean, z.log_variance)));
    CHECK(loss.scalar() == Approx(reference::scalar(torch, "variational.value")).epsilon(1e-12));
    t.backward(loss);
  }
  CHECK(error_of(x.gradient, of("x.gradient")) < 1e-12);
  for (const auto& [name, p] : parameters) {
    INFO(name);
    CHECK(error_of(p->gradient, reference::get(torch, name + ".gradient")) < 1e-12);
  }
  autodiff::tape<double> serving(memory, {1}, autodiff::mode::inference);
  close(layer.predict(layer.prepare(serving.constant(x.value), core::ragged(offsets), {}), 0, draw), "served");
}

TEST_CASE("serving decodes the mean, training a draw of it") {
  const auto offsets = offsets_of({3, 1, 4});
  const core::ragged layout(offsets);
  rows layer({.width = 4}, core::random(core::seed{1}));
  make_wild(parameters_of(layer, "latent"));
  const auto x = normal_matrix<double>(layout.rows(), 4, 2);
  const auto predicted = [&](autodiff::mode mode, std::uint64_t seed) {
    core::arena memory;
    autodiff::tape<double> t(memory, {1}, mode);
    return core::matrix<double>(
        layer.predict(layer.prepare(t.constant(x), layout, {}), 0, core::random(core::seed{seed})).value().matrix_map());
  };
  CHECK(predicted(autodiff::mode::inference, 1) == predicted(autodiff::mode::inference, 2));
  CHECK(predicted(autodiff::mode::training, 1) != predicted(autodiff::mode::training, 2));
}

TEMPLATE_TEST_CASE("the gradient of a whole batch: ranking of both views, their contrast, and a divergence half grown", "",
                   baseline::sasrec<double>, baseline::gru4rec<double>, baseline::vae<double>, baseline::svae<double>) {
  constexpr index items = 30;
  TestType net = fresh<TestType>(items);
  std::uint64_t wild = 100;  // fresh weights are so small that half of the gradients would be next to nothing
  net.visit([&](const std::string&, auto& p) { p.value = normal_matrix<double>(p.value.rows(), p.value.cols(), ++wild, 0.5); });
  const auto goal = objective<TestType>(0.5f);
  const core::random draw(core::seed{8});
  std::vector<std::vector<data::item>> users(12);
  for (std::size_t u = 0; u < users.size(); ++u)
    for (std::size_t i = 0; i < 2 + u % 8; ++i)
      users[u].push_back(static_cast<data::item>(draw.below(static_cast<index>(20 * u + i), items)));
  train::views batch;
  batch.build(
      std::ssize(users), [&](index u) { return std::span<const data::item>(users[static_cast<std::size_t>(u)]); }, 8, items, goal.needs(),
      {}, core::random(core::seed{1}));
  batch.trained = 10;
  REQUIRE(!batch.paired_main.empty());
  REQUIRE(std::count(batch.clean.begin(), batch.clean.end(), 0) > 0);
  core::arena memory;
  std::vector<double> parts(goal.names().size());
  const std::vector<train::weighted_step> steps{{0, 0.7}};
  const auto value = [&] {
    std::fill(parts.begin(), parts.end(), 0.0);
    return train::accumulate_gradient(net, goal, batch, steps, core::random(core::seed{3}), memory, {1}, parts);
  };
  check_gradients(net, value, [](const std::string&) { return true; });
  CHECK(parts.size() == (is_variational<TestType> ? 3u : 2u));
  for (const double part : parts) CHECK(part > 0.1);  // every one has been at work
}

TEMPLATE_TEST_CASE(
    "sequence models and variational ones learn the built-in log and the contrast of views, with the same bits for any threads", "",
    baseline::sasrec<float>, baseline::gru4rec<float>, baseline::vae<float>, baseline::svae<float>) {
  const data::synthetic_log log({.users = 120, .items = 100, .cluster_size = 25, .min_length = 3, .max_length = 12}, core::seed{3});
  const data::split split = data::leave_one_out(log.log());
  std::vector<double> apart;  // the contrast of the views, as each training leaves it
  for (float contrast : {1e-6f, 0.5f}) {
    std::vector<std::vector<core::matrix<float>>> trained;
    for (int threads : {1, 2}) {
      TestType net = fresh<TestType>(split.items());
      std::vector<train::epoch_report> reports;
      train::fit_hooks<float> hooks;
      hooks.epoch_done = [&](const train::epoch_report& r, const train::fit_state<float>&) { reports.push_back(r); };
      train::fit(net, objective<TestType>(contrast), split,
                 {.epochs = 8, .batch_users = 32, .learning_rate = 5e-3, .seed = {9}, .how = {threads}}, hooks);
      CHECK(reports.back().loss < 0.98 * reports.front().loss);
      CHECK(reports.back().parts[0].second < 0.98 * reports.front().parts[0].second);
      apart.push_back(reports.back().parts[1].second);
      trained.emplace_back();
      net.visit([&](const std::string&, const auto& p) { trained.back().push_back(p.value); });
    }
    for (std::size_t k = 0; k < trained[0].size(); ++k) CHECK(trained[0][k] == trained[1][k]);
  }
  CHECK(apart[2] < 0.96 * apart[0]);  // with the term they are closer than without
}

TEST_CASE("a network without attention has no heads that its width must be a multiple of") {
  const diffusion::process<float> process(diffusion::linear_schedule{}, 1);
  CHECK_NOTHROW(baseline::svae<float>({.items = 9, .width = 6}, process, core::seed{1}));
  CHECK_NOTHROW(baseline::gru4rec<float>({.items = 9, .width = 6}, process, core::seed{1}));
  CHECK_THROWS_WITH(baseline::vae<float>({.items = 9, .width = 6}, process, core::seed{1}),
                    ContainsSubstring("heads must be 1 or more and divide the width 6, not 4"));
}

}  // namespace cddrec::test
