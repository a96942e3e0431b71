// Recall, NDCG and MRR of a full ranking with one target a user.
// Every one of them is a mean over users of a function of the target's rank alone, so ranks are all they need.
#pragma once

#include <array>
#include <cmath>
#include <limits>
#include <span>
#include <string_view>
#include <utility>

#include "cddrec/core/tensor.hpp"

namespace cddrec::eval {

using core::index;

/// The rank of a target that cannot be recommended because it stands in its own history: worse than every other.
inline constexpr index missed = std::numeric_limits<index>::max();

/// Means over users, all in [0, 1]; zero if there are no users.
struct metrics {
  double recall_at_1 = 0, recall_at_5 = 0, recall_at_10 = 0, recall_at_20 = 0;  // with one target a user: the hit rate
  double ndcg_at_5 = 0, ndcg_at_10 = 0, ndcg_at_20 = 0;
  double mrr = 0;  // not truncated
  index users = 0;
  index target_in_history = 0;  // users whose target stands in their history; they count as misses

  using field = std::pair<std::string_view, double metrics::*>;
  /// Names and members in the order of every report.
  static constexpr std::array<field, 8> fields{{{"recall@1", &metrics::recall_at_1},
                                                {"recall@5", &metrics::recall_at_5},
                                                {"recall@10", &metrics::recall_at_10},
                                                {"recall@20", &metrics::recall_at_20},
                                                {"ndcg@5", &metrics::ndcg_at_5},
                                                {"ndcg@10", &metrics::ndcg_at_10},
                                                {"ndcg@20", &metrics::ndcg_at_20},
                                                {"mrr", &metrics::mrr}}};

  /// (name, value) in that order.
  std::array<std::pair<std::string_view, double>, 8> values() const {
    std::array<std::pair<std::string_view, double>, 8> list;
    for (std::size_t i = 0; i < list.size(); ++i) list[i] = {fields[i].first, this->*fields[i].second};
    return list;
  }
};

namespace detail {

// Adds what a 0-based rank gives, `weight` times.
inline void add_rank(metrics& m, index rank, double weight) {
  const double gain = weight / std::log2(static_cast<double>(rank) + 2);  // the ideal DCG of one target is 1
  m.recall_at_1 += rank < 1 ? weight : 0;
  m.recall_at_5 += rank < 5 ? weight : 0;
  m.recall_at_10 += rank < 10 ? weight : 0;
  m.recall_at_20 += rank < 20 ? weight : 0;
  m.ndcg_at_5 += rank < 5 ? gain : 0;
  m.ndcg_at_10 += rank < 10 ? gain : 0;
  m.ndcg_at_20 += rank < 20 ? gain : 0;
  m.mrr += weight / (static_cast<double>(rank) + 1);
}

// Sums made means; add(m, user) adds what one user gives, unless the target was missed.
template <class Add>
metrics mean_over(std::span<const index> ranks, Add add) {
  metrics m;
  for (std::size_t u = 0; u < ranks.size(); ++u) {
    CDDREC_ASSERT(ranks[u] >= 0);
    ++m.users;
    if (ranks[u] == missed)
      ++m.target_in_history;
    else
      add(m, u);
  }
  if (m.users > 0)
    for (const auto& [name, member] : metrics::fields) m.*member /= static_cast<double>(m.users);
  return m;
}

}  // namespace detail

/// The metrics of 0-based ranks, one a user.
inline metrics measure(std::span<const index> ranks) {
  return detail::mean_over(ranks, [&](metrics& m, std::size_t u) { detail::add_rank(m, ranks[u], 1); });
}

}  // namespace cddrec::eval
