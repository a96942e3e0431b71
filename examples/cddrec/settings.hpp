// Settings of a training run: named keys with ranges, what each kind of model starts from, and the paper's presets.
// One table of keys serves --set, --config and the model file, so none can drift from another.
#pragma once

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "cddrec/serve/network.hpp"

namespace cddrec::cli {

using core::index;
using serve::is_network;

/// The network's settings, and those of its training. Defaults are those of the paper's presets and of older model files; see defaults().
struct run_settings : serve::network_settings {
  // Objective
  std::string objective = "combined", divergence = "dot_product", contrastive = "exact", ranking = "softmax";
  double divergence_weight = 1, divergence_variance = 1, lambda = 0, temperature = 0.5, softmax_weight = 1, softmax_temperature = 0.1;
  bool ranking_augmented = false;
  index views = 2, features = 1024;
  double kl_weight = 0.1;
  index kl_annealing = 2000;  // batches
  // Negatives
  std::string negatives = "uniform";
  double negative_power = 1;
  index negatives_per_target = 1, candidates = 256;
  bool frequency_correction = true;
  // Training
  std::string step_choice = "weighted", step_weight = "reciprocal";
  index sampled_steps = 1, batch_users = 128, epochs = 200, patience = 20, seed = 42;
  double learning_rate = 1e-3, ema_decay = 0, gradient_clip = 0;
  index skip_bad_steps = 0;
  std::string optimizer = "adam";
  // Division of the log into what is trained on, what validates and what tests
  std::string division = "leave_one_out";
  double validation_share = 0.1, test_share = 0.1;
  // gan
  index gan_pretraining = 1000, discriminator_layers = 1;
  double gan_reward_weight = 1, gan_objective_weight = 1, gan_temperature = 0;  // temperature 0: that of the softmax
  double discriminator_dropout = 0, discriminator_learning_rate = 0.0005;
  // item_knn
  index neighbours = 1000;
  double shrinkage = 20, decay = 0.6;
};

/// How a key reads and writes its setting; set() throws input_error for a value that is not allowed. `range` says which are.
struct setting_key {
  std::function<void(run_settings&, const std::string&)> set;
  std::function<std::string(const run_settings&)> get;
  std::string range;
};

namespace detail {

template <class N>
N number(const std::string& key, const std::string& text, N least, N most, const char* range) {
  N value{};
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool beyond = problem == std::errc::result_out_of_range;  // what no N can hold is a number all the same
  if ((problem != std::errc() && !beyond) || end != text.data() + text.size())
    throw input_error("setting " + key + ": " + io::quoted(text, '\'') + " is not " +
                      (std::is_integral_v<N> ? "a whole number" : "a number"));
  if (beyond || !(value >= least && value <= most)) throw input_error("setting " + key + " must be " + range + ", not " + text);
  return value;
}
inline setting_key whole(const char* key, index run_settings::*member, index least, const char* range, index most = 1'000'000'000) {
  return {[=](run_settings& s, const std::string& v) { s.*member = number<index>(key, v, least, most, range); },
          [=](const run_settings& s) { return std::to_string(s.*member); }, range};
}
inline setting_key real(const char* key, double run_settings::*member, double least, double most, const char* range) {
  return {[=](run_settings& s, const std::string& v) { s.*member = number<double>(key, v, least, most, range); },
          [=](const run_settings& s) { return to_text(s.*member); }, range};
}
inline setting_key flag(const char* key, bool run_settings::*member) {
  return {[=](run_settings& s, const std::string& v) {
            if (v != "true" && v != "false")
              throw input_error(std::string("setting ") + key + " must be true or false, not " + io::quoted(v, '\''));
            s.*member = v == "true";
          },
          [=](const run_settings& s) { return s.*member ? "true" : "false"; }, "true, false"};
}
inline setting_key choice(const char* key, std::string run_settings::*member, const std::vector<std::string>& allowed) {
  std::string list;
  for (const auto& a : allowed) list += (list.empty() ? "" : ", ") + a;
  return {[=](run_settings& s, const std::string& v) {
            if (std::find(allowed.begin(), allowed.end(), v) != allowed.end()) return void(s.*member = v);
            throw input_error(std::string("setting ") + key + ": " + io::quoted(v, '\'') + " is not one of: " + list);
          },
          [=](const run_settings& s) { return s.*member; }, list};
}

}  // namespace detail

/// Every key, in alphabetical order.
inline const std::map<std::string, setting_key>& setting_keys() {
  using namespace detail;
  using r = run_settings;
  constexpr double tiny = std::numeric_limits<double>::min(), huge = 1e6;
  constexpr double below_one = 1 - 1e-9;
  static constexpr const char* gan_temperatures = "0 (that of softmax_temperature), or 0.01 to 1e6";
  static const std::map<std::string, setting_key> keys{
      {"width", whole("width", &r::width, 1, "1 to 65536", 65536)},
      {"layers", whole("layers", &r::layers, 1, "1 to 1000", 1000)},
      {"heads", whole("heads", &r::heads, 1, "1 to 65536, and divide the width", 65536)},
      {"max_length", whole("max_length", &r::max_length, 1, "1 to 100000", 100000)},
      {"dropout", real("dropout", &r::dropout, 0, below_one, "in [0, 1)")},
      {"attention_dropout", real("attention_dropout", &r::attention_dropout, 0, below_one, "in [0, 1)")},
      {"denoiser", choice("denoiser", &r::denoiser, {"cross_decoder", "transformer_decoder"})},
      {"decoder_layers", whole("decoder_layers", &r::decoder_layers, 1, "1 to 1000", 1000)},
      {"decoder_feed_forward", whole("decoder_feed_forward", &r::decoder_feed_forward, 1, "1 to 16 widths", 16)},
      {"score", choice("score", &r::score, {"cosine", "dot_product"})},
      {"residual", flag("residual", &r::residual)},
      {"feed_forward", flag("feed_forward", &r::feed_forward)},
      {"schedule", choice("schedule", &r::schedule, {"linear", "cosine", "sqrt", "truncated_linear"})},
      {"steps", whole("steps", &r::steps, 1, "1 to 100000", 100000)},
      {"beta_first", real("beta_first", &r::beta_first, tiny, below_one, "in (0, 1)")},
      {"beta_last", real("beta_last", &r::beta_last, tiny, below_one, "in (0, 1)")},
      {"objective", choice("objective", &r::objective, {"paper", "softmax", "combined"})},
      {"divergence", choice("divergence", &r::divergence, {"kl", "kl_mean", "squared_distance", "dot_product", "mean_squared_error"})},
      {"divergence_weight", real("divergence_weight", &r::divergence_weight, 0, huge, "0 to 1e6")},
      {"divergence_variance", real("divergence_variance", &r::divergence_variance, tiny, huge, "above 0, to 1e6")},
      {"contrastive", choice("contrastive", &r::contrastive, {"exact", "exact_masked", "fourier"})},
      {"features", whole("features", &r::features, 2, "2 to 1000000, and even", 1'000'000)},
      {"views", whole("views", &r::views, 1, "1 or 2", 2)},
      {"ranking", choice("ranking", &r::ranking, {"softmax", "sampled_softmax", "bce"})},
      {"kl_weight", real("kl_weight", &r::kl_weight, 0, huge, "0 to 1e6")},
      {"kl_annealing", whole("kl_annealing", &r::kl_annealing, 0, "0 to 1000000000 batches")},
      {"negatives", choice("negatives", &r::negatives, {"uniform", "popularity", "in_batch"})},
      {"negative_power", real("negative_power", &r::negative_power, 0, 2, "0 to 2")},
      {"negatives_per_target", whole("negatives_per_target", &r::negatives_per_target, 1, "1 to 1000", 1000)},
      {"candidates", whole("candidates", &r::candidates, 1, "1 to 1000000000")},
      {"frequency_correction", flag("frequency_correction", &r::frequency_correction)},
      {"lambda", real("lambda", &r::lambda, 0, huge, "0 to 1e6")},
      {"temperature", real("temperature", &r::temperature, 0.025, huge, "0.025 to 1e6")},
      {"softmax_weight", real("softmax_weight", &r::softmax_weight, 0, huge, "0 to 1e6")},
      {"softmax_temperature", real("softmax_temperature", &r::softmax_temperature, 0.01, huge, "0.01 to 1e6")},
      {"ranking_augmented", flag("ranking_augmented", &r::ranking_augmented)},
      {"sampled_steps", whole("sampled_steps", &r::sampled_steps, 0, "0 (all) to 1000000000")},
      {"step_choice", choice("step_choice", &r::step_choice, {"weighted", "uniform"})},
      {"step_weight", choice("step_weight", &r::step_weight, {"reciprocal", "equal"})},
      {"batch_users", whole("batch_users", &r::batch_users, 1, "1 to 1000000000")},
      {"epochs", whole("epochs", &r::epochs, 1, "1 to 1000000000")},
      {"patience", whole("patience", &r::patience, 0, "0 (never stops early) to 1000000000")},
      {"learning_rate", real("learning_rate", &r::learning_rate, tiny, huge, "above 0, to 1e6")},
      {"gradient_clip", real("gradient_clip", &r::gradient_clip, 0, huge, "0 (none) to 1e6")},
      {"skip_bad_steps", whole("skip_bad_steps", &r::skip_bad_steps, 0, "0 to 1000000000")},
      {"ema_decay", real("ema_decay", &r::ema_decay, 0, below_one, "in [0, 1)")},
      {"optimizer", choice("optimizer", &r::optimizer, {"adam", "adam_rows"})},
      {"gan_pretraining", whole("gan_pretraining", &r::gan_pretraining, 0, "0 to 1000000000 batches")},
      {"gan_reward_weight", real("gan_reward_weight", &r::gan_reward_weight, 0, huge, "0 to 1e6")},
      {"gan_objective_weight", real("gan_objective_weight", &r::gan_objective_weight, 0, huge, "0 to 1e6")},
      {"gan_temperature",
       {[](run_settings& s, const std::string& v) {
          s.gan_temperature = number<double>("gan_temperature", v, 0, huge, gan_temperatures);
          if (s.gan_temperature > 0) number<double>("gan_temperature", v, 0.01, huge, gan_temperatures);
        },
        [](const run_settings& s) { return to_text(s.gan_temperature); }, gan_temperatures}},
      {"discriminator_layers", whole("discriminator_layers", &r::discriminator_layers, 1, "1 to 1000", 1000)},
      {"discriminator_dropout", real("discriminator_dropout", &r::discriminator_dropout, 0, below_one, "in [0, 1)")},
      {"discriminator_learning_rate", real("discriminator_learning_rate", &r::discriminator_learning_rate, tiny, huge, "above 0, to 1e6")},
      {"division", choice("division", &r::division, {"leave_one_out", "time"})},
      {"validation_share", real("validation_share", &r::validation_share, tiny, below_one, "in (0, 1)")},
      {"test_share", real("test_share", &r::test_share, tiny, below_one, "in (0, 1)")},
      {"neighbours", whole("neighbours", &r::neighbours, 1, "1 to 1000000000")},
      {"shrinkage", real("shrinkage", &r::shrinkage, 0, huge, "0 to 1e6")},
      {"decay", real("decay", &r::decay, tiny, 1, "in (0, 1]")},
      {"seed", whole("seed", &r::seed, 0, "0 or more", std::numeric_limits<index>::max())}};
  return keys;
}

namespace detail {

/// How many letters must be put in, left out or changed to make one word of another.
inline std::size_t edits(const std::string& from, const std::string& to) {
  std::vector<std::size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < to.size(); ++j)
      diagonal = std::exchange(row[j + 1], std::min({row[j] + 1, row[j + 1] + 1, diagonal + (from[i] != to[j])}));
  }
  return row.back();
}

}  // namespace detail

