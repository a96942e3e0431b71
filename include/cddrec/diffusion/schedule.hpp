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

/// From `first` at t = 0 to `last` at t = T - 1 in equal increments. A single step takes `last`, the amount of noise wanted.
struct linear_schedule {
  double first = 1e-4;
  double last = 0.02;

  double beta(index t, index steps) const {
    return steps == 1 ? last : std::lerp(first, last, static_cast<double>(t) / static_cast<double>(steps - 1));
  }
};

/// alpha_bar falls as cos² of the time (Nichol and Dhariwal, 2021): after step t it is f(t + 1) / f(0) with
/// f(u) = cos²((u / T + offset) / (1 + offset) · π/2). It would end at 0, so beta is cut at `largest`.
struct cosine_schedule {
  double offset = 0.008;
  double largest = 0.999;

  double beta(index t, index steps) const {
    const auto f = [&](index u) {
      const double time = static_cast<double>(u) / static_cast<double>(steps);
      const double cosine = std::cos((time + offset) / (1 + offset) * std::numbers::pi / 2);
      return cosine * cosine;
    };
    return std::min(1 - f(t + 1) / f(t), largest);
  }
};

}  // namespace cddrec::diffusion
