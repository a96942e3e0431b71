// A packed batch for a sequence encoder: the tokens of all its users back to back, and nothing else.
// Only the newest tokens of a long history are kept; clear() keeps the memory, so a steady loop does not allocate.
#pragma once

#include <algorithm>

#include "cddrec/core/ragged.hpp"
#include "cddrec/data/sequences.hpp"

namespace cddrec::data {

struct batch {
  std::vector<item> inputs;       // [N]
  std::vector<item> targets;      // [N]: what followed each input; empty in a batch of histories
  std::vector<index> offsets{0};  // [size + 1]

  /// Which rows belong to which sequence; valid until the batch changes.
  core::ragged layout() const { return core::ragged(offsets); }
  /// N, the rows of all sequences together.
  index tokens() const { return static_cast<index>(inputs.size()); }
  /// Number of sequences.
  index size() const { return static_cast<index>(offsets.size()) - 1; }

  void clear() {
    inputs.clear();
    targets.clear();
    offsets.resize(1);
  }

  /// Adds the newest `max_length` (input, target) pairs of a sequence: all but the last item, and all but the first.
  /// Throws input_error for fewer than two items, which make no pair.
  void add_training(std::span<const item> sequence, index max_length) {
    CDDREC_ASSERT(targets.size() == inputs.size());
    if (sequence.size() < 2)
      throw input_error("data::batch: a training sequence needs an item to predict from and one to predict; leave this one out");
    all_or_nothing([&] {
      add(inputs, sequence.first(sequence.size() - 1), max_length);
      add(targets, sequence.last(sequence.size() - 1), max_length);
    });
  }

  /// Adds the newest `max_length` items of a history to predict from. Throws input_error for an empty one.
  void add_history(std::span<const item> history, index max_length) {
    CDDREC_ASSERT(targets.empty());
    if (history.empty()) throw input_error("data::batch: an empty history gives nothing to predict from; leave it out");
    all_or_nothing([&] { add(inputs, history, max_length); });
  }

 private:
  // A sequence for which there is no memory leaves nothing to the next one.
  template <class Fill>
  void all_or_nothing(Fill&& fill) {
    const std::size_t had_inputs = inputs.size(), had_targets = targets.size();
    try {
      fill();
      offsets.push_back(tokens());
    } catch (...) {
      inputs.resize(had_inputs), targets.resize(had_targets);
      throw;
    }
  }
  static void add(std::vector<item>& to, std::span<const item> from, index max_length) {
    require(max_length >= 1, "data::batch", "max_length", max_length, "1 or more");
    const auto newest = from.last(std::min(from.size(), static_cast<std::size_t>(max_length)));
    to.insert(to.end(), newest.begin(), newest.end());
  }
};

}  // namespace cddrec::data
