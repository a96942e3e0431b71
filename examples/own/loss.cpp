// A loss of your own: what is made of a step's predictions and targets. It adds to ours, and its parts are reported like theirs.
#include <cstdio>

#include "cddrec/cddrec.hpp"

using namespace cddrec;

/// Bayesian personalised ranking (Rendle et al., 2009): mean softplus((score(negative) - score(target)) / temperature).
struct pairwise_ranking {
  float weight = 1;
  float temperature = 0.1f;

  /// What the training loop must bring: negatives, no second view, no samples.
  loss::needs needs() const { return {.negatives = true}; }
  /// One name for each entry of `parts`.
  std::vector<std::string> names() const { return {"pairwise"}; }

  template <class T>
  autodiff::variable<T> operator()(const loss::step<T>& s, std::span<double> parts) const {
    using namespace autodiff;
    const variable<T> mean = s.scored(s.main.mean);
    const variable<T> target = row_dot(mean, s.scored(s.main.x0)), negative = row_dot(mean, s.scored(s.main.negatives[0]));
    const T scale = T(1) / static_cast<T>(temperature);
    const variable<T> ranked = autodiff::mean(softplus(linear_combination(scale, negative, -scale, target)), s.main.weights);
    parts[0] += static_cast<double>(ranked.scalar());
    return affine(ranked, static_cast<T>(weight), T(0));
  }
};
static_assert(loss::objective<pairwise_ranking>);

int main() {
  data::interactions log;  // everybody goes round a ring of 12 items
  for (int user = 0; user < 48; ++user) {
    std::vector<data::item> history;
    for (int i = 0; i < 6; ++i) history.push_back(log.items.add("item" + std::to_string((user + i) % 12)));
    log.histories.push_back(history);
  }
  const auto split = data::leave_one_out(log);
  const diffusion::process<float> process(diffusion::linear_schedule{}, 10);
  using network = model::recommender<nn::transformer<float, nn::causal>, model::cross_decoder<float>>;
  network net({.items = split.items(), .width = 16}, process, {});

  std::vector<double> pairwise;
  train::fit_hooks<float> hooks;
  hooks.epoch_done = [&](const train::epoch_report& report, const auto&) { pairwise.push_back(report.parts[1].second); };
  const auto objective = loss::combine(loss::squared_error{.augmented = false}, pairwise_ranking{.weight = 0.5f});
  train::fit(net, objective, split, {.epochs = 60, .batch_users = 12, .learning_rate = 1e-2}, hooks);
  std::printf("the pairwise loss %s\n", pairwise.back() < 0.3 * pairwise.front() ? "fell to less than a third" : "hardly fell");
  for (const auto& [item, score] : net.recommend(log.histories[0], 1)) std::printf("after item5 comes %s\n", log.name(item).c_str());
}
