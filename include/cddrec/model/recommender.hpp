// The whole network: item and position embeddings, an encoder, a denoiser and the diffusion process it was made for.
// Training asks for encodings and step-wise predictions; serving takes a `ranker`, a const snapshot ready to score.
#pragma once

#include <concepts>
#include <memory>
#include <span>
#include <vector>

#include "cddrec/data/batch.hpp"
#include "cddrec/diffusion/process.hpp"
#include "cddrec/model/denoiser.hpp"
#include "cddrec/model/encoder.hpp"
#include "cddrec/model/ranker.hpp"
#include "cddrec/nn/layer_norm.hpp"
#include "cddrec/nn/positions.hpp"

namespace cddrec::model {

/// Sizes and rates of a network; the structure is its type.
struct recommender_settings {
  index items = 0;
  index width = 128;
  index layers = 1;
  index heads = 4;
  index max_length = 20;           // the newest items that are read
  double dropout = 0;              // of the hidden values
  double attention_dropout = 0.2;  // of the attention weights
  bool residual = false;           // see cross_decoder
  bool feed_forward = false;
  similarity score = similarity::cosine;
};

namespace detail {
template <class Settings>
concept has_heads = requires(Settings s) {
  s.heads;
};

/// Settings of a part, with those fields that it shares with the whole; a part has only what it needs.
template <class Settings>
Settings shared(Settings own, const recommender_settings& s) {
  if constexpr (requires { own.width; }) own.width = s.width;
  if constexpr (has_heads<Settings>) own.heads = s.heads;
  if constexpr (requires { own.dropout; }) own.dropout = s.dropout;
  if constexpr (requires { own.attention_dropout; }) own.attention_dropout = s.attention_dropout;
  return own;
}
template <class Settings>
Settings of_encoder(Settings own, const recommender_settings& s) {
  own = shared(std::move(own), s);
  if constexpr (requires { own.layers; }) own.layers = s.layers;
  return own;
}
template <class Settings>
Settings of_denoiser(Settings own, const recommender_settings& s, index steps) {
  own = shared(std::move(own), s);
  if constexpr (requires { own.steps; }) own.steps = steps;
  // Of another type they may be a strength, or a width.
  if constexpr (requires { requires std::same_as<decltype(own.residual), bool>; }) own.residual = own.residual || s.residual;
  if constexpr (requires { requires std::same_as<decltype(own.feed_forward), bool>; })
    own.feed_forward = own.feed_forward || s.feed_forward;
  return own;
}
}  // namespace detail

template <sequence_encoder Encoder, denoiser Denoiser>
class recommender {
  static_assert(std::same_as<typename Encoder::scalar, typename Denoiser::scalar>,
                "encoder and denoiser of a model::recommender must have the same scalar: make both float, or both double");

 public:
  using scalar = typename Encoder::scalar;
  using T = scalar;
  using denoiser_context = typename Denoiser::context;

  /// Draws fresh weights. `encoder` and `denoiser` hold what is not in `s`: their width, heads, dropout and attention_dropout and the
  /// encoder's layers are those of `s`, whatever they say; residual and feed_forward are on where either says so. input_error for a setting
  /// out of range.
  recommender(const recommender_settings& s, const diffusion::process<T>& process, core::seed seed,
              const typename Encoder::settings& encoder = {}, const typename Denoiser::settings& denoiser = {})
      : settings_(check(s)), process_(process), item_embedding_(s.items + 1, s.width, nn::initial_deviation, core::random(seed).child(0)),
        norm_(s.width), encoder_(detail::of_encoder(encoder, s), core::random(seed).child(2)),
        denoiser_(detail::of_denoiser(denoiser, s, process.steps()), core::random(seed).child(3)) {
    if (!knows_order(encoder_)) position_embedding_ = {s.max_length, s.width, nn::initial_deviation, core::random(seed).child(1)};
  }

  const recommender_settings& settings() const { return settings_; }
  const diffusion::process<T>& process() const { return process_; }
  index items() const { return settings_.items; }
  /// The token that hides an item in an augmented view: the row behind the last item.
  data::item mask_item() const { return static_cast<data::item>(settings_.items); }

