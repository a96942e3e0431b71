// Which rows of a matrix were touched: a list in the order of the first touch, and a mark a row.
// Filling and clearing cost what is touched, whatever the matrix holds, and allocate nothing after the first use.
#pragma once

#include <span>
#include <vector>

#include "cddrec/core/tensor.hpp"

namespace cddrec::autodiff {

using core::index;

class row_set {
 public:
  /// Adds one row of a matrix of so many rows.
  void insert(index row, index rows_of_matrix) {
    CDDREC_ASSERT(row >= 0 && row < rows_of_matrix);
    if (static_cast<index>(marked_.size()) != rows_of_matrix) {
      marked_.assign(static_cast<std::size_t>(rows_of_matrix), false);
      rows_.clear();
      rows_.reserve(marked_.size());  // address space: a page is used when it is written
    }
    if (marked_[static_cast<std::size_t>(row)]) return;
    marked_[static_cast<std::size_t>(row)] = true;
    rows_.push_back(row);
  }
  /// Makes it the set of all rows.
  void insert_all() { all_ = true; }
  void clear() {
    for (const index row : rows_) marked_[static_cast<std::size_t>(row)] = false;
    rows_.clear();
    all_ = false;
  }

  bool all() const { return all_; }
  /// The rows that were inserted one by one, each once; says nothing of the others while all() holds.
  std::span<const index> rows() const { return rows_; }

 private:
  std::vector<bool> marked_;
  std::vector<index> rows_;
  bool all_ = false;
};

}  // namespace cddrec::autodiff