inline void set(run_settings& s, const std::string& key, const std::string& value) {
  const auto found = setting_keys().find(key);
  if (found == setting_keys().end()) {
    std::string list, nearest;
    std::size_t fewest = 3;  // nobody meant a key that is further off
    for (const auto& [name, unused] : setting_keys()) {
      list += (list.empty() ? "" : " ") + name;
      if (const std::size_t n = detail::edits(key.substr(0, 100), name); n < fewest) fewest = n, nearest = name;
    }
    throw input_error("unknown setting " + io::quoted(key, '\'') + (nearest.empty() ? "" : " (did you mean " + nearest + "?)") +
                      "; the settings are:\n" + list);
  }
  found->second.set(s, value);
}

inline const std::vector<std::string>& kinds() {
  static const std::vector<std::string> all(serve::kinds.begin(), serve::kinds.end());
  return all;
}

/// Whether a model of this kind reads a key.
inline bool concerns(const std::string& kind, const std::string& key) {
  const auto one_of = [](const std::string& word, std::initializer_list<const char*> words) {
    return std::find(words.begin(), words.end(), word) != words.end();
  };
  if (one_of(key, {"division", "validation_share", "test_share"})) return true;
  if (one_of(key, {"neighbours", "shrinkage", "decay"})) return kind == "item_knn";
  if (!is_network(kind)) return false;
  if (key.starts_with("gan_") || key.starts_with("discriminator_")) return kind == "gan";
  if (key.starts_with("kl_")) return one_of(kind, {"vae", "svae"});
  if (one_of(key, {"heads", "attention_dropout"})) return !one_of(kind, {"gru4rec", "svae"});
  if (key == "decoder_layers") return one_of(kind, {"cddrec", "vae"});
  if (one_of(key, {"lambda", "temperature", "contrastive", "features", "views"})) return one_of(kind, {"cddrec", "vae", "svae"});
  if (one_of(key, {"denoiser", "decoder_feed_forward", "residual", "feed_forward", "schedule", "steps", "beta_first", "beta_last",
                   "objective", "divergence", "divergence_weight", "divergence_variance", "sampled_steps", "step_choice", "step_weight"}))
    return kind == "cddrec";
  return true;
}

