// Ranking objectives: cross-entropy of the target against all items, against sampled ones, or against one at a time.
// They train what is served: the score of mu and E[v], over a temperature.
#pragma once

#include "cddrec/loss/step.hpp"

namespace cddrec::loss {

/// mean -log softmax(score(mu, E[v]) / temperature)[target] over all items v, of the sequence itself and, if
/// asked, of its augmented view.
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
    return autodiff::mean(autodiff::softmax_over_items<T, data::item>(s.scored(view.mean), s.items, view.targets,
                                                                      static_cast<T>(1 / static_cast<double>(temperature))),
                          view.weights);
  }
};

/// The same against the batch's candidates c and the target: mean log(1 + sum_{c != target} exp(s_c - s_target)). With the correction
/// s = score / temperature - log share, so that what is drawn often does not count as often (Bengio and Senécal, 2008).
struct sampled_softmax {
  float weight = 1;
  float temperature = 0.07f;
  bool correction = true;

  loss::needs needs() const { return {.candidates = weight != 0}; }
  std::vector<std::string> names() const {
    if (weight == 0) return {};
    return {"sampled_softmax"};
  }

  template <class T>
  variable<T> operator()(const step<T>& s, std::span<double> parts) const {
    if (weight == 0) return {};
    using namespace autodiff;
    const T scale = static_cast<T>(1 / static_cast<double>(temperature));
    variable<T> x = s.scored(s.main.mean), targets = s.scored(s.main.x0), items = s.candidates.items;
    if (correction) {  // a share is one more coordinate, which every prediction has as 1
      x = append_column(x, filled(x, T(1), {}));
      targets = append_column(targets, filled(targets, T(-1) / scale, s.main.target_log_share));
      items = append_column(items, filled(items, T(-1) / scale, s.candidates.log_share));
    }
    // log sum exp of the candidates less the target's: among them it is counted already, otherwise softplus adds it.
    const auto against = softmax_over_items<T, data::item>(x, items, {}, scale);
    const auto loss = mean(softplus_where(linear_combination(T(1), against, -scale, row_dot(x, targets)), s.main.not_candidates));
    parts[0] += static_cast<double>(loss.scalar());
    return affine(loss, static_cast<T>(weight), T(0));
  }

 private:
  // factor times the values, or the factor itself.
  template <class T>
  static std::span<const T> filled(const variable<T>& x, T factor, std::span<const T> values) {
    const std::span<T> column = x.owner().memory().template array<T>(x.rows());
    for (std::size_t i = 0; i < column.size(); ++i) column[i] = values.empty() ? factor : factor * values[i];
    return column;
  }
};

/// mean softplus(-s_target) + mean softplus(s_negative), s = score / temperature: with one negative and dot products, SASRec's own loss
/// (Kang and McAuley, 2018). Several negatives are averaged.
struct binary_cross_entropy {
  float weight = 1;
  float temperature = 1;

  loss::needs needs() const { return {.negatives = weight != 0}; }
  std::vector<std::string> names() const {
    if (weight == 0) return {};
    return {"bce"};
  }

  template <class T>
  variable<T> operator()(const step<T>& s, std::span<double> parts) const {
    if (weight == 0) return {};
    using namespace autodiff;
    const T scale = static_cast<T>(1 / static_cast<double>(temperature));
    const variable<T> x = s.scored(s.main.mean);
    variable<T> each = softplus(affine(row_dot(x, s.scored(s.main.x0)), -scale, T(0)));
    const T share = T(1) / static_cast<T>(s.main.negatives.size());
    for (const variable<T>& n : s.main.negatives)
      each = linear_combination(T(1), each, share, softplus(affine(row_dot(x, s.scored(n)), scale, T(0))));
    const auto loss = mean(each);
    parts[0] += static_cast<double>(loss.scalar());
    return affine(loss, static_cast<T>(weight), T(0));
  }
};

}  // namespace cddrec::loss
