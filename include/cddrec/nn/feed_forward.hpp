// The position-wise feed-forward layer of a transformer.
// Each row is widened, passed through a GELU and narrowed again.
#pragma once

#include "cddrec/nn/linear.hpp"

namespace cddrec::nn {

/// W2 drop(gelu(W1 x)), widening `factor` times in between.
template <class T>
struct feed_forward {
  linear<T> first, second;
  double dropout = 0;

  feed_forward() = default;
  /// input_error for a factor below 1 or a rate outside [0, 1).
  feed_forward(index width, index factor, double rate, const core::random& draw)
      : first(width, require_positive("feed_forward: the factor", factor) * width, draw.child(0)),
        second(factor * width, width, draw.child(1)), dropout(require_rate("feed_forward: dropout", rate)) {}

  variable<T> operator()(const variable<T>& x, const core::random& draw) const {
    return second(autodiff::dropout(autodiff::gelu(first(x)), dropout, draw));
  }

  template <class Self, class F>
  static void visit(Self& self, const std::string& name, F&& f) {
    linear<T>::visit(self.first, name + ".linear1", f);
    linear<T>::visit(self.second, name + ".linear2", f);
  }
};

}  // namespace cddrec::nn