/// Whether a key is of a run that trains this kind: beside a network's metrics stand those of the item neighbours.
inline bool belongs_to_run(const std::string& kind, const std::string& key) {
  return concerns(kind, key) || (is_network(kind) && concerns("item_knn", key));
}

/// Checks that concern more than one key. input_error if the heads do not divide the width, for example.
inline void check(const std::string& kind, const run_settings& s) {
  if (concerns(kind, "heads") && s.width % s.heads != 0)
    throw input_error("setting heads: " + std::to_string(s.heads) + " heads do not divide the width " + std::to_string(s.width));
  if (s.features % 2 != 0) throw input_error("setting features must be even, not " + std::to_string(s.features));
  if ((kind == "vae" || kind == "svae") && s.lambda > 0) {
    if (s.contrastive == "exact_masked")
      throw input_error("setting contrastive: exact_masked is for the term within a view, which " + kind + " lacks; set exact or fourier");
    if (s.views == 1) throw input_error("setting views: the contrastive term of " + kind + " needs 2; set lambda=0, or views=2");
  }
}

/// Whether a key says what a network is made of: if weights are taken over, it cannot change.
inline bool shapes_network(const std::string& key) {
  for (const char* k : {"width", "layers", "heads", "max_length", "denoiser", "decoder_layers", "decoder_feed_forward", "residual",
                        "feed_forward", "steps", "discriminator_layers"})
    if (key == k) return true;
  return false;
}

/// What every kind of model starts from: the recipe of training that served best on real logs, see docs/results.md.
inline run_settings defaults() {
  run_settings s;
  s.width = 256, s.dropout = 0.5;
  s.ranking = "sampled_softmax", s.candidates = 1024, s.ranking_augmented = true, s.divergence_weight = 0.1;
  s.learning_rate = 0.002, s.ema_decay = 0.999;
  return s;
}

/// The paper's settings for one of its data sets, unchanged.
inline run_settings preset(const std::string& name) {
  run_settings s;
  s.objective = "paper", s.divergence = "kl", s.lambda = 0.3, s.temperature = 0.5;
  s.dropout = 0, s.attention_dropout = 0.2, s.residual = false, s.feed_forward = false, s.sampled_steps = 0;
  if (name == "office")
    s.steps = 20, s.beta_last = 0.04;
  else if (name == "beauty")
    s.steps = 30, s.beta_last = 0.002;
  else if (name == "tools")
    s.steps = 20, s.beta_last = 0.08;
  else if (name == "toys")
    s.steps = 25, s.beta_last = 0.002;
  else
    throw input_error("unknown preset " + io::quoted(name, '\'') + "; the presets are office, beauty, tools and toys");
  return s;
}

}  // namespace cddrec::cli
