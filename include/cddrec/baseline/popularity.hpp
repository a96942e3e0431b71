// Popularity: every history gets the items most often seen in training.
// The rival that knows nothing of anybody; a model that does not beat it has learned nothing.
#pragma once

#include <numeric>

#include "cddrec/eval/rank.hpp"

namespace cddrec::baseline {

using core::index;

class popularity {
 public:
  using scalar = double;  // counts are exact

  /// Counts every item of every training sequence.
  explicit popularity(const data::split& split) : counts_(static_cast<std::size_t>(split.items()), 0) {
    for (index i = 0; i < split.training_users(); ++i)
      for (data::item v : split.training(i)) ++counts_[static_cast<std::size_t>(v)];
  }

  /// From counts kept elsewhere, [V]. Throws input_error for a negative one.
  explicit popularity(std::vector<index> counts) : counts_(std::move(counts)) {
    for (std::size_t v = 0; v < counts_.size(); ++v)
      if (counts_[v] < 0)
        throw input_error("baseline::popularity: the count of item " + std::to_string(v) + " is " + std::to_string(counts_[v]) +
                          "; counts are 0 or more");
  }

  /// How often each item was seen, [V].
  const std::vector<index>& counts() const { return counts_; }

  /// Counts over one more than their sum, [V]: below 1 even where one item is all there is.
  std::vector<double> shares() const {
    const double total = std::accumulate(counts_.begin(), counts_.end(), 0.0);
    std::vector<double> shares;
    for (index count : counts_) shares.push_back(static_cast<double>(count) / (total + 1));
    return shares;
  }

  /// A scorer: the score is the count, whatever the history.
  index items() const { return static_cast<index>(counts_.size()); }
  struct query {};
  query encode(eval::histories, core::execution) const { return {}; }
  double score_item(query, index, data::item v) const { return static_cast<double>(counts_[static_cast<std::size_t>(v)]); }
  void score(query, index first, core::view<double> out, core::execution how) const {
    core::parallel_for(how, out.rows(), 16, [&](index begin, index end) {
      for (index row = begin; row < end; ++row)
        std::transform(counts_.begin() + first, counts_.begin() + first + out.cols(), out.row(row),
                       [](index count) { return static_cast<double>(count); });
    });
  }

 private:
  std::vector<index> counts_;
};

static_assert(eval::scorer<popularity>);

}  // namespace cddrec::baseline
