// Packed batches: sequences of different lengths stored back to back, found by their offsets.
// Nothing is ever computed on padding because there is none.
#pragma once

#include <span>

#include "cddrec/core/tensor.hpp"

namespace cddrec::core {

/// Offsets of packed sequences: sequence i holds rows [offsets[i], offsets[i + 1]).
class ragged {
 public:
  ragged() = default;
  /// `offsets` has one entry more than there are sequences, starts at 0 and never falls.
  explicit ragged(std::span<const index> offsets) : offsets_(offsets) { CDDREC_ASSERT(!offsets.empty() && offsets.front() == 0); }

  index size() const { return offsets_.empty() ? 0 : static_cast<index>(offsets_.size()) - 1; }
  index begin(index i) const { return offsets_[static_cast<std::size_t>(i)]; }
  index end(index i) const { return offsets_[static_cast<std::size_t>(i) + 1]; }
  index length(index i) const { return end(i) - begin(i); }
  /// Number of rows of all sequences together.
  index rows() const { return offsets_.empty() ? 0 : offsets_.back(); }

 private:
  std::span<const index> offsets_;
};

}  // namespace cddrec::core
