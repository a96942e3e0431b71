// Training: shuffled batches of users, one Adam step a batch, validation after every epoch, the best epoch's weights kept.
// Every random draw is named by (seed, epoch, batch), so a run that is interrupted and resumed gives the same bits.
#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include "cddrec/eval/rank.hpp"
#include "cddrec/model/recommender.hpp"
#include "cddrec/optim/adam.hpp"
#include "cddrec/optim/weight_average.hpp"
#include "cddrec/train/early_stopping.hpp"
#include "cddrec/train/gradient.hpp"

namespace cddrec::train {

struct fit_settings {
  index epochs = 200;
  index batch_users = 128;
  index sampled_steps = 0;                                          // diffusion steps a batch, drawn; 0 trains on all of them
  train::step_law step_law = train::step_law::by_weight;            // how they are drawn
  train::step_weight step_weight = train::step_weight::reciprocal;  // of a step's loss
  data::negative_law negatives = data::negative_law::uniform;
  double negative_power = 1;       // of the popularity by which they are drawn
  index negatives_per_target = 1;  // for an objective with negatives of each target
  index candidates = 256;          // for one whose negatives the batch shares; in_batch takes its targets instead
  double learning_rate = 1e-3;
  double gradient_clip = 0;  // a gradient longer than this, over all parameters, is shortened to it; 0: none is
  /// So many batches of an epoch, but not all, may be left out as loss or gradient is not finite; one more throws numeric_error.
  index skip_bad_steps = 0;
  /// `touched`: with sampled negatives alone a step costs the same for any catalogue, but it is another Adam, see optim::adam_rows.
  optim::adam_rows adam_rows = optim::adam_rows::all;
  /// Above 0, the exponential moving average of the weights is what is validated and kept, see optim::weight_average; 0.999, say.
  double ema_decay = 0;
  index patience = 10;  // epochs without a better validation NDCG@10 before stopping; 0 never stops early
  double minutes = 0;   // stop at the end of the epoch that passes this; 0 is no limit
  data::augmentation augmentation = {};
  core::seed seed = {};
  core::execution how = {};
};

/// What an epoch came to.
struct epoch_report {
  index epoch = 0;                                    // from 1
  double loss = 0;                                    // mean over the batches that were trained on
  std::vector<std::pair<std::string, double>> parts;  // likewise; summed over the steps, times the steps' weights alone
  eval::metrics validation;
  bool best = false;
  index skipped = 0;   // batches that were left out
  double seconds = 0;  // since fit began, earlier sittings included
};

/// Where training stands: all that a later sitting needs beside the weights.
template <class T>
struct fit_state {
  index epoch = 0;           // epochs done
  index batch = 0;           // batches done of the next one, where training was stopped within it
  index batches = 0;         // of an epoch; 0 where it is not known
  index skipped = 0;         // of these, left out
  std::vector<double> sums;  // of the loss and its parts over these
  early_stopping stopping;
  std::vector<double> curve;                    // validation NDCG@10 of every epoch
  std::vector<std::vector<double>> own_curves;  // likewise, of every part of the network's own loss
  double seconds = 0;
  std::uint64_t log = 0;  // split::fingerprint(); 0 where it is not known
  index adam_steps = 0;
  std::vector<core::matrix<T>> first_moments, second_moments;  // in the order of visit(); empty at the start
  std::vector<core::matrix<T>> best;                           // the weights of the best epoch, likewise
  std::vector<core::matrix<T>> trained;                        // the weights that training moves, if the network holds their average
};

/// Called during training; each may be empty.
template <class T>
struct fit_hooks {
  std::function<bool(index epoch, index batch, index batches)> progress = {};     // before every batch; false stops at once
  core::progress validation = {};                                                 // users ranked; false stops at once
  std::function<void(const epoch_report&, const fit_state<T>&)> epoch_done = {};  // the network holds what was validated
  std::function<void(const fit_state<T>&)> interrupted = {};  // one of the above said false: this is where training stands
};

struct fit_result {
  index epochs = 0;
  index best_epoch = 0;
  double best_ndcg = 0;  // validation NDCG@10 of that epoch; 0 if none was validated
  double seconds = 0;
  bool stopped = false;  // by a hook
};

/// Trains the network in place and leaves it with the weights of its best validation epoch (full ranking, NDCG@10).
/// `state` continues an earlier sitting: pass what epoch_done or interrupted handed out, and the network with the weights it had then.
/// Throws input_error for settings out of range (of `augmentation`, if a part of the objective has a second view), for a network of another
/// number of items, a state of another network or log, and an objective without a part; and numeric_error in the batch in which numbers go
/// bad, naming epoch, batch and what it is: the loss of a diffusion step, or the parameter whose weights or gradient are not finite. No
/// hook sees them. After an exception, a hook's own too, the network holds the weights of that moment, not the best.
template <class Network, loss::objective Objective>
fit_result fit(Network& net, const Objective& objective, const data::split& split, const fit_settings& settings,
               const fit_hooks<typename Network::scalar>& hooks = {}, fit_state<typename Network::scalar> state = {}) {
  using T = typename Network::scalar;
  using clock = std::chrono::steady_clock;
  const char* const where = "train::fit";
  require(settings.epochs >= 1, where, "epochs", settings.epochs, "1 or more");
  require(settings.batch_users >= 1, where, "batch_users", settings.batch_users, "1 or more");
  require(settings.sampled_steps >= 0, where, "sampled_steps", settings.sampled_steps, "0 (all) or more");
  require(settings.negatives_per_target >= 1, where, "negatives_per_target", settings.negatives_per_target, "1 or more");
  require(settings.candidates >= 1, where, "candidates", settings.candidates, "1 or more");
  require(settings.learning_rate > 0 && std::isfinite(settings.learning_rate), where, "learning_rate", settings.learning_rate, "positive");
  require(settings.gradient_clip >= 0 && std::isfinite(settings.gradient_clip), where, "gradient_clip", settings.gradient_clip,
          "0 (none) or more");
  require(settings.skip_bad_steps >= 0, where, "skip_bad_steps", settings.skip_bad_steps, "0 or more");
  require(settings.ema_decay >= 0 && settings.ema_decay < 1, where, "ema_decay", settings.ema_decay, "in [0, 1)");
  require(settings.patience >= 0, where, "patience", settings.patience, "0 (never stops early) or more");
  require(settings.minutes >= 0, where, "minutes", settings.minutes, "0 (no limit) or more");
  require(settings.how.threads >= 1, where, "how.threads", settings.how.threads, "1 or more");
  require(split.items() == net.items(), where, "the network's number of items", net.items(), "that of the log");
  require(!objective.needs().negatives || net.items() >= 2, where, "the number of items", net.items(),
          "2 or more for an objective with negatives");
  const auto started = clock::now();
  const double earlier = state.seconds;
  const auto seconds = [&] { return earlier + std::chrono::duration<double>(clock::now() - started).count(); };

  std::vector<autodiff::parameter<T>*> parameters;
  std::vector<std::string> called;
  net.visit([&](const std::string& name, autodiff::parameter<T>& p) { parameters.push_back(&p), called.push_back(name); });
  const auto require_shapes = [&](const char* list, const std::vector<core::matrix<T>>& given, bool there) {
    const auto same = [](const core::matrix<T>& m, const autodiff::parameter<T>* p) {
      return m.rows() == p->value.rows() && m.cols() == p->value.cols();
    };
    if (there && !std::equal(given.begin(), given.end(), parameters.begin(), parameters.end(), same))
      throw input_error(std::string("train::fit: the state is of another network: its ") + list +
                        " do not have the number and shapes of the parameters; give the state with the network that it was taken from");
  };
  const bool moments = !state.first_moments.empty() || !state.second_moments.empty();
  require_shapes("first moments", state.first_moments, moments);
  require_shapes("second moments", state.second_moments, moments);
  require_shapes("best weights", state.best, !state.best.empty());
  require_shapes("trained weights", state.trained, !state.trained.empty());
  const std::uint64_t log = split.fingerprint();
  if (state.log != 0 && state.log != log)
    throw input_error(
        "train::fit: the state is of another log, or of one that was divided otherwise; give the split that it was taken from");
  state.log = log;
  optim::adam<T> adam(parameters, {.learning_rate = settings.learning_rate, .rows = settings.adam_rows});
  if (!state.first_moments.empty()) {
    adam.first_moments().swap(state.first_moments);
    adam.second_moments().swap(state.second_moments);
    adam.steps = state.adam_steps;
    state.first_moments.clear(), state.second_moments.clear();
  }
  if constexpr (own_parts<Network> != 0)
    for (std::size_t k = 0; k < parameters.size(); ++k)
      adam.rate_factors[k] = net.learning_rate(called[k], settings.learning_rate) / settings.learning_rate;
  state.stopping.patience = settings.patience;
  std::optional<optim::weight_average<T>> average;
  if (settings.ema_decay > 0) average.emplace(parameters, settings.ema_decay);

  const auto keep_best = [&] {
    state.best.clear();
    for (const auto* p : parameters) state.best.push_back(p->value);
  };
  if (state.best.empty()) keep_best();
  for (std::size_t k = 0; k < state.trained.size(); ++k) parameters[k]->value.swap(state.trained[k]);
  state.trained.clear();  // without an average it would go on being what this sitting began with

  core::arena memory(std::size_t{16} << 20);
  views batch;
  const negatives against{data::negative_sampler(split, settings.negatives, net.settings().max_length, settings.negative_power),
                          settings.negatives_per_target, settings.candidates};
  std::vector<weighted_step> steps;
  std::vector<index> order(static_cast<std::size_t>(split.training_users()));
  std::vector<std::string> names = objective.names();
  if (names.empty() && own_parts<Network> == 0)
    throw input_error("train::fit: no part of the objective has a weight above 0, so there is nothing to train; give one such a weight");
  if constexpr (own_parts<Network> != 0) names.insert(names.end(), Network::own_names.begin(), Network::own_names.end());
  const loss::needs what = objective.needs();
  const index batches = core::block_count(split.training_users(), settings.batch_users);
  if (state.batch < 0 || state.batch > batches || (state.batch > 0 && state.batches > 0 && state.batches != batches) || state.skipped < 0 ||
      state.skipped > state.batch || (state.batch > 0 && state.sums.size() != names.size() + 1))
    throw input_error("train::fit: the state is of another log, objective or batch size: it stands at batch " +
                      std::to_string(state.batch) + " of " + std::to_string(state.batches > 0 ? state.batches : batches) +
                      (state.batches > 0 && state.batches != batches ? ", and there are " + std::to_string(batches) : ""));
  state.batches = batches;
  fit_result result{.best_epoch = state.stopping.best_epoch, .best_ndcg = std::max(0.0, state.stopping.best)};
  // Shows a hook the whole state: what lies elsewhere is swapped in and out again, as copies would take three times the network.
  const auto show_state = [&](const auto& hook) {
    const auto exchange = [&] {
      state.first_moments.swap(adam.first_moments());
      state.second_moments.swap(adam.second_moments());
      if (average) state.trained.swap(average->held());
    };
    state.adam_steps = adam.steps;
    exchange();
    hook();
    exchange();
  };

  while (state.epoch < settings.epochs && !state.stopping.exhausted(state.epoch) && !result.stopped &&
         !(settings.minutes > 0 && state.epoch > 0 && state.batch == 0 && seconds() >= 60 * settings.minutes)) {
    const index epoch = state.epoch + 1;
    const core::random draw = core::random(settings.seed).child(0x6669740000ull + static_cast<std::uint64_t>(epoch));
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<index>(i);
    const core::random shuffle = draw.child(0);
    for (index i = static_cast<index>(order.size()) - 1; i > 0; --i)
      std::swap(order[static_cast<std::size_t>(i)], order[static_cast<std::size_t>(shuffle.below(i, i + 1))]);

    epoch_report report;
    report.epoch = epoch;
    std::vector<double> parts(names.size(), 0), before = parts;
    if (state.batch > 0) {
      report.loss = state.sums[0];
      report.skipped = state.skipped;
      parts.assign(state.sums.begin() + 1, state.sums.end());
    }
    index b = state.batch;
    for (; b < batches; ++b) {
      result.stopped = hooks.progress && !hooks.progress(epoch, b, batches);
      if (result.stopped) break;
      const index first = b * settings.batch_users;
      const core::random own = draw.child(1 + static_cast<std::uint64_t>(b));
      batch.build(
          std::min(settings.batch_users, split.training_users() - first),
          [&](index i) { return split.training(order[static_cast<std::size_t>(first + i)]); }, net.settings().max_length, net.items(), what,
          settings.augmentation, own.child(0), against);
      batch.trained = adam.steps;
      choose_steps(net.process().steps(), settings.sampled_steps, own.child(1), steps, settings.step_law, settings.step_weight);
      const auto stop = [&](const std::string& what) {
        throw numeric_error("epoch " + std::to_string(epoch) + ", batch " + std::to_string(b + 1) + ": " + what);
      };
      before = parts;
      std::string bad;
      double loss = 0, squares = 0;
      try {
        loss = accumulate_gradient(net, objective, batch, steps, own.child(2), memory, settings.how, parts);
      } catch (const numeric_error& e) {
        bad = e.what();
        for (std::size_t k = 0; k < parameters.size(); ++k)
          if (!parameters[k]->value.allFinite()) stop(bad + "; the weights " + called[k] + " are not finite");
      }
      for (std::size_t k = 0; bad.empty() && k < parameters.size(); ++k) {
        const double norm = adam.gradient_norm(k, settings.how);
        if (!std::isfinite(norm)) bad = "the gradient of " + called[k] + " is not finite; lower the learning rate or clip the gradient";
        squares += norm * norm;
      }
      if (!bad.empty()) {
        if (report.skipped >= settings.skip_bad_steps) stop(bad);
        ++report.skipped;
        adam.drop(settings.how);
        parts = before;
        continue;
      }
      report.loss += loss;
      const bool clip = settings.gradient_clip > 0 && squares > settings.gradient_clip * settings.gradient_clip;
      if (const std::ptrdiff_t k = adam.step(settings.how, clip ? settings.gradient_clip / std::sqrt(squares) : 1); k >= 0)
        stop("the step left weights or moments of " + called[static_cast<std::size_t>(k)] +
             " that are not finite; lower the learning rate or clip the gradient");
      if (average) average->update(adam.steps, settings.how);
    }
    if (average) average->swap();
    if (!result.stopped) try {
        const model::ranker<Network> ranker(net, settings.how);
        report.validation = eval::measure(eval::rank(ranker, split.validation(), settings.how, {}, hooks.validation));
      } catch (const stopped&) {
        result.stopped = true;
      }
    if (result.stopped) {
      state.batch = b;
      state.skipped = report.skipped;
      state.sums.assign(1, report.loss);
      state.sums.insert(state.sums.end(), parts.begin(), parts.end());
      state.seconds = seconds();
      if (hooks.interrupted) show_state([&] { hooks.interrupted(state); });
      break;
    }
    state.batch = state.skipped = 0;
    state.sums.clear();

    if (report.skipped == batches)
      throw numeric_error("epoch " + std::to_string(epoch) + ": every batch was left out; lower the learning rate");
    const double trained = static_cast<double>(batches - report.skipped);
    report.loss /= trained;
    for (std::size_t k = 0; k < names.size(); ++k) report.parts.emplace_back(names[k], parts[k] / trained);
    state.own_curves.resize(own_parts<Network>);
    for (std::size_t k = 0; k < own_parts<Network>; ++k)
      state.own_curves[k].push_back(report.parts[names.size() - own_parts<Network> + k].second);
    state.epoch = epoch;
    state.curve.push_back(report.validation.ndcg_at_10);
    report.best = state.stopping.improved(epoch, report.validation.ndcg_at_10);
    if (report.best) keep_best();
    report.seconds = state.seconds = seconds();
    if (hooks.epoch_done) show_state([&] { hooks.epoch_done(report, state); });
    if (average) average->swap();
  }
  for (std::size_t k = 0; k < parameters.size(); ++k) parameters[k]->value = state.best[k];
  result.epochs = state.epoch;
  result.best_epoch = state.stopping.best_epoch;
  result.best_ndcg = std::max(0.0, state.stopping.best);
  result.seconds = seconds();
  return result;
}

}  // namespace cddrec::train
