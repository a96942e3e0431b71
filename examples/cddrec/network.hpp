// What settings build: one type of network, whose encoder and denoiser are chosen at run time among those of the library.
// A choice is an encoder or a denoiser like any other, so training, files and serving are compiled once for all kinds of model.
#pragma once

#include <variant>

#include "cddrec/baseline/gan.hpp"
#include "cddrec/baseline/item_knn.hpp"
#include "cddrec/baseline/vae.hpp"
#include "cddrec/loss/combine.hpp"
#include "cddrec/loss/latent.hpp"
#include "cddrec/model/cross_decoder.hpp"
#include "cddrec/model/transformer_decoder.hpp"
#include "cddrec/train/fit.hpp"
#include "settings.hpp"

namespace cddrec::cli {

using autodiff::variable;

class any_encoder {
 public:
  using scalar = float;
  struct settings {
    bool recurrent = false;
    index width = 0, layers = 0, heads = 0;
    double dropout = 0, attention_dropout = 0;
  };

  any_encoder(const settings& s, const core::random& draw) {
    if (s.recurrent)
      choice_.emplace<nn::gru<float>>(nn::gru<float>::settings{.width = s.width, .layers = s.layers, .dropout = s.dropout}, draw);
    else
      choice_.emplace<transformer>(
          transformer::settings{
              .width = s.width, .layers = s.layers, .heads = s.heads, .dropout = s.dropout, .attention_dropout = s.attention_dropout},
          draw);
  }
  bool ordered() const {
    return std::visit([](const auto& e) { return model::knows_order(e); }, choice_);
  }
  variable<float> operator()(const variable<float>& x, core::ragged layout, const core::random& draw) const {
    return std::visit([&](const auto& e) { return e(x, layout, draw); }, choice_);
  }
  template <class Self, class F>
  static void visit(Self& self, const std::string& name, F&& f) {
    std::visit([&](auto& e) { std::remove_cvref_t<decltype(e)>::visit(e, name, f); }, self.choice_);
  }

 private:
  using transformer = nn::transformer<float, nn::causal>;
  std::variant<transformer, nn::gru<float>> choice_;
};

class any_denoiser {
 public:
  using scalar = float;
  enum class kind { none, cross_decoder, transformer_decoder, latent_transformer, latent_rows };
  struct settings {
    any_denoiser::kind kind = any_denoiser::kind::none;
    index width = 0, steps = 0, heads = 0, decoder_layers = 1;
    bool residual = false, feed_forward = false;
    double dropout = 0, attention_dropout = 0;
  };

 private:
  using none = model::no_denoiser<float>;
  using cross_decoder = model::cross_decoder<float>;
  using transformer_decoder = model::transformer_decoder<float>;
  using transformer = nn::transformer<float, nn::causal>;
  using rows = baseline::row_decoder<float>;
  using latent_transformer = baseline::variational<transformer>;
  using latent_rows = baseline::variational<rows>;

 public:
  using context =
      std::variant<none::context, cross_decoder::context, transformer_decoder::context, latent_transformer::context, latent_rows::context>;

  any_denoiser(const settings& s, const core::random& draw) {
    switch (s.kind) {
      case kind::none:
        choice_ = none();
        break;
      case kind::cross_decoder:
        choice_ = cross_decoder({.width = s.width,
                                 .steps = s.steps,
                                 .heads = s.heads,
                                 .layers = s.decoder_layers,
                                 .residual = s.residual,
                                 .feed_forward = s.feed_forward,
                                 .dropout = s.dropout,
                                 .attention_dropout = s.attention_dropout},
                                draw);
        break;
      case kind::transformer_decoder:
        choice_ = transformer_decoder({.width = s.width,
                                       .steps = s.steps,
                                       .heads = s.heads,
                                       .layers = s.decoder_layers,
                                       .dropout = s.dropout,
                                       .attention_dropout = s.attention_dropout},
                                      draw);
        break;
      case kind::latent_transformer:
        choice_ = latent_transformer({.width = s.width,
                                      .layers = s.decoder_layers,
                                      .heads = s.heads,
                                      .dropout = s.dropout,
                                      .attention_dropout = s.attention_dropout},
                                     draw);
        break;
      case kind::latent_rows:
        choice_ = latent_rows({.width = s.width, .dropout = s.dropout}, draw);
    }
  }
  context prepare(const variable<float>& encoded, core::ragged layout, const core::random& draw) const {
    return std::visit([&](const auto& d) { return context(d.prepare(encoded, layout, draw)); }, choice_);
  }
  variable<float> predict(const context& c, index t, const core::random& draw) const {
    return std::visit([&](const auto& d) { return d.predict(own(d, c), t, draw); }, choice_);
  }
  variable<float> predict_last(const variable<float>& encoded, core::ragged layout, index t) const {
    return std::visit(
        [&](const auto& d) {
          if constexpr (requires { d.predict_last(encoded, layout, t); })
            return d.predict_last(encoded, layout, t);
          else
            return autodiff::last_rows(d.predict(d.prepare(encoded, layout, {}), t, {}), layout);
        },
        choice_);
  }
  model::latent<float> latent(const context& c) const {
    return std::visit(
        [&](const auto& d) {
          if constexpr (requires { d.latent(own(d, c)); })
            return d.latent(own(d, c));
          else
            return model::latent<float>{};
        },
        choice_);
  }
  template <class Self, class F>
  static void visit(Self& self, const std::string& name, F&& f) {
    std::visit([&](auto& d) { std::remove_cvref_t<decltype(d)>::visit(d, name, f); }, self.choice_);
  }

