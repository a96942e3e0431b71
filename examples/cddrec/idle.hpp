// Settings that change nothing, since another one leaves out the part that they belong to: `temperature` while `lambda` is 0.
// They are reported, not refused: what is set for all rows of a search need not have an effect on each of them.
#pragma once

#include <iostream>
#include <set>

#include "configure.hpp"

namespace cddrec::cli {

/// The setting under which `key` changes nothing for a kind of model that reads it, as `name = value`; empty where it may change something
/// or that is not certain. See make_objective and make_fit_settings.
inline std::string idle_under(const std::string& kind, const run_settings& s, const std::string& key) {
  const auto one_of = [&](std::initializer_list<const char*> keys) { return std::find(keys.begin(), keys.end(), key) != keys.end(); };
  const auto under = [&](const char* name) { return std::string(name) + " = " + setting_keys().at(name).get(s); };
  const bool diffusion = kind == "cddrec", unranked = diffusion && s.objective == "paper", ranked = !unranked && s.softmax_weight > 0;
  const bool diverges = diffusion && s.objective != "softmax" && s.divergence_weight > 0 && s.divergence != "mean_squared_error";
  const bool candidates = ranked && s.ranking == "sampled_softmax", pairs = diverges || (ranked && s.ranking == "bce");

  if (one_of({"validation_share", "test_share"}) && s.division != "time") return under("division");
  if (one_of({"temperature", "contrastive", "features"}) && s.lambda == 0) return under("lambda");
  if (key == "views" && s.lambda == 0 && (!diffusion || s.divergence_weight == 0)) return under("lambda");
  if (diffusion && s.objective == "softmax" &&
      one_of({"temperature", "contrastive", "features", "views", "divergence", "divergence_weight", "divergence_variance"}))
    return under("objective");
  if (key == "lambda" && diffusion && s.objective == "softmax" && s.lambda > 0) return under("objective");
  if (key == "features" && s.contrastive != "fourier") return under("contrastive");
  if (one_of({"divergence", "divergence_variance"}) && s.divergence_weight == 0) return under("divergence_weight");
  if (key == "divergence_variance" && s.divergence != "kl_mean") return under("divergence");
  if (key == "softmax_weight" && unranked) return under("objective");
  // A gan samples at the softmax's temperature if it has none of its own.
  const bool tempered = kind == "gan" && s.gan_temperature == 0;
  if (!ranked &&
      (one_of({"ranking", "ranking_augmented", "candidates", "frequency_correction"}) || (key == "softmax_temperature" && !tempered)))
    return under(unranked ? "objective" : "softmax_weight");
  if (one_of({"candidates", "frequency_correction"}) && !candidates) return under("ranking");
  if (key == "candidates" && s.negatives == "in_batch") return under("negatives");
  if (key == "frequency_correction" && s.negatives == "uniform") return under("negatives");  // all items are candidates equally often
  if ((one_of({"negatives", "negative_power"}) && !pairs && !candidates) || (key == "negatives_per_target" && !pairs))
    return under(ranked ? "ranking" : !diffusion ? "softmax_weight" : s.divergence_weight == 0 ? "divergence_weight" : "divergence");
  if (key == "negative_power" && s.negatives != "popularity") return under("negatives");
  if (key == "kl_annealing" && s.kl_weight == 0) return under("kl_weight");
  if (key == "step_choice" && s.sampled_steps == 0) return under("sampled_steps");
  if (one_of({"beta_first", "beta_last"}) && s.schedule != "linear") return under("schedule");
  if (one_of({"residual", "feed_forward"}) && s.denoiser == "transformer_decoder") return under("denoiser");  // it has both
  if (key == "decoder_feed_forward" && diffusion && s.denoiser == "cross_decoder" && !s.feed_forward) return under("feed_forward");
  return {};
}

/// Says which settings of a file and of --set change nothing. A file that a run left names every setting, whether it was set or not.
inline void tell_idle(const std::string& kind, const run_settings& s, const settings_file& file,
                      const std::vector<std::string>& assignments) {
  std::set<std::string> keys;
  for (const std::string& a : assignments) keys.insert(key_of(a));
  if (!file.find("version"))
    for (const auto& e : file.entries) keys.insert(e.key);
  std::string all;
  for (const std::string& key : keys) {
    if (key == "model" || !concerns(kind, key)) continue;
    const std::string why = idle_under(kind, s, key);
    if (!why.empty())
      all += (all.empty() ? "" : ", ") + key + " (" + why + (key == "temperature" ? "; that of the softmax is softmax_temperature)" : ")");
  }
  if (!all.empty()) std::cerr << "cddrec: set without effect: " << all << '\n';
}

}  // namespace cddrec::cli
