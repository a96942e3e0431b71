#include "cddrec/baseline/gan.hpp"

#include <set>

#include "cddrec/data/synthetic.hpp"
#include "cddrec/loss/combine.hpp"
#include "cddrec/train/fit.hpp"
#include "compare.hpp"
#include "layers.hpp"
#include "loss/fixture.hpp"
#include "network_gradients.hpp"
#include "reference/reference.hpp"

namespace cddrec::test {

namespace {

template <class T>
using network = baseline::gan<baseline::sasrec<T>>;

template <class T>
network<T> fresh(index items, index width, const baseline::gan_settings& s, double dropout = 0.2) {
  return network<T>(
      baseline::sasrec<T>({.items = items, .width = width, .heads = 2, .max_length = 6, .dropout = dropout, .attention_dropout = dropout},
                          diffusion::process<T>(diffusion::linear_schedule{}, 1), core::seed{5}),
      s, core::seed{6});
}
auto objective() { return loss::combine(loss::item_softmax{.temperature = 0.1f}); }

/// Sequences of 2 to 9 items among 300, so that the draw goes over two blocks.
void build(train::views& batch) {
  const core::random draw(core::seed{8});
  std::vector<std::vector<data::item>> all;
  for (index u = 0; u < 12; ++u) {
    all.emplace_back();
    for (index i = 0; i < 2 + u % 8; ++i) all.back().push_back(static_cast<data::item>(draw.below(20 * u + i, 300)));
  }
  batch.build(
      12, [&](index u) { return std::span<const data::item>(all[static_cast<std::size_t>(u)]); }, 6, 300, objective().needs(), {},
      core::random(core::seed{1}));
}

const data::synthetic_log& log() {
  static const data::synthetic_log made({.users = 120, .items = 100, .cluster_size = 25, .min_length = 3, .max_length = 12}, core::seed{3});
  return made;
}
train::fit_settings settings(index epochs, int threads = 1) { return {.epochs = epochs, .batch_users = 32, .seed = {9}, .how = {threads}}; }

template <class Network>
std::vector<core::matrix<float>> weights(const Network& net, bool discriminator) {
  std::vector<core::matrix<float>> all;
  net.visit([&](const std::string& name, const auto& p) {
    if (name.starts_with("discriminator.") == discriminator) all.push_back(p.value);
  });
  return all;
}

/// Every epoch's loss and parts.
template <class Network>
std::vector<train::epoch_report> trained(Network& net, const train::fit_settings& s) {
  std::vector<train::epoch_report> reports;
  train::fit_hooks<float> hooks;
  hooks.epoch_done = [&](const train::epoch_report& r, const train::fit_state<float>&) { reports.push_back(r); };
  train::fit(net, objective(), data::leave_one_out(log().log()), s, hooks);
  return reports;
}

}  // namespace

TEST_CASE("the discriminator's logits have the gradients that differences say") {
  baseline::discriminator<double> judge({.items = 9, .width = 4, .layers = 2, .heads = 2, .max_length = 5, .attention_dropout = 0.2},
                                        core::random(core::seed{1}));
  auto parameters = parameters_of(judge, "d");
  make_wild(parameters);
  const std::vector<data::item> inputs{3, 1, 4, 1, 5, 0, 2, 6};
  const std::vector<index> offsets = offsets_of({2, 5, 1});
  const auto f = [&](auto& t, const auto& x) {
    return autodiff::add(x, judge(t, inputs, core::ragged(offsets), core::random(core::seed{2})));
  };
  CHECK(layer_error(parameters, normal_matrix<double>(3, 1, 3), f) < 1e-6);
}

TEST_CASE("the discriminator's logits and its loss are PyTorch's, and so are its gradients") {
  const auto torch = reference::load();
  const auto items = reference::whole<data::item>(torch, "encoder.items"),
             drawn = reference::whole<data::item>(torch, "discriminator.drawn");
  const std::vector<index> offsets = offsets_of(reference::whole<index>(torch, "encoder.lengths"));
  const auto& table = reference::get(torch, "encoder.embedding");
  baseline::discriminator<double> judge({.items = table.rows(),
                                         .width = table.cols(),
                                         .layers = 2,
                                         .heads = 2,
                                         .max_length = reference::get(torch, "encoder.position").rows(),
                                         .attention_dropout = 0},
                                        core::random(core::seed{1}));
  const auto parameters = parameters_of(judge, "discriminator");
  const auto torch_name = [](std::string name) {
    name = name.substr(std::string("discriminator.").size());
    if (name == "item_embedding.weight") return std::string("encoder.embedding");
    if (name == "position_embedding.weight") return std::string("encoder.position");
    if (name.starts_with("input_norm")) return "encoder.norm" + name.substr(10);
    return name.starts_with("encoder.") ? name : "discriminator." + name;
  };
  REQUIRE(parameters.size() == 2 + 2 + 24 + 2);
  for (const auto& [name, p] : parameters) {
    const auto& value = reference::get(torch, torch_name(name));
    REQUIRE(value.size() == p->value.size());
    std::copy_n(value.data(), value.size(), p->value.data());
  }
  core::arena memory;
  autodiff::tape<double> t(memory, {1}, autodiff::mode::training, true);
  const auto real = judge(t, items, core::ragged(offsets), {}), fake = judge(t, drawn, core::ragged(offsets), {});
  CHECK(error_of<double>(real.value().matrix_map(), reference::get(torch, "discriminator.real")) < 1e-10);
  CHECK(error_of<double>(fake.value().matrix_map(), reference::get(torch, "discriminator.fake")) < 1e-10);
  const auto loss = baseline::discriminator_loss(real, fake);
  CHECK(loss.scalar() == Approx(reference::scalar(torch, "discriminator.value")).epsilon(1e-10));
  t.backward(loss);
  for (const auto& [own, name] : {std::pair("item_embedding.weight", "embedding"), std::pair("position_embedding.weight", "position"),
                                  std::pair("verdict.weight", "verdict"), std::pair("input_norm.weight", "norm")})
    CHECK(error_of(parameters.at(std::string("discriminator.") + own)->gradient,
                   reference::get(torch, std::string("discriminator.") + name + ".gradient")) < 1e-10);
}

TEST_CASE("the last item's company and place count, on both sides of it") {
  const baseline::discriminator<float> judge({.items = 9, .width = 8, .heads = 2, .max_length = 5}, core::random(core::seed{1}));
  const auto logit = [&](std::vector<data::item> items) {
    core::arena memory;
    autodiff::tape<float> t(memory, {1}, autodiff::mode::inference);
    const std::vector<index> offsets{0, static_cast<index>(items.size())};
    return judge(t, items, core::ragged(offsets), {}).value()(0, 0);
  };
  const std::set<float> all{logit({1, 2, 3}), logit({2, 1, 3}), logit({1, 2, 4}), logit({2, 3}), logit({3})};
  CHECK(all.size() == 5);
}

TEST_CASE("the losses of both sides: value and gradient by hand and by differences") {
  const std::vector<data::item> drawn{2, 0, 2, 4};
  const std::vector<double> rewards{0.9, 0.2, 0.4, 0.1};  // mean .4
  const auto x = normal_matrix<double>(4, 3, 1), items = normal_matrix<double>(5, 3, 2);
  const auto policy = [&](auto&, auto& v) { return baseline::policy_loss<double>(v[0], v[1], drawn, rewards, 2.0); };
  CHECK(autodiff::gradient_error({x, items}, policy) < 1e-6);
  CHECK(autodiff::gradient_error({normal_matrix<double>(4, 1, 1), normal_matrix<double>(4, 1, 2)},
                                 [](auto&, auto& v) { return baseline::discriminator_loss(v[0], v[1]); }) < 1e-6);
  core::arena memory;
  autodiff::tape<double> t(memory, {1});
  autodiff::parameter<double> a, b;
  a.value = x, b.value = items;
  double expected = 0;
  const core::matrix<double> scores = 2.0 * (x * items.transpose());
  for (index i = 0; i < 4; ++i)
    expected += (rewards[static_cast<std::size_t>(i)] - 0.4) *
                (std::log(scores.row(i).array().exp().sum()) - scores(i, drawn[static_cast<std::size_t>(i)])) / 4;
  CHECK(baseline::policy_loss<double>(t.leaf(a), t.leaf(b), drawn, rewards, 2.0).scalar() == Approx(expected));
  const core::matrix<double> real = core::matrix<double>::Constant(2, 1, 1.5), fake = core::matrix<double>::Constant(2, 1, -0.5);
  CHECK(baseline::discriminator_loss(t.constant(real), t.constant(fake)).scalar() ==
        Approx(std::log1p(std::exp(-1.5)) + std::log1p(std::exp(-0.5))));
}

TEST_CASE("the policy loss is PyTorch's, value and gradients") {
  const auto torch = reference::load();
  const auto drawn = reference::whole<data::item>(torch, "policy.drawn");
  const auto rewards = reference::whole<double>(torch, "policy.rewards");
  const auto [value, gradient] = value_and_gradients(
      {reference::get(torch, "policy.x"), reference::get(torch, "policy.items")},
      [&](auto& v) { return baseline::policy_loss<double>(v[0], v[1], drawn, rewards, reference::scalar(torch, "policy.scale")); });
  CHECK(value == Approx(reference::scalar(torch, "policy.value")).epsilon(1e-12));
  CHECK(error_of(gradient[0], reference::get(torch, "policy.x.gradient")) < 1e-12);
  CHECK(error_of(gradient[1], reference::get(torch, "policy.items.gradient")) < 1e-12);
}

TEST_CASE("the gradient of a whole batch with the network's own loss, by central differences") {
  // Rewards are constants for the generator, and constants hide the policy loss from the discriminator: its own is looked at alone.
  for (const bool discriminator : {false, true}) {
    network<double> net = fresh<double>(300, 4, {.reward_weight = discriminator ? 0.0 : 3.0, .sample_temperature = 0.5, .pretraining = 0});
    std::uint64_t wild = 100;  // fresh weights are too tame: verdicts would be all alike
    net.visit([&](const std::string&, auto& p) { p.value = normal_matrix<double>(p.value.rows(), p.value.cols(), ++wild, 0.5); });
    train::views batch;
    build(batch);
    core::arena memory;
    std::vector<double> parts(objective().names().size() + 3);
    const std::vector<train::weighted_step> steps{{0, 1.0}};
    const auto value = [&] {
      return train::accumulate_gradient(net, objective(), batch, steps, core::random(core::seed{3}), memory, {1}, parts);
    };
    check_gradients(net, value, [&](const std::string& name) { return name.starts_with("discriminator.") == discriminator; });
  }
}

TEST_CASE("the reward moves the generator alone, and only after pretraining, in which the discriminator learns already") {
  const auto gradients = [](double weight, index trained, double objective_weight = 1) {
    network<double> net = fresh<double>(300, 4, {.reward_weight = weight, .objective_weight = objective_weight, .pretraining = 10});
    train::views batch;
    build(batch);
    batch.trained = trained;
    core::arena memory;
    std::vector<double> parts(objective().names().size() + 3, 0);
    train::accumulate_gradient(net, objective(), batch, std::vector<train::weighted_step>{{0, 1.0}}, core::random(core::seed{3}), memory,
                               {1}, parts);
    std::vector<core::matrix<double>> generator, discriminator;
    net.visit([&](const std::string& name, auto& p) {
      (name.starts_with("discriminator.") ? discriminator : generator).push_back(p.grad().matrix_map());
    });
    return std::tuple(generator, discriminator, parts);
  };
  const auto [without, judge, parts] = gradients(0, 10);
  const auto [rewarded, same_judge, same_parts] = gradients(1, 10);
  const auto [early, early_judge, early_parts] = gradients(1, 9);
  CHECK(without[0] != rewarded[0]);
  CHECK(without == early);
  CHECK(judge == same_judge);
  CHECK(judge == early_judge);
  CHECK_FALSE(judge[0].isZero(0));
  CHECK(early_parts == parts);
  CHECK(parts[1] == Approx(2 * std::log(2.0)).epsilon(0.1));  // of a judge that knows nothing yet
  CHECK((parts[2] >= 0 && parts[2] <= 1));
  CHECK(parts[3] == Approx(0.5).epsilon(0.1));

  // The reward without the objective: the difference of the two, and nothing of it before the game.
  const auto [alone, alone_judge, alone_parts] = gradients(1, 10, 0);
  CHECK(alone_judge == judge);
  CHECK(alone_parts[0] == 0);
  CHECK(alone_parts[3] == parts[3]);
  for (std::size_t k = 0; k < alone.size(); ++k) CHECK((alone[k] - (rewarded[k] - without[k])).norm() <= 1e-12 * rewarded[k].norm());
  CHECK(std::get<0>(gradients(1, 9, 0)) == early);
}

TEST_CASE("pretraining trains the generator as the objective alone does, and the discriminator at its own learning rate") {
  const data::split split = data::leave_one_out(log().log());
  auto s = settings(2);
  network<float> net = fresh<float>(split.items(), 16, {.pretraining = 1000}), later = fresh<float>(split.items(), 16, {.pretraining = 5});
  network<float> still = fresh<float>(split.items(), 16, {.discriminator_learning_rate = 1e-30, .pretraining = 1000});
  const auto before = weights(net, true);
  baseline::sasrec<float> alone = net;
  // The generator as the last epoch leaves it, whichever was the best.
  const auto last_weights = [&](auto& own) {
    std::vector<core::matrix<float>> last;
    train::fit_hooks<float> hooks;
    hooks.epoch_done = [&](const train::epoch_report&, const train::fit_state<float>&) { last = weights(own, false); };
    train::fit(own, objective(), split, s, hooks);
    return last;
  };
  const auto reports = trained(net, s);
  const auto last_alone = last_weights(alone);
  const auto after = weights(net, true);
  for (std::size_t k = 0; k < before.size(); ++k) CHECK(after[k] != before[k]);
  CHECK(weights(net, false) == weights(alone, false));
  CHECK(reports[1].parts[3].first == "gan_reward");
  trained(still, s);
  const auto at_rest = weights(still, true);
  for (std::size_t k = 0; k < before.size(); ++k) CHECK((at_rest[k] - before[k]).cwiseAbs().maxCoeff() < 1e-20f);  // biases begin with 0
  CHECK(weights(still, false) == weights(alone, false));
  CHECK(last_weights(later) != last_alone);
}

TEST_CASE("training is the same to the bit for any number of threads") {
  std::vector<std::vector<core::matrix<float>>> all;
  for (int threads : {1, 2}) {
    network<float> net = fresh<float>(log().log().items.size(), 16, {.pretraining = 4});
    trained(net, settings(2, threads));
    all.push_back(weights(net, false));
    for (const auto& w : weights(net, true)) all.back().push_back(w);
  }
  CHECK(all[0] == all[1]);
}

TEST_CASE("both sides learn: the generator from the objective, the discriminator to tell even draws from real items") {
  auto s = settings(80);
  s.learning_rate = 5e-3, s.patience = 0;
  const baseline::gan_settings game{.discriminator_learning_rate = 5e-3, .reward_weight = 0.1, .sample_temperature = 100, .pretraining = 8};
  network<float> net = fresh<float>(log().log().items.size(), 16, game, 0.0);
  const auto reports = trained(net, s);
  const auto part = [&](std::size_t epoch, std::size_t k) { return reports[epoch].parts[k].second; };
  CHECK(part(79, 0) < 0.6 * part(0, 0));
  CHECK(part(0, 1) == Approx(2 * std::log(2.0)).epsilon(0.1));
  CHECK(part(79, 1) < 0.8 * part(0, 1));
  CHECK(part(79, 2) > 0.68);
  CHECK(part(79, 3) < 0.4);
  CHECK(reports[79].validation.ndcg_at_10 > 1.3 * reports[0].validation.ndcg_at_10);
}

TEST_CASE("a step down the policy loss makes what was rewarded likelier, and what was not less likely") {
  const std::vector<data::item> drawn{2, 0};
  autodiff::parameter<double> x, items;
  x.value = normal_matrix<double>(2, 3, 1), items.value = normal_matrix<double>(5, 3, 2);
  const auto surprise = [&] {
    core::matrix<double> s = x.value * items.value.transpose();
    return std::pair(std::log(s.row(0).array().exp().sum()) - s(0, 2), std::log(s.row(1).array().exp().sum()) - s(1, 0));
  };
  const auto before = surprise();
  core::arena memory;
  autodiff::tape<double> t(memory, {1});
  t.backward(baseline::policy_loss<double>(t.leaf(x), t.leaf(items), drawn, std::vector<double>{1, 0}, 1.0));
  x.value -= 0.01 * x.gradient;
  CHECK(surprise().first < before.first);
  CHECK(surprise().second > before.second);
}

TEST_CASE("settings of the game out of range are refused") {
  CHECK_THROWS_WITH(fresh<float>(9, 4, {.discriminator_layers = 0}), ContainsSubstring("discriminator_layers must be 1 or more"));
  CHECK_THROWS_WITH(fresh<float>(9, 4, {.discriminator_dropout = 1}), ContainsSubstring("discriminator_dropout must be in [0, 1)"));
  CHECK_THROWS_WITH(fresh<float>(9, 4, {.discriminator_learning_rate = 0}),
                    ContainsSubstring("discriminator_learning_rate must be positive"));
  CHECK_THROWS_WITH(fresh<float>(9, 4, {.reward_weight = -1}), ContainsSubstring("reward_weight"));
  CHECK_THROWS_WITH(fresh<float>(9, 4, {.objective_weight = -1}), ContainsSubstring("objective_weight must be 0 or more"));
  CHECK_THROWS_WITH(fresh<float>(9, 4, {.sample_temperature = 0}), ContainsSubstring("sample_temperature must be positive"));
  CHECK_THROWS_WITH(fresh<float>(9, 4, {.pretraining = -1}), ContainsSubstring("pretraining"));
}

TEST_CASE("a discriminator refuses a sequence longer than it has positions for") {
  const baseline::discriminator<float> judge({.items = 9, .width = 4, .heads = 2, .max_length = 3}, core::random(core::seed{1}));
  const std::vector<data::item> items(4, 2);
  const std::vector<index> offsets{0, 4};
  core::arena memory;
  autodiff::tape<float> t(memory, {1}, autodiff::mode::inference);
  CHECK_THROWS_WITH(judge(t, items, core::ragged(offsets), {}), ContainsSubstring("sequence 0 has 4 items, but there are positions for 3"));
}

}  // namespace cddrec::test
