// Differentiable ops on diagonal Gaussians: what a variational encoder needs (Kingma and Welling, 2014).
#pragma once

#include "cddrec/autodiff/tape.hpp"
#include "cddrec/kernel/gaussian.hpp"

namespace cddrec::autodiff {

/// A draw of N(mean, exp(log_variance)) in training; in inference, the mean itself. mean, log_variance [N, k].
template <class T>
variable<T> gaussian_sample(const variable<T>& mean, const variable<T>& log_variance, const core::random& draw) {
  tape<T>& t = mean.owner();
  if (!t.recording()) return mean;
  auto [y, out] = t.make(mean.rows(), mean.cols(), mean.needs_grad() || log_variance.needs_grad());
  kernel::gaussian_sample_forward<T>(mean.value(), log_variance.value(), draw, out, t.how());
  t.record(y, [=, y = y] {
    kernel::gaussian_sample_backward<T>(y.grad(), mean.value(), y.value(), mean.grad(), log_variance.grad(), y.owner().how());
  });
  return y;
}

/// KL(N(mean, exp(log_variance)) || N(0, I)) of every row: [N, k] -> [N, 1].
template <class T>
variable<T> gaussian_kl(const variable<T>& mean, const variable<T>& log_variance) {
  tape<T>& t = mean.owner();
  auto [y, out] = t.make(mean.rows(), 1, mean.needs_grad() || log_variance.needs_grad());
  kernel::gaussian_kl_forward<T>(mean.value(), log_variance.value(), out, t.how());
  t.record(y, [=, y = y] {
    kernel::gaussian_kl_backward<T>(y.grad(), mean.value(), log_variance.value(), mean.grad(), log_variance.grad(), y.owner().how());
  });
  return y;
}

}  // namespace cddrec::autodiff
