// First-order Markov: what most often followed the newest item of the history, popularity where nothing did.
// One score does both: a transition counts 1 or more, and an item's share of all popularity stays below 1.
#pragma once

#include <numeric>

#include "cddrec/baseline/popularity.hpp"
#include "cddrec/baseline/sparse_rows.hpp"

namespace cddrec::baseline {

/// How often one item directly followed another: a row for each item, its successors.
using transitions = sparse_rows<index>;

class markov {
 public:
  using scalar = double;

  /// Counts items and neighbours in the training sequences.
  explicit markov(const data::split& split) : markov(popularity(split), count_transitions(split)) {}

  /// From counts kept elsewhere. Throws input_error where they are not as `transitions` says.
  markov(popularity counts, transitions table) : popularity_(std::move(counts)), table_(std::move(table)) {
    table_.check("baseline::markov", items(), 1);
    share_ = popularity_.shares();
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
        table_.for_each(newest[static_cast<std::size_t>(row)], first, first + out.cols(),
                        [&](data::item v, index count) { scores[v - first] += static_cast<double>(count); });
      }
    });
  }

  double score_item(const query& newest, index row, data::item v) const {
    double score = share_[static_cast<std::size_t>(v)];
    table_.for_each(newest[static_cast<std::size_t>(row)], v, v + 1, [&](data::item, index count) { score += static_cast<double>(count); });
    return score;
  }

 private:
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
        ++table.values.back();
        continue;
      }
      table.items.push_back(pairs[p].second);
      table.values.push_back(1);
      ++table.offsets[static_cast<std::size_t>(pairs[p].first) + 1];
    }
    std::partial_sum(table.offsets.begin(), table.offsets.end(), table.offsets.begin());
    return table;
  }

  popularity popularity_;
  transitions table_;
  std::vector<double> share_;  // [V], below 1
};

static_assert(eval::scorer<markov>);

}  // namespace cddrec::baseline
