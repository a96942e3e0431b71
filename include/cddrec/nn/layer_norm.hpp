// Layer normalisation with a learned gain and bias.
// Starts as the plain normalisation: gain 1, bias 0.
#pragma once

#include "cddrec/nn/linear.hpp"

namespace cddrec::nn {

template <class T>
struct layer_norm {
  parameter<T> weight;  // [1, d], the gain
  parameter<T> bias;    // [1, d]

  layer_norm() = default;
  explicit layer_norm(index width) : weight(1, width, T(1)), bias(1, width, T(0)) {}

  variable<T> operator()(const variable<T>& x) const {
    autodiff::tape<T>& t = x.owner();
    return autodiff::layer_norm(x, t.leaf(weight), t.leaf(bias));
  }

  template <class Self, class F>
  static void visit(Self& self, const std::string& name, F&& f) {
    f(name + ".weight", self.weight);
    f(name + ".bias", self.bias);
  }
};

}  // namespace cddrec::nn
