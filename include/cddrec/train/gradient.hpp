// The gradient of one batch: both views are encoded together, then each diffusion step is finished before the next begins.
// A step's sub-tape leaves its gradients in what is made once for all steps (keys, queries, targets …), so memory does not grow with T.
#pragma once

#include <algorithm>
#include <cmath>
#include <new>
#include <utility>

#include "cddrec/data/augment.hpp"
#include "cddrec/data/negatives.hpp"
#include "cddrec/loss/step.hpp"
#include "cddrec/model/denoiser.hpp"
#include "cddrec/model/ranker.hpp"
#include "cddrec/train/step_sampling.hpp"

namespace cddrec::train {

/// The items that stand against the targets: of each target alone, or of all together.
struct negatives {
  data::negative_sampler sampler = {};
  index per_target = 1;
  index candidates = 256;  // shared by the batch, at most; those drawn twice count once. in_batch takes all targets instead
};

/// The two views of a batch of users, packed back to back: first the sequences, then their augmentations.
struct views {
  data::batch main, augmented;
  std::vector<unsigned char> clean;  // of the augmented rows
  std::vector<data::row_pair> pairs;
  std::vector<data::item> inputs, targets;
  std::vector<std::vector<data::item>> negatives;  // negatives_per_target lists, each beside `targets`
  std::vector<data::item> candidates;
  std::vector<double> candidate_log_inclusion, target_log_inclusion;
  std::vector<unsigned char> not_candidates;  // 1 for a target that is not among them
  std::vector<index> offsets, paired_main, paired_augmented;
  index trained = 0;  // batches before this one

  /// Packs `count` users, of whom `sequence(i)` is the i-th's training sequence; draws what `what` asks for and nothing else.
  template <class Sequence>
  void build(index count, Sequence&& sequence, index max_length, index items, loss::needs what, const data::augmentation& how,
             const core::random& draw, const train::negatives& against = {}) {
    main.clear(), augmented.clear(), clean.clear(), pairs.clear();
    for (index i = 0; i < count; ++i) {
      main.add_training(sequence(i), max_length);
      if (what.augmented)
        data::add_augmented(augmented, clean, sequence(i), max_length, static_cast<data::item>(items), how,
                            draw.child(0).child(static_cast<std::uint64_t>(i)));
    }
    inputs = main.inputs, targets = main.targets, offsets = main.offsets;
    inputs.insert(inputs.end(), augmented.inputs.begin(), augmented.inputs.end());
    targets.insert(targets.end(), augmented.targets.begin(), augmented.targets.end());
    for (std::size_t i = 1; i < augmented.offsets.size(); ++i) offsets.push_back(main.tokens() + augmented.offsets[i]);
    paired_main.clear(), paired_augmented.clear();
    if (what.augmented) {
      data::pair_views(main, augmented, clean, pairs);
      for (const data::row_pair& p : pairs) paired_main.push_back(p.main), paired_augmented.push_back(p.augmented);
    }
    const core::random r = draw.child(1);
    negatives.resize(what.negatives && items > 1 ? static_cast<std::size_t>(against.per_target) : 0);
    for (std::size_t k = 0; k < negatives.size(); ++k) {
      negatives[k].clear();
      for (std::size_t i = 0; i < targets.size(); ++i)
        negatives[k].push_back(against.sampler.other_than(targets[i], items, targets, r, static_cast<index>(k * targets.size() + i)));
    }
    candidates.clear(), not_candidates.clear(), target_log_inclusion.clear(), candidate_log_inclusion.clear();
    if (what.candidates) draw_candidates(items, against, draw.child(2));
  }

