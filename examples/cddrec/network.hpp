// What settings train: the network that they describe, its objective, and how it is fitted.
// The network itself is the one that is served, see cddrec/serve/network.hpp; what is here is training's alone.
#pragma once

#include "cddrec/baseline/gan.hpp"
#include "cddrec/baseline/item_knn.hpp"
#include "cddrec/loss/combine.hpp"
#include "cddrec/loss/latent.hpp"
#include "cddrec/train/fit.hpp"
#include "settings.hpp"

namespace cddrec::cli {

using autodiff::variable;
using serve::network;

/// The same with an adversary beside it.
using gan_network = baseline::gan<network>;

/// A divergence chosen at run time is a divergence policy like any other.
struct any_divergence {
  std::variant<loss::kl, loss::kl_mean, loss::squared_distance, loss::dot_product> choice;

  bool samples() const {
    return std::visit([](const auto& d) { return d.samples; }, choice);
  }
  template <class T>
  variable<T> operator()(const loss::step<T>& s, const loss::side<T>& view, const variable<T>& item) const {
    return std::visit([&](const auto& d) { return d(s, view, item); }, choice);
  }
  template <class T>
  T squared_slope(const loss::step<T>& s, const loss::side<T>& view, const variable<T>& item, index row, T value) const {
    return std::visit([&](const auto& d) { return d.squared_slope(s, view, item, row, value); }, choice);
  }
};

inline baseline::item_knn_settings knn_settings(const run_settings& s) {
  return {.neighbours = s.neighbours, .shrinkage = s.shrinkage, .decay = s.decay};
}

inline network make_network(const std::string& kind, const run_settings& s, index items) {
  return serve::make_network(kind, s, items, core::seed{static_cast<std::uint64_t>(s.seed)});
}

inline gan_network make_gan(const std::string& kind, const run_settings& s, index items) {
  return gan_network(make_network(kind, s, items),
                     {.discriminator_layers = s.discriminator_layers,
                      .discriminator_dropout = s.discriminator_dropout,
                      .discriminator_learning_rate = s.discriminator_learning_rate,
                      .reward_weight = s.gan_reward_weight,
                      .objective_weight = s.gan_objective_weight,
                      .sample_temperature = s.gan_temperature > 0 ? s.gan_temperature : s.softmax_temperature,
                      .pretraining = s.gan_pretraining},
                     core::seed{static_cast<std::uint64_t>(s.seed)});
}

/// input_error if every part of it has weight 0; a gan still has its own loss then.
inline auto make_objective(const std::string& kind, const run_settings& s) {
  any_divergence divergence{loss::dot_product{}};
  if (s.divergence == "kl") divergence.choice = loss::kl{};
  if (s.divergence == "kl_mean") divergence.choice = loss::kl_mean{s.divergence_variance};
  if (s.divergence == "squared_distance") divergence.choice = loss::squared_distance{};
  const bool diffusion = kind == "cddrec", variational = kind == "vae" || kind == "svae";
  const bool paper = diffusion && s.objective != "softmax", ranked = !diffusion || s.objective != "paper";
  const bool mse = s.divergence == "mean_squared_error", two_views = s.views == 2;
  const auto weight = [](bool used, double w) { return used ? static_cast<float>(w) : 0.0f; };
  const float temperature = static_cast<float>(s.temperature), ranking_temperature = static_cast<float>(s.softmax_temperature);
  const index features = s.contrastive == "fourier" ? s.features : 0;
  auto all = loss::combine(
      loss::cross_divergence<any_divergence>{
          .divergence = divergence, .weight = weight(paper && !mse, s.divergence_weight), .augmented = two_views},
      loss::squared_error{.weight = weight(paper && mse, s.divergence_weight), .augmented = two_views},
      loss::in_view{.weight = weight(paper, s.lambda),
                    .temperature = temperature,
                    .mask_same_target = s.contrastive == "exact_masked",
                    .features = features},
      loss::cross_view{.weight = weight((paper || variational) && two_views, s.lambda),
                       .temperature = temperature,
                       .samples = !variational,
                       .features = features},
      loss::item_softmax{.weight = weight(ranked && s.ranking == "softmax", s.softmax_weight),
                         .temperature = ranking_temperature,
                         .augmented = s.ranking_augmented},
      loss::sampled_softmax{.weight = weight(ranked && s.ranking == "sampled_softmax", s.softmax_weight),
                            .temperature = ranking_temperature,
                            .correction = s.frequency_correction,
                            .augmented = s.ranking_augmented},
      loss::binary_cross_entropy{.weight = weight(ranked && s.ranking == "bce", s.softmax_weight),
                                 .temperature = ranking_temperature,
                                 .augmented = s.ranking_augmented},
      loss::latent_kl{.weight = weight(variational, s.kl_weight), .annealed_over = s.kl_annealing});
  if (kind != "gan" && all.names().empty())
    throw input_error(std::string("settings: every part of the objective has weight 0, so there is nothing to train; set ") +
                      (variational ? "softmax_weight, lambda or kl_weight"
                       : !paper    ? "softmax_weight"
                       : ranked    ? "divergence_weight, lambda or softmax_weight"
                                   : "divergence_weight or lambda") +
                      " above 0");
  return all;
}

inline train::fit_settings make_fit_settings(const run_settings& s, double minutes, core::execution how) {
  return {.epochs = s.epochs,
          .batch_users = s.batch_users,
          .sampled_steps = s.sampled_steps,
          .step_law = s.step_choice == "uniform" ? train::step_law::uniform : train::step_law::by_weight,
          .step_weight = s.step_weight == "equal" ? train::step_weight::equal : train::step_weight::reciprocal,
          .negatives = s.negatives == "uniform"      ? data::negative_law::uniform
                       : s.negatives == "popularity" ? data::negative_law::popularity
                                                     : data::negative_law::in_batch,
          .negative_power = s.negative_power,
          .negatives_per_target = s.negatives_per_target,
          .candidates = s.candidates,
          .learning_rate = s.learning_rate,
          .gradient_clip = s.gradient_clip,
          .skip_bad_steps = s.skip_bad_steps,
          .adam_rows = s.optimizer == "adam_rows" ? optim::adam_rows::touched : optim::adam_rows::all,
          .ema_decay = s.ema_decay,
          .patience = s.patience,
          .minutes = minutes,
          .augmentation = {},
          .seed = core::seed{static_cast<std::uint64_t>(s.seed)},
          .how = how};
}

}  // namespace cddrec::cli
