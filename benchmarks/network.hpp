// What the benchmarks of the whole network share: logs like the real ones, and the operations of a network.
// Counted are products and attention, a multiply-add as two operations; whatever is elementwise is not.
#pragma once

#include "bench.hpp"
#include "cddrec/data/synthetic.hpp"
#include "cddrec/settings.hpp"

namespace cddrec::bench {

/// A log whose users have 5 to 15 items, 10 on average: 7 pairs to train on, as on Office_Products.
inline data::interactions drawn_log(index users, index items) {
  const data::synthetic_log drawn({.users = users, .items = items, .max_length = 15}, core::seed{1});
  return drawn.log();
}

/// Forward operations of the encoder and of the decoder's keys and values for packed rows.
inline double encode_flops(const cli::run_settings& s, core::ragged layout) {
  const double d = static_cast<double>(s.width), rows = static_cast<double>(layout.rows());
  const double projections = 2 * rows * 4 * d * d, feed_forward = 2 * rows * 2 * d * 4 * d;
  const double attention = 4 * causal_pairs(layout) * d;  // q . k and p v
  const double keys_and_values = 2 * rows * 2 * d * d;
  return static_cast<double>(s.layers) * (projections + feed_forward + attention) + keys_and_values;
}

/// Forward operations of a step's predictions for packed rows.
inline double predict_flops(const cli::run_settings& s, index rows) {
  const double n = static_cast<double>(rows), d = static_cast<double>(s.width);
  const double scan = 5 * n * d;  // q . k, and keep * before + take * v
  return scan + (s.feed_forward ? 2 * n * 2 * d * 4 * d : 0);
}

/// Operations of a batch's gradient. A product costs twice its forward operations backward; attention goes from 4 to 10 a pair
/// and the scan from 5 to 13 a value, which is counted as twice, too.
inline double gradient_flops(const cli::run_settings& s, const train::views& batch, index items, index steps) {
  const core::ragged layout(batch.offsets);
  const double d = static_cast<double>(s.width), tokens = static_cast<double>(batch.main.tokens());
  const double pairs = static_cast<double>(batch.pairs.size());
  double step = 3 * predict_flops(s, layout.rows());
  // InfoNCE: scores forward, 4 N^2 d, and backward, and sums of rows, 8 N^2 d. Softmax: two products of 2 N V d forward, two
  // backward.
  if (s.objective != "softmax" && s.lambda > 0) step += 16 * d * (tokens * tokens + pairs * pairs);
  if (s.objective != "paper") step += 8 * tokens * static_cast<double>(items) * d;
  return 3 * encode_flops(s, layout) + static_cast<double>(steps) * step;
}

}  // namespace cddrec::bench
