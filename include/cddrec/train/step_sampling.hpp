// Which diffusion steps a batch trains on, and with what weights: all of them (Eq. 16), or an unbiased sample.
// Steps are drawn in proportion to their weight 1 / (t + 1), with replacement; repeated draws are merged.
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

/// `count` = 0: every step t < steps with weight 1 / (t + 1). Otherwise `count` draws with p_t = (1 / (t + 1)) / H_T, merged into
/// multiplicities n_t, each with weight (H_T / count) n_t: the expectation is the full sum. `out` is replaced, steps rise.
inline void choose_steps(index steps, index count, const core::random& draw, std::vector<weighted_step>& out) {
  out.clear();
  if (count == 0) {
    for (index t = 0; t < steps; ++t) out.push_back({t, 1.0 / static_cast<double>(t + 1)});
    return;
  }
  double harmonic = 0;
  for (index t = 0; t < steps; ++t) harmonic += 1.0 / static_cast<double>(t + 1);
  for (index t = 0; t < steps; ++t) out.push_back({t, 0});
  for (index k = 0; k < count; ++k) {
    double left = static_cast<double>(draw.uniform(k)) * harmonic;
    index t = 0;
    for (; t + 1 < steps && left >= 1.0 / static_cast<double>(t + 1); ++t) left -= 1.0 / static_cast<double>(t + 1);
    out[static_cast<std::size_t>(t)].weight += harmonic / static_cast<double>(count);
  }
  std::erase_if(out, [](const weighted_step& s) { return s.weight == 0; });
}

}  // namespace cddrec::train
