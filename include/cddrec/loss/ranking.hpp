// The ranking objective: cross-entropy of the normalised prediction against all items at a temperature.
// It trains what is served: the cosine of mu and E[v].
#pragma once

#include "cddrec/loss/step.hpp"

namespace cddrec::loss {

/// mean -log softmax(mu . E[v] / (|mu| |E[v]| temperature))[target] over the sequence itself, and its augmented view if asked.
struct item_softmax {
  float weight = 1;
  float temperature = 0.07f;
  bool augmented = false;

  loss::needs needs() const { return {.augmented = weight != 0 && augmented, .items = weight != 0}; }
  std::vector<std::string> names() const {
    if (weight == 0) return {};
    return {"softmax"};
  }

  template <class T>
  variable<T> operator()(const step<T>& s, std::span<double> parts) const {
    if (weight == 0) return {};
    const auto main = of(s, s.main);
    parts[0] += static_cast<double>(main.scalar());
    if (!augmented) return autodiff::affine(main, static_cast<T>(weight), T(0));
    return autodiff::linear_combination(static_cast<T>(weight), main, static_cast<T>(weight), of(s, s.augmented));
  }

 private:
  template <class T>
  variable<T> of(const step<T>& s, const side<T>& view) const {
    return autodiff::mean(autodiff::softmax_over_items<T, data::item>(autodiff::normalize(view.mean), s.unit_items, view.targets,
                                                                      static_cast<T>(1 / static_cast<double>(temperature))),
                          view.weights);
  }
};

}  // namespace cddrec::loss
