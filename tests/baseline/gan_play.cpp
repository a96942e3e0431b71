// One move of the adversarial game, beside the same put together by hand; gan.cpp has the game in training.
#include <set>

#include "cddrec/baseline/gan.hpp"
#include "layers.hpp"

namespace cddrec::test {

namespace {
using game = baseline::gan<baseline::sasrec<double>>;
using lists = std::vector<std::vector<data::item>>;

constexpr index items = 20, width = 8;

/// A network whose weights are no longer tame: verdicts of fresh ones are all alike.
game wild(const baseline::gan_settings& s) {
  game net(baseline::sasrec<double>({.items = items, .width = width, .heads = 2, .max_length = 6, .attention_dropout = 0.25},
                                    diffusion::process<double>(diffusion::linear_schedule{}, 1), core::seed{5}),
           s, core::seed{6});
  std::uint64_t name = 100;
  net.visit([&](const std::string&, auto& p) { p.value = normal_matrix<double>(p.value.rows(), p.value.cols(), ++name, 0.5); });
  return net;
}

data::batch batch_of(const lists& sequences) {
  data::batch batch;
  for (const auto& sequence : sequences) batch.add_training(sequence, 6);
  return batch;
}

double softplus(double x) { return std::log1p(std::exp(x)); }
}  // namespace

TEST_CASE("the discriminator reads every history with the real item and with the drawn one, and its verdict on the drawn is the reward") {
  const data::batch batch = batch_of({{3, 1, 4, 1, 5}, {9, 2, 6}, {5, 3}});
  const std::vector<index> rows{1, 5, 6};
  const std::vector<data::item> drawn{7, 0, 11};
  const std::vector<data::item> read{3, 1, 4, 9, 2, 6, 5, 3, /* drawn */ 3, 1, 7, 9, 2, 0, 5, 11};
  const std::vector<index> offsets = offsets_of({3, 3, 2, 3, 3, 2});
  const auto x = normal_matrix<double>(3, width, 1), table = normal_matrix<double>(items, width, 2);
  const core::random draw(core::seed{3});
  for (const double dropout : {0.0, 0.5}) {
    const game net = wild({.discriminator_layers = 2, .discriminator_dropout = dropout, .sample_temperature = 0.5});
    // The generator's heads, length and dropout of attention; a place more, for the item that is judged.
    baseline::discriminator<double> judge(
        {.items = items, .width = width, .layers = 2, .heads = 2, .max_length = 7, .dropout = dropout, .attention_dropout = 0.25},
        core::random());
    const auto weights = parameters_of(judge, "discriminator");
    std::size_t found = 0;
    net.visit([&](const std::string& name, const auto& p) {
      if (!name.starts_with("discriminator.")) return;
      REQUIRE(weights.at(name)->value.rows() == p.value.rows());
      weights.at(name)->value = p.value;
      ++found;
    });
    REQUIRE(found == weights.size());
    core::arena memory;
    autodiff::tape<double> t(memory, {1});
    const core::matrix<double> verdicts = judge(t, read, core::ragged(offsets), draw).value().matrix_map();
    double judged = 0, right = 0, reward = 0, policy = 0;
    const auto reward_of = [&](index s) { return 1 / (1 + std::exp(-verdicts(3 + s, 0))); };
    for (index s = 0; s < 3; ++s) {
      judged += (softplus(-verdicts(s, 0)) + softplus(verdicts(3 + s, 0))) / 3;
      right += ((verdicts(s, 0) > 0 ? 1 : 0) + (verdicts(3 + s, 0) < 0 ? 1 : 0)) / 6.0;
      reward += reward_of(s) / 3;
    }
    for (index s = 0; s < 3; ++s) {
      const Eigen::VectorXd scores = 2 * table * x.row(s).transpose();
      policy += (reward_of(s) - reward) * (std::log(scores.array().exp().sum()) - scores(drawn[static_cast<std::size_t>(s)])) / 3;
    }
    for (const double weight : {0.0, 0.75}) {
      std::array<double, 3> parts{};
      const auto loss = net.play(t.constant(x), t.constant(table), batch, rows, drawn, weight, draw, parts);
      CHECK(loss.scalar() == Approx(judged + weight * policy).epsilon(1e-12));
      CHECK(parts[0] == Approx(judged).epsilon(1e-12));
      CHECK(parts[1] == Approx(right).epsilon(1e-12));
      CHECK(parts[2] == Approx(reward).epsilon(1e-12));
    }
    CHECK(std::abs(policy) > 0.01);
  }
}

TEST_CASE("of every sequence one row plays, any of them, by the draw") {
  const game net = wild({.sample_temperature = 0.5, .pretraining = 0});
  const data::batch batch = batch_of({{3, 1, 4, 1, 5}, {9, 2, 6}, {5, 3}});
  std::vector<int> played(7, 0);
  for (std::uint64_t k = 0; k < 60; ++k) {
    autodiff::parameter<double> predicted;
    predicted.value = normal_matrix<double>(7, width, 1);
    core::arena memory;
    autodiff::tape<double> t(memory, {1});
    std::array<double, 3> parts{};
    t.backward(net.own_loss(t.leaf(predicted), batch, 0, core::random(core::seed{k}), parts));
    for (index s = 0; s < 3; ++s) {
      int rows = 0;
      for (index i = batch.layout().begin(s); i < batch.layout().end(s); ++i)
        if (!predicted.gradient.row(i).isZero(0)) ++rows, ++played[static_cast<std::size_t>(i)];
      CHECK(rows == 1);
    }
  }
  CHECK(*std::min_element(played.begin(), played.begin() + 4) > 5);       // of 15
  CHECK(*std::min_element(played.begin() + 4, played.begin() + 6) > 15);  // of 30
  CHECK(played[6] == 60);
}

TEST_CASE("of a softmax that its temperature makes sharp the peak is drawn, of a flat one anything") {
  const data::batch batch = batch_of({{3, 1}, {9, 2}, {5, 3}, {0, 7}, {12, 4}, {19, 8}});
  const std::vector<data::item> peaks{6, 17, 2, 2, 11, 0};
  const std::vector<index> rows{0, 1, 2, 3, 4, 5};
  std::set<double> flat;
  for (const double temperature : {0.005, 100.0}) {
    const game net = wild({.sample_temperature = temperature, .pretraining = 0});
    for (std::uint64_t k = 0; k < 8; ++k) {
      const core::random draw(core::seed{k});
      core::arena memory;
      autodiff::tape<double> t(memory, {1});
      std::array<double, 3> parts{}, by_hand{};
      const auto predicted = net.embed(t, peaks);  // nothing is as near to an item as itself
      const double loss = net.own_loss(predicted, batch, 0, draw, parts).scalar();
      const double expected =
          net.play(net.scored(predicted), net.scored(net.item_table(t)), batch, rows, peaks, 1, draw.child(2), by_hand).scalar();
      if (temperature < 1) {
        CHECK(loss == Approx(expected).epsilon(1e-12));
        CHECK(parts[2] == Approx(by_hand[2]).epsilon(1e-12));
      } else {
        CHECK(std::abs(parts[2] - by_hand[2]) > 1e-6);
        flat.insert(parts[2]);
      }
    }
  }
  CHECK(flat.size() == 8);
}

TEST_CASE("in training the discriminator drops out its input and what its layers do, each at its own rate") {
  const std::vector<data::item> inputs{3, 1, 4, 1, 5, 0, 2, 6};
  const std::vector<index> offsets = offsets_of({2, 5, 1});
  const core::ragged layout(offsets);
  const core::random draw(core::seed{3}), other(core::seed{4});
  const auto make = [](double hidden, double attention) {
    baseline::discriminator<double> made(
        {.items = 9, .width = 4, .layers = 2, .heads = 2, .max_length = 5, .dropout = hidden, .attention_dropout = attention},
        core::random(core::seed{1}));
    make_wild(parameters_of(made, "d"));
    return made;
  };
  const auto run = [&](const auto& judge, const core::random& r) {
    core::arena memory;
    autodiff::tape<double> t(memory, {1});
    return core::matrix<double>(judge(t, inputs, layout, r).value().matrix_map());
  };
  const auto unmoved = make(0, 0);
  for (const auto& [hidden, attention] : {std::pair(0.5, 0.0), std::pair(0.0, 0.5)}) {
    auto judge = make(hidden, attention);
    const auto weights = parameters_of(judge, "d");
    nn::transformer<double, nn::bidirectional> encoder(
        {.width = 4, .layers = 2, .heads = 2, .dropout = hidden, .attention_dropout = attention}, core::random());
    for (const auto& [name, p] : parameters_of(encoder, "d.encoder")) p->value = weights.at(name)->value;
    core::arena memory;
    autodiff::tape<double> t(memory, {1});
    const auto leaf = [&](const char* name) { return t.leaf(*weights.at(name)); };
    const auto x = autodiff::add(autodiff::gather<double, data::item>(leaf("d.item_embedding.weight"), inputs),
                                 nn::positions(leaf("d.position_embedding.weight"), layout));
    const auto norm = autodiff::layer_norm(x, leaf("d.input_norm.weight"), leaf("d.input_norm.bias"));
    const auto encoded = encoder(autodiff::dropout(norm, hidden, draw.child(0)), layout, draw.child(1));
    const core::matrix<double> by_hand =
        autodiff::linear(autodiff::last_rows(encoded, layout), leaf("d.verdict.weight"), leaf("d.verdict.bias")).value().matrix_map();
    CHECK(run(judge, draw).isApprox(by_hand, 1e-12));
    CHECK(run(judge, draw) != run(judge, other));
    CHECK(run(judge, draw) != run(unmoved, draw));
  }
}

}  // namespace cddrec::test
