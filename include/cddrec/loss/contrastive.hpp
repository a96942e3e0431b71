// The two contrastive terms: predictions against their own noised targets, and the two views' predictions against each other.
// Both are InfoNCE over all tokens of the batch: exact, or in linear time with random Fourier features, drawn anew for each step.
#pragma once

#include <cmath>

#include "cddrec/autodiff/fourier_ops.hpp"
#include "cddrec/loss/step.hpp"

namespace cddrec::loss {

namespace detail {

/// The least temperature of the exact loss: below it the terms of rows far apart, exp(-2 / temperature), are too small for a float.
inline constexpr float least_temperature = 0.025f;

inline void check(const std::string& name, float weight, float temperature, index features, bool mask_same_target) {
  require_weight(name, weight);
  const std::string loss = "loss::" + name;
  if (!(temperature >= least_temperature || (features > 0 && temperature > 0)) || !std::isfinite(temperature))
    throw input_error(loss + ": temperature must be 0.025 or more (with features, positive), not " + to_text(temperature));
  if (features < 0 || features % 2 != 0)
    throw input_error(loss + ": features must be even (a cosine and a sine per frequency), or 0 for the exact loss, not " +
                      std::to_string(features));
  if (features > 0 && mask_same_target)
    throw input_error(loss +
                      ": with features only the sum over the other tokens is known, so those of the same target cannot be left "
                      "out; set mask_same_target to false, or features to 0 for the exact loss");
}

inline std::vector<std::string> names_of(const std::string& loss, index features) {
  if (features == 0) return {loss};
  return {loss, loss + "_clamped"};
}

/// InfoNCE of rows a, b [N, d], which it normalises: its value goes to parts[0], and the share of anchors clamped, if it is an
/// estimate, to parts[1].
template <class T>
variable<T> contrast(const variable<T>& a, const variable<T>& b, std::span<const data::item> ids, float temperature, index features,
                     const core::random& draw, float weight, std::span<double> parts) {
  const variable<T> u = autodiff::normalize(a), v = autodiff::normalize(b);
  variable<T> loss;
  if (features == 0) {
    loss = autodiff::info_nce<T, data::item>(u, v, ids, static_cast<T>(temperature));
  } else {
    const auto estimate = autodiff::fourier_info_nce<T>(u, v, static_cast<T>(temperature), features, draw);
    loss = estimate.loss;
    parts[1] += static_cast<double>(estimate.clamped) / static_cast<double>(std::max<index>(1, 2 * a.rows()));
  }
  parts[0] += static_cast<double>(loss.scalar());
  return autodiff::affine(loss, static_cast<T>(weight), T(0));
}

}  // namespace detail

/// L_in: the sampled prediction x_hat_i against its own x_t,i, on the sequence itself (Eq. 14).
struct in_view {
  float weight = 0.3f;
  float temperature = 0.5f;       // 0.025 or more; with features, positive
  bool mask_same_target = false;  // leave out other tokens of the same target; the paper does not
  index features = 0;             // 0: exact; else random Fourier features, linear in the tokens

  loss::needs needs() const { return {.samples = weight != 0}; }
  /// in_view, and with features in_view_clamped: the share of anchors (summed over the steps as all parts are) whose estimated denominator
  /// was below their pair's own term, so that they taught nothing. Where it is not close to 0, the temperature is too low for so few
  /// features.
  std::vector<std::string> names() const {
    detail::check("in_view", weight, temperature, features, mask_same_target);
    if (weight == 0) return {};
    return detail::names_of("in_view", features);
  }

  template <class T>
  variable<T> operator()(const step<T>& s, std::span<double> parts) const {
    if (weight == 0) return {};
    return detail::contrast<T>(s.main.x_hat, s.main.x_t, mask_same_target ? s.main.targets : std::span<const data::item>(), temperature,
                               features, s.draw.child(0), weight, parts);
  }
};

/// L_cross: the two views' sampled predictions at paired positions (Eq. 15), or the predictions themselves.
struct cross_view {
  float weight = 0.3f;
  float temperature = 0.5f;  // 0.025 or more; with features, positive
  bool samples = true;       // false: the predictions themselves
  index features = 0;        // 0: exact; else random Fourier features, linear in the tokens

  loss::needs needs() const { return {.augmented = weight != 0, .samples = weight != 0 && samples}; }
  /// cross_view, and with features cross_view_clamped.
  std::vector<std::string> names() const {
    detail::check("cross_view", weight, temperature, features, false);
    if (weight == 0) return {};
    return detail::names_of("cross_view", features);
  }

  template <class T>
  variable<T> operator()(const step<T>& s, std::span<double> parts) const {
    if (weight == 0 || s.paired_main.empty()) return {};
    const auto paired = [&](const side<T>& view, std::span<const index> rows) {
      return autodiff::gather<T, index>(samples ? view.x_hat : view.mean, rows);
    };
    return detail::contrast<T>(paired(s.main, s.paired_main), paired(s.augmented, s.paired_augmented), {}, temperature, features,
                               s.draw.child(1), weight, parts);
  }
};

}  // namespace cddrec::loss
