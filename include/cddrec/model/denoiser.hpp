// The cross-attentive denoising decoder (Eq. 9): a learned step embedding queries the encoded sequence.
// It never sees a noisy x_t, so keys and values are computed once and every step is independent of every other.
#pragma once

#include <concepts>

#include "cddrec/nn/feed_forward.hpp"
#include "cddrec/nn/layer_norm.hpp"

namespace cddrec::model {

using autodiff::variable;
using core::index;

struct cross_decoder_settings {
  index width = 128;
  index steps = 20;
  index heads = 4;
  bool residual = false;         // LN(e_s + attention): what a position encodes itself is kept
  bool feed_forward = false;     // LN(h + W2 gelu(W1 h)) on top
  double dropout = 0;            // of the hidden values
  double attention_dropout = 0;  // of the attention weights
};

/// What a denoiser must supply: prepare() is called once a batch, predict() once a step on what it returned. One may add
/// predict_last(encoded, layout, t), which predicts at the last position of every sequence alone; without it, predict() serves.
template <class D>
concept denoiser = requires(const D& d, variable<typename D::scalar> encoded, core::ragged layout, index t, core::random draw) {
  typename D::settings;
  requires std::constructible_from<D, typename D::settings, core::random>;
  { d.predict(d.prepare(encoded, layout), t, draw) } -> std::same_as<variable<typename D::scalar>>;
};

/// mu(e_s, t) = softmax((e_t W_Q)(e_s W_K)^T / sqrt(d_head)) (e_s W_V), causal (Eq. 9), in linear time.
template <class T>
class cross_decoder {
 public:
  using scalar = T;
  using settings = cross_decoder_settings;

  cross_decoder(const settings& s, const core::random& draw)
      : settings_(s), step_embedding_(s.steps, s.width, nn::initial_deviation, draw.child(0)),
        query_(s.width, s.width, draw.child(1), false), key_(s.width, s.width, draw.child(2), false),
        value_(s.width, s.width, draw.child(3), false) {
    if (s.heads < 1 || s.width % s.heads != 0)
      throw input_error("model::cross_decoder: " + std::to_string(s.heads) + " heads do not divide the width " + std::to_string(s.width));
    if (s.residual) norm1_ = nn::layer_norm<T>(s.width);
    if (s.feed_forward) {
      feed_ = nn::feed_forward<T>(s.width, 4, s.dropout, draw.child(4));
      norm2_ = nn::layer_norm<T>(s.width);
    }
  }

  /// What all steps of a batch share.
  struct context {
    variable<T> encoded;       // [N, d]
    variable<T> queries;       // [T, d]
    variable<T> keys, values;  // [N, d]
    core::ragged layout;
  };
  context prepare(const variable<T>& encoded, core::ragged layout) const {
    return {encoded, query_(encoded.owner().leaf(step_embedding_)), key_(encoded), value_(encoded), layout};
  }

  /// The mean of the denoised x_0 at every position, as seen from step t: [N, d].
  variable<T> predict(const context& c, index t, const core::random& draw) const {
    return finish(attend(c, t, draw.child(0)), c.encoded, draw);
  }
  /// predict() at the last position of every sequence alone, which is all that serving reads, of one step: [sequences, d].
  variable<T> predict_last(const variable<T>& encoded, core::ragged layout, index t) const {
    autodiff::tape<T>& tape = encoded.owner();
    const context c{encoded, query_(tape.leaf(step_embedding_).middle_rows(t, 1)), key_(encoded), value_(encoded), layout};
    const auto last = [&](const variable<T>& all) { return autodiff::last_rows(all, layout); };
    return finish(last(attend(c, 0, {})), settings_.residual ? last(encoded) : encoded, {});
  }

  template <class Self, class F>
  static void visit(Self& self, const std::string& name, F&& f) {
    f(name + ".step_embedding.weight", self.step_embedding_);
    nn::linear<T>::visit(self.query_, name + ".query", f);
    nn::linear<T>::visit(self.key_, name + ".key", f);
    nn::linear<T>::visit(self.value_, name + ".value", f);
    if (self.settings_.residual) nn::layer_norm<T>::visit(self.norm1_, name + ".norm1", f);
    if (self.settings_.feed_forward) {
      nn::feed_forward<T>::visit(self.feed_, name, f);
      nn::layer_norm<T>::visit(self.norm2_, name + ".norm2", f);
    }
  }

 private:
  variable<T> attend(const context& c, index t, const core::random& draw) const {
    return autodiff::prefix_attention(c.queries.middle_rows(t, 1), c.keys, c.values, c.layout, settings_.heads,
                                      {settings_.attention_dropout, draw});
  }
  // What follows attention, row by row.
  variable<T> finish(variable<T> h, const variable<T>& encoded, const core::random& draw) const {
    using autodiff::add, autodiff::dropout;
    if (settings_.residual) h = norm1_(add(encoded, dropout(h, settings_.dropout, draw.child(1))));
    if (settings_.feed_forward) h = norm2_(add(h, dropout(feed_(h, draw.child(2)), settings_.dropout, draw.child(3))));
    return h;
  }

  settings settings_;
  autodiff::parameter<T> step_embedding_;  // [T, d]
  nn::linear<T> query_, key_, value_;
  nn::feed_forward<T> feed_;
  nn::layer_norm<T> norm1_, norm2_;
};

}  // namespace cddrec::model
