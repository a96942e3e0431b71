// First-order Markov: what most often followed the newest item of the history, popularity where nothing did.
// One score does both: a transition counts 1 or more, and an item's share of all popularity stays below 1.
#pragma once

#include <numeric>

#include "cddrec/baseline/popularity.hpp"

namespace cddrec::baseline {

/// How often one item directly followed another, as sparse rows: item v was followed by successors[e], counts[e] times,
/// for e in [offsets[v], offsets[v + 1]); successors ascend within a row.
struct transitions {
  std::vector<index> offsets{0};  // [V + 1]
  std::vector<data::item> successors;
  std::vector<index> counts;
};

class markov {
 public:
  using scalar = double;

  /// Counts items and neighbours in the training sequences.
  explicit markov(const data::split& split) : markov(popularity(split), count_transitions(split)) {}

  /// From counts kept elsewhere. Throws input_error where they are not as `transitions` says.
  markov(popularity items, transitions table) : popularity_(std::move(items)), table_(std::move(table)) {
    check();
    const auto& counts = popularity_.counts();
    const double total = std::accumulate(counts.begin(), counts.end(), 0.0);
    share_.reserve(counts.size());
    for (index count : counts) share_.push_back(static_cast<double>(count) / (total + 1));
  }

  const popularity& item_counts() const { return popularity_; }
  const transitions& transition_counts() const { return table_; }

  /// A scorer: score(v) = transitions from the newest item to v + count(v) / (count of all items + 1). An empty history,
  /// or one that ends with an item unknown here, gets the popularity term alone. The order is exact as long as the largest
  /// transition count times the count of all items is below 2^53.
  index items() const { return popularity_.items(); }

  /// The newest item of every history, negative if there is none.
  using query = std::vector<data::item>;
  query encode(eval::histories users, core::execution) const {
    query newest;
    newest.reserve(users.size());
    for (const auto& history : users) {
      const bool known = !history.empty() && history.back() < items();
      newest.push_back(known ? history.back() : -1);
    }
    return newest;
  }

  void score(const query& newest, index first, core::view<double> out, core::execution how) const {
    core::parallel_for(how, out.rows(), 16, [&](index begin, index end) {
      for (index row = begin; row < end; ++row) {
        double* scores = out.row(row);
        std::copy_n(share_.begin() + first, out.cols(), scores);
        const auto [low, high] = edges(newest[static_cast<std::size_t>(row)], first, first + out.cols());
        for (std::size_t e = low; e < high; ++e) scores[table_.successors[e] - first] += static_cast<double>(table_.counts[e]);
      }
    });
  }

  double score_item(const query& newest, index row, data::item v) const {
    const auto [low, high] = edges(newest[static_cast<std::size_t>(row)], v, v + 1);
    return share_[static_cast<std::size_t>(v)] + (low < high ? static_cast<double>(table_.counts[low]) : 0.0);
  }

 private:
  // The transitions from `from` to items [first, last): a range of indices into table_.successors.
  std::pair<std::size_t, std::size_t> edges(data::item from, index first, index last) const {
    if (from < 0) return {0, 0};
    const auto begin = table_.successors.begin() + table_.offsets[static_cast<std::size_t>(from)];
    const auto end = table_.successors.begin() + table_.offsets[static_cast<std::size_t>(from) + 1];
    const auto low = std::lower_bound(begin, end, first), high = std::lower_bound(low, end, last);
    return {static_cast<std::size_t>(low - table_.successors.begin()), static_cast<std::size_t>(high - table_.successors.begin())};
  }

  static transitions count_transitions(const data::split& split) {
    std::vector<std::pair<data::item, data::item>> pairs;
    for (index i = 0; i < split.training_users(); ++i) {
      const auto sequence = split.training(i);
      for (std::size_t j = 1; j < sequence.size(); ++j) pairs.emplace_back(sequence[j - 1], sequence[j]);
    }
    std::sort(pairs.begin(), pairs.end());
    transitions table;
    table.offsets.resize(static_cast<std::size_t>(split.items()) + 1, 0);
    for (std::size_t p = 0; p < pairs.size(); ++p) {
      if (p > 0 && pairs[p] == pairs[p - 1]) {
        ++table.counts.back();
        continue;
      }
      table.successors.push_back(pairs[p].second);
      table.counts.push_back(1);
      ++table.offsets[static_cast<std::size_t>(pairs[p].first) + 1];
    }
    std::partial_sum(table.offsets.begin(), table.offsets.end(), table.offsets.begin());
    return table;
  }

  void check() const {
    const auto refuse = [](const std::string& what) {
      throw input_error("baseline::markov: " + what + "; the transitions are damaged, count them again");
    };
    const auto& [offsets, successors, counts] = table_;
    if (static_cast<index>(offsets.size()) != items() + 1 || offsets.front() != 0 || !std::is_sorted(offsets.begin(), offsets.end()) ||
        offsets.back() != static_cast<index>(successors.size()) || counts.size() != successors.size())
      refuse("offsets do not ascend from 0 to the number of transitions, one step for each of " + std::to_string(items()) + " items");
    for (std::size_t v = 0; v + 1 < offsets.size(); ++v)
      for (std::size_t e = static_cast<std::size_t>(offsets[v]); e < static_cast<std::size_t>(offsets[v + 1]); ++e)
        if (successors[e] < 0 || successors[e] >= items() || counts[e] < 1 ||
            (static_cast<index>(e) > offsets[v] && successors[e] <= successors[e - 1]))
          refuse("the successors of item " + std::to_string(v) + " are not ascending item numbers with counts of 1 or more");
  }

  popularity popularity_;
  transitions table_;
  std::vector<double> share_;  // [V], below 1
};

static_assert(eval::scorer<markov>);

}  // namespace cddrec::baseline