 private:
  void draw_candidates(index items, const train::negatives& against, const core::random& draw) {
    chosen_.resize(static_cast<std::size_t>(items), 0);
    const auto take = [&](data::item v) {
      if (!std::exchange(chosen_[static_cast<std::size_t>(v)], 1)) candidates.push_back(v);
    };
    const bool in_batch = against.sampler.law() == data::negative_law::in_batch;
    const index draws = in_batch ? std::ssize(targets) : against.candidates;
    for (index k = 0; k < draws; ++k) take(in_batch ? targets[static_cast<std::size_t>(k)] : against.sampler.any(items, draw, k));
    // The other view's targets are some of these again: they are no further draws.
    const index independent = in_batch ? std::ssize(main.targets) : draws;
    for (const data::item v : targets) {
      not_candidates.push_back(!chosen_[static_cast<std::size_t>(v)]);
      target_log_inclusion.push_back(against.sampler.log_inclusion(v, independent));
    }
    for (const data::item v : candidates) {
      candidate_log_inclusion.push_back(against.sampler.log_inclusion(v, independent));
      chosen_[static_cast<std::size_t>(v)] = 0;
    }
  }

  std::vector<unsigned char> chosen_;  // [V], 0 between calls
};

/// A network with a loss of its own beside the objective, once a batch:
///
///     static constexpr std::array<const char*, n> own_names;   // of its parts
///     variable<T> own_loss(predictions at step 0 [N or more, d], main view [N], batches before this one, draw, parts) const;
///                                                              // [1, 1], or a default variable for none; adds to its n parts
///     double objective_weight(batches before this one) const;      // of the objective beside it
///     double learning_rate(name of a parameter, that of training) const;
template <class Network>
inline constexpr std::size_t own_parts = [] {
  if constexpr (requires { Network::own_names; })
    return Network::own_names.size();
  else
    return std::size_t{0};
}();

/// Accumulates the gradient of the objective over the chosen steps into the network's parameters and returns the loss;
/// `parts` receives the parts' sums over the steps, each times the step's weight (shares and lengths among them too), and behind them the
/// parts of the network's own loss, if it has one. Where objective_weight() is 0, the objective is not computed, and its parts are 0.
/// Throws numeric_error, naming the step, for a loss that is not finite, and input_error for an objective of latent variables where there
/// are none.
template <class Network, loss::objective Objective>
double accumulate_gradient(const Network& net, const Objective& objective, const views& batch, std::span<const weighted_step> steps,
                           const core::random& draw, core::arena& memory, core::execution how, std::span<double> parts) {
  using T = typename Network::scalar;
  using autodiff::variable;
  const loss::needs what = objective.needs();
  const core::ragged layout(batch.offsets);
  const index N = batch.main.tokens(), M = layout.rows() - N;
  autodiff::tape<T> t(memory, how);
  const auto numbers = [&](const auto& from) {
    const std::span<T> to = t.memory().template array<T>(std::ssize(from));
    std::transform(from.begin(), from.end(), to.begin(), [](auto v) { return static_cast<T>(v); });
    return std::span<const T>(to);
  };
  const std::span<const T> weights = numbers(batch.clean);

  const variable<T> encoded = net.encode(t, batch.inputs, layout, draw.child(0));
  const auto context = net.prepare(encoded, layout, draw.child(2));
  const auto latent = net.latent_of(context);
  if (what.latent && N > 0 && latent.mean.rows() == 0)
    throw input_error(
        "train: the objective is of latent variables, as loss::latent_kl is, and the network has none; train one that has, as "
        "baseline::vae, or leave that part out");
  const variable<T> x0 = net.embed(t, batch.targets);
  const index kinds = std::ssize(batch.negatives);
  const std::span<variable<T>> negatives = t.memory().template array<variable<T>>(2 * kinds);  // of the one view, of the other
  for (index k = 0; k < kinds; ++k) {
    const variable<T> all = net.embed(t, batch.negatives[static_cast<std::size_t>(k)]);
    new (&negatives[static_cast<std::size_t>(k)]) variable<T>(all.middle_rows(0, N));
    new (&negatives[static_cast<std::size_t>(kinds + k)]) variable<T>(all.middle_rows(N, M));
  }
  const variable<T> items = what.items ? net.scored(net.item_table(t)) : variable<T>{};
  loss::candidates<T> candidates;
  std::span<const T> target_log_inclusion;
  if (what.candidates) {
    candidates = {net.scored(net.embed(t, batch.candidates)), numbers(batch.candidate_log_inclusion)};
    target_log_inclusion = numbers(batch.target_log_inclusion);
  }

  double total = 0;
  CDDREC_ASSERT(parts.size() >= own_parts<Network>);
  const std::span<double> own = parts.last(own_parts<Network>);
  parts = parts.first(parts.size() - own.size());
  const std::span<double> value = t.memory().template array<double>(std::ssize(parts));
  double share = 1;
  if constexpr (own_parts<Network> != 0) share = net.objective_weight(batch.trained);
  if (share == 0) steps = {};
  for (const weighted_step& chosen : steps) {
    const double weight = share * chosen.weight;
    typename autodiff::tape<T>::scope sub(t);
    const core::random r = draw.child(1).child(static_cast<std::uint64_t>(chosen.t));
    const variable<T> mean = net.predict(context, chosen.t, r.child(0));
    variable<T> x_hat, x_t;
    if (what.samples) {
      const auto q = net.process().q_mean_variance(chosen.t);
      x_hat = autodiff::add_noise(mean, 1, std::sqrt(static_cast<double>(net.process().posterior_variance(chosen.t))), r.child(1));
      x_t = autodiff::add_noise(x0, static_cast<double>(q.scale), std::sqrt(static_cast<double>(q.variance)), r.child(2));
    }
    const auto view = [&](index first, index count, std::span<const T> w) {
      const auto rows = [&](const variable<T>& v) { return v.rows() > 0 ? v.middle_rows(first, count) : v; };
      const auto part = [&](const auto& all) {
        return all.empty() ? all : all.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
      };
      return loss::side<T>{.mean = rows(mean),
                           .x0 = rows(x0),
                           .negatives = negatives.subspan(first > 0 ? static_cast<std::size_t>(kinds) : 0, static_cast<std::size_t>(kinds)),
                           .x_hat = rows(x_hat),
                           .x_t = rows(x_t),
                           .latent_mean = rows(latent.mean),
                           .latent_log_variance = rows(latent.log_variance),
                           .targets = part(std::span<const data::item>(batch.targets)),
                           .target_log_inclusion = part(target_log_inclusion),
                           .not_candidates = part(std::span<const unsigned char>(batch.not_candidates)),
                           .weights = w};
    };
    const loss::step<T> s{.process = net.process(),
                          .t = chosen.t,
                          .main = view(0, N, {}),
                          .augmented = M > 0 ? view(N, M, weights) : loss::side<T>{},
                          .paired_main = batch.paired_main,
                          .paired_augmented = batch.paired_augmented,
                          .items = items,
                          .candidates = candidates,
                          .cosine = net.settings().score == model::similarity::cosine,
                          .trained = batch.trained,
                          .draw = r.child(3)};
    std::fill(value.begin(), value.end(), 0.0);
    const variable<T> loss = objective(s, value);
    if (loss.rows() == 0) continue;
    if (!std::isfinite(loss.scalar()))
      throw numeric_error("train: the loss of diffusion step " + std::to_string(chosen.t) +
                          " is not finite; lower the learning rate or the weights of the objective");
    total += weight * static_cast<double>(loss.scalar());
    for (std::size_t k = 0; k < parts.size(); ++k) parts[k] += chosen.weight * value[k];
    sub.backward(loss, static_cast<T>(weight));
  }
  if constexpr (own_parts<Network> != 0) {
    const variable<T> loss = net.own_loss(net.predict(context, 0, draw.child(3)), batch.main, batch.trained, draw.child(4), own);
    if (loss.rows() > 0) {
      if (!std::isfinite(loss.scalar())) throw numeric_error("train: the network's own loss is not finite; lower the learning rate");
      total += static_cast<double>(loss.scalar());
      if (loss.needs_grad()) loss.grad()(0, 0) += T(1);
    }
  }
  t.backward();
  return total;
}

}  // namespace cddrec::train
