// Where a row stands in its sequence, counted from the end: the newest row is the last, however long the sequence is.
// So a history that grows by an item moves on by one place, and what was learnt of the newest stays with the newest.
#pragma once

#include <string>

#include "cddrec/autodiff/ops.hpp"
#include "cddrec/core/ragged.hpp"

namespace cddrec::nn {

using autodiff::variable;
using core::index;

/// For every row of a packed batch the row of `table` [max_length, d] of its place: [N, d]. The table's last row is for the newest place.
/// input_error for a sequence longer than the table.
template <class T>
variable<T> positions(const variable<T>& table, core::ragged layout) {
  const std::span<index> places = table.owner().memory().template array<index>(layout.rows());
  for (index s = 0; s < layout.size(); ++s) {
    if (layout.length(s) > table.rows())
      throw input_error("nn::positions: sequence " + std::to_string(s) + " has " + std::to_string(layout.length(s)) +
                        " items, but there are positions for " + std::to_string(table.rows()) + "; give only the newest of them");
    for (index i = layout.begin(s); i < layout.end(s); ++i) places[static_cast<std::size_t>(i)] = table.rows() - (layout.end(s) - i);
  }
  return autodiff::gather<T, index>(table, places);
}

}  // namespace cddrec::nn
