// Numbers that go bad while a network is trained: not finite, or too large.
#include "train/small_training.hpp"

namespace cddrec::test {

TEST_CASE("a loss that is not finite stops training and says where") {
  const data::split split = data::leave_one_out(log().log());
  network net = fresh();
  net.visit([](const std::string& name, auto& p) {
    if (name == "denoiser.value.weight") p.value(0, 0) = std::numeric_limits<float>::quiet_NaN();
  });
  CHECK_THROWS_WITH(train::fit(net, objective(), split, settings(1)),
                    ContainsSubstring("epoch 1, batch 1") && ContainsSubstring("not finite"));
}

namespace {
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

/// The objective above, whose loss is not finite at some of its calls.
struct flaky {
  decltype(objective()) inner = objective();
  std::vector<index> bad;
  mutable index calls = 0;
  loss::needs needs() const { return inner.needs(); }
  std::vector<std::string> names() const { return inner.names(); }
  template <class T>
  autodiff::variable<T> operator()(const loss::step<T>& s, std::span<double> values) const {
    const autodiff::variable<T> loss = inner(s, values);
    return std::find(bad.begin(), bad.end(), calls++) == bad.end() ? loss : autodiff::affine(loss, not_a_number, T(0));
  }
};

/// Before a batch, puts a value into the weights or the gradient of a parameter.
train::fit_hooks<float> poison(network& net, bool gradient, index epoch, index batch, float value = not_a_number) {
  train::fit_hooks<float> hooks;
  hooks.progress = [&net, gradient, epoch, batch, value](index e, index b, index) {
    if (e == epoch && b == batch)
      net.visit([&](const std::string& name, auto& p) {
        if (name == "denoiser.value.weight") (gradient ? p.grad().matrix_map() : core::view<float>(p.value).matrix_map())(1, 2) = value;
      });
    return true;
  };
  return hooks;
}
}  // namespace

TEST_CASE("numbers that go bad stop training in that batch, which is named with its tensor, and no hook sees them") {
  const data::split split = data::leave_one_out(log().log());
  network net = fresh();
  std::vector<index> seen;
  std::vector<core::matrix<float>> last;
  const auto message = [&](train::fit_hooks<float> hooks, const auto& goal, train::fit_settings s) -> std::string {
    seen.clear();
    hooks.epoch_done = [&](const train::epoch_report& r, const train::fit_state<float>&) { seen.push_back(r.epoch), last = weights(net); };
    net = fresh();
    try {
      train::fit(net, goal, split, s, hooks);
    } catch (const numeric_error& e) {
      return e.what();
    }
    return {};
  };
  for (const float value : {not_a_number, std::numeric_limits<float>::infinity()}) {
    CHECK_THAT(message(poison(net, false, 2, 3, value), objective(), settings(3)),
               ContainsSubstring("epoch 2, batch 4: ") && ContainsSubstring("loss of diffusion step") &&
                   ContainsSubstring("the weights denoiser.value.weight are not finite"));
    CHECK(seen == std::vector<index>{1});
    CHECK(message(poison(net, true, 2, 1, value), objective(), settings(3)) ==
          "epoch 2, batch 2: the gradient of denoiser.value.weight is not finite; lower the learning rate or clip the gradient");
    CHECK(seen == std::vector<index>{1});
  }
  CHECK_THAT(message({}, flaky{.bad = {9}}, settings(3)),
             ContainsSubstring("epoch 2, batch 1: train: the loss of diffusion step") && ContainsSubstring("is not finite"));
  // Weights that are bad are bad for every batch: nothing is left out for them.
  auto s = settings(3);
  s.skip_bad_steps = 100;
  CHECK_THAT(message(poison(net, false, 2, 3), objective(), s), ContainsSubstring("epoch 2, batch 4: "));
  s = settings(3);
  s.learning_rate = 3e38;
  CHECK_THAT(message({}, objective(), s),
             ContainsSubstring("epoch 1, batch 1: the step left weights or moments of item_embedding.weight that are not"));
  CHECK(seen.empty());
  // A gradient that is finite, and too large to be squared: unless it is shortened, its weight would not move any more.
  s = settings(3);
  CHECK_THAT(message(poison(net, true, 2, 1, 1e30f), objective(), s),
             ContainsSubstring("epoch 2, batch 2: the step left weights or moments of denoiser.") &&
                 ContainsSubstring("value.weight that are not"));
  CHECK(seen == std::vector<index>{1});
  s.gradient_clip = 1;
  CHECK(message(poison(net, true, 2, 1, 1e30f), objective(), s).empty());
  // What was handed out before is whole.
  for (const auto& w : last) CHECK(w.allFinite());
}

TEST_CASE("bad batches are left out where that is asked for, so many an epoch, with a count") {
  const data::split split = data::leave_one_out(log().log());
  auto s = settings(3);
  s.skip_bad_steps = 1;
  for (const auto rows : {optim::adam_rows::all, optim::adam_rows::touched})
    for (const bool by_loss : {true, false}) {
      s.adam_rows = rows;
      network net = fresh();
      std::vector<index> skipped;
      train::fit_hooks<float> hooks;
      if (!by_loss) hooks = poison(net, true, 2, 2);
      hooks.epoch_done = [&](const train::epoch_report& r, const train::fit_state<float>& state) {
        skipped.push_back(r.skipped);
        CHECK(std::isfinite(r.loss));
        CHECK(state.adam_steps == r.epoch * 4 - (r.epoch > 1 ? 1 : 0));
        for (const auto& [name, value] : r.parts) CHECK(std::isfinite(value));
      };
      // Two steps a batch, four batches an epoch: the call is the second of epoch 2, batch 3.
      train::fit(net, flaky{.bad = by_loss ? std::vector<index>{13} : std::vector<index>{}}, split, s, hooks);
      CHECK(skipped == std::vector<index>{0, 1, 0});
      for (const auto& w : weights(net)) CHECK(w.allFinite());
    }
  network net = fresh();
  CHECK_THROWS_WITH(train::fit(net, flaky{.bad = {9, 12}}, split, s), ContainsSubstring("epoch 2, batch 3: "));
  s.skip_bad_steps = 4;
  std::vector<index> all(100);
  std::iota(all.begin(), all.end(), 0);
  CHECK_THROWS_WITH(train::fit(net, flaky{.bad = all}, split, s), ContainsSubstring("epoch 1: every batch was left out"));
}

TEST_CASE("what was left out counts on where training is stopped within an epoch") {
  const data::split split = data::leave_one_out(log().log());
  auto s = settings(1);
  s.skip_bad_steps = 1;
  network net = fresh();
  train::fit_state<float> state;
  train::fit_hooks<float> hooks;
  hooks.progress = [](index, index batch, index) { return batch != 2; };
  hooks.interrupted = [&](const train::fit_state<float>& now) { state = now; };
  train::fit(net, flaky{.bad = {1}}, split, s, hooks);
  CHECK(state.batch == 2);
  CHECK(state.skipped == 1);
  for (const index allowed : {0, 1}) {  // resuming may change it
    s.skip_bad_steps = allowed;
    CHECK_THROWS_WITH(train::fit(net, flaky{.bad = {0}}, split, s, {}, state), ContainsSubstring("epoch 1, batch 3: "));
  }
  std::vector<index> skipped;
  train::fit_hooks<float> watching;
  watching.epoch_done = [&](const train::epoch_report& r, const train::fit_state<float>& now) {
    skipped.push_back(r.skipped);
    CHECK(now.skipped == 0);
  };
  train::fit(net, objective(), split, s, watching, state);
  CHECK(skipped == std::vector<index>{1});
  state.skipped = 3;
  CHECK_THROWS_WITH(train::fit(net, objective(), split, s, {}, state), ContainsSubstring("the state is of another log"));
}

TEST_CASE("a gradient is clipped to a length, and one that is shorter is not touched") {
  const data::split split = data::leave_one_out(log().log());
  const auto trained = [&](double clip) {
    network net = fresh();
    auto s = settings(2);
    s.gradient_clip = clip;
    train::fit(net, objective(), split, s);
    return weights(net);
  };
  const auto free = trained(0), loose = trained(1e6), tight = trained(1e-3);
  CHECK(free[0] == loose[0]);
  CHECK(free[0] != tight[0]);
  network net = fresh();
  auto s = settings(1);
  s.gradient_clip = std::nan("");
  CHECK_THROWS_WITH(train::fit(net, objective(), split, s), ContainsSubstring("gradient_clip must be 0 (none) or more"));
  s = settings(1);
  s.skip_bad_steps = -1;
  CHECK_THROWS_WITH(train::fit(net, objective(), split, s), ContainsSubstring("skip_bad_steps must be 0 or more"));
}

}  // namespace cddrec::test
