#include "cddrec/baseline/vae.hpp"

#include "cddrec/data/synthetic.hpp"
#include "cddrec/loss/combine.hpp"
#include "cddrec/loss/latent.hpp"
#include "cddrec/train/fit.hpp"
#include "layers.hpp"

namespace cddrec::test {

namespace {
using rows = baseline::variational<baseline::row_decoder<double>>;
using attentive = baseline::variational<nn::transformer<double, nn::causal>>;

template <class Network>
Network fresh(index items) {
  return Network({.items = items, .width = 16, .heads = 2, .max_length = 8, .dropout = 0.1},
                 diffusion::process<typename Network::scalar>(diffusion::linear_schedule{}, 1), core::seed{5});
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

TEMPLATE_TEST_CASE("sequence models and variational ones learn the built-in log, with the same bits for any threads", "",
                   baseline::sasrec<float>, baseline::gru4rec<float>, baseline::vae<float>, baseline::svae<float>) {
  const data::synthetic_log log({.users = 120, .items = 100, .cluster_size = 25, .min_length = 3, .max_length = 12}, core::seed{3});
  const data::split split = data::leave_one_out(log.log());
  const auto objective = loss::combine(loss::item_softmax{.temperature = 0.1f}, loss::latent_kl{.weight = 0.1f, .annealed_over = 20});
  std::vector<std::vector<core::matrix<float>>> trained;
  for (int threads : {1, 2}) {
    TestType net = fresh<TestType>(split.items());
    std::vector<double> losses;
    train::fit_hooks<float> hooks;
    hooks.epoch_done = [&](const train::epoch_report& r, const train::fit_state<float>&) { losses.push_back(r.parts.front().second); };
    train::fit(net, objective, split, {.epochs = 8, .batch_users = 32, .learning_rate = 5e-3, .seed = {9}, .how = {threads}}, hooks);
    CHECK(losses.back() < 0.98 * losses.front());
    trained.emplace_back();
    net.visit([&](const std::string&, const auto& p) { trained.back().push_back(p.value); });
  }
  for (std::size_t k = 0; k < trained[0].size(); ++k) CHECK(trained[0][k] == trained[1][k]);
}

}  // namespace cddrec::test
