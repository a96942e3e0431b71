// Metrics against a sample of the items, as many papers print them, from the ranks of a full ranking and without drawing anything.
// Of n items drawn evenly, those before the target are hypergeometric, so the mean over all samples is a finite sum.
#pragma once

#include <algorithm>
#include <string>

#include "cddrec/data/split.hpp"
#include "cddrec/eval/metrics.hpp"

namespace cddrec::eval {

/// How many items every case's target is ranked among in full: those that are neither the target nor in the history.
/// Throws input_error for an item that is not 0 … items - 1.
inline std::vector<index> other_items(const data::cases& cases, index items) {
  std::vector<index> others, last_case(static_cast<std::size_t>(items), -1);
  for (index u = 0; u < cases.size(); ++u) {
    index seen = 0;
    const auto see = [&](data::item i) {
      if (i < 0 || i >= items)
        throw input_error("eval::other_items: item " + std::to_string(i) + " of case " + std::to_string(u) + " is not among the " +
                          std::to_string(items));
      seen += std::exchange(last_case[static_cast<std::size_t>(i)], u) != u;
    };
    for (const data::item i : cases.history(u)) see(i);
    see(cases.target(u));
    others.push_back(items - seen);
  }
  return others;
}

/// Expected metrics if every target were ranked among `sample` of its other items, drawn evenly and without replacement; among all of
/// them where they are fewer. `ranks` are those of eval::rank, others[u] >= ranks[u] those of other_items. They are no
/// worse than those of the full ranking, better by how much depends on the model, and can order models differently (Krichene and Rendle,
/// KDD 2020). Throws input_error for a sample of less than one item, for `ranks` and `others` of different length, and for a rank above
/// others[u] that is not `missed`.
inline metrics sampled_metrics(std::span<const index> ranks, std::span<const index> others, index sample) {
  if (sample < 1) throw input_error("eval::sampled_metrics: a sample of " + std::to_string(sample) + " items; take 1 or more");
  if (ranks.size() != others.size())
    throw input_error("eval::sampled_metrics: " + std::to_string(ranks.size()) + " ranks, but " + std::to_string(others.size()) +
                      " counts of other items");
  return detail::mean_over(ranks, [&](metrics& m, std::size_t u) {
    if (ranks[u] > others[u])
      throw input_error("eval::sampled_metrics: rank " + std::to_string(ranks[u]) + " of case " + std::to_string(u) + " among " +
                        std::to_string(others[u]) + " other items");
    const index better = ranks[u], all = others[u], n = std::min(sample, all);
    const index least = std::max<index>(0, n - (all - better)), most = std::min(n, better);
    // P(j) = C(better, j) C(all - better, n - j) / C(all, n), from its largest value down to both sides; their sum is 1.
    const auto real = [](index v) { return static_cast<double>(v); };
    const auto mode = static_cast<index>(real(n + 1) * real(better + 1) / real(all + 2));
    const index from = std::clamp(mode, least, most);
    const auto up = [&](index j) {
      return real(better - j) * real(n - j) / (real(j + 1) * real(all - better - n + j + 1));
    };  // P(j + 1) / P(j)
    const auto each = [&](double largest, auto&& f) {
      double p = largest;
      for (index j = from; j <= most; p *= up(j), ++j) f(j, p);
      p = largest;
      for (index j = from; j > least; --j) f(j - 1, p /= up(j - 1));
    };
    double total = 0;
    each(1, [&](index, double p) { total += p; });
    each(1 / total, [&](index j, double p) { detail::add_rank(m, j, p); });
  });
}

}  // namespace cddrec::eval
