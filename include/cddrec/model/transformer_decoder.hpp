// The denoiser as the authors' code reads: a post-norm transformer decoder whose target is the encoded sequence and whose memory is the
// step embedding alone. Attention to one key has weight 1, so it adds the same vector to every position; and the first layer's
// self-attention does not depend on the step, so it is computed once for all of them.
#pragma once

#include <vector>

#include "cddrec/model/denoiser.hpp"
#include "cddrec/nn/attention.hpp"
#include "cddrec/nn/feed_forward.hpp"
#include "cddrec/nn/layer_norm.hpp"

namespace cddrec::model {

struct transformer_decoder_settings {
  index width = 128;
  index steps = 20;
  index heads = 4;
  index layers = 1;
  index feed_forward_factor = 4;  // inner width of the feed-forward layer, in multiples of the width; the authors' is 1
  double dropout = 0;             // of the hidden values
  double attention_dropout = 0;   // of the weights of self-attention
};

/// In every layer x = LN(x + attention(x)), causal along the sequence; x = LN(x + W_O W_V e_t), biases included;
/// x = LN(x + W2 gelu(W1 x)).
template <class T>
class transformer_decoder {
 public:
  using scalar = T;
  using settings = transformer_decoder_settings;

  /// input_error for a setting out of range, heads that do not divide the width among them.
  transformer_decoder(const settings& s, const core::random& draw)
      : settings_(detail::checked("model::transformer_decoder", s)),
        step_embedding_(s.steps, s.width, nn::initial_deviation, draw.child(0)) {
    for (index l = 0; l < s.layers; ++l) {
      const core::random own = draw.child(1 + static_cast<std::uint64_t>(l));
      layers_.push_back({nn::attention<T, nn::causal>(s.width, s.heads, s.attention_dropout, own.child(0)),
                         nn::linear<T>(s.width, s.width, own.child(1)), nn::linear<T>(s.width, s.width, own.child(2)),
                         nn::feed_forward<T>(s.width, s.feed_forward_factor, s.dropout, own.child(3)), nn::layer_norm<T>(s.width),
                         nn::layer_norm<T>(s.width), nn::layer_norm<T>(s.width)});
    }
  }

  /// What all steps of a batch share.
  struct context {
    variable<T> attended;  // [N, d]: behind the first layer's self-attention
    variable<T> steps;     // [T, d]
    core::ragged layout;
  };
  context prepare(const variable<T>& encoded, core::ragged layout, const core::random& draw) const {
    return {attend(layers_.front(), encoded, layout, draw), encoded.owner().leaf(step_embedding_), layout};
  }

  /// The mean of the denoised x_0 at every position, as seen from step t: [N, d].
  variable<T> predict(const context& c, index t, const core::random& draw) const {
    variable<T> h = c.attended;
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      const core::random r = draw.child(l);
      if (l > 0) h = attend(layers_[l], h, c.layout, r.child(0));
      h = finish(layers_[l], h, c.steps.middle_rows(t, 1), r);
    }
    return h;
  }
  /// predict() at the last position of every sequence alone: [sequences, d].
  variable<T> predict_last(const variable<T>& encoded, core::ragged layout, index t) const {
    const context c = prepare(encoded, layout, {});
    const auto last = [&](const variable<T>& all) { return autodiff::last_rows(all, layout); };
    if (layers_.size() > 1) return last(predict(c, t, {}));
    return finish(layers_.front(), last(c.attended), c.steps.middle_rows(t, 1), {});
  }

  /// Names are PyTorch's, but for the attention to the step, of which only value and output projection are left.
  template <class Self, class F>
  static void visit(Self& self, const std::string& name, F&& f) {
    f(name + ".step_embedding.weight", self.step_embedding_);
    for (std::size_t l = 0; l < self.layers_.size(); ++l) {
      auto& own = self.layers_[l];
      const std::string prefix = name + ".layers." + std::to_string(l);
      nn::attention<T, nn::causal>::visit(own.self, prefix + ".self_attn", f);
      nn::linear<T>::visit(own.step_value, prefix + ".step_value", f);
      nn::linear<T>::visit(own.step_out, prefix + ".step_out", f);
      nn::feed_forward<T>::visit(own.feed, prefix, f);
      nn::layer_norm<T>::visit(own.norm1, prefix + ".norm1", f);
      nn::layer_norm<T>::visit(own.norm2, prefix + ".norm2", f);
      nn::layer_norm<T>::visit(own.norm3, prefix + ".norm3", f);
    }
  }

 private:
  struct layer {
    nn::attention<T, nn::causal> self;
    nn::linear<T> step_value, step_out;
    nn::feed_forward<T> feed;
    nn::layer_norm<T> norm1, norm2, norm3;
  };

  variable<T> attend(const layer& own, const variable<T>& x, core::ragged layout, const core::random& draw) const {
    return own.norm1(autodiff::add(x, autodiff::dropout(own.self(x, layout, draw.child(0)), settings_.dropout, draw.child(1))));
  }
  // What follows self-attention, row by row.
  variable<T> finish(const layer& own, variable<T> h, const variable<T>& step, const core::random& draw) const {
    using autodiff::add, autodiff::dropout;
    h = own.norm2(autodiff::add_row(h, dropout(own.step_out(own.step_value(step)), settings_.dropout, draw.child(1))));
    return own.norm3(add(h, dropout(own.feed(h, draw.child(2)), settings_.dropout, draw.child(3))));
  }

  settings settings_;
  autodiff::parameter<T> step_embedding_;  // [T, d]
  std::vector<layer> layers_;
};

}  // namespace cddrec::model
