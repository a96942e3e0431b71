// Weights laid out for products once, for inference: what every call would otherwise pack anew.
// A tape that may change them gathers those it meets; later tapes only read.
#pragma once

#include <map>

#include "cddrec/kernel/matmul.hpp"

namespace cddrec::autodiff {

using core::index;

template <class T>
class packed_weights {
 public:
  /// Panels of weight^T as kernel::matmul_packed reads them, or nullptr for a weight that was not added.
  const T* find(core::view<const T> weight) const {
    const auto found = panels_.find({weight.data(), weight.rows()});
    return found == panels_.end() ? nullptr : found->second.data();
  }
  /// Lays out a weight [out, in], which must stay where it is, unchanged.
  void add(core::view<const T> weight, core::execution how) {
    core::buffer<T>& panels = panels_[{weight.data(), weight.rows()}];
    panels.resize(static_cast<std::size_t>(kernel::packed_size<T>(weight.cols(), weight.rows())));
    kernel::pack<T>(kernel::transposed(weight), panels.data(), how);
  }

 private:
  std::map<std::pair<const T*, index>, core::buffer<T>> panels_;  // rows of a larger weight are a weight of their own
};

}  // namespace cddrec::autodiff
