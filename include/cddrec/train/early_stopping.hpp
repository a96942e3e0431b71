// Early stopping: remembers the best validation score and gives up after a number of epochs without a better one.
// Ties keep the earlier epoch.
#pragma once

#include "cddrec/core/tensor.hpp"

namespace cddrec::train {

using core::index;

struct early_stopping {
  index patience = 10;  // epochs without improvement before stopping; 0 never stops
  double best = -1;     // -1 before the first score
  index best_epoch = 0;

  /// Notes the score of an epoch; true if it is the best so far.
  bool improved(index epoch, double score) {
    if (!(score > best)) return false;
    best = score;
    best_epoch = epoch;
    return true;
  }
  /// Whether to stop after an epoch.
  bool exhausted(index epoch) const { return patience > 0 && epoch - best_epoch >= patience; }
};

}  // namespace cddrec::train
