// Generation step by step: ancestral and DDIM, from pure noise down to a step of one's choice. It owns no network.
// On the scale of the clean vector, y_t = x_t / √ᾱ_t = x_0 + σ_t ε with σ_t² = (1 - ᾱ_t) / ᾱ_t, and a move from step t to step s < t is
//
//     y_s = (1 - r) x̂_0(t) + r y_t + √v ε,    y_{T-1} = ε / √ᾱ_{T-1}    (x_{T-1} ~ N(0, I)),
//
//     ancestral   r = σ_s² / σ_t²,  v = σ_s² (1 - r): q(x_s | x_t, x_0) at x_0 = x̂_0(t)
//     DDIM        r = σ_s / σ_t,    v = 0 (η = 0)
//
// Where generation stops matters. The clean vector has σ = 0, so the literal last move is y = x̂_0(0): a prediction that never sees x_t
// makes the whole way vanish, and every draw is the direct prediction of step 0. The result here is therefore y_stop: the state that
// the least noisy step has (stop = 0), a noisier one (stop > 0), or the literal end (stop = -1). With p = 2 for ancestral, 1 for DDIM:
//
//     y_stop = Σ σ_stop^p (σ_s^-p - σ_t^-p) x̂_0(t) + noise    over the moves t → s: predictions weighed by what each move makes clear,
//     variance of the noise: σ_stop² (1 + σ_stop² / σ_{T-1}⁴) for ancestral, σ_stop² / (1 - ᾱ_{T-1}) for DDIM.
//
// All of it is linear, so predictions and noise run apart: the predictions are asked for once, whatever the number of draws. The noise
// of a draw is one vector a step, the same in every row (common random numbers): a row depends neither on its place nor on threads.
#pragma once

#include "cddrec/diffusion/process.hpp"

