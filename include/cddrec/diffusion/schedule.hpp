// Noise schedules: how much noise each step of the diffusion adds.
// A schedule is nothing but beta(t, T); the process tabulates it once, so any type with that function will do.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <numbers>

#include "cddrec/core/tensor.hpp"

namespace cddrec::diffusion {

using core::index;

/// What a schedule must supply: the variance that step t of `steps` adds, in (0, 1), for t = 0 … steps - 1.
/// A whole one:
///
///     struct constant_schedule {
///       double value = 0.01;
///       double beta(core::index /*t*/, core::index /*steps*/) const { return value; }
///     };
///
/// The process refuses values outside (0, 1), so beta need not check its settings.
template <class S>
concept noise_schedule = requires(const S& schedule, index t, index steps) {
  { schedule.beta(t, steps) } -> std::convertible_to<double>;
};

/// From `first` at t = 0 to `last` at t = T - 1 in equal increments. A single step takes `last`, the amount of noise wanted. `last` may be
/// below `first`: later steps add less then, and still to what is there, so x_t is noisier with every step.
struct linear_schedule {
  double first = 1e-4;
  double last = 0.02;

  double beta(index t, index steps) const {
    return steps == 1 ? last : std::lerp(first, last, static_cast<double>(t) / static_cast<double>(steps - 1));
  }
};

namespace detail {
/// The beta by which alpha_bar goes from f(t / T) to f((t + 1) / T), cut at `largest`, for an f that falls to 0 or below.
template <class F>
double beta_of_decay(F&& f, index t, index steps, double largest) {
  const double T = static_cast<double>(steps);
  const double before = f(static_cast<double>(t) / T);
  return before <= 0 ? largest : std::min(1 - f(static_cast<double>(t + 1) / T) / before, largest);
}
}  // namespace detail

/// alpha_bar falls as cos² of the time (Nichol and Dhariwal, 2021): after step t it is f((t + 1) / T) / f(0) with
/// f(u) = cos²((u + offset) / (1 + offset) · π/2). It would end at 0, so beta is cut at `largest`.
struct cosine_schedule {
  double offset = 0.008;
  double largest = 0.999;

  double beta(index t, index steps) const {
    const auto f = [&](double time) {
      const double cosine = std::cos((time + offset) / (1 + offset) * std::numbers::pi / 2);
      return cosine * cosine;
    };
    return detail::beta_of_decay(f, t, steps, largest);
  }
};

/// alpha_bar falls with the root of the time (Li et al., Diffusion-LM, 2022): f(u) = 1 - √(u + offset), fast at first. It would end
/// below 0, so beta is cut at `largest`.
struct sqrt_schedule {
  double offset = 1e-4;
  double largest = 0.999;

  double beta(index t, index steps) const {
    return detail::beta_of_decay([&](double time) { return 1 - std::sqrt(time + offset); }, t, steps, largest);
  }
};

/// A linear schedule made for 1,000 steps, stretched to T of them and lifted: from 1000 / T · first + lift to 1000 / T · last + lift
/// (Li et al., DiffuRec, 2023). Where so few steps would need a beta above 1, it ends at 1000 / T · short_last + lift instead; beta is
/// cut at `largest` in any case.
struct truncated_linear_schedule {
  double first = 1e-4;
  double last = 0.02;
  double short_last = 1e-3;
  double lift = 0.01;
  double largest = 0.999;

  double beta(index t, index steps) const {
    const double stretch = 1000 / static_cast<double>(steps), end = stretch * last + lift > 1 ? short_last : last;
    return std::min(linear_schedule{stretch * first + lift, stretch * end + lift}.beta(t, steps), largest);
  }
};

}  // namespace cddrec::diffusion
