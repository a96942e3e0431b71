// The two contrastive terms: predictions against their own noised targets, and the two views' predictions against each other.
// Both are the exact InfoNCE over all tokens of the batch.
#pragma once

#include "cddrec/loss/step.hpp"

namespace cddrec::loss {

/// L_in: the sampled prediction x_hat_i against its own x_t,i, on the sequence itself (Eq. 14).
struct in_view {
  float weight = 0.3f;
  float temperature = 0.5f;
  bool mask_same_target = false;  // leave out other tokens of the same target; the paper does not

  loss::needs needs() const { return {.samples = weight != 0}; }
  std::vector<std::string> names() const {
    if (weight == 0) return {};
    return {"in_view"};
  }

  template <class T>
  variable<T> operator()(const step<T>& s, std::span<double> parts) const {
    if (weight == 0) return {};
    const auto loss =
        autodiff::info_nce<T, data::item>(autodiff::normalize(s.main.x_hat), autodiff::normalize(s.main.x_t),
                                          mask_same_target ? s.main.targets : std::span<const data::item>(), static_cast<T>(temperature));
    parts[0] += static_cast<double>(loss.scalar());
    return autodiff::affine(loss, static_cast<T>(weight), T(0));
  }
};

/// L_cross: the two views' sampled predictions at paired positions (Eq. 15), or the predictions themselves.
struct cross_view {
  float weight = 0.3f;
  float temperature = 0.5f;
  bool samples = true;

  loss::needs needs() const { return {.augmented = weight != 0, .samples = weight != 0 && samples}; }
  std::vector<std::string> names() const {
    if (weight == 0) return {};
    return {"cross_view"};
  }

  template <class T>
  variable<T> operator()(const step<T>& s, std::span<double> parts) const {
    if (weight == 0 || s.paired_main.empty()) return {};
    const auto paired = [&](const side<T>& view, std::span<const index> rows) {
      return autodiff::normalize(autodiff::gather<T, index>(samples ? view.x_hat : view.mean, rows));
    };
    const auto loss = autodiff::info_nce<T, data::item>(paired(s.main, s.paired_main), paired(s.augmented, s.paired_augmented), {},
                                                        static_cast<T>(temperature));
    parts[0] += static_cast<double>(loss.scalar());
    return autodiff::affine(loss, static_cast<T>(weight), T(0));
  }
};

}  // namespace cddrec::loss