 private:
  template <class D>
  static const typename D::context& own(const D&, const context& c) {
    return std::get<typename D::context>(c);
  }
  std::variant<none, cross_decoder, transformer_decoder, latent_transformer, latent_rows> choice_;
};

using network = model::recommender<any_encoder, any_denoiser>;

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

/// A kind without diffusion has one step, which its denoiser does not look at.
inline diffusion::process<float> make_process(const std::string& kind, const run_settings& s) {
  if (kind != "cddrec") return {diffusion::linear_schedule{}, 1};
  if (s.schedule == "cosine") return {diffusion::cosine_schedule{}, s.steps};
  if (s.schedule == "sqrt") return {diffusion::sqrt_schedule{}, s.steps};
  if (s.schedule == "truncated_linear") return {diffusion::truncated_linear_schedule{}, s.steps};
  return {diffusion::linear_schedule{.first = s.beta_first, .last = s.beta_last}, s.steps};
}

inline any_denoiser::kind denoiser_of(const std::string& kind, const run_settings& s) {
  using k = any_denoiser::kind;
  if (kind == "cddrec") return s.denoiser == "cross_decoder" ? k::cross_decoder : k::transformer_decoder;
  if (kind == "vae") return k::latent_transformer;
  return kind == "svae" ? k::latent_rows : k::none;
}

inline network make_network(const std::string& kind, const run_settings& s, index items) {
  return network({.items = items,
                  .width = s.width,
                  .layers = s.layers,
                  .heads = s.heads,
                  .max_length = s.max_length,
                  .dropout = s.dropout,
                  .attention_dropout = s.attention_dropout,
                  .residual = s.residual,
                  .feed_forward = s.feed_forward,
                  .score = s.score == "cosine" ? model::similarity::cosine : model::similarity::dot_product},
                 make_process(kind, s), core::seed{static_cast<std::uint64_t>(s.seed)}, {.recurrent = kind == "gru4rec" || kind == "svae"},
                 {.kind = denoiser_of(kind, s), .decoder_layers = s.decoder_layers});
}

inline gan_network make_gan(const std::string& kind, const run_settings& s, index items) {
  return gan_network(make_network(kind, s, items),
                     {.discriminator_layers = s.discriminator_layers,
                      .reward_weight = s.gan_reward_weight,
                      .objective_weight = s.gan_objective_weight,
                      .sample_temperature = s.gan_temperature,
                      .pretraining = s.gan_pretraining},
                     core::seed{static_cast<std::uint64_t>(s.seed)});
}

/// A network of these settings has so many weights or more, in a share that does not depend on the sizes: what a file must hold before
/// it is believed.
inline double least_weights(const std::string& kind, const run_settings& s, index items) {
  const auto n = [](index size) { return static_cast<double>(size); };
  const bool recurrent = kind == "gru4rec" || kind == "svae", decodes = kind == "cddrec" || kind == "vae";
  const index squares = s.layers + (decodes ? s.decoder_layers : 0) + (kind == "gan" ? s.discriminator_layers : 0);
  return n(s.width) * (n(items) + 1 + (recurrent ? 0 : n(s.max_length)) + (kind == "cddrec" ? n(s.steps) : 0) + n(squares) * n(s.width));
}

inline auto make_objective(const std::string& kind, const run_settings& s) {
  any_divergence divergence{loss::dot_product{}};
  if (s.divergence == "kl") divergence.choice = loss::kl{};
  if (s.divergence == "kl_mean") divergence.choice = loss::kl_mean{};
  if (s.divergence == "squared_distance") divergence.choice = loss::squared_distance{};
  const bool diffusion = kind == "cddrec", variational = kind == "vae" || kind == "svae";
  const bool paper = diffusion && s.objective != "softmax", ranked = !diffusion || s.objective != "paper";
  const bool mse = s.divergence == "mean_squared_error", two_views = s.views == 2;
  const auto weight = [](bool used, double w) { return used ? static_cast<float>(w) : 0.0f; };
  const float temperature = static_cast<float>(s.temperature), ranking_temperature = static_cast<float>(s.softmax_temperature);
  const index features = s.contrastive == "fourier" ? s.features : 0;
  return loss::combine(
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
}

inline train::fit_settings make_fit_settings(const run_settings& s, double minutes, core::execution how) {
  return {.epochs = s.epochs,
          .batch_users = s.batch_users,
          .sampled_steps = s.sampled_steps,
          .law = s.step_choice == "uniform" ? train::step_law::uniform : train::step_law::by_weight,
          .weight = s.step_weight == "equal" ? train::step_weight::equal : train::step_weight::reciprocal,
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
