// The cross-divergence (Eq. 12, 13): pull the prediction to the noised target, push it from another item.
// L = mean softplus(D+) + softplus(-D-), which is -log sigma(-D+) - log(1 - sigma(-D-)); what D measures is a policy.
#pragma once

#include <cmath>

#include "cddrec/loss/step.hpp"

namespace cddrec::loss {

/// D = KL(q(x_t | x_0) || N(mu, beta_hat I)) exactly as Eq. 12 and 13 have it:
/// (d (v1/v2 - 1 - ln(v1/v2)) + |m1 - m2|^2 / v2) / 2 with m1 = sqrt(alpha_bar) x_0, v1 = 1 - alpha_bar, m2 = mu, v2 = beta_hat.
/// The variance term alone saturates the negative's sigmoid from the second step on: see `negative_gradient`.
struct kl {
  static constexpr bool samples = false;
  template <class T>
  variable<T> operator()(const step<T>& s, const side<T>& view, const variable<T>& item) const {
    const auto q = s.process.q_mean_variance(s.t);
    const T v2 = s.process.posterior_variance(s.t), ratio = q.variance / v2;
    const T spread = static_cast<T>(item.cols()) * (ratio - T(1) - std::log(ratio));
    return autodiff::affine(autodiff::squared_distance(item, view.mean, q.scale), T(0.5) / v2, T(0.5) * spread);
  }
  /// |dD / dmu|^2 for a given D, by which the negative's gradient norm is reported.
  template <class T>
  static T squared_slope(const step<T>& s, const side<T>&, const variable<T>& item, index, T divergence) {
    const auto q = s.process.q_mean_variance(s.t);
    const T v2 = s.process.posterior_variance(s.t), ratio = q.variance / v2;
    const T distance = (T(2) * divergence - static_cast<T>(item.cols()) * (ratio - T(1) - std::log(ratio))) * v2;
    return std::max(distance, T(0)) / (v2 * v2);
  }
};

/// The distance term only, with a variance that is a setting: D = |sqrt(alpha_bar) x_0 - mu|^2 / (2 variance).
struct kl_mean {
  double variance = 1;
  static constexpr bool samples = false;
  template <class T>
  variable<T> operator()(const step<T>& s, const side<T>& view, const variable<T>& item) const {
    const T scale = s.process.q_mean_variance(s.t).scale;
    return autodiff::affine(autodiff::squared_distance(item, view.mean, scale), static_cast<T>(0.5 / variance), T(0));
  }
  template <class T>
  T squared_slope(const step<T>&, const side<T>&, const variable<T>&, index, T divergence) const {
    return T(2) * divergence / static_cast<T>(variance);
  }
};

/// As the authors' code has it: D = -x_hat . x on samples; the positive is x_t, the negative is not noised.
struct dot_product {
  static constexpr bool samples = true;
  template <class T>
  variable<T> operator()(const step<T>&, const side<T>& view, const variable<T>& item) const {
    return autodiff::affine(autodiff::row_dot(view.x_hat, item), T(-1), T(0));
  }
  template <class T>
  static T squared_slope(const step<T>&, const side<T>&, const variable<T>& item, index row, T) {
    return core::simd::dot(item.value().row(row), item.value().row(row), item.cols());
  }
};

/// The squared distance of the same samples: D = |x_hat - x|^2.
struct squared_distance {
  static constexpr bool samples = true;
  template <class T>
  variable<T> operator()(const step<T>&, const side<T>& view, const variable<T>& item) const {
    return autodiff::squared_distance(view.x_hat, item);
  }
  template <class T>
  static T squared_slope(const step<T>&, const side<T>&, const variable<T>&, index, T divergence) {
    return T(4) * divergence;
  }
};

/// The cross-divergence of both views, or of the sequence alone; several negatives are averaged. `names`: cd, cd_aug and negative_gradient,
/// the norm of the gradient with respect to the main view's predictions that comes from its negatives; of several, the root of the sum of
/// the squares of theirs, which is the norm of their sum where they are at right angles.
template <class Divergence = kl>
struct cross_divergence {
  Divergence divergence = {};
  float weight = 1;
  bool augmented = true;

  loss::needs needs() const {
    if (weight == 0) return {};
    return {.augmented = augmented, .negatives = true, .samples = samples()};
  }
  std::vector<std::string> names() const {
    detail::require_weight("cross_divergence", weight);
    if constexpr (requires { divergence.variance; }) detail::require_positive("cross_divergence", "variance", divergence.variance);
    if (weight == 0) return {};
    if (!augmented) return {"cd", "negative_gradient"};
    return {"cd", "cd_aug", "negative_gradient"};
  }

  template <class T>
  variable<T> operator()(const step<T>& s, std::span<double> parts) const {
    if (weight == 0) return {};
    const variable<T> main = of(s, s.main, &parts.back());
    parts[0] += static_cast<double>(main.scalar());
    if (!augmented) return autodiff::affine(main, static_cast<T>(weight), T(0));
    const variable<T> other = of(s, s.augmented, nullptr);
    parts[1] += static_cast<double>(other.scalar());
    return autodiff::linear_combination(static_cast<T>(weight), main, static_cast<T>(weight), other);
  }

 private:
  bool samples() const {
    if constexpr (requires { divergence.samples(); })
      return divergence.samples();
    else
      return Divergence::samples;
  }
  template <class T>
  variable<T> of(const step<T>& s, const side<T>& view, double* negative_gradient) const {
    variable<T> each = autodiff::softplus(divergence(s, view, samples() ? view.x_t : view.x0));
    const T share = T(1) / static_cast<T>(view.negatives.size());
    double total = 0;
    for (const variable<T>& negative : view.negatives) {
      const variable<T> other = divergence(s, view, negative);
      for (index i = 0; negative_gradient && i < other.rows(); ++i) {
        const T d = other.value()(i, 0), slope = share * kernel::sigmoid(-d);
        total += static_cast<double>(slope * slope * divergence.squared_slope(s, view, negative, i, d));
      }
      each = autodiff::linear_combination(T(1), each, share, autodiff::softplus(autodiff::affine(other, T(-1), T(0))));
    }
    if (negative_gradient) *negative_gradient += std::sqrt(total) / static_cast<double>(std::max<index>(1, each.rows()));
    return autodiff::mean(each, view.weights);
  }
};

/// The plain denoising loss in place of the cross-divergence: mean |mu - x_0|^2 / d, without a negative. Its part, mse, is the main view's.
struct squared_error {
  float weight = 1;
  bool augmented = true;

  loss::needs needs() const { return {.augmented = weight != 0 && augmented}; }
  std::vector<std::string> names() const {
    detail::require_weight("squared_error", weight);
    if (weight == 0) return {};
    return {"mse"};
  }

  template <class T>
  variable<T> operator()(const step<T>& s, std::span<double> parts) const {
    if (weight == 0) return {};
    const auto of = [&](const side<T>& view) {
      const T scale = static_cast<T>(weight) / static_cast<T>(view.mean.cols());
      return autodiff::affine(autodiff::mean(autodiff::squared_distance(view.mean, view.x0), view.weights), scale, T(0));
    };
    const variable<T> main = of(s.main);
    parts[0] += static_cast<double>(main.scalar()) / static_cast<double>(weight);
    return augmented ? autodiff::add(main, of(s.augmented)) : main;
  }
};

}  // namespace cddrec::loss
