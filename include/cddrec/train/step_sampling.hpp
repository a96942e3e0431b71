// Which diffusion steps a batch trains on, and with what weights: all of them (Eq. 16), or an unbiased sample.
// Steps are drawn with replacement, by their weight 1 / (t + 1) or evenly; repeated draws are merged.
#pragma once

#include <vector>

#include "cddrec/core/random.hpp"

namespace cddrec::train {

using core::index;

/// A step and the weight of its loss.
struct weighted_step {
  index t;
  double weight;
};

/// How steps are drawn: in proportion to their weight, or each as likely. Either way the estimate is unbiased.
enum class step_law { by_weight, uniform };

/// What a step's loss weighs: 1 / (t + 1), as Eq. 16 has it, or 1 for every step.
enum class step_weight { reciprocal, equal };

/// `count` = 0: every step t < steps with its weight w_t. Otherwise `count` draws with p_t = w_t / sum w, or 1 / T, merged into
/// multiplicities n_t, each with weight n_t w_t / (count p_t): the expectation is the full sum. `out` is replaced, steps rise.
/// input_error for less than one step or a count below 0.
inline void choose_steps(index steps, index count, const core::random& draw, std::vector<weighted_step>& out,
                         step_law law = step_law::by_weight, step_weight weights = step_weight::reciprocal) {
  require(steps >= 1, "train::choose_steps", "steps", steps, "1 or more");
  require(count >= 0, "train::choose_steps", "count", count, "0 (all) or more");
  out.clear();
  const auto weight = [&](index t) { return weights == step_weight::equal ? 1.0 : 1.0 / static_cast<double>(t + 1); };
  if (count == 0) {
    for (index t = 0; t < steps; ++t) out.push_back({t, weight(t)});
    return;
  }
  double total = 0;
  for (index t = 0; t < steps; ++t) total += weight(t);
  for (index t = 0; t < steps; ++t) out.push_back({t, 0});
  for (index k = 0; k < count; ++k) {
    index t = 0;
    if (law == step_law::uniform) {
      t = draw.below(k, steps);
      out[static_cast<std::size_t>(t)].weight += weight(t) * static_cast<double>(steps) / static_cast<double>(count);
      continue;
    }
    double left = static_cast<double>(draw.uniform(k)) * total;
    for (; t + 1 < steps && left >= weight(t); ++t) left -= weight(t);
    out[static_cast<std::size_t>(t)].weight += total / static_cast<double>(count);
  }
  std::erase_if(out, [](const weighted_step& s) { return s.weight == 0; });
}

}  // namespace cddrec::train
