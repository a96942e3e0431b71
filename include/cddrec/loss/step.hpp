// What an objective sees of one diffusion step: predictions and samples of both views, and who is paired with whom.
// An objective is anything with needs(), names() and a call; training fills only what some part of it needs.
#pragma once

#include <cmath>
#include <concepts>
#include <span>
#include <string>
#include <vector>

#include "cddrec/autodiff/objective_ops.hpp"
#include "cddrec/data/batch.hpp"
#include "cddrec/diffusion/process.hpp"

namespace cddrec::loss {

using autodiff::variable;
using core::index;

/// One view of the batch at step t; N tokens.
template <class T>
struct side {
  variable<T> mean = {};                                   // mu_theta(e_s, t) [N, d]
  variable<T> x0 = {};                                     // E[target] [N, d]
  std::span<const variable<T>> negatives = {};             // E[a sampled other item] [N, d], one or more of these
  variable<T> x_hat = {};                                  // a draw around the mean (Eq. 10) [N, d]
  variable<T> x_t = {};                                    // a draw of q(x_t | x_0) (Eq. 11) [N, d]
  variable<T> latent_mean = {}, latent_log_variance = {};  // of a variational network [N, k]
  std::span<const data::item> targets = {};
  std::span<const T> target_log_inclusion = {};        // of candidates below, for each target
  std::span<const unsigned char> not_candidates = {};  // 1 where a target is not among the candidates
  std::span<const T> weights = {};                     // 1 for rows that count, 0 for rows that would leak; empty: all count
};

/// Items that all tokens of a batch share as negatives, each once.
template <class T>
struct candidates {
  variable<T> items;                      // as scores multiply them [C, d]
  std::span<const T> log_inclusion = {};  // log of the probability that an item is one of them [C]
};

template <class T>
struct step {
  const diffusion::process<T>& process;
  index t;
  side<T> main = {}, augmented = {};
  std::span<const index> paired_main = {}, paired_augmented = {};  // rows of the views whose predictions belong together
  variable<T> items = {};                                          // as scores multiply them [V, d]
  loss::candidates<T> candidates = {};
  bool cosine = true;      // whether scores are cosines
  index trained = 0;       // batches before this one
  core::random draw = {};  // for an objective that estimates by chance: other numbers at every step

  /// Predictions or items as scores multiply them.
  variable<T> scored(const variable<T>& x) const { return cosine ? autodiff::normalize(x) : x; }
};

/// What must be there before an objective can be called.
struct needs {
  bool augmented = false;  // the second view
  bool negatives = false;
  bool samples = false;  // x_hat and x_t
  bool items = false;
  bool candidates = false;
  bool latent = false;  // a network with latent variables

  friend needs operator|(needs a, needs b) {
    return {a.augmented || b.augmented, a.negatives || b.negatives,   a.samples || b.samples,
            a.items || b.items,         a.candidates || b.candidates, a.latent || b.latent};
  }
};

namespace detail {
// Settings that several objectives have: names() refuses what is out of range, NaN too, before anything is trained on it.
inline void require_weight(const std::string& loss, float weight) {
  require(weight >= 0 && std::isfinite(weight), "loss::" + loss, "weight", weight, "0 (left out) or more");
}
inline void require_positive(const std::string& loss, const char* setting, double value) {
  require(value > 0 && std::isfinite(value), "loss::" + loss, setting, value, "positive");
}
}  // namespace detail

/// Anything that turns a step into a loss [1, 1]. It adds the values of its parts, in the order of names(), to `parts`.
/// names() is asked for before the first step, so it is where settings out of range are refused. One without names has nothing to train.
/// A whole one:
///
///     struct pull_to_target {
///       loss::needs needs() const { return {}; }
///       std::vector<std::string> names() const { return {"pull"}; }
///       template <class T>
///       autodiff::variable<T> operator()(const loss::step<T>& s, std::span<double> parts) const {
///         auto l = autodiff::mean(autodiff::squared_distance(s.main.mean, s.main.x0), s.main.weights);
///         parts[0] += double(l.scalar());
///         return l;
///       }
///     };
template <class O>
concept objective = requires(const O& o, const step<float>& s, std::span<double> parts) {
  { o.needs() } -> std::same_as<needs>;
  { o.names() } -> std::same_as<std::vector<std::string>>;
  { o(s, parts) } -> std::same_as<variable<float>>;
};

}  // namespace cddrec::loss
