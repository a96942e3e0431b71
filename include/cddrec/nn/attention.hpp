// Multi-head self-attention over packed sequences, with PyTorch's layout of the projections.
// Which rows a row may see is a type: nn::causal or nn::bidirectional.
#pragma once

#include "cddrec/nn/linear.hpp"

namespace cddrec::nn {

/// A row sees itself and what came before it.
struct causal {
  static constexpr bool is_causal = true;
};
/// A row sees its whole sequence.
struct bidirectional {
  static constexpr bool is_causal = false;
};

/// softmax(Q K^T / sqrt(d / heads)) V head by head inside every sequence, with projections in and out.
template <class T, class Mask>
struct attention {
  index heads = 1;
  double dropout = 0;
  parameter<T> in_projection;       // [3 d, d]: query, key and value stacked
  parameter<T> in_projection_bias;  // [3, d]
  linear<T> out_projection;

  attention() = default;
  /// input_error for a width below 1, heads that do not divide it or a rate outside [0, 1).
  attention(index width, index head_count, double rate, const core::random& draw)
      : heads(head_count), dropout(require_rate("attention: dropout", rate)),
        in_projection(3 * require_positive("attention: width", width), width, initial_deviation, draw.child(0)),
        in_projection_bias(3, width, T(0)), out_projection(width, width, draw.child(1)) {
    require_heads("nn::attention", heads, width);
  }

  /// x [N, d] -> [N, d]; `draw` feeds the dropout of attention weights.
  variable<T> operator()(const variable<T>& x, core::ragged layout, const core::random& draw) const {
    autodiff::tape<T>& t = x.owner();
    const index d = x.cols();
    const variable<T> weight = t.leaf(in_projection), bias = t.leaf(in_projection_bias);
    const auto project = [&](index part) { return autodiff::linear(x, weight.middle_rows(part * d, d), bias.middle_rows(part, 1)); };
    return out_projection(autodiff::attention(project(0), project(1), project(2), layout, heads, Mask::is_causal, {dropout, draw}));
  }

  template <class Self, class F>
  static void visit(Self& self, const std::string& name, F&& f) {
    f(name + ".in_proj_weight", self.in_projection);
    f(name + ".in_proj_bias", self.in_projection_bias);
    linear<T>::visit(self.out_projection, name + ".out_proj", f);
  }
};

}  // namespace cddrec::nn
