// A network as its settings say: one type, whose encoder and denoiser are chosen at run time among those of the library.
// A choice is an encoder or a denoiser like any other, so training, files and serving are compiled once for all kinds of model.
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <variant>

#include "cddrec/baseline/vae.hpp"
#include "cddrec/io/text.hpp"
#include "cddrec/model/cross_decoder.hpp"
#include "cddrec/model/transformer_decoder.hpp"

namespace cddrec::serve {

using autodiff::variable;
using core::index;

/// What a network is made of, under the names that a model file gives it. The defaults are those of older files, too.
struct network_settings {
  index width = 128, layers = 1, heads = 4, max_length = 20;
  double dropout = 0.4, attention_dropout = 0.2;
  std::string denoiser = "cross_decoder";              // or "transformer_decoder"
  index decoder_layers = 1, decoder_feed_forward = 4;  // the latter in widths
  bool residual = true, feed_forward = true;
  std::string score = "cosine";     // or "dot_product"
  std::string schedule = "linear";  // or "cosine", "sqrt", "truncated_linear"
  index steps = 20;
  double beta_first = 1e-4, beta_last = 0.04;

  /// Calls f(name, setting) for every setting.
  template <class Self, class F>
  static void visit(Self& s, F&& f) {
    f("width", s.width), f("layers", s.layers), f("heads", s.heads), f("max_length", s.max_length);
    f("dropout", s.dropout), f("attention_dropout", s.attention_dropout);
    f("denoiser", s.denoiser), f("decoder_layers", s.decoder_layers), f("decoder_feed_forward", s.decoder_feed_forward);
    f("residual", s.residual), f("feed_forward", s.feed_forward);
    f("score", s.score), f("schedule", s.schedule), f("steps", s.steps), f("beta_first", s.beta_first), f("beta_last", s.beta_last);
  }
};

/// A transformer or, if `recurrent`, a GRU.
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

/// One of the library's denoisers, by `kind`.
class any_denoiser {
 public:
  using scalar = float;
  enum class kind { none, cross_decoder, transformer_decoder, latent_transformer, latent_rows };
  struct settings {
    any_denoiser::kind kind = any_denoiser::kind::none;
    index width = 0, steps = 0, heads = 0, decoder_layers = 1, decoder_feed_forward = 4;
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
                                 .feed_forward_factor = s.decoder_feed_forward,
                                 .dropout = s.dropout,
                                 .attention_dropout = s.attention_dropout},
                                draw);
        break;
      case kind::transformer_decoder:
        choice_ = transformer_decoder({.width = s.width,
                                       .steps = s.steps,
                                       .heads = s.heads,
                                       .layers = s.decoder_layers,
                                       .feed_forward_factor = s.decoder_feed_forward,
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
    return std::visit([&](const auto& d) { return model::predict_last(d, encoded, layout, t); }, choice_);
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

/// Every kind of model there is: first those that are networks (of a gan, its generator), then those that count.
inline constexpr std::array<const char*, 9> kinds{"cddrec", "sasrec", "gru4rec", "svae", "vae", "gan", "item_knn", "markov", "popularity"};
inline constexpr std::size_t network_kinds = 6;

inline bool is_network(const std::string& kind) {
  return std::find(kinds.begin(), kinds.begin() + network_kinds, kind) != kinds.begin() + network_kinds;
}

namespace detail {

/// What is wrong with a kind that is none of the first `count`, and which they are.
inline std::string unknown_kind(const std::string& kind, std::size_t count = kinds.size()) {
  std::string text = "unknown kind of model " + io::quoted(kind, '\'') + "; the kinds are ";
  for (std::size_t i = 0; i < count; ++i) text += std::string(i == 0 ? "" : i + 1 == count ? " and " : ", ") + kinds[i];
  return text;
}
inline void require_network(const std::string& kind) {
  if (!is_network(kind)) throw input_error("serve::network: " + unknown_kind(kind, network_kinds));
}

/// The place of a name among those that are allowed; input_error for another.
template <std::size_t N>
std::size_t choose(const char* setting, const std::string& name, const std::array<const char*, N>& allowed) {
  const auto place = std::find(allowed.begin(), allowed.end(), name);
  if (place == allowed.end()) throw input_error(std::string("serve::network: there is no ") + setting + " " + io::quoted(name, '\''));
  return static_cast<std::size_t>(place - allowed.begin());
}

inline any_denoiser::kind denoiser_of(const std::string& kind, const network_settings& s) {
  using k = any_denoiser::kind;
  if (kind == "cddrec")
    return choose<2>("denoiser", s.denoiser, {"cross_decoder", "transformer_decoder"}) == 0 ? k::cross_decoder : k::transformer_decoder;
  if (kind == "vae") return k::latent_transformer;
  return kind == "svae" ? k::latent_rows : k::none;
}

}  // namespace detail

/// input_error, `WHERE: …` if that is given, for what is no kind of model.
inline void check_kind(const std::string& kind, const std::string& where = "") {
  if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end())
    throw input_error((where.empty() ? where : where + ": ") + detail::unknown_kind(kind));
}

/// The process that a network of these settings denoises; of a kind without diffusion one step, which its denoiser does not look at.
/// input_error for an unknown schedule, and for a setting out of range.
inline diffusion::process<float> process_of(const std::string& kind, const network_settings& s) {
  if (kind != "cddrec") return {diffusion::linear_schedule{}, 1};
  switch (detail::choose<4>("schedule", s.schedule, {"linear", "cosine", "sqrt", "truncated_linear"})) {
    case 0:
      return {diffusion::linear_schedule{.first = s.beta_first, .last = s.beta_last}, s.steps};
    case 1:
      return {diffusion::cosine_schedule{}, s.steps};
    case 2:
      return {diffusion::sqrt_schedule{}, s.steps};
    default:
      return {diffusion::truncated_linear_schedule{}, s.steps};
  }
}

/// A network with fresh weights. input_error for a kind that is no network, and for a setting out of range.
inline network make_network(const std::string& kind, const network_settings& s, index items, core::seed seed) {
  detail::require_network(kind);
  const bool cosine = detail::choose<2>("score", s.score, {"cosine", "dot_product"}) == 0, recurrent = kind == "gru4rec" || kind == "svae";
  return network(
      {.items = items,
       .width = s.width,
       .layers = s.layers,
       .heads = recurrent ? 1 : s.heads,  // it has none
       .max_length = s.max_length,
       .dropout = s.dropout,
       .attention_dropout = s.attention_dropout,
       .residual = s.residual,
       .feed_forward = s.feed_forward,
       .score = cosine ? model::similarity::cosine : model::similarity::dot_product},
      process_of(kind, s), seed, {.recurrent = recurrent},
      {.kind = detail::denoiser_of(kind, s), .decoder_layers = s.decoder_layers, .decoder_feed_forward = s.decoder_feed_forward});
}

/// The parameters of a network, and the weights in them all.
struct network_size {
  double tensors = 0, weights = 0;

  network_size& operator+=(const network_size& other) {
    tensors += other.tensors, weights += other.weights;
    return *this;
  }
  friend network_size operator*(double times, const network_size& s) { return {times * s.tensors, times * s.weights}; }
};

/// How large make_network() makes a network of these settings, without making it: what a file must hold before it is believed.
/// `judging_layers` above 0 are those of an adversary, which is added. input_error for a kind that is no network, and for an unknown
/// denoiser.
inline network_size size_of(const std::string& kind, const network_settings& s, index items, index judging_layers = 0) {
  detail::require_network(kind);
  const auto n = [](index count) { return static_cast<double>(count); };
  const double w = n(s.width);
  const auto linear = [](double in, double out) { return network_size{2, in * out + out}; };
  const auto rows = [&](index count) { return network_size{1, n(count) * w}; };
  const network_size norm{2, 2 * w};
  const auto sum = [](std::initializer_list<network_size> parts) {
    network_size all;
    for (const network_size& part : parts) all += part;
    return all;
  };
  const auto feed_forward = [&](double factor) { return sum({linear(w, factor * w), linear(factor * w, w)}); };
  const network_size attention = sum({linear(w, 3 * w), linear(w, w)}), transformer = sum({attention, feed_forward(4), norm, norm});
  const bool recurrent = kind == "gru4rec" || kind == "svae";

  network_size all = sum({rows(items + 1), norm, n(s.layers) * (recurrent ? 2 * linear(w, 3 * w) : transformer)});
  if (!recurrent) all += rows(s.max_length);
  switch (detail::denoiser_of(kind, s)) {
    case any_denoiser::kind::none:
      break;
    case any_denoiser::kind::cross_decoder:
      all += rows(s.steps);
      all += n(s.decoder_layers) * network_size{3, 3 * w * w};  // without biases
      if (s.residual) all += n(s.decoder_layers) * norm;
      if (s.feed_forward) all += n(s.decoder_layers) * sum({feed_forward(n(s.decoder_feed_forward)), norm});
      break;
    case any_denoiser::kind::transformer_decoder:
      all += rows(s.steps);
      all += n(s.decoder_layers) * sum({attention, 2 * linear(w, w), feed_forward(n(s.decoder_feed_forward)), 3 * norm});
      break;
    case any_denoiser::kind::latent_transformer:
      all += sum({2 * linear(w, w), n(s.decoder_layers) * transformer});
      break;
    case any_denoiser::kind::latent_rows:
      all += sum({2 * linear(w, w), feed_forward(4)});
  }
  if (judging_layers > 0) all += sum({rows(items), rows(s.max_length + 1), norm, n(judging_layers) * transformer, linear(w, 1)});
  return all;
}

}  // namespace cddrec::serve
