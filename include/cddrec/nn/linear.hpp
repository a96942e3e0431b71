// A linear map with the weight as PyTorch keeps it, [out, in].
// Layers are settings, parameters, a call and a visit; visit names every parameter once, for optimisers and files.
#pragma once

#include <string>

#include "cddrec/autodiff/ops.hpp"

namespace cddrec::nn {

using autodiff::parameter;
using autodiff::variable;
using core::index;

/// Deviation of freshly drawn weights.
inline constexpr double initial_deviation = 0.02;

/// A size as it is given; input_error in the name of `what` if it is below 1.
inline index require_positive(const char* what, index size) {
  if (size < 1) throw input_error("nn::" + std::string(what) + " must be 1 or more, not " + std::to_string(size));
  return size;
}

/// A dropout rate as it is given; input_error in the name of `what` unless it is in [0, 1).
inline double require_rate(const char* what, double rate) {
  if (!(rate >= 0 && rate < 1)) throw input_error("nn::" + std::string(what) + " must be in [0, 1), not " + to_text(rate));
  return rate;
}

/// input_error in the name of `where` unless the heads of attention divide the width, which is 1 or more.
inline void require_heads(const char* where, index heads, index width) {
  require(heads >= 1 && width % heads == 0, where, "heads", heads, "1 or more and divide the width " + to_text(width));
}

/// y = x W^T + b. x [N, in] -> [N, out].
template <class T>
struct linear {
  parameter<T> weight;  // [out, in]
  parameter<T> bias;    // [1, out]; empty for none

  linear() = default;
  linear(index in, index out, const core::random& draw, bool biased = true) : weight(out, in, initial_deviation, draw) {
    if (biased) bias = parameter<T>(1, out, T(0));
  }

  variable<T> operator()(const variable<T>& x) const {
    autodiff::tape<T>& t = x.owner();
    return autodiff::linear(x, t.leaf(weight), bias.value.size() ? t.leaf(bias) : variable<T>{});
  }

  /// Calls f(name, parameter) for every parameter.
  template <class Self, class F>
  static void visit(Self& self, const std::string& name, F&& f) {
    f(name + ".weight", self.weight);
    if (self.bias.value.size()) f(name + ".bias", self.bias);
  }
};

}  // namespace cddrec::nn
