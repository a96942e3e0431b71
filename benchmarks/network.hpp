// What the benchmarks of the whole network share: logs like the real ones, and the operations of a network.
// Counted are products and attention, a multiply-add as two operations; whatever is elementwise is not.
#pragma once

#include "bench.hpp"
#include "cddrec/data/synthetic.hpp"
#include "cddrec/network.hpp"

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

/// The same where the newest position of each sequence alone is predicted, as serving does: the scan reads all rows.
inline double predict_last_flops(const cli::run_settings& s, index rows, index sequences) {
  return predict_flops(s, sequences) + 5 * static_cast<double>(rows - sequences) * static_cast<double>(s.width);
}

/// How often InfoNCE makes the scores of so many pairs, forward and backward: once, where all are kept between, to twice.
inline double scores_made(index pairs) {
  using all = kernel::detail::nce_pairs<float, int>;
  const double blocks = static_cast<double>(core::block_count(2 * pairs, kernel::detail::nce_block));
  return 2 - static_cast<double>(all::tiles_kept(pairs)) / (blocks * (blocks + 1) / 2);
}

/// A softmax of a step: so many rows against so many items.
struct ranked_rows {
  index rows, items;
  /// Products of rows by items by d that it makes: its scores, the expected items, the items' gradient, and again what was not kept.
  double products() const {
    return 4 - static_cast<double>(kernel::softmax_over_items_kept<float>(rows, items)) / static_cast<double>(rows * items);
  }
};

/// The softmaxes of a step: against all items or against the candidates, of the sequences and, if asked, of their augmented views.
inline std::vector<ranked_rows> ranked(const cli::run_settings& s, const train::views& batch, index items) {
  if (s.objective == "paper" || s.ranking == "bce") return {};
  const index against = s.ranking == "softmax" ? items : std::ssize(batch.candidates);
  std::vector<ranked_rows> all{{batch.main.tokens(), against}};
  if (s.ranking_augmented) all.push_back({batch.augmented.tokens(), against});
  return all;
}

/// Operations of a batch's gradient. A product costs twice its forward operations backward; attention goes from 4 to 10 a pair
/// and the scan from 5 to 13 a value, which is counted as twice, too.
inline double gradient_flops(const cli::run_settings& s, const train::views& batch, index items, index steps) {
  const core::ragged layout(batch.offsets);
  const double d = static_cast<double>(s.width);
  double step = 3 * predict_flops(s, layout.rows());
  // InfoNCE: scores, 4 N^2 d, forward, and backward those that were not kept; sums of rows, 8 N^2 d.
  if (s.objective != "softmax" && s.lambda > 0)
    for (const index n : {batch.main.tokens(), std::ssize(batch.pairs)}) step += (4 * scores_made(n) + 8) * d * static_cast<double>(n * n);
  for (const ranked_rows& r : ranked(s, batch, items)) step += 2 * r.products() * static_cast<double>(r.rows * r.items) * d;
  return 3 * encode_flops(s, layout) + static_cast<double>(steps) * step;
}

/// Milliseconds of a batch's matrix products by themselves, each the fastest of several runs of kernel::matmul: what nothing else
/// that a step does could beat. What streams over blocks is timed by a block.
inline double product_milliseconds(const cli::run_settings& s, const train::views& batch, index items, index steps, core::execution how) {
  core::arena memory;
  // [m, k] [k, n], or with the left side transposed.
  const auto product = [&](index m, index k, index n, bool transposed) {
    const core::arena_scope scope(memory);
    const auto left = transposed ? normal(memory, k, m, 1) : normal(memory, m, k, 1), right = normal(memory, k, n, 2),
               out = normal(memory, m, n, 3);
    const auto a = transposed ? kernel::transposed(left) : kernel::plain(left), b = kernel::plain(right);
    const auto workspace = memory.array<float>(kernel::matmul_workspace<float>(a, b, how));
    return 1e3 * fastest([&] { kernel::matmul<float>(a, b, kernel::write::add, out, workspace, how); }, 15, 0.02);
  };
  // A linear layer's three products, so many times.
  const auto layer = [&](index rows, index in, index out, double count) {
    return count * (product(rows, in, out, false) + product(rows, out, in, false) + product(out, rows, in, true));
  };
  const index rows = static_cast<index>(batch.inputs.size()), tokens = batch.main.tokens(), d = s.width;
  const double layers = static_cast<double>(s.layers), chosen = static_cast<double>(steps);
  double total = layer(rows, d, d, 4 * layers + 2) + layer(rows, d, 4 * d, layers) + layer(rows, 4 * d, d, layers);
  if (s.feed_forward) total += layer(rows, d, 4 * d, chosen) + layer(rows, 4 * d, d, chosen);
  for (const ranked_rows& r : ranked(s, batch, items)) {
    constexpr index block = 256;
    const double blocks = static_cast<double>(r.items) / block, scores = r.products() - 2;
    total +=
        chosen * blocks * (scores * product(r.rows, d, block, false) + product(r.rows, block, d, false) + product(block, r.rows, d, true));
  }
  if (s.objective != "softmax" && s.lambda > 0) {
    constexpr index block = 192;
    for (const index pairs : {tokens, std::ssize(batch.pairs)}) {
      const double blocks = static_cast<double>(4 * pairs * pairs) / (block * block);  // of [2 N, 2 N]; scores are symmetric
      total += chosen * blocks * (scores_made(pairs) / 2 * product(block, d, block, false) + product(block, block, d, false));
    }
  }
  return total;
}

}  // namespace cddrec::bench