  /// e_s of a packed batch: Encoder(LN(E[v] + P)), positions counted from the end (Eq. 8); without P for an encoder that knows the
  /// order by itself. `inputs` must outlive the tape. With P, input_error for a sequence longer than max_length.
  variable<T> encode(autodiff::tape<T>& t, std::span<const data::item> inputs, core::ragged layout, const core::random& draw) const {
    variable<T> x = embed(t, inputs);
    if (!knows_order(encoder_)) x = autodiff::add(x, nn::positions(t.leaf(position_embedding_), layout));
    return encoder_(autodiff::dropout(norm_(x), settings_.dropout, draw.child(0)), layout, draw.child(1));
  }
  denoiser_context prepare(const variable<T>& encoded, core::ragged layout, const core::random& draw) const {
    return denoiser_.prepare(encoded, layout, draw);
  }
  /// The Gaussians of a variational network, of every row; empty for any other.
  latent<T> latent_of(const denoiser_context& context) const {
    if constexpr (requires { denoiser_.latent(context); })
      return denoiser_.latent(context);
    else
      return {};
  }
  /// mu(e_s, t) at every position: [N, d].
  variable<T> predict(const denoiser_context& context, index step, const core::random& draw) const {
    return denoiser_.predict(context, step, draw);
  }
  /// mu(e_s, t) at the last position of every sequence alone, without dropout: [sequences, d].
  variable<T> predict_last(const variable<T>& encoded, core::ragged layout, index step) const {
    return model::predict_last(denoiser_, encoded, layout, step);
  }
  /// E[v] of every token of `items`, which must outlive the tape: [N, d]. Costs O(N d), backward too, whatever the catalogue.
  variable<T> embed(autodiff::tape<T>& t, std::span<const data::item> items) const {
    return autodiff::gather<T, data::item>(t, item_embedding_, items);
  }
  /// The embeddings of the items proper: [V, d]. On a recording tape every one of them gets a gradient.
  variable<T> item_table(autodiff::tape<T>& t) const { return t.leaf(item_embedding_).middle_rows(0, settings_.items); }

  /// Predictions or items as they are multiplied to give scores: of length 1 where the score is a cosine. [N, d] -> [N, d].
  variable<T> scored(const variable<T>& x) const { return settings_.score == similarity::cosine ? autodiff::normalize(x) : x; }

  /// Calls f(name, parameter) for every parameter, always in the same order.
  template <class F>
  void visit(F&& f) {
    visit_parameters(*this, f);
  }
  template <class F>
  void visit(F&& f) const {
    visit_parameters(*this, f);
  }

  /// The k best unseen items for one history, best first, with their scores. Builds a ranker each time:
  /// to serve many, make one and keep it.
  std::vector<kernel::scored<T>> recommend(std::span<const data::item> history, index k, core::execution how = {}) const;

 private:
  static const recommender_settings& check(const recommender_settings& s) {
    const char* const where = "model::recommender";
    require(s.items >= 1, where, "items", s.items, "1 or more");
    require(s.max_length >= 1, where, "max_length", s.max_length, "1 or more");
    return detail::checked(where, s, detail::has_heads<typename Encoder::settings> || detail::has_heads<typename Denoiser::settings>);
  }

  template <class Self, class F>
  static void visit_parameters(Self& self, F&& f) {
    f("item_embedding.weight", self.item_embedding_);
    if (!knows_order(self.encoder_)) f("position_embedding.weight", self.position_embedding_);
    nn::layer_norm<T>::visit(self.norm_, "input_norm", f);
    Encoder::visit(self.encoder_, "encoder", f);
    Denoiser::visit(self.denoiser_, "denoiser", f);
  }

  recommender_settings settings_;
  diffusion::process<T> process_;
  autodiff::parameter<T> item_embedding_;      // [V + 1, d]
  autodiff::parameter<T> position_embedding_;  // [max_length, d], or empty
  nn::layer_norm<T> norm_;
  Encoder encoder_;
  Denoiser denoiser_;
};

template <sequence_encoder Encoder, denoiser Denoiser>
auto recommender<Encoder, Denoiser>::recommend(std::span<const data::item> history, index k, core::execution how) const
    -> std::vector<kernel::scored<T>> {
  return eval::recommend(ranker<recommender>(*this, how, 0), eval::histories(&history, 1), k, how).front();
}

}  // namespace cddrec::model
