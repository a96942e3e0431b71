// The gradient of one batch: both views are encoded together, then each diffusion step is finished before the next begins.
// A step's sub-tape leaves its gradients in keys, values, encodings and targets, so memory does not grow with T.
#pragma once

#include <array>
#include <cmath>

#include "cddrec/data/augment.hpp"
#include "cddrec/loss/step.hpp"
#include "cddrec/train/step_sampling.hpp"

namespace cddrec::train {

/// The two views of a batch of users, packed back to back: first the sequences, then their augmentations.
struct views {
  data::batch main, augmented;
  std::vector<unsigned char> clean;  // of the augmented rows
  std::vector<data::row_pair> pairs;
  std::vector<data::item> inputs, targets, negatives;
  std::vector<index> offsets, paired_main, paired_augmented;

  /// Packs users; `sequence(i)` is the i-th of `count` training sequences. `negatives` are uniform over the other items.
  template <class Sequence>
  void build(index count, Sequence&& sequence, index max_length, index items, loss::needs what, const data::augmentation& how,
             const core::random& draw) {
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
    negatives.clear();
    if (what.negatives && items > 1) {
      const core::random r = draw.child(1);
      for (std::size_t i = 0; i < targets.size(); ++i) {
        const auto other = static_cast<data::item>(r.below(static_cast<index>(i), items - 1));
        negatives.push_back(other < targets[i] ? other : other + 1);
      }
    }
  }
};

/// Accumulates the gradient of the objective over the chosen steps into the network's parameters and returns the loss;
/// `parts` receives the parts' weighted sums over the steps. Throws numeric_error, naming the step, for a loss that is not finite.
template <class Network, loss::objective Objective>
double accumulate_gradient(const Network& net, const Objective& objective, const views& batch, std::span<const weighted_step> steps,
                           const core::random& draw, core::arena& memory, core::execution how, std::span<double> parts) {
  using T = typename Network::scalar;
  using autodiff::variable;
  const loss::needs what = objective.needs();
  const core::ragged layout(batch.offsets);
  const index N = batch.main.tokens(), M = layout.rows() - N;
  autodiff::tape<T> t(memory, how);
  const std::span<T> weights = t.memory().template array<T>(M);
  for (index i = 0; i < M; ++i) weights[static_cast<std::size_t>(i)] = static_cast<T>(batch.clean[static_cast<std::size_t>(i)]);

  const variable<T> encoded = net.encode(t, batch.inputs, layout, draw.child(0));
  const auto context = net.prepare(encoded, layout);
  const variable<T> x0 = net.embed(t, batch.targets);
  const variable<T> negative = what.negatives ? net.embed(t, batch.negatives) : variable<T>{};
  const variable<T> unit_items = what.items ? autodiff::normalize(net.item_table(t)) : variable<T>{};

  double total = 0;
  std::array<double, 16> value{};
  CDDREC_ASSERT(parts.size() <= value.size());
  for (const weighted_step& chosen : steps) {
    typename autodiff::tape<T>::scope sub(t);
    const core::random r = draw.child(1).child(static_cast<std::uint64_t>(chosen.t));
    const variable<T> mean = net.predict(context, chosen.t, r.child(0));
    variable<T> x_hat, x_t;
    if (what.samples) {
      const auto q = net.process().q_mean_variance(chosen.t);
      x_hat = autodiff::add_noise(mean, 1, std::sqrt(static_cast<double>(net.process().posterior_variance(chosen.t))), r.child(1));
      x_t = autodiff::add_noise(x0, static_cast<double>(q.scale), std::sqrt(static_cast<double>(q.variance)), r.child(2));
    }
    const auto rows = [&](const variable<T>& v, index first, index count) { return v.rows() > 0 ? v.middle_rows(first, count) : v; };
    const auto view = [&](index first, index count, std::span<const T> w) {
      return loss::side<T>{
          rows(mean, first, count),
          rows(x0, first, count),
          rows(negative, first, count),
          rows(x_hat, first, count),
          rows(x_t, first, count),
          std::span<const data::item>(batch.targets).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count)),
          w};
    };
    const loss::step<T> s{net.process(),          chosen.t,   view(0, N, {}), view(N, M, weights), batch.paired_main,
                          batch.paired_augmented, unit_items, r.child(3)};
    value.fill(0);
    const variable<T> loss = objective(s, std::span<double>(value).first(parts.size()));
    if (loss.rows() == 0) continue;
    if (!std::isfinite(loss.scalar()))
      throw numeric_error("train: the loss of diffusion step " + std::to_string(chosen.t) +
                          " is not finite; lower the learning rate or the weights of the objective");
    total += chosen.weight * static_cast<double>(loss.scalar());
    for (std::size_t k = 0; k < parts.size(); ++k) parts[k] += chosen.weight * value[k];
    sub.backward(loss, static_cast<T>(chosen.weight));
  }
  t.backward();
  return total;
}

}  // namespace cddrec::train
