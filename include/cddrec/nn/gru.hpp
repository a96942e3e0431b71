// A stack of gated recurrent units over packed sequences, PyTorch's torch.nn.GRU with its names and layout of parameters.
// A layer's products with its inputs are one for all rows; only the hidden state's wait for each other.
#pragma once

#include <vector>

#include "cddrec/autodiff/recurrent_ops.hpp"
#include "cddrec/nn/linear.hpp"

namespace cddrec::nn {

struct gru_settings {
  index width = 128;
  index layers = 1;
  double dropout = 0;  // of the hidden values that leave a layer
};

template <class T>
class gru {
 public:
  using scalar = T;
  using settings = gru_settings;
  /// It knows the order of its rows by itself: embeddings of positions would tell it nothing.
  static constexpr bool ordered = true;

  gru() = default;
  /// input_error if there is no layer or no width, or for a rate outside [0, 1).
  gru(const settings& s, const core::random& draw) : dropout_(require_rate("gru: dropout", s.dropout)) {
    require_positive("gru: layers", s.layers);
    const index d = require_positive("gru: width", s.width);
    // PyTorch's spread. The hidden state is fed back through the weights, and too small ones would forget all but the last items.
    const double deviation = 1 / std::sqrt(3.0 * static_cast<double>(d));
    for (index l = 0; l < s.layers; ++l) {
      const core::random own = draw.child(static_cast<std::uint64_t>(l));
      layers_.push_back({parameter<T>(3 * d, d, deviation, own.child(0)), parameter<T>(3 * d, d, deviation, own.child(1)),
                         parameter<T>(1, 3 * d, T(0)), parameter<T>(1, 3 * d, T(0))});
    }
  }

  /// x [N, d] -> [N, d]; `draw` feeds dropout.
  variable<T> operator()(variable<T> x, core::ragged layout, const core::random& draw) const {
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      const layer& own = layers_[l];
      autodiff::tape<T>& t = x.owner();
      const variable<T> given = autodiff::linear(x, t.leaf(own.weight_ih), t.leaf(own.bias_ih));
      x = autodiff::dropout(autodiff::gru(given, t.leaf(own.weight_hh), t.leaf(own.bias_hh), layout), dropout_, draw.child(l));
    }
    return x;
  }

  template <class Self, class F>
  static void visit(Self& self, const std::string& name, F&& f) {
    for (std::size_t l = 0; l < self.layers_.size(); ++l) {
      auto& own = self.layers_[l];
      const std::string suffix = "_l" + std::to_string(l);
      f(name + ".weight_ih" + suffix, own.weight_ih);
      f(name + ".weight_hh" + suffix, own.weight_hh);
      f(name + ".bias_ih" + suffix, own.bias_ih);
      f(name + ".bias_hh" + suffix, own.bias_hh);
    }
  }

 private:
  struct layer {
    parameter<T> weight_ih, weight_hh;  // [3 d, d]: reset gate, update gate and new value stacked
    parameter<T> bias_ih, bias_hh;      // [1, 3 d]
  };
  std::vector<layer> layers_;
  double dropout_ = 0;
};

}  // namespace cddrec::nn
