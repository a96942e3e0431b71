#include "cddrec/train/fit.hpp"

#include "train/small_training.hpp"

namespace cddrec::test {

TEST_CASE("the same seed gives the same bits with 1, 2, 4 and 8 threads") {
  const data::split split = data::leave_one_out(log().log());
  std::vector<std::vector<core::matrix<float>>> trained;
  std::vector<std::vector<kernel::scored<float>>> lists;
  std::vector<double> scores;
  for (int threads : {1, 2, 4, 8}) {
    network net = fresh();
    const auto result = train::fit(net, objective(), split, settings(3, threads));
    trained.push_back(weights(net));
    scores.push_back(result.best_ndcg);
    lists.push_back(net.recommend(log().log().histories[0], 10, {threads}));
  }
  for (std::size_t k = 1; k < trained.size(); ++k) {
    CHECK(scores[k] == scores[0]);
    for (std::size_t p = 0; p < trained[0].size(); ++p) CHECK(trained[k][p] == trained[0][p]);
    for (std::size_t i = 0; i < lists[0].size(); ++i) {
      CHECK(lists[k][i].item == lists[0][i].item);
      CHECK(lists[k][i].score == lists[0][i].score);
    }
  }
  CHECK(trained[0][0] != weights(fresh())[0]);
}

namespace {
/// Trains 4 epochs at once, and 2 and 2; the second sitting starts from what the first handed out.
template <class Objective>
void check_resumed(const Objective& goal, train::fit_settings s) {
  const data::split split = data::leave_one_out(log().log());
  network whole = fresh(), halves = fresh();
  train::fit(whole, goal, split, s);
  train::fit_state<float> state;
  std::vector<core::matrix<float>> last;
  train::fit_hooks<float> hooks;
  hooks.epoch_done = [&](const train::epoch_report&, const train::fit_state<float>& now) { state = now, last = weights(halves); };
  s.epochs = 2;
  train::fit(halves, goal, split, s, hooks);
  std::size_t k = 0;
  halves.visit([&](const std::string&, auto& p) { p.value = last[k++]; });
  s.epochs = 4;
  train::fit(halves, goal, split, s, {}, state);
  const auto a = weights(whole), b = weights(halves);
  for (std::size_t p = 0; p < a.size(); ++p) CHECK(a[p] == b[p]);
}

/// Negatives are sampled, so a batch touches some rows of the item table.
auto sampled_objective() { return loss::combine(loss::cross_divergence<loss::dot_product>{}, loss::in_view{}, loss::cross_view{}); }
train::fit_settings touched_rows(index epochs, int threads = 1) {
  train::fit_settings s = settings(epochs, threads);
  s.batch_users = 8;  // few, so that many rows rest
  s.adam_rows = optim::adam_rows::touched;
  return s;
}
}  // namespace

TEST_CASE("interrupted and resumed equals uninterrupted") { check_resumed(objective(), settings(4)); }

TEST_CASE("interrupted and resumed equals uninterrupted when the average of the weights is kept") {
  auto s = settings(4);
  s.ema_decay = 0.9;
  check_resumed(objective(), s);
}

TEST_CASE("sittings without an average go on from each other, whatever an earlier one with an average left") {
  const data::split split = data::leave_one_out(log().log());
  // The weights after three epochs, the first of which had an average.
  const auto after_sittings = [&](std::initializer_list<index> ends) {
    network net = fresh();
    train::fit_state<float> state;
    std::vector<core::matrix<float>> last;
    train::fit_hooks<float> hooks;
    hooks.epoch_done = [&](const train::epoch_report&, const train::fit_state<float>& now) { state = now, last = weights(net); };
    for (const index end : ends) {
      train::fit_settings s = settings(end);
      s.ema_decay = end == 1 ? 0.9 : 0;
      std::size_t k = 0;
      if (!last.empty()) net.visit([&](const std::string&, auto& p) { p.value = last[k++]; });
      train::fit(net, objective(), split, s, hooks, state);
    }
    return last;
  };
  CHECK(after_sittings({1, 3}) == after_sittings({1, 2, 3}));
}

TEST_CASE("with an average, what is validated and kept is the average of the weights that training would have had without") {
  const data::split split = data::leave_one_out(log().log());
  network plain = fresh(), averaged = fresh();
  std::vector<std::vector<core::matrix<float>>> weights_of, validated;
  std::vector<double> scores;
  const auto watch = [&](network& net, auto& into) {
    train::fit_hooks<float> hooks;
    hooks.epoch_done = [&](const train::epoch_report& r, const train::fit_state<float>& now) {
      into.push_back(now.trained.empty() ? weights(net) : now.trained);
      if (!now.trained.empty()) {
        validated.push_back(weights(net));
        scores.push_back(eval::measure(eval::rank(model::ranker<network>(net), split.validation())).ndcg_at_10);
        CHECK(scores.back() == r.validation.ndcg_at_10);
      }
    };
    return hooks;
  };
  auto s = settings(3);
  train::fit(plain, objective(), split, s, watch(plain, weights_of));
  s.ema_decay = 0.99;
  std::vector<std::vector<core::matrix<float>>> beside;
  const auto result = train::fit(averaged, objective(), split, s, watch(averaged, beside));
  for (std::size_t e = 0; e < 3; ++e) CHECK(beside[e][0] == weights_of[e][0]);
  CHECK(validated[2][0] != weights_of[2][0]);
  CHECK(weights(averaged)[0] == validated[static_cast<std::size_t>(result.best_epoch - 1)][0]);
}

TEST_CASE("interrupted and resumed equals uninterrupted when Adam updates touched rows") {
  check_resumed(sampled_objective(), touched_rows(4));
}

TEST_CASE("training of touched rows learns, gives the same bits for any threads, and is not dense training") {
  const data::split split = data::leave_one_out(log().log());
  const auto goal = loss::combine(loss::cross_divergence<loss::dot_product>{});
  const auto trained = [&](network& net, optim::adam_rows rows, int threads) {
    auto s = touched_rows(10, threads);
    s.adam_rows = rows;
    s.learning_rate = 5e-3;
    std::vector<double> losses;
    train::fit_hooks<float> hooks;
    hooks.epoch_done = [&](const train::epoch_report& r, const train::fit_state<float>&) { losses.push_back(r.loss); };
    train::fit(net, goal, split, s, hooks);
    return losses.back() / losses.front();
  };
  network one = fresh(), two = fresh(), dense = fresh();
  CHECK(trained(one, optim::adam_rows::touched, 1) < 0.8);
  trained(two, optim::adam_rows::touched, 2);
  const auto a = weights(one), b = weights(two);
  for (std::size_t p = 0; p < a.size(); ++p) CHECK(a[p] == b[p]);
  CHECK(trained(dense, optim::adam_rows::all, 1) < 0.8);
  CHECK(weights(dense)[0] != a[0]);
}

TEST_CASE("where every item is in the loss, training of touched rows is dense training") {
  const data::split split = data::leave_one_out(log().log());
  network touched = fresh(), dense = fresh();
  train::fit(touched, objective(), split, touched_rows(2));
  auto s = touched_rows(2);
  s.adam_rows = optim::adam_rows::all;
  train::fit(dense, objective(), split, s);
  const auto a = weights(touched), b = weights(dense);
  for (std::size_t p = 0; p < a.size(); ++p) CHECK(a[p] == b[p]);
}

TEST_CASE("memory does not depend on the number of diffusion steps") {
  const data::split split = data::leave_one_out(log().log());
  std::vector<std::size_t> reserved;
  for (index steps : {10, 100}) {
    network net({.items = split.items(), .width = 16, .heads = 2, .max_length = 8},
                diffusion::process<float>(diffusion::linear_schedule{}, steps), core::seed{5});
    train::views batch;
    batch.build(
        32, [&](index i) { return split.training(i); }, 8, net.items(), objective().needs(), {}, core::random(core::seed{1}));
    std::vector<train::weighted_step> all;
    train::choose_steps(steps, 0, {}, all);
    core::arena memory(1 << 16);
    std::vector<double> parts(objective().names().size());
    train::accumulate_gradient(net, objective(), batch, all, core::random(core::seed{2}), memory, {1}, parts);
    reserved.push_back(memory.capacity());
  }
  CHECK(reserved[0] == reserved[1]);
}

TEST_CASE("settings out of range and a log of other items are refused") {
  const data::split split = data::leave_one_out(log().log());
  network net = fresh();
  auto s = settings(1);
  for (const double rate : {0.0, -1e-3, std::nan(""), std::numeric_limits<double>::infinity()}) {
    s.learning_rate = rate;
    CHECK_THROWS_WITH(train::fit(net, objective(), split, s), ContainsSubstring("learning_rate must be positive"));
  }
  s = settings(0);
  CHECK_THROWS_WITH(train::fit(net, objective(), split, s), ContainsSubstring("epochs"));
  s = settings(1);
  s.ema_decay = 1;
  CHECK_THROWS_WITH(train::fit(net, objective(), split, s), ContainsSubstring("ema_decay must be in [0, 1)"));
  network other({.items = 7, .width = 8, .heads = 1}, net.process(), core::seed{1});
  CHECK_THROWS_AS(train::fit(other, objective(), split, settings(1)), input_error);
}

TEST_CASE("a hook stops training") {
  const data::split split = data::leave_one_out(log().log());
  network net = fresh();
  train::fit_hooks<float> hooks;
  hooks.progress = [](index epoch, index, index) { return epoch < 2; };
  const auto result = train::fit(net, objective(), split, settings(5), hooks);
  CHECK(result.stopped);
  CHECK(result.epochs == 1);
}

TEST_CASE("stopped within an epoch and resumed equals uninterrupted, wherever it was") {
  const data::split split = data::leave_one_out(log().log());
  for (const double ema_decay : {0.0, 0.9}) {
    auto s = settings(2);
    s.ema_decay = ema_decay;
    network whole = fresh();
    std::vector<double> losses;
    index hooks_called = 0;
    train::fit_hooks<float> counting;
    counting.progress = [&](index, index, index) { return ++hooks_called, true; };
    counting.validation = [&](index, index) { return ++hooks_called, true; };
    counting.epoch_done = [&](const train::epoch_report& r, const train::fit_state<float>&) { losses.push_back(r.loss); };
    train::fit(whole, objective(), split, s, counting);
    CHECK(hooks_called > 8);  // four batches and some blocks of users, twice
    for (index at = 1; at <= hooks_called; ++at) {
      INFO("stopped at call " << at);
      network parts = fresh();
      train::fit_state<float> state;
      std::vector<core::matrix<float>> last;
      index called = 0, epochs = 0;
      train::fit_hooks<float> stopping;
      stopping.progress = [&](index, index, index) { return ++called != at; };
      stopping.validation = [&](index, index) { return ++called != at; };
      stopping.epoch_done = [&](const train::epoch_report&, const train::fit_state<float>&) { ++epochs; };
      stopping.interrupted = [&](const train::fit_state<float>& now) { state = now, last = weights(parts); };
      const auto result = train::fit(parts, objective(), split, s, stopping);
      CHECK(result.stopped);
      CHECK(result.epochs == epochs);
      CHECK((epochs > 0 || result.best_ndcg == 0));
      REQUIRE(!last.empty());
      std::size_t k = 0;
      parts.visit([&](const std::string&, auto& p) { p.value = last[k++]; });
      train::fit_hooks<float> listening;
      double last_loss = 0;
      listening.epoch_done = [&](const train::epoch_report& r, const train::fit_state<float>&) { last_loss = r.loss; };
      train::fit(parts, objective(), split, s, listening, state);
      CHECK(last_loss == losses.back());
      const auto a = weights(whole), b = weights(parts);
      for (std::size_t p = 0; p < a.size(); ++p) CHECK(a[p] == b[p]);
      if (state.batch > 0) {
        for (const index other : {s.batch_users / 2, s.batch_users * 2, index{1000}}) {
          s.batch_users = other;
          CHECK_THROWS_WITH(train::fit(parts, objective(), split, s, {}, state),
                            ContainsSubstring("batch size: it stands at batch " + std::to_string(state.batch) + " of 4, and there are "));
        }
        s = settings(2), s.ema_decay = ema_decay;
      }
    }
  }
}

TEST_CASE("a state of another network is refused, whichever of its lists shows it") {
  const data::split split = data::leave_one_out(log().log());
  auto s = settings(1);
  s.ema_decay = 0.9;
  network net = fresh();
  train::fit_state<float> state;
  train::fit_hooks<float> hooks;
  hooks.epoch_done = [&](const train::epoch_report&, const train::fit_state<float>& now) { state = now; };
  train::fit(net, objective(), split, s, hooks);
  s.epochs = 2;
  REQUIRE(!state.trained.empty());
  CHECK_NOTHROW(train::fit(net, objective(), split, s, {}, state));
  using list = std::vector<core::matrix<float>> train::fit_state<float>::*;
  const std::vector<std::pair<list, std::string>> lists{{&train::fit_state<float>::first_moments, "first moments"},
                                                        {&train::fit_state<float>::second_moments, "second moments"},
                                                        {&train::fit_state<float>::best, "best weights"},
                                                        {&train::fit_state<float>::trained, "trained weights"}};
  for (const auto& one : lists) {
    const std::string& name = one.second;
    INFO(name);
    const auto refused = [&](auto change) {
      auto other = state;
      change(other.*one.first);
      CHECK_THROWS_AS(train::fit(net, objective(), split, s, {}, other), input_error);
      CHECK_THROWS_WITH(train::fit(net, objective(), split, s, {}, other), ContainsSubstring(name + " do not have"));
    };
    refused([](auto& matrices) { matrices.pop_back(); });
    refused([](auto& matrices) { matrices.push_back(matrices[0]); });
    refused([](auto& matrices) { matrices[0].transposeInPlace(); });
    if (name.ends_with("moments")) refused([](auto& matrices) { matrices.clear(); });
  }
}

TEST_CASE("a state of another log is refused, between epochs too, and the same log may be read again") {
  auto s = settings(1);
  network net = fresh();
  train::fit_state<float> state;
  train::fit_hooks<float> hooks;
  hooks.epoch_done = [&](const train::epoch_report&, const train::fit_state<float>& now) { state = now; };
  train::fit(net, objective(), data::leave_one_out(log().log()), s, hooks);
  s.epochs = 2;
  data::interactions other = log().log();
  std::swap(other.histories.items[0], other.histories.items[1]);
  REQUIRE(other.histories.items[0] != other.histories.items[1]);
  CHECK_THROWS_AS(train::fit(net, objective(), data::leave_one_out(other), s, {}, state), input_error);
  CHECK_THROWS_WITH(train::fit(net, objective(), data::leave_one_out(other), s, {}, state),
                    ContainsSubstring("the state is of another log"));
  CHECK_NOTHROW(train::fit(net, objective(), data::leave_one_out(log().log()), s, {}, state));
  state.log = 0;  // not known
  CHECK_NOTHROW(train::fit(net, objective(), data::leave_one_out(other), s, {}, state));
}

TEST_CASE("an objective with negatives is refused where there is no other item") {
  data::interactions single;
  single.items.add("a");
  for (const char* user : {"x", "y"}) single.users.add(user), single.histories.push_back(std::vector<data::item>(6, 0));
  network net({.items = 1, .width = 8, .heads = 1}, fresh().process(), core::seed{1});
  CHECK_THROWS_AS(train::fit(net, objective(), data::leave_one_out(single), settings(1)), input_error);
  CHECK_THROWS_WITH(train::fit(net, objective(), data::leave_one_out(single), settings(1)),
                    ContainsSubstring("the number of items must be 2 or more for an objective with negatives, not 1"));
}

}  // namespace cddrec::test
