// Diagonal Gaussians, a mean and a log-variance for each coordinate: a draw that can be differentiated, and the divergence from N(0, I).
// Kept as logarithms, variances need no constraint. A row's noise is a function of the row's number alone.
#pragma once

#include "cddrec/kernel/elementwise.hpp"

namespace cddrec::kernel {

using core::index;

/// out = mean + exp(log_variance / 2) normals. All [N, k].
template <class T>
void gaussian_sample_forward(core::in<T> mean, core::in<T> log_variance, const core::random& draw, core::view<T> out, core::execution how) {
  namespace simd = core::simd;
  detail::for_normals<T>(out.rows(), out.cols(), draw, how, [&](index i, index first, index count, const T* normals) {
    const T *m = mean.row(i) + first, *v = log_variance.row(i) + first;
    simd::transform<T>(count, out.row(i) + first, [&](index j, index n) {
      return simd::load_upto(m + j, n) + simd::exp<T>(T(0.5) * simd::load_upto(v + j, n)) * simd::load_upto(normals + j, n);
    });
  });
}

/// forward: out = mean + exp(log_variance / 2) normals. dmean += dout; dlog_variance += dout (out - mean) / 2.
template <class T>
void gaussian_sample_backward(core::in<T> dout, core::in<T> mean, core::in<T> out, core::view<T> dmean, core::view<T> dlog_variance,
                              core::execution how) {
  namespace simd = core::simd;
  using simd::load_upto;
  core::parallel_for(how, out.size(), 1 << 14, [&](index begin, index end) {
    const T *g = dout.data() + begin, *m = mean.data() + begin, *z = out.data() + begin;
    if (!dmean.empty()) simd::add_scaled(dmean.data() + begin, T(1), g, end - begin);
    if (dlog_variance.empty()) return;
    T* v = dlog_variance.data() + begin;
    simd::transform<T>(end - begin, v, [&](index j, index n) {
      return load_upto(v + j, n) + T(0.5) * load_upto(g + j, n) * (load_upto(z + j, n) - load_upto(m + j, n));
    });
  });
}

/// kl_i = KL(N(mean, exp(log_variance)) || N(0, I)) = sum (exp(log_variance) + mean^2 - 1 - log_variance) / 2. mean [N, k], kl [N, 1].
template <class T>
void gaussian_kl_forward(core::in<T> mean, core::in<T> log_variance, core::view<T> kl, core::execution how) {
  namespace simd = core::simd;
  const index k = mean.cols();
  core::parallel_for(how, mean.rows(), 64, [&](index begin, index end) {
    for (index i = begin; i < end; ++i) {
      const T *m = mean.row(i), *v = log_variance.row(i);
      simd::vec<T> sum{};
      for (index j = 0; j < k; j += simd::lanes<T>) {
        const index n = std::min(simd::lanes<T>, k - j);
        const simd::vec<T> mu = simd::load_upto(m + j, n), lv = simd::load_upto(v + j, n);  // beyond the end 0, which adds nothing
        sum += simd::exp<T>(lv) + mu * mu - T(1) - lv;
      }
      kl(i, 0) = T(0.5) * simd::sum<T>(sum);
    }
  });
}

/// forward: kl = sum (exp(log_variance) + mean^2 - 1 - log_variance) / 2. dmean += dkl mean; dlog_variance += dkl (exp(log_variance) - 1)
/// / 2.
template <class T>
void gaussian_kl_backward(core::in<T> dkl, core::in<T> mean, core::in<T> log_variance, core::view<T> dmean, core::view<T> dlog_variance,
                          core::execution how) {
  namespace simd = core::simd;
  const index k = mean.cols();
  core::parallel_for(how, mean.rows(), 64, [&](index begin, index end) {
    for (index i = begin; i < end; ++i) {
      const T up = dkl(i, 0);
      if (!dmean.empty()) simd::add_scaled(dmean.row(i), up, mean.row(i), k);
      if (dlog_variance.empty()) continue;
      T* to = dlog_variance.row(i);
      const T* v = log_variance.row(i);
      simd::transform<T>(k, to, [&](index j, index n) {
        return simd::load_upto(to + j, n) + T(0.5) * up * (simd::exp<T>(simd::load_upto(v + j, n)) - T(1));
      });
    }
  });
}

}  // namespace cddrec::kernel
