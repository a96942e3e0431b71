// A stack of post-norm transformer layers over packed sequences (the encoder of Eq. 8).
// x = LN(x + drop(attention(x))); x = LN(x + drop(W2 drop(gelu(W1 x)))).
#pragma once

#include <vector>

#include "cddrec/nn/attention.hpp"
#include "cddrec/nn/feed_forward.hpp"
#include "cddrec/nn/layer_norm.hpp"

namespace cddrec::nn {

struct transformer_settings {
  index width = 128;
  index layers = 1;
  index heads = 4;
  index feed_forward_factor = 4;   // inner width, in multiples of the width
  double dropout = 0;              // of the hidden values
  double attention_dropout = 0.2;  // of the attention weights
};

template <class T, class Mask>
class transformer {
 public:
  using scalar = T;
  using settings = transformer_settings;

  transformer() = default;
  /// input_error if there is no layer or no width, the heads do not divide it, the feed-forward layer has none or a rate is outside [0, 1).
  transformer(const settings& s, const core::random& draw) {
    require_positive("transformer: layers", s.layers);
    for (index l = 0; l < s.layers; ++l) {
      const core::random own = draw.child(static_cast<std::uint64_t>(l));
      layers_.push_back({attention<T, Mask>(s.width, s.heads, s.attention_dropout, own.child(0)),
                         feed_forward<T>(s.width, s.feed_forward_factor, s.dropout, own.child(1)), layer_norm<T>(s.width),
                         layer_norm<T>(s.width), s.dropout});
    }
  }

  /// x [N, d] -> [N, d]; `draw` feeds dropout.
  variable<T> operator()(variable<T> x, core::ragged layout, const core::random& draw) const {
    using autodiff::add, autodiff::dropout;
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      const layer& own = layers_[l];
      const core::random r = draw.child(l);
      x = own.norm1(add(x, dropout(own.attend(x, layout, r.child(0)), own.dropout, r.child(1))));
      x = own.norm2(add(x, dropout(own.feed(x, r.child(2)), own.dropout, r.child(3))));
    }
    return x;
  }

  template <class Self, class F>
  static void visit(Self& self, const std::string& name, F&& f) {
    for (std::size_t l = 0; l < self.layers_.size(); ++l) {
      auto& own = self.layers_[l];
      const std::string prefix = name + ".layers." + std::to_string(l);
      attention<T, Mask>::visit(own.attend, prefix + ".self_attn", f);
      feed_forward<T>::visit(own.feed, prefix, f);
      layer_norm<T>::visit(own.norm1, prefix + ".norm1", f);
      layer_norm<T>::visit(own.norm2, prefix + ".norm2", f);
    }
  }

 private:
  struct layer {
    attention<T, Mask> attend;
    feed_forward<T> feed;
    layer_norm<T> norm1, norm2;
    double dropout;
  };
  std::vector<layer> layers_;
};

}  // namespace cddrec::nn