namespace cddrec::diffusion {

/// y_s = (1 - keep) x̂_0(from) + keep y_from + noise ε.
struct move {
  index from;
  double keep, noise;
};

/// A way from noise to a result.
struct path {
  index start = 0;             // T - 1
  double start_deviation = 0;  // of y_{T-1}: 1 / √ᾱ_{T-1}
  std::vector<move> moves;     // of falling `from`; the first is from T - 1
};

/// Whether ancestral and ddim have a way back from the last step: where it leaves nothing of the signal, or almost, they have none.
template <class T>
bool has_way_back(const process<T>& process) {
  const T last = process.q_mean_variance(process.steps() - 1).scale;
  return 8 / static_cast<double>(last) <= static_cast<double>(std::numeric_limits<T>::max());  // no normal number drawn is as large as 8
}

namespace detail {

inline void require_path(bool holds, const char* name, index value, const std::string& range) {
  require(holds, "diffusion::sampler", name, value, range);
}

// The moves over `steps` states, evenly spread from T - 1 to `stop`, both among them; and from step 0 to the clean vector if stop is -1.
template <class T>
path make_path(const process<T>& process, index steps, index stop, bool deterministic) {
  const index last = process.steps() - 1, least = std::max<index>(stop, 0), span = last - least;
  require_path(stop >= -1 && stop < last, "stop", stop,
               last == 0 ? "-1 (there is one step)" : "-1 … " + std::to_string(last - 1) + " (before the last step)");
  if (steps == 0) steps = span + 1;
  const index fewest = std::min<index>(2, span + 1);
  require_path(steps >= fewest && steps <= span + 1, "steps", steps,
               "0 (all) or " + std::to_string(fewest) + " … " + std::to_string(span + 1) + " (every step down to the stop)");
  const auto deviation = [&](index t) {
    if (t < 0) return 0.0;
    const auto q = process.q_mean_variance(t);
    return std::sqrt(static_cast<double>(q.variance)) / static_cast<double>(q.scale);
  };
  if (!has_way_back(process))
    throw input_error("diffusion::sampler: the schedule leaves nothing of the signal at step " + std::to_string(last) +
                      ", so there is no way back from there; take fewer steps or a schedule with less noise");
  path p{last, 1 / static_cast<double>(process.q_mean_variance(last).scale), {}};
  const auto step = [&](index k) { return k < 0 ? -1 : least + (steps > 1 ? (k * span + (steps - 1) / 2) / (steps - 1) : 0); };
  for (index k = steps - 1; k > (stop < 0 ? -1 : 0); --k) {
    const double to = deviation(step(k - 1)), ratio = to == 0 ? 0 : to / deviation(step(k));
    p.moves.push_back({step(k), deterministic ? ratio : ratio * ratio, deterministic ? 0 : to * std::sqrt((1 - ratio) * (1 + ratio))});
  }
  return p;
}

}  // namespace detail

/// Draws x_s ~ q(x_s | x_t, x̂_0) move by move. `steps` states are visited, evenly spread over stop … T - 1, both ends among them; 0: all.
/// input_error unless stop is in -1 … T - 2 and steps between 2 and the number there are, and for a process whose last step leaves nothing
/// of the signal: √ᾱ_{T-1} is 0, or almost, in the process's scalar type.
template <class T>
path ancestral(const process<T>& process, index steps = 0, index stop = 0) {
  return detail::make_path(process, steps, stop, false);
}

/// DDIM with η = 0: nothing is drawn but x_{T-1}. Steps and errors as for ancestral.
template <class T>
path ddim(const process<T>& process, index steps = 0, index stop = 0) {
  return detail::make_path(process, steps, stop, true);
}

/// The predictions' part of y_stop, to which noise_of() is still to be added. Calls predict(t), a view [rows, d] that need only last until
/// the next call, for every move in order. out: [rows, d], assigned.
template <class T, class Predict>
void follow(const path& way, Predict&& predict, core::view<T> out, core::execution how = {}) {
  namespace simd = core::simd;
  std::fill_n(out.data(), out.size(), T(0));
  for (const move& m : way.moves) {
    const core::view<const T> x0 = predict(m.from);
    core::require_same_shape<T>("diffusion::sampler", "the prediction of step " + to_text(m.from), x0, "the output", out);
    const T fresh = static_cast<T>(1 - m.keep), keep = static_cast<T>(m.keep);
    core::parallel_for(how, out.rows(), 64, [&](index begin, index end) {
      for (index i = begin; i < end; ++i) {
        const T* from = x0.row(i);
        T* to = out.row(i);
        simd::transform<T>(out.cols(), to,
                           [&](index j, index n) { return fresh * simd::load_upto(from + j, n) + keep * simd::load_upto(to + j, n); });
      }
    });
  }
}

/// The noise of one draw, to be added to every row of follow()'s result: [d]. The ε of a move is a function of `draw` and of the
/// step it starts from alone.
template <class T>
void noise_of(const path& way, const core::random& draw, std::span<T> out) {
  const auto child = [&](index t) { return draw.child(static_cast<std::uint64_t>(t)); };
  child(way.start + 1).template normal<T>(0, out);
  for (T& x : out) x *= static_cast<T>(way.start_deviation);
  core::buffer<T> fresh(out.size());
  for (const move& m : way.moves) {
    if (m.noise > 0) child(m.from).template normal<T>(0, std::span<T>(fresh));
    for (std::size_t j = 0; j < out.size(); ++j)
      out[j] = static_cast<T>(m.keep) * out[j] + static_cast<T>(m.noise) * (m.noise > 0 ? fresh[j] : T(0));
  }
}

/// One draw: y_stop for every row. predict as in follow(). out: [rows, d].
template <class T, class Predict>
void sample(const path& way, Predict&& predict, const core::random& draw, core::view<T> out, core::execution how = {}) {
  follow<T>(way, predict, out, how);
  core::buffer<T> noise(static_cast<std::size_t>(out.cols()));
  noise_of<T>(way, draw, noise);
  for (index i = 0; i < out.rows(); ++i) core::simd::add_scaled(out.row(i), T(1), noise.data(), out.cols());
}

}  // namespace cddrec::diffusion
