// Layer normalisation over the last dimension.
// The forward pass keeps the mean and the reciprocal deviation of each row; the backward pass needs nothing else.
#pragma once

#include <cmath>
#include <limits>
#include <span>

#include "cddrec/core/parallel.hpp"
#include "cddrec/core/simd.hpp"

namespace cddrec::kernel {

using core::index;

inline constexpr index row_grain = 128;  // rows a block in the row-wise kernels

/// out = (x - mean) / sqrt(var + epsilon) * gain + bias. x, out [N, d]; gain, bias [1, d]; statistics [N, 2] keeps mean, 1/deviation.
/// A row whose variance overflows T becomes NaN: divided by infinity it would look like a row whose values are all equal.
template <class T>
void layer_norm_forward(core::in<T> x, core::in<T> gain, core::in<T> bias, double epsilon, core::view<T> out, core::view<T> statistics,
                        core::execution how) {
  namespace simd = core::simd;
  const index d = x.cols();
  core::parallel_for(how, x.rows(), row_grain, [&](index begin, index end) {
    for (index i = begin; i < end; ++i) {
      const T* row = x.row(i);
      const index rest = d % simd::lanes<T>, whole = d - rest;
      simd::vec<T> total = simd::sum_vectors<T>(d, [&](index j) { return simd::load(row + j); });
      if (rest > 0) total += simd::load(row + whole, rest);
      const T mean = simd::sum<T>(total) / static_cast<T>(d);
      simd::vec<T> squares = simd::sum_vectors<T>(d, [&](index j) {
        const simd::vec<T> centred = simd::load(row + j) - mean;
        return centred * centred;
      });
      if (rest > 0) {  // lanes past the end add nothing
        T centred[simd::lanes<T>] = {};
        for (index l = 0; l < rest; ++l) centred[l] = row[whole + l] - mean;
        squares += simd::load(centred) * simd::load(centred);
      }
      T reciprocal = static_cast<T>(1 / std::sqrt(static_cast<double>(simd::sum<T>(squares)) / static_cast<double>(d) + epsilon));
      if (!(reciprocal > 0)) reciprocal = std::numeric_limits<T>::quiet_NaN();  // one over infinity
      simd::transform<T>(d, out.row(i), [&](index j, index n) {
        return (simd::load_upto(row + j, n) - mean) * reciprocal * simd::load_upto(gain.data() + j, n) +
               simd::load_upto(bias.data() + j, n);
      });
      statistics(i, 0) = mean;
      statistics(i, 1) = reciprocal;
    }
  });
}

/// Adds to dx, dgain and dbias, of which any may be empty. `partial` is workspace of at least layer_norm_workspace(N, d) values.
/// forward: xhat = (x - mean) * reciprocal; out = xhat * gain + bias
template <class T>
void layer_norm_backward(core::in<T> dout, core::in<T> x, core::in<T> gain, core::in<T> statistics, core::view<T> dx, core::view<T> dgain,
                         core::view<T> dbias, std::span<std::type_identity_t<T>> partial, core::execution how) {
  namespace simd = core::simd;
  const index d = x.cols();
  core::parallel_for(how, x.rows(), row_grain, [&](index begin, index end) {
    T* block_gain = partial.data() + begin / row_grain * 2 * d;
    T* block_bias = block_gain + d;
    std::fill_n(block_gain, 2 * d, T(0));
    for (index i = begin; i < end; ++i) {
      const T mean = statistics(i, 0), reciprocal = statistics(i, 1);
      const T *row = x.row(i), *up = dout.row(i);
      simd::vec<T> sum_g{}, sum_gx{};
      for (index j = 0; j < d; j += simd::lanes<T>) {
        const index n = std::min(simd::lanes<T>, d - j);
        const simd::vec<T> u = simd::load_upto(up + j, n);
        const simd::vec<T> xhat = (simd::load_upto(row + j, n) - mean) * reciprocal;
        const simd::vec<T> g = u * simd::load_upto(gain.data() + j, n);
        sum_g += g;
        sum_gx += g * xhat;
        simd::store_upto<T>(block_gain + j, simd::load_upto(block_gain + j, n) + u * xhat, n);
        simd::store_upto<T>(block_bias + j, simd::load_upto(block_bias + j, n) + u, n);
      }
      if (dx.empty()) continue;
      const T mean_g = simd::sum<T>(sum_g) / static_cast<T>(d), mean_gx = simd::sum<T>(sum_gx) / static_cast<T>(d);
      simd::transform<T>(d, dx.row(i), [&](index j, index n) {
        const simd::vec<T> xhat = (simd::load_upto(row + j, n) - mean) * reciprocal;
        const simd::vec<T> g = simd::load_upto(up + j, n) * simd::load_upto(gain.data() + j, n);
        return simd::load_upto(dx.row(i) + j, n) + (g - mean_g - xhat * mean_gx) * reciprocal;
      });
    }
  });
  for (index b = 0; b < core::block_count(x.rows(), row_grain); ++b) {
    if (!dgain.empty()) simd::add_scaled(dgain.data(), T(1), partial.data() + b * 2 * d, d);
    if (!dbias.empty()) simd::add_scaled(dbias.data(), T(1), partial.data() + b * 2 * d + d, d);
  }
}

/// Values of workspace that `layer_norm_backward` needs.
inline index layer_norm_workspace(index rows, index d) { return core::block_count(rows, row_grain) * 2 * d; }

}  // namespace cddrec::kernel
