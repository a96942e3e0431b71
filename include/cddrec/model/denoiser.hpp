// What the recommender asks of a denoiser, and the one that does nothing.
// A denoiser sees the encoded sequence and the step, never a noisy x_t, so every step is independent of every other.
#pragma once

#include <concepts>

#include "cddrec/nn/linear.hpp"

namespace cddrec::model {

using autodiff::variable;
using core::index;

namespace detail {
/// Settings that networks with attention have, as they are given; input_error in the name of `where` for one that is out of range, heads
/// among them unless nothing has any.
template <class Settings>
const Settings& checked(const char* where, const Settings& s, bool with_heads = true) {
  require(s.width >= 1, where, "width", s.width, "1 or more");
  require(s.layers >= 1, where, "layers", s.layers, "1 or more");
  if (with_heads) nn::require_heads(where, s.heads, s.width);
  require(s.dropout >= 0 && s.dropout < 1, where, "dropout", s.dropout, "in [0, 1)");
  require(s.attention_dropout >= 0 && s.attention_dropout < 1, where, "attention_dropout", s.attention_dropout, "in [0, 1)");
  if constexpr (requires { s.steps; }) require(s.steps >= 1, where, "steps", s.steps, "1 or more");
  return s;
}
}  // namespace detail

/// What a denoiser must supply: prepare() is called once a batch, predict() once a step on what it returned; `draw` feeds dropout.
/// A whole one:
///
///     struct my_denoiser {
///       using scalar = float;
///       struct settings { core::index width = 0; };
///       struct context { autodiff::variable<float> encoded; };   // what all steps of a batch share
///       my_denoiser(const settings&, const core::random& draw);
///       context prepare(const autodiff::variable<float>& encoded, core::ragged layout, const core::random& draw) const;
///       autodiff::variable<float> predict(const context& c, core::index t, const core::random& draw) const;   // [N, d]
///       template <class Self, class F> static void visit(Self& self, const std::string& name, F&& f);   // f(name, parameter)
///     };
///
/// It may add
/// - predict_last(encoded, layout, t), which predicts at the last position of every sequence alone; without it, predict() serves;
/// - latent(context), a model::latent that the objective is to see.
/// Of its settings the recommender fills width, steps, heads, dropout and attention_dropout, if there are such fields, and turns residual
/// and feed_forward on, if they are of type bool and its own are on.
template <class D>
concept denoiser = requires(const D& d, variable<typename D::scalar> encoded, core::ragged layout, index t, core::random draw,
                            std::string name, autodiff::any_visitor f) {
  typename D::settings;
  typename D::context;
  requires std::constructible_from<D, typename D::settings, core::random>;
  { d.prepare(encoded, layout, draw) } -> std::same_as<typename D::context>;
  { d.predict(d.prepare(encoded, layout, draw), t, draw) } -> std::same_as<variable<typename D::scalar>>;
  D::visit(d, name, f);
};

/// mu(e_s, t) at the last position of every sequence alone, without dropout: [sequences, d].
template <denoiser D>
variable<typename D::scalar> predict_last(const D& d, const variable<typename D::scalar>& encoded, core::ragged layout, index t) {
  if constexpr (requires { d.predict_last(encoded, layout, t); })
    return d.predict_last(encoded, layout, t);
  else
    return autodiff::last_rows(d.predict(d.prepare(encoded, layout, {}), t, {}), layout);
}

/// A Gaussian for each row, as a variational encoder gives it; empty where there is none.
template <class T>
struct latent {
  variable<T> mean, log_variance;  // [N, k]
};

/// The encoding is the prediction: no diffusion, which is what a plain sequence model is.
template <class T>
struct no_denoiser {
  using scalar = T;
  struct settings {};
  using context = variable<T>;

  no_denoiser() = default;
  no_denoiser(const settings&, const core::random&) {}
  context prepare(const variable<T>& encoded, core::ragged, const core::random&) const { return encoded; }
  variable<T> predict(const context& encoded, index, const core::random&) const { return encoded; }
  variable<T> predict_last(const variable<T>& encoded, core::ragged layout, index) const { return autodiff::last_rows(encoded, layout); }

  template <class Self, class F>
  static void visit(Self&, const std::string&, F&&) {}
};

}  // namespace cddrec::model
