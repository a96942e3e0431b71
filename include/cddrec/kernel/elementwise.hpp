// Elementwise kernels: bias, GELU, softplus, dropout, noise. Each is one pass over memory.
// They run over flat blocks of fixed size, so a value's arithmetic never depends on its place or the threads.
#pragma once

#include "cddrec/core/parallel.hpp"
#include "cddrec/core/random.hpp"

namespace cddrec::kernel {

using core::index;

namespace detail {
inline constexpr index flat_grain = 8192;  // values a block; a multiple of core::random::block

/// y[i] = f(i, n) over vectors of a flat array, in parallel blocks.
template <class T, class F>
void map_flat(core::view<T> y, core::execution how, F&& f) {
  core::parallel_for(how, y.size(), flat_grain, [&](index begin, index end) {
    core::simd::transform<T>(end - begin, y.data() + begin, [&](index i, index n) { return f(begin + i, n); });
  });
}
}  // namespace detail

/// out += a x.
template <class T>
void add_scaled(std::type_identity_t<T> a, core::in<T> x, core::view<T> out, core::execution how) {
  CDDREC_ASSERT(out.empty() || x.size() == out.size());
  detail::map_flat<T>(
      out, how, [&](index i, index n) { return core::simd::load_upto(out.data() + i, n) + a * core::simd::load_upto(x.data() + i, n); });
}

/// out = a x + b y.
template <class T>
void linear_combination(std::type_identity_t<T> a, core::in<T> x, std::type_identity_t<T> b, core::in<T> y, core::view<T> out,
                        core::execution how) {
  CDDREC_ASSERT(core::same_shape<T>(x, y) && core::same_shape<T>(x, out));
  detail::map_flat<T>(
      out, how, [&](index i, index n) { return a * core::simd::load_upto(x.data() + i, n) + b * core::simd::load_upto(y.data() + i, n); });
}

/// out[i, :] += bias.
template <class T>
void add_bias(core::in<T> bias, core::view<T> out, core::execution how) {
  CDDREC_ASSERT(bias.size() == out.cols());
  core::parallel_for(how, out.rows(), 64, [&](index begin, index end) {
    for (index i = begin; i < end; ++i) core::simd::add_scaled(out.row(i), T(1), bias.data(), out.cols());
  });
}

/// dbias += column sums of dout, by blocks of 64 rows in rising order. `partial`: block_count(N, 64) * d values.
template <class T>
void add_bias_backward(core::in<T> dout, core::view<T> dbias, std::span<std::type_identity_t<T>> partial, core::execution how) {
  const index d = dout.cols();
  core::parallel_for(how, dout.rows(), 64, [&](index begin, index end) {
    T* block = partial.data() + begin / 64 * d;
    std::fill_n(block, d, T(0));
    for (index i = begin; i < end; ++i) core::simd::add_scaled(block, T(1), dout.row(i), d);
  });
  for (index b = 0; b < core::block_count(dout.rows(), 64); ++b) core::simd::add_scaled(dbias.data(), T(1), partial.data() + b * d, d);
}

/// out = x Phi(x), the exact GELU.
template <class T>
void gelu_forward(core::in<T> x, core::view<T> out, core::execution how) {
  namespace simd = core::simd;
  detail::map_flat<T>(out, how, [&](index i, index n) {
    const simd::vec<T> v = simd::load_upto(x.data() + i, n);
    simd::vec<T> gaussian;
    return T(0.5) * v * (T(1) + simd::erf<T>(v * T(0.70710678118654752440), gaussian));
  });
}

/// dx += dout (Phi(x) + x phi(x)).
template <class T>
void gelu_backward(core::in<T> dout, core::in<T> x, core::view<T> dx, core::execution how) {
  namespace simd = core::simd;
  detail::map_flat<T>(dx, how, [&](index i, index n) {
    const simd::vec<T> v = simd::load_upto(x.data() + i, n);
    simd::vec<T> gaussian;  // e^(-x^2 / 2)
    const simd::vec<T> phi = T(0.5) * (T(1) + simd::erf<T>(v * T(0.70710678118654752440), gaussian));
    const simd::vec<T> density = T(0.39894228040143267794) * gaussian;
    return simd::load_upto(dx.data() + i, n) + simd::load_upto(dout.data() + i, n) * (phi + v * density);
  });
}

/// out = log(1 + e^x) without overflow: max(x, 0) + log1p(e^-|x|).
template <class T>
void softplus_forward(core::in<T> x, core::view<T> out) {
  for (index i = 0; i < x.size(); ++i) {
    const T v = x.data()[i];
    out.data()[i] = std::max(v, T(0)) + std::log1p(std::exp(-std::abs(v)));
  }
}

/// The logistic function, which is softplus' derivative.
template <class T>
T sigmoid(T x) {
  return x >= 0 ? T(1) / (T(1) + std::exp(-x)) : std::exp(x) / (T(1) + std::exp(x));
}

/// dx += dout sigmoid(x).
template <class T>
void softplus_backward(core::in<T> dout, core::in<T> x, core::view<T> dx) {
  for (index i = 0; i < x.size(); ++i) dx.data()[i] += dout.data()[i] * sigmoid(x.data()[i]);
}

namespace detail {
/// Calls f(first, n, factor[64]) for blocks of 64 values: factor is 0 with probability `rate`, else 1 / (1 - rate).
template <class T, class F>
void for_dropout_factors(index size, double rate, const core::random& draw, core::execution how, F&& f) {
  const auto threshold = static_cast<std::uint32_t>(rate * 0x1p24);
  const T kept = static_cast<T>(1 / (1 - rate));
  core::parallel_for(how, size, flat_grain, [&](index begin, index end) {
    std::uint32_t word[core::random::block];
    T factor[core::random::block];
    for (index i = begin; i < end; i += core::random::block) {
      draw.bits_block(i / core::random::block, word);
      if constexpr (sizeof(T) == sizeof word[0]) {
        namespace simd = core::simd;
        for (index l = 0; l < core::random::block; l += simd::lanes<T>)
          simd::store<T>(factor + l, (simd::load(word + l) >> 8) < threshold ? simd::vec<T>{} : simd::broadcast(kept));
      } else {
        for (index l = 0; l < core::random::block; ++l) factor[l] = (word[l] >> 8) < threshold ? T(0) : kept;
      }
      f(i, std::min(core::random::block, end - i), factor);
    }
  });
}
}  // namespace detail

/// Inverted dropout: out = x * factor, with factor 0 or 1 / (1 - rate) drawn from `draw` by element.
template <class T>
void dropout_forward(core::in<T> x, double rate, const core::random& draw, core::view<T> out, core::execution how) {
  detail::for_dropout_factors<T>(x.size(), rate, draw, how, [&](index i, index n, const T* factor) {
    for (index l = 0; l < n; ++l) out.data()[i + l] = x.data()[i + l] * factor[l];
  });
}

/// dx += dout * factor, with the same draws.
template <class T>
void dropout_backward(core::in<T> dout, double rate, const core::random& draw, core::view<T> dx, core::execution how) {
  detail::for_dropout_factors<T>(dout.size(), rate, draw, how, [&](index i, index n, const T* factor) {
    for (index l = 0; l < n; ++l) dx.data()[i + l] += dout.data()[i + l] * factor[l];
  });
}

namespace detail {
/// Calls f(row, first column, count, normals) for all of [rows, cols], up to 64 standard normals at a time. Those of a row are a function
/// of `draw` and the row's number alone: its elements of the stream begin at a whole block, so no two rows share one.
template <class T, class F>
void for_normals(index rows, index cols, const core::random& draw, core::execution how, F&& f) {
  constexpr index block = core::random::block;
  const index row_blocks = core::block_count(cols, block);
  core::parallel_for(how, rows, 64, [&](index begin, index end) {
    T normals[block];
    for (index i = begin; i < end; ++i)
      for (index k = 0; k < row_blocks; ++k) {
        draw.normal_block<T>(i * row_blocks + k, normals);
        f(i, k * block, std::min(block, cols - k * block), static_cast<const T*>(normals));
      }
  });
}
}  // namespace detail

/// out = scale x + deviation * standard normals, which are those of for_normals(); out may be x.
template <class T>
void add_noise(core::in<T> x, double scale, double deviation, const core::random& draw, core::view<T> out, core::execution how) {
  namespace simd = core::simd;
  const T a = static_cast<T>(scale), b = static_cast<T>(deviation);
  detail::for_normals<T>(out.rows(), out.cols(), draw, how, [&](index i, index first, index count, const T* normals) {
    const T* from = x.row(i) + first;
    simd::transform<T>(count, out.row(i) + first,
                       [&](index j, index n) { return a * simd::load_upto(from + j, n) + b * simd::load_upto(normals + j, n); });
  });
}

}  // namespace cddrec::kernel
