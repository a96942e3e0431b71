// The cross-attentive denoising decoder (Eq. 9): a learned step embedding queries the encoded sequence.
// The query does not depend on the position, so causal attention is a running weighted mean, linear in the length; keys and values of
// the first layer are computed once for all steps.
#pragma once

#include <vector>

#include "cddrec/model/denoiser.hpp"
#include "cddrec/nn/feed_forward.hpp"
#include "cddrec/nn/layer_norm.hpp"

namespace cddrec::model {

struct cross_decoder_settings {
  index width = 128;
  index steps = 20;
  index heads = 4;
  index layers = 1;               // each reads what the one before it made of the sequence
  bool residual = false;          // LN(e_s + attention): what a position encodes itself is kept
  bool feed_forward = false;      // LN(h + W2 gelu(W1 h)) on top
  index feed_forward_factor = 4;  // inner width of that layer, in multiples of the width
  double dropout = 0;             // of the hidden values
  double attention_dropout = 0;   // of the attention weights
};

/// mu(e_s, t) = softmax((e_t W_Q)(e_s W_K)^T / sqrt(d_head)) (e_s W_V), causal (Eq. 9), in linear time.
template <class T>
class cross_decoder {
 public:
  using scalar = T;
  using settings = cross_decoder_settings;

  /// input_error for a setting out of range, heads that do not divide the width among them.
  cross_decoder(const settings& s, const core::random& draw)
      : settings_(detail::checked("model::cross_decoder", s)), step_embedding_(s.steps, s.width, nn::initial_deviation, draw.child(0)) {
    for (index l = 0; l < s.layers; ++l) {
      const core::random own = l == 0 ? draw : draw.child(100 + static_cast<std::uint64_t>(l));
      const auto project = [&](std::uint64_t name) { return nn::linear<T>(s.width, s.width, own.child(name), false); };
      layer made{project(1), project(2), project(3), {}, {}, {}};
      if (s.residual) made.norm1 = nn::layer_norm<T>(s.width);
      if (s.feed_forward) {
        made.feed = nn::feed_forward<T>(s.width, s.feed_forward_factor, s.dropout, own.child(4));
        made.norm2 = nn::layer_norm<T>(s.width);
      }
      layers_.push_back(std::move(made));
    }
  }

  /// What all steps of a batch share.
  struct context {
    variable<T> encoded;       // [N, d]
    variable<T> steps;         // [T, d]
    variable<T> queries;       // [T, d]: of the first layer
    variable<T> keys, values;  // [N, d]: of the first layer
    core::ragged layout;
  };
  context prepare(const variable<T>& encoded, core::ragged layout, const core::random&) const {
    const variable<T> steps = encoded.owner().leaf(step_embedding_);
    const layer& first = layers_.front();
    return {encoded, steps, first.query(steps), first.key(encoded), first.value(encoded), layout};
  }

  /// The mean of the denoised x_0 at every position, as seen from step t: [N, d].
  variable<T> predict(const context& c, index t, const core::random& draw) const {
    return higher_layers(finish(layers_.front(), attend(c, t, draw.child(0)), c.encoded, draw), c.steps.middle_rows(t, 1), c.layout, draw);
  }
  /// predict() without dropout, at the last position of every sequence alone, which is all that serving reads: [sequences, d].
  variable<T> predict_last(const variable<T>& encoded, core::ragged layout, index t) const {
    const layer& first = layers_.front();
    const variable<T> step = encoded.owner().leaf(step_embedding_).middle_rows(t, 1);
    const context c{encoded, step, first.query(step), first.key(encoded), first.value(encoded), layout};
    const auto last = [&](const variable<T>& all) { return autodiff::last_rows(all, layout); };
    if (layers_.size() > 1) return last(predict(c, 0, {}));
    return finish(first, last(attend(c, 0, {})), settings_.residual ? last(encoded) : encoded, {});
  }

  /// The first layer's parameters stand directly under `name`, those of layer l > 0 under `name`.layers.l.
  template <class Self, class F>
  static void visit(Self& self, const std::string& name, F&& f) {
    f(name + ".step_embedding.weight", self.step_embedding_);
    for (std::size_t l = 0; l < self.layers_.size(); ++l) {
      auto& own = self.layers_[l];
      const std::string prefix = l == 0 ? name : name + ".layers." + std::to_string(l);
      nn::linear<T>::visit(own.query, prefix + ".query", f);
      nn::linear<T>::visit(own.key, prefix + ".key", f);
      nn::linear<T>::visit(own.value, prefix + ".value", f);
      if (self.settings_.residual) nn::layer_norm<T>::visit(own.norm1, prefix + ".norm1", f);
      if (self.settings_.feed_forward) {
        nn::feed_forward<T>::visit(own.feed, prefix, f);
        nn::layer_norm<T>::visit(own.norm2, prefix + ".norm2", f);
      }
    }
  }

 private:
  struct layer {
    nn::linear<T> query, key, value;
    nn::feed_forward<T> feed;
    nn::layer_norm<T> norm1, norm2;
  };

  variable<T> attend(const context& c, index t, const core::random& draw) const {
    return autodiff::prefix_attention(c.queries.middle_rows(t, 1), c.keys, c.values, c.layout, settings_.heads,
                                      {settings_.attention_dropout, draw});
  }
  // What follows attention, row by row.
  variable<T> finish(const layer& own, variable<T> h, const variable<T>& below, const core::random& draw) const {
    using autodiff::add, autodiff::dropout;
    if (settings_.residual) h = own.norm1(add(below, dropout(h, settings_.dropout, draw.child(1))));
    if (settings_.feed_forward) h = own.norm2(add(h, dropout(own.feed(h, draw.child(2)), settings_.dropout, draw.child(3))));
    return h;
  }
  // The layers above the first: what they read depends on the step.
  variable<T> higher_layers(variable<T> h, const variable<T>& step, core::ragged layout, const core::random& draw) const {
    for (std::size_t l = 1; l < layers_.size(); ++l) {
      const layer& own = layers_[l];
      const core::random r = draw.child(3 + l);
      const context c{h, step, own.query(step), own.key(h), own.value(h), layout};
      h = finish(own, attend(c, 0, r.child(0)), h, r);
    }
    return h;
  }

  settings settings_;
  autodiff::parameter<T> step_embedding_;  // [T, d]
  std::vector<layer> layers_;
};

}  // namespace cddrec::model
