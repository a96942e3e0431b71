// What each setting of training comes to, by numbers that are known without it.
#include <array>
#include <functional>
#include <set>

#include "train/small_training.hpp"

namespace cddrec::test {

namespace {
/// Trains nothing: its loss at a step is the number that `look` returns, its part is 1.
struct onlooker {
  std::function<float(const loss::step<float>&)> look = [](const loss::step<float>&) { return 1.0f; };
  loss::needs what = {};
  loss::needs needs() const { return what; }
  std::vector<std::string> names() const { return {"one"}; }
  template <class T>
  autodiff::variable<T> operator()(const loss::step<T>& s, std::span<double> parts) const {
    parts[0] += 1;
    return autodiff::affine(autodiff::mean(autodiff::squared_distance(s.main.mean, s.main.x0)), T(0), look(s));
  }
};

train::fit_settings one_batch(index epochs) {
  auto s = settings(epochs);
  s.batch_users = 1000;
  return s;
}

struct history {
  std::vector<train::epoch_report> reports;
  std::vector<std::vector<core::matrix<float>>> weights;  // that were validated
  train::fit_state<float> state;                          // after the last epoch
  train::fit_result result;
};
template <class Network, class Objective>
history trained(Network& net, const Objective& goal, const train::fit_settings& s, const train::fit_state<float>& state = {}) {
  history h;
  train::fit_hooks<float> hooks;
  hooks.epoch_done = [&](const train::epoch_report& r, const train::fit_state<float>& now) {
    h.reports.push_back(r), h.weights.push_back(weights(net)), h.state = now;
  };
  h.result = train::fit(net, goal, data::leave_one_out(log().log()), s, hooks, state);
  return h;
}
template <class Objective>
history trained(const Objective& goal, const train::fit_settings& s) {
  network net = fresh();
  return trained(net, goal, s);
}

/// A network with a loss of its own of 10, whose parts tell what it was given; the objective comes in after four batches, by half.
struct judged : network {
  static constexpr std::array<const char*, 2> own_names{"trained", "rows"};
  judged() : network(fresh()) {}
  autodiff::variable<float> own_loss(const autodiff::variable<float>& x, const data::batch& main, index trained, const core::random&,
                                     std::span<double> parts) const {
    parts[0] += static_cast<double>(trained), parts[1] += static_cast<double>(main.tokens());
    return autodiff::affine(autodiff::mean(autodiff::row_dot(x, x)), 0.0f, 10.0f);
  }
  double objective_weight(index trained) const { return trained < 4 ? 0 : 0.5; }
  double learning_rate(const std::string&, double rate) const { return rate; }
};

/// Of all entries of a list of matrices.
double norm(const std::vector<core::matrix<float>>& matrices) {
  double squares = 0;
  for (const auto& m : matrices) squares += m.cast<double>().squaredNorm();
  return std::sqrt(squares);
}
}  // namespace

TEST_CASE("every epoch trains on every user once, in an order and with numbers of its own") {
  const data::split split = data::leave_one_out(log().log());
  const std::size_t users = static_cast<std::size_t>(split.training_users());
  using targets = std::vector<data::item>;
  std::vector<targets> given;
  for (index u = 0; u < split.training_users(); ++u) {
    const auto all = split.training(u).subspan(1);
    const auto newest = all.last(std::min<std::size_t>(all.size(), 8));
    given.emplace_back(newest.begin(), newest.end());
  }
  const auto sorted = [](std::vector<targets> list) {
    std::sort(list.begin(), list.end());
    return list;
  };
  std::set<std::vector<targets>> orders{given};
  std::set<std::uint32_t> numbers;
  for (const std::uint64_t seed : {9u, 10u}) {
    std::vector<targets> seen;
    onlooker goal;
    goal.look = [&](const loss::step<float>& s) {
      CHECK(s.trained == std::ssize(seen));  // one step of one user a batch
      seen.emplace_back(s.main.targets.begin(), s.main.targets.end());
      numbers.insert(s.draw.bits(0));
      return 1.0f;
    };
    auto s = settings(2);
    s.batch_users = 1, s.sampled_steps = 1, s.seed = {seed};
    trained(goal, s);
    REQUIRE(seen.size() == 2 * users);
    const auto second = seen.begin() + split.training_users();
    for (const auto& epoch : {std::vector<targets>(seen.begin(), second), std::vector<targets>(second, seen.end())}) {
      CHECK(sorted(epoch) == sorted(given));
      orders.insert(epoch);
    }
  }
  CHECK(orders.size() == 5);
  CHECK(numbers.size() == 4 * users);
}

TEST_CASE("steps are as many, drawn by the law and weighed as the settings say") {
  // The loss is 1 at every step, so that of the one batch is the sum of the steps' weights.
  const double harmonic = 1 + 1.0 / 2 + 1.0 / 3 + 1.0 / 4 + 1.0 / 5 + 1.0 / 6;
  std::vector<index> steps;
  onlooker goal;
  goal.look = [&](const loss::step<float>& s) { return steps.push_back(s.t), 1.0f; };
  const auto loss = [&](const train::fit_settings& s) {
    steps.clear();
    return trained(goal, s).reports[0].loss;
  };
  auto s = one_batch(1);
  s.sampled_steps = 0;
  CHECK(loss(s) == Approx(harmonic));
  CHECK(steps == std::vector<index>{0, 1, 2, 3, 4, 5});
  s.step_weight = train::step_weight::equal;
  CHECK(loss(s) == Approx(6));
  s = one_batch(1);
  s.sampled_steps = 1;
  CHECK(loss(s) == Approx(harmonic));
  CHECK(steps.size() == 1);
  s.step_law = train::step_law::uniform;
  CHECK(loss(s) == Approx(6.0 / static_cast<double>(steps.at(0) + 1)));
}

TEST_CASE("negatives are as many and drawn by the law that the settings say") {
  const data::split split = data::leave_one_out(log().log());
  for (const auto law : {data::negative_law::uniform, data::negative_law::popularity, data::negative_law::in_batch})
    for (const double power : {1.0, 0.5}) {
      const data::negative_sampler sampler(split, law, fresh().settings().max_length, power);
      onlooker goal{.what = {.negatives = true, .candidates = true}};
      goal.look = [&](const loss::step<float>& s) {
        CHECK(s.main.negatives.size() == 3);
        const std::set<data::item> targets(s.main.targets.begin(), s.main.targets.end());
        const index count = s.candidates.items.rows();
        CHECK((law == data::negative_law::in_batch ? count == std::ssize(targets) : count > 3 && count <= 7));
        const index draws = law == data::negative_law::in_batch ? std::ssize(s.main.targets) : 7;
        for (std::size_t i = 0; i < s.main.targets.size(); ++i)
          CHECK(s.main.target_log_inclusion[i] == Approx(sampler.log_inclusion(s.main.targets[i], draws)));
        return 1.0f;
      };
      auto s = settings(1);
      s.negatives = law, s.negative_power = power, s.negatives_per_target = 3, s.candidates = 7;
      trained(goal, s);
    }
}

TEST_CASE("views are augmented as the settings say") {
  // A crop that keeps all leaves every view its targets.
  for (const float keep : {0.6f, 1.0f}) {
    onlooker goal{.what = {.augmented = true}};
    goal.look = [&](const loss::step<float>& s) {
      const bool same = std::equal(s.main.targets.begin(), s.main.targets.end(), s.augmented.targets.begin(), s.augmented.targets.end());
      CHECK(same == (keep == 1));
      return 1.0f;
    };
    auto s = one_batch(1);
    s.augmentation.crop_keep = keep;
    trained(goal, s);
  }
}

TEST_CASE("training stops after as many epochs without a better one as its patience, 0 never") {
  auto s = one_batch(50);
  s.patience = 2;
  CHECK(trained(onlooker{}, s).result.epochs == 3);
  s = one_batch(13);
  s.patience = 0;
  CHECK(trained(onlooker{}, s).result.epochs == 13);
}

TEST_CASE("the limit is in minutes, and those of earlier sittings count") {
  network net = fresh();
  auto state = trained(net, onlooker{}, one_batch(1)).state;
  auto s = one_batch(2);
  s.minutes = 1;
  for (const double seconds : {30.0, 60.0}) {
    state.seconds = seconds;
    CHECK(trained(net, onlooker{}, s, state).result.epochs == (seconds < 60 ? 2 : 1));
  }
}

TEST_CASE("the weights that stay are those of the best epoch, not of the last") {
  auto s = settings(8);
  s.learning_rate = 5e-3;
  network net = fresh();
  history h;
  std::vector<double> scores;
  auto best = scores.begin();
  for (s.seed = {1}; s.seed.value <= 20; ++s.seed.value) {  // until an epoch in the middle is the best
    net = fresh(), h = trained(net, objective(), s), scores.clear();
    for (const auto& r : h.reports) scores.push_back(r.validation.ndcg_at_10);
    best = std::max_element(scores.begin(), scores.end());
    if (best != scores.begin() && best + 1 != scores.end()) break;
  }
  REQUIRE((best != scores.begin() && best + 1 != scores.end()));
  CHECK(h.result.best_epoch == 1 + (best - scores.begin()));
  CHECK(h.result.best_ndcg == *best);
  CHECK(weights(net) == h.weights[static_cast<std::size_t>(best - scores.begin())]);
  CHECK(h.state.best == weights(net));
  CHECK(h.state.curve == scores);
}

TEST_CASE("a gradient is shortened to the clip by one factor, and only if it is longer") {
  // The first moments of the first step are 0.1 times the gradient that it took.
  auto s = one_batch(1);
  s.learning_rate = 3e-3;
  const history free = trained(objective(), s);
  const double length = 10 * norm(free.state.first_moments);
  const auto before = weights(fresh());
  float furthest = 0;
  for (std::size_t k = 0; k < before.size(); ++k) furthest = std::max(furthest, (free.weights[0][k] - before[k]).cwiseAbs().maxCoeff());
  CHECK(furthest == Approx(3e-3).epsilon(1e-3));  // as far as Adam's first step can go
  s.gradient_clip = 1.01 * length;
  CHECK(trained(objective(), s).weights == free.weights);
  for (const double share : {0.99, 0.1}) {
    s.gradient_clip = share * length;
    const history clipped = trained(objective(), s);
    CHECK(10 * norm(clipped.state.first_moments) == Approx(s.gradient_clip).epsilon(1e-5));
    for (std::size_t k = 0; k < before.size(); ++k)
      CHECK(clipped.state.first_moments[k].isApprox(static_cast<float>(share) * free.state.first_moments[k], 1e-5f));
  }
}

TEST_CASE("the average of the weights forgets by the decay of the settings, and faster at first") {
  auto s = one_batch(4);
  const history plain = trained(objective(), s);
  s.ema_decay = 0.27;
  const history averaged = trained(objective(), s);
  auto average = weights(fresh());
  for (std::size_t epoch = 0; epoch < 4; ++epoch) {
    const float keep = std::vector<float>{2.0f / 11, 3.0f / 12, 0.27f, 0.27f}[epoch];
    for (std::size_t k = 0; k < average.size(); ++k) {
      average[k] = keep * average[k] + (1 - keep) * plain.weights[epoch][k];
      CHECK((averaged.weights[epoch][k] - average[k]).cwiseAbs().maxCoeff() < 1e-6f);
    }
  }
}

TEST_CASE("the loss and the parts of an epoch are means over the batches that were trained on") {
  index calls = 0;
  onlooker goal;
  // The second of six steps of the second of four batches goes bad.
  goal.look = [&](const loss::step<float>&) { return calls++ == 7 ? std::numeric_limits<float>::quiet_NaN() : 2.5f; };
  auto s = settings(1);
  s.sampled_steps = 0, s.step_weight = train::step_weight::equal, s.skip_bad_steps = 1;
  const history h = trained(goal, s);
  REQUIRE(h.reports.size() == 1);
  CHECK(h.reports[0].skipped == 1);
  CHECK(h.reports[0].loss == Approx(6 * 2.5));
  REQUIRE(h.reports[0].parts.size() == 1);
  CHECK(h.reports[0].parts[0].first == "one");
  CHECK(h.reports[0].parts[0].second == Approx(6));
}

TEST_CASE("the network's own loss adds to the weighed objective, and its parts are kept epoch by epoch") {
  const data::split split = data::leave_one_out(log().log());
  double rows = 0;  // of a batch on average, of four
  for (index u = 0; u < split.training_users(); ++u) rows += static_cast<double>(std::min<index>(std::ssize(split.training(u)) - 1, 8)) / 4;
  judged net;
  auto s = settings(2);
  s.sampled_steps = 0, s.step_weight = train::step_weight::equal;
  const history h = trained(net, onlooker{}, s);
  REQUIRE(h.reports.size() == 2);
  for (std::size_t epoch = 0; epoch < 2; ++epoch) {
    const double objective = epoch == 0 ? 0 : 6, batches = epoch == 0 ? 1.5 : 5.5;  // six steps; (0 + 1 + 2 + 3) / 4, and 4 more
    const std::vector<std::pair<std::string, double>> expected{{"one", objective}, {"trained", batches}, {"rows", rows}};
    CHECK(h.reports[epoch].loss == Approx(10 + objective / 2));
    REQUIRE(h.reports[epoch].parts.size() == 3);
    REQUIRE(h.state.own_curves.size() == 2);
    for (std::size_t k = 0; k < 3; ++k) {
      CHECK(h.reports[epoch].parts[k].first == expected[k].first);
      CHECK(h.reports[epoch].parts[k].second == Approx(expected[k].second));
      if (k > 0) CHECK(h.state.own_curves[k - 1].at(epoch) == h.reports[epoch].parts[k].second);
    }
  }
}

TEST_CASE("seconds are of all sittings, after an epoch and where training is stopped within one") {
  const data::split split = data::leave_one_out(log().log());
  for (const index stopped_at : {-1, 2}) {
    network net = fresh();
    train::fit_state<float> state;
    state.seconds = 30;
    std::vector<double> told;
    train::fit_hooks<float> hooks;
    hooks.progress = [&](index, index batch, index) { return batch != stopped_at; };
    hooks.epoch_done = [&](const train::epoch_report& r, const train::fit_state<float>& now) { told = {r.seconds, now.seconds}; };
    hooks.interrupted = [&](const train::fit_state<float>& now) { told = {now.seconds}; };
    const double whole = train::fit(net, onlooker{}, split, settings(1), hooks, state).seconds;
    REQUIRE(told.size() == (stopped_at < 0 ? 2 : 1));
    told.push_back(whole);
    for (const double seconds : told) CHECK((seconds > 30 && seconds < 90));
  }
}

}  // namespace cddrec::test
