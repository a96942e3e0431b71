// Weights packed for products once, for inference, where every call would otherwise pack them anew.
// A tape that may change this object adds the weights it meets; later tapes only read.
#pragma once

#include <map>
#include <tuple>

#include "cddrec/kernel/matmul.hpp"

namespace cddrec::autodiff {

using core::index;

template <class T>
class packed_weights {
 public:
  /// Panels of weight^T as kernel::matmul_packed reads them, or nullptr for a weight that was not added.
  const T* find(core::view<const T> weight) const {
    const auto found = panels_.find(key(weight));
    return found == panels_.end() ? nullptr : found->second.data();
  }
  /// Lays out a weight [out, in], which must stay where it is, unchanged, as long as this is read: it is known by its place and sizes.
  void add(core::view<const T> weight, core::execution how) {
    core::buffer<T>& panels = panels_[key(weight)];
    panels.resize(static_cast<std::size_t>(kernel::packed_size<T>(weight.cols(), weight.rows())));
    kernel::pack<T>(kernel::transposed(weight), panels.data(), how);
  }

 private:
  using place = std::tuple<const T*, index, index>;  // rows of a larger weight are a weight of their own
  static place key(core::view<const T> weight) { return {weight.data(), weight.rows(), weight.cols()}; }

  std::map<place, core::buffer<T>> panels_;
};

}  // namespace cddrec::autodiff
