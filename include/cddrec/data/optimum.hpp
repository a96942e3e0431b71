// The best any recommender can expect on a synthetic log, exactly.
// Ranking by the true probabilities is optimal for every metric that falls with the rank, and its expectation needs no targets.
#pragma once

#include <functional>

#include "cddrec/core/parallel.hpp"
#include "cddrec/data/split.hpp"
#include "cddrec/data/synthetic.hpp"

namespace cddrec::data {

/// Expected metrics of the Bayes-optimal ranking of unseen items, averaged over cases.
struct best_possible {
  static constexpr std::array<index, 4> recall_at{1, 5, 10, 20};
  static constexpr std::array<index, 3> ndcg_at{5, 10, 20};
  std::array<double, 4> recall{};
  std::array<double, 3> ndcg{};
  double mrr = 0;  // over the whole ranking
};

/// Expectation over the next item given each history; the cases' own targets are one draw of it and are not looked at.
/// With p_1 >= p_2 >= … the probabilities of one case:
/// `Recall@K` = Σ_{r<=K} p_r, `NDCG@K` = Σ_{r<=K} p_r / log2(r + 1), MRR = Σ_r p_r / r.
/// `which` must come from a split of `log.log()`: its item numbers are the log's.
inline best_possible optimum(const synthetic_log& log, const cases& which, core::execution how = {}) {
  std::vector<best_possible> of_case(static_cast<std::size_t>(which.size()));
  core::parallel_for(how, which.size(), 64, [&](index begin, index end) {
    for (index i = begin; i < end; ++i) {
      std::vector<double> p = log.next_item_probabilities(which.history(i));
      std::sort(p.begin(), p.end(), std::greater<>());
      best_possible& best = of_case[static_cast<std::size_t>(i)];
      for (index r = 1; r <= static_cast<index>(p.size()); ++r) {
        const double p_r = p[static_cast<std::size_t>(r - 1)], rank = static_cast<double>(r);
        for (std::size_t k = 0; k < best.recall.size(); ++k)
          if (r <= best.recall_at[k]) best.recall[k] += p_r;
        for (std::size_t k = 0; k < best.ndcg.size(); ++k)
          if (r <= best.ndcg_at[k]) best.ndcg[k] += p_r / std::log2(rank + 1);
        best.mrr += p_r / rank;
      }
    }
  });
  best_possible mean;
  const double count = static_cast<double>(of_case.size());
  for (const best_possible& best : of_case) {
    for (std::size_t k = 0; k < mean.recall.size(); ++k) mean.recall[k] += best.recall[k] / count;
    for (std::size_t k = 0; k < mean.ndcg.size(); ++k) mean.ndcg[k] += best.ndcg[k] / count;
    mean.mrr += best.mrr / count;
  }
  return mean;
}

}  // namespace cddrec::data
