// Ranking objectives: cross-entropy of the target against all items, against sampled ones, or against one at a time.
// They train what is served: the score of mu and E[v], divided by a temperature, which names() refuses if it is not positive.
#pragma once

#include "cddrec/loss/step.hpp"

namespace cddrec::loss {

namespace detail {
/// What all of them are: a mean over the tokens of the sequences and, if asked, over the clean ones of their augmented views, which sees
/// items in other orders and with gaps. `each(view)` is the loss of every token of a view, [N, 1]. The part reported is the main view's.
template <class Policy, class T, class F>
variable<T> ranked(const Policy& policy, const step<T>& s, std::span<double> parts, F&& each) {
  if (policy.weight == 0) return {};
  const auto main = autodiff::mean(each(s.main), s.main.weights);
  parts[0] += static_cast<double>(main.scalar());
  const T weight = static_cast<T>(policy.weight);
  if (!policy.augmented) return autodiff::affine(main, weight, T(0));
  return autodiff::linear_combination(weight, main, weight, autodiff::mean(each(s.augmented), s.augmented.weights));
}

template <class Policy>
std::vector<std::string> ranked_names(const Policy& policy, const char* loss, const char* name) {
  require_weight(loss, policy.weight);
  require_positive(loss, "temperature", static_cast<double>(policy.temperature));
  if (policy.weight == 0) return {};
  return {name};
}
}  // namespace detail

/// mean -log softmax(score(mu, E[v]) / temperature)[target] over all items v.
struct item_softmax {
  float weight = 1;
  float temperature = 0.07f;
  bool augmented = false;

  loss::needs needs() const { return {.augmented = weight != 0 && augmented, .items = weight != 0}; }
  std::vector<std::string> names() const { return detail::ranked_names(*this, "item_softmax", "softmax"); }

  template <class T>
  variable<T> operator()(const step<T>& s, std::span<double> parts) const {
    return detail::ranked(*this, s, parts, [&](const side<T>& view) {
      return autodiff::softmax_over_items<T, data::item>(s.scored(view.mean), s.items, view.targets,
                                                         static_cast<T>(1 / static_cast<double>(temperature)));
    });
  }
};

/// The same against the batch's candidates c and the target: mean log(1 + sum_{c != target} exp(s_c - s_target)). With the correction
/// s = score / temperature - log of the probability to be among the candidates, so that what is drawn often does not count as often
/// (Bengio and Senécal, 2008; candidates count once, so it is not that of one draw).
struct sampled_softmax {
  float weight = 1;
  float temperature = 0.07f;
  bool correction = true;
  bool augmented = false;

  loss::needs needs() const { return {.augmented = weight != 0 && augmented, .candidates = weight != 0}; }
  std::vector<std::string> names() const { return detail::ranked_names(*this, "sampled_softmax", "sampled_softmax"); }

  template <class T>
  variable<T> operator()(const step<T>& s, std::span<double> parts) const {
    using namespace autodiff;
    const T scale = static_cast<T>(1 / static_cast<double>(temperature));
    return detail::ranked(*this, s, parts, [&](const side<T>& view) {
      const variable<T> x = s.scored(view.mean), own = row_dot(x, s.scored(view.x0));
      autodiff::tape<T>& t = x.owner();
      const std::span<T> bias = t.memory().template array<T>(correction ? s.candidates.items.rows() : 0);
      for (std::size_t c = 0; c < bias.size(); ++c) bias[c] = -s.candidates.log_inclusion[c] / scale;
      // log sum exp of the candidates less the target's: among them it is counted already, otherwise softplus adds it.
      const auto against = softmax_over_items<T, data::item>(x, s.candidates.items, {}, scale, bias);
      variable<T> less = linear_combination(T(1), against, -scale, own);
      if (correction) less = linear_combination(T(1), less, T(1), t.constant({view.target_log_inclusion.data(), x.rows(), 1}));
      return softplus_where(less, view.not_candidates);
    });
  }
};

/// mean softplus(-s_target) + mean softplus(s_negative), s = score / temperature: with one negative and dot products, SASRec's own loss
/// (Kang and McAuley, 2018). Several negatives are averaged.
struct binary_cross_entropy {
  float weight = 1;
  float temperature = 1;
  bool augmented = false;

  loss::needs needs() const { return {.augmented = weight != 0 && augmented, .negatives = weight != 0}; }
  std::vector<std::string> names() const { return detail::ranked_names(*this, "binary_cross_entropy", "bce"); }

  template <class T>
  variable<T> operator()(const step<T>& s, std::span<double> parts) const {
    using namespace autodiff;
    const T scale = static_cast<T>(1 / static_cast<double>(temperature));
    return detail::ranked(*this, s, parts, [&](const side<T>& view) {
      const variable<T> x = s.scored(view.mean);
      variable<T> each = softplus(affine(row_dot(x, s.scored(view.x0)), -scale, T(0)));
      const T share = T(1) / static_cast<T>(view.negatives.size());
      for (const variable<T>& n : view.negatives)
        each = linear_combination(T(1), each, share, softplus(affine(row_dot(x, s.scored(n)), scale, T(0))));
      return each;
    });
  }
};

}  // namespace cddrec::loss
