// The diffusion process: what a schedule makes of a vector in t steps, forwards and backwards. It owns no network.
// Everything is a Gaussian with known coefficients, tabulated once in double; sampling is one multiply-add a value.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "cddrec/diffusion/schedule.hpp"
#include "cddrec/kernel/elementwise.hpp"

namespace cddrec::diffusion {

/// A Gaussian around `scale` times a vector, with the same variance in every direction.
template <class T>
struct gaussian {
  T scale;
  T variance;
};

/// T steps of a noise schedule. Steps count from 0, the least noisy; x_0 is the clean vector and step t makes x_t of it.
/// Every function throws input_error for a step outside 0 … steps() - 1 or views of different shapes.
/// Outputs may be the inputs: values are read and written one by one.
template <class T>
class process {
 public:
  /// Tabulates the schedule. input_error if there is no step, or a beta is not in (0, 1).
  template <noise_schedule Schedule>
  process(const Schedule& schedule, index steps) {
    if (steps < 1) throw input_error("diffusion::process: " + std::to_string(steps) + " steps; at least 1 is needed");
    table_.reserve(static_cast<std::size_t>(steps));
    double alpha_bar = 1, noise = 0;  // of the step before
    for (index t = 0; t < steps; ++t) {
      const double beta = schedule.beta(t, steps);
      if (!(beta > 0 && beta < 1))
        throw input_error("diffusion::process: beta of step " + std::to_string(t) + " (of 0 … " + std::to_string(steps - 1) + ") is " +
                          to_text(beta) + ", not in (0, 1); change the settings of the schedule");
      constants c;
      c.beta = beta;
      c.alpha_bar_previous = alpha_bar;
      c.alpha_bar = alpha_bar * (1 - beta);
      c.noise = noise * (1 - beta) + beta;  // 1 - alpha_bar without its cancellation
      c.posterior_x0 = std::sqrt(alpha_bar) * beta / c.noise;
      c.posterior_xt = std::sqrt(1 - beta) * noise / c.noise;
      c.posterior_variance = beta * noise / c.noise;
      table_.push_back(c);
      alpha_bar = c.alpha_bar, noise = c.noise;
    }
    // The first step's is 0, a distribution without width: it takes the second's, or beta where there is no second.
    table_[0].posterior_variance = steps > 1 ? table_[1].posterior_variance : table_[0].beta;
  }

  index steps() const { return static_cast<index>(table_.size()); }

  /// β_t, the variance that step t adds.
  T beta(index t) const { return static_cast<T>(at(t).beta); }
  /// α_t = 1 - β_t.
  T alpha(index t) const { return static_cast<T>(1 - at(t).beta); }
  /// ᾱ_t = α_0 … α_t, the share of x_0's power left in x_t.
  T alpha_bar(index t) const { return static_cast<T>(at(t).alpha_bar); }
  /// ᾱ_{t-1}; 1 at the first step.
  T alpha_bar_previous(index t) const { return static_cast<T>(at(t).alpha_bar_previous); }
  /// β̂_t = β_t (1 - ᾱ_{t-1}) / (1 - ᾱ_t), the variance of q(x_{t-1} | x_t, x_0) and of the prediction (Eq. 10).
  /// At the first step, where this is 0, the second step's; β if there is one step only.
  T posterior_variance(index t) const { return static_cast<T>(at(t).posterior_variance); }

  /// q(x_t | x_0): mean √ᾱ_t x_0, variance 1 - ᾱ_t.
  gaussian<T> q_mean_variance(index t) const { return {static_cast<T>(std::sqrt(at(t).alpha_bar)), static_cast<T>(at(t).noise)}; }

  /// Draws x_t ~ q(x_t | x_0): out = √ᾱ_t x0 + √(1 - ᾱ_t) ε (Eq. 11). x0, out: [N, d].
  /// The ε of a row is a function of `noise` and the row's number alone.
  void q_sample(core::in<T> x0, index t, core::random noise, core::view<T> out, core::execution how = {}) const {
    const constants& c = at(t);
    sample(x0, std::sqrt(c.alpha_bar), std::sqrt(c.noise), noise, out, how);
  }

  /// Draws the prediction: out = mean + √β̂_t ε (Eq. 10), ε as in q_sample. mean, out: [N, d].
  void p_sample(core::in<T> mean, index t, core::random noise, core::view<T> out, core::execution how = {}) const {
    sample(mean, 1, std::sqrt(at(t).posterior_variance), noise, out, how);
  }

  /// q(x_{t-1} | x_t, x_0): writes its mean to `mean` and returns its variance, posterior_variance(t).
  /// At t = 0 the mean is x0 itself. x0, xt, mean: [N, d].
  T q_posterior_mean_variance(core::in<T> x0, core::in<T> xt, index t, core::view<T> mean, core::execution how = {}) const {
    namespace simd = core::simd;
    const constants& c = at(t);
    core::require_same_shape<T>(where, "x0", x0, "mean", mean);
    core::require_same_shape<T>(where, "xt", xt, "mean", mean);
    const T a = static_cast<T>(c.posterior_x0), b = static_cast<T>(c.posterior_xt);
    core::parallel_for(how, mean.rows(), grain, [&](index begin, index end) {
      for (index i = begin; i < end; ++i) {
        const T *p = x0.row(i), *q = xt.row(i);
        simd::transform<T>(mean.cols(), mean.row(i),
                           [&](index j, index n) { return a * simd::load_upto(p + j, n) + b * simd::load_upto(q + j, n); });
      }
    });
    return static_cast<T>(c.posterior_variance);
  }

 private:
  struct constants {
    double beta, alpha_bar, alpha_bar_previous, noise;  // noise = 1 - alpha_bar
    double posterior_x0, posterior_xt, posterior_variance;
  };
  static constexpr const char* where = "diffusion::process";
  static constexpr index grain = 64;  // rows a block

  const constants& at(index t) const {
    if (t < 0 || t >= steps())
      throw input_error("diffusion::process: step " + std::to_string(t) + " is not in 0 … " + std::to_string(steps() - 1));
    return table_[static_cast<std::size_t>(t)];
  }

  static void sample(core::view<const T> mean, double scale, double deviation, core::random noise, core::view<T> out, core::execution how) {
    core::require_same_shape<T>(where, "the input", mean, "the output", out);
    kernel::add_noise<T>(mean, scale, deviation, noise, out, how);
  }

  std::vector<constants> table_;
};

}  // namespace cddrec::diffusion
