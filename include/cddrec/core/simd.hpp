// The widest vector the build has, by the compiler's vector extension, and elementary functions on it.
// Float functions are branch-free polynomials; double ones call the standard library, lane by lane, for gradient checks.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "cddrec/core/tensor.hpp"

#if defined(__AVX__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif

// exp() rounds by adding and subtracting one large number, and values that are not finite must be noticed.
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "cddrec needs exact float arithmetic: compile without -ffast-math, -Ofast, -fassociative-math and -ffinite-math-only"
#endif

namespace cddrec::core::simd {

/// Bytes of one vector register of this build. One program must be built with one set of -m flags.
#if defined(__AVX512F__)
inline constexpr index bytes = 64;
#elif defined(__AVX__)
inline constexpr index bytes = 32;
#else
inline constexpr index bytes = 16;
#endif

namespace detail {
template <class T>
struct vector_of {
  typedef T type __attribute__((vector_size(bytes)));
};
template <class T>
using bits_of = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
}  // namespace detail

template <class T>
using vec = typename detail::vector_of<T>::type;
template <class T>
using bits = typename detail::vector_of<detail::bits_of<T>>::type;
template <class T>
inline constexpr index lanes = bytes / static_cast<index>(sizeof(T));

/// Reads one vector from any address.
template <class T>
inline vec<T> load(const T* p) {
  vec<T> v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
/// Reads the first `count` < lanes values; the rest is zero.
template <class T>
inline vec<T> load(const T* p, index count) {
  vec<T> v{};
  std::memcpy(&v, p, static_cast<std::size_t>(count) * sizeof(T));
  return v;
}
template <class T>
inline void store(T* p, vec<T> v) {
  std::memcpy(p, &v, sizeof v);
}
template <class T>
inline void store(T* p, vec<T> v, index count) {
  std::memcpy(p, &v, static_cast<std::size_t>(count) * sizeof(T));
}
template <class T>
inline vec<T> broadcast(T x) {
  return x - vec<T>{};
}

namespace detail {
/// Adds lane i + Width, around the end, to lane i; then likewise for half the width.
template <class T, index Width>
inline T fold(vec<T> v) {
  if constexpr (Width == 0) {
    return v[0];
  } else {
    const auto shifted = [&]<index... I>(std::integer_sequence<index, I...>) {
      return __builtin_shufflevector(v, v, ((I + Width) % lanes<T>)...);
    };
    return fold<T, Width / 2>(v + shifted(std::make_integer_sequence<index, lanes<T>>{}));
  }
}
}  // namespace detail

/// Sum of all lanes, always in the same order (halves are folded).
template <class T>
inline T sum(vec<T> v) {
  return detail::fold<T, lanes<T> / 2>(v);
}
template <class T>
inline vec<T> max(vec<T> a, vec<T> b) {
  return a > b ? a : b;
}
template <class T>
inline vec<T> min(vec<T> a, vec<T> b) {
  return a < b ? a : b;
}

/// Products of the lower 32 bits of 64-bit lanes; the upper 32 bits are not read. (GCC does not find the instruction by itself.)
inline vec<std::uint64_t> multiply_low_halves(vec<std::uint64_t> a, vec<std::uint64_t> b) {
#if defined(__AVX512F__)  // maskz: the same instruction, and GCC 12 does not warn of its own undefined operand (bug 105593)
  return std::bit_cast<vec<std::uint64_t>>(_mm512_maskz_mul_epu32(0xff, std::bit_cast<__m512i>(a), std::bit_cast<__m512i>(b)));
#elif defined(__AVX2__)
  return std::bit_cast<vec<std::uint64_t>>(_mm256_mul_epu32(std::bit_cast<__m256i>(a), std::bit_cast<__m256i>(b)));
#else
  return (a & std::uint64_t{0xFFFFFFFFu}) * (b & std::uint64_t{0xFFFFFFFFu});
#endif
}

/// acc + x y. An int32 stands for two 16-bit numbers: acc + x.low y.low + x.high y.high.
template <class T>
inline vec<T> multiply_add(vec<T> x, vec<T> y, vec<T> acc) {
  if constexpr (!std::is_same_v<T, std::int32_t>) {
    return acc + x * y;
  } else {
#if defined(__AVX512BW__)
    return acc + std::bit_cast<vec<T>>(_mm512_madd_epi16(std::bit_cast<__m512i>(x), std::bit_cast<__m512i>(y)));
#elif defined(__AVX2__) && !defined(__AVX512F__)
    return acc + std::bit_cast<vec<T>>(_mm256_madd_epi16(std::bit_cast<__m256i>(x), std::bit_cast<__m256i>(y)));
#elif defined(__SSE2__) && !defined(__AVX__)
    return acc + std::bit_cast<vec<T>>(_mm_madd_epi16(std::bit_cast<__m128i>(x), std::bit_cast<__m128i>(y)));
#else
    return acc + (x << 16 >> 16) * (y << 16 >> 16) + (x >> 16) * (y >> 16);
#endif
  }
}

namespace detail {
template <class T, class F>
inline vec<T> by_lane(vec<T> x, F f) {
  T lane[lanes<T>];
  std::memcpy(lane, &x, sizeof x);
  for (T& l : lane) l = f(l);
  return load(lane);
}
template <class To, class From>
inline To cast(From v) {
  static_assert(sizeof(To) == sizeof(From));
  return std::bit_cast<To>(v);
}
}  // namespace detail

/// e^x; NaN stays NaN. Float: relative error below 2e-7 from -87 to 88.3; arguments below, -infinity too, give at most 2e-38, those above,
/// infinity too, 2.2e38.
template <class T>
inline vec<T> exp(vec<T> x) {
  if constexpr (std::is_same_v<T, float>) {
    // e^x = 2^n e^r with |r| <= ln2 / 2; adding 1.5 * 2^23 rounds to an integer n in the low mantissa bits.
    // NaN is left where x is the second operand: no comparison with it holds.
    x = min<float>(broadcast(88.3f), max<float>(broadcast(-87.0f), x));
    const vec<float> magic = broadcast(12582912.0f);
    const vec<float> shifted = x * 1.44269504088896f + magic;
    const vec<float> n = shifted - magic;
    const vec<float> r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    vec<float> p = broadcast(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    const bits<float> scale = (detail::cast<bits<float>>(shifted) - 0x4B400000 + 127) << 23;
    return p * detail::cast<vec<float>>(scale);
  } else {
    return detail::by_lane<T>(x, [](T v) { return std::exp(v); });
  }
}

/// ln x for normal positive x. Float: relative error below 1e-7.
template <class T>
inline vec<T> log(vec<T> x) {
  if constexpr (std::is_same_v<T, float>) {
    // x = 2^e m with m in [sqrt(1/2), sqrt(2)); ln x = e ln2 + ln m by a minimax polynomial in m - 1 (Cephes logf).
    const bits<float> raw = detail::cast<bits<float>>(x);
    const bits<float> shifted = raw - 0x3F3504F3;
    const bits<float> exponent = shifted >> 23;
    const vec<float> m = detail::cast<vec<float>>(raw - (exponent << 23)) - 1.0f;
    const vec<float> e = __builtin_convertvector(exponent, vec<float>);
    vec<float> p = broadcast(7.0376836292e-2f);
    p = p * m - 1.1514610310e-1f;
    p = p * m + 1.1676998740e-1f;
    p = p * m - 1.2420140846e-1f;
    p = p * m + 1.4249322787e-1f;
    p = p * m - 1.6668057665e-1f;
    p = p * m + 2.0000714765e-1f;
    p = p * m - 2.4999993993e-1f;
    p = p * m + 3.3333331174e-1f;
    const vec<float> square = m * m;
    vec<float> tail = p * m * square - e * 2.12194440e-4f;
    tail = tail - 0.5f * square;
    return (m + tail) + e * 0.693359375f;
  } else {
    return detail::by_lane<T>(x, [](T v) { return std::log(v); });
  }
}

/// sqrt x, correctly rounded.
template <class T>
inline vec<T> sqrt(vec<T> x) {
  // By name: std::sqrt may set errno, which keeps compilers from taking the vector instruction. maskz: as in multiply_low_halves.
#if defined(__AVX512F__)
  if constexpr (std::is_same_v<T, float>)
    return _mm512_maskz_sqrt_ps(0xffff, x);
  else if constexpr (std::is_same_v<T, double>)
    return _mm512_maskz_sqrt_pd(0xff, x);
#elif defined(__AVX__)
  if constexpr (std::is_same_v<T, float>)
    return _mm256_sqrt_ps(x);
  else if constexpr (std::is_same_v<T, double>)
    return _mm256_sqrt_pd(x);
#endif
  return detail::by_lane<T>(x, [](T v) { return std::sqrt(v); });
}

/// erf x, and e^(-x^2), which comes with it. Float: absolute error below 7e-7 (Abramowitz and Stegun 7.1.26).
template <class T>
inline vec<T> erf(vec<T> x, vec<T>& gaussian) {
  gaussian = exp<T>(-x * x);
  if constexpr (std::is_same_v<T, float>) {
    const vec<float> t = 1.0f / (1.0f + 0.3275911f * (x < 0.0f ? -x : x));
    vec<float> p = broadcast(1.061405429f);
    p = p * t - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    const vec<float> y = 1.0f - p * t * gaussian;
    return x < 0.0f ? -y : y;
  } else {
    return detail::by_lane<T>(x, [](T v) { return std::erf(v); });
  }
}

/// cos and sin of 2 pi u for |u| below 2^20: whole turns fall out of the reduction, which is exact. Float: absolute error below 6e-7.
template <class T>
inline void cos_sin_turn(vec<T> u, vec<T>& cosine, vec<T>& sine) {
  if constexpr (std::is_same_v<T, float>) {
    // Reduce to an eighth of a turn either side of a quarter turn; the quadrant swaps and signs the two series.
    const vec<float> magic = broadcast(12582912.0f);
    const vec<float> shifted = u * 4.0f + magic;
    const vec<float> r = (u * 4.0f - (shifted - magic)) * 1.57079632679490f;
    const bits<float> quadrant = detail::cast<bits<float>>(shifted) & 3;
    const vec<float> r2 = r * r;
    vec<float> s = broadcast(-1.9515295891e-4f);
    s = s * r2 + 8.3321608736e-3f;
    s = s * r2 - 1.6666654611e-1f;
    s = s * r2 * r + r;
    vec<float> c = broadcast(2.443315711809948e-5f);
    c = c * r2 - 1.388731625493765e-3f;
    c = c * r2 + 4.166664568298827e-2f;
    c = c * r2 * r2 - 0.5f * r2 + 1.0f;
    const auto odd = (quadrant & 1) != 0;
    const vec<float> cos_value = odd ? s : c;
    const vec<float> sin_value = odd ? c : s;
    const auto cos_negative = ((quadrant + 1) & 2) != 0;
    const auto sin_negative = (quadrant & 2) != 0;
    cosine = cos_negative ? -cos_value : cos_value;
    sine = sin_negative ? -sin_value : sin_value;
  } else {
    constexpr T turn = T(6.283185307179586476925);
    cosine = detail::by_lane<T>(u, [](T v) { return std::cos(turn * v); });
    sine = detail::by_lane<T>(u, [](T v) { return std::sin(turn * v); });
  }
}

/// Writes the first n lanes of f(i, n) to y[i …]: n is lanes for whole vectors, then once less for the rest, if there is one. f reads its
/// inputs by load_upto(x + i, n), so every element goes through the same arithmetic wherever it stands.
template <class T, class F>
inline void transform(index count, T* y, F&& f) {
  index i = 0;
  for (; i + lanes<T> <= count; i += lanes<T>) store(y + i, f(i, lanes<T>));
  if (i < count) store(y + i, f(i, count - i), count - i);
}

/// Reads `count` values at p: a whole vector when count is lanes, zero-filled otherwise.
template <class T>
inline vec<T> load_upto(const T* p, index count) {
  return count == lanes<T> ? load(p) : load(p, count);
}

/// Writes `count` values to p: a whole vector when count is lanes.
template <class T>
inline void store_upto(T* p, vec<T> v, index count) {
  if (count == lanes<T>)
    store<T>(p, v);
  else
    store<T>(p, v, count);
}

/// Whether a comparison holds in any lane.
template <class T>
inline bool any(bits<T> holds) {
  std::uint64_t part[bytes / 8], all = 0;
  std::memcpy(part, &holds, sizeof holds);
  for (const std::uint64_t p : part) all |= p;
  return all != 0;
}

/// The largest of `count` values; -infinity if count is 0, unspecified if one of them is NaN.
template <class T>
inline T largest(const T* x, index count) {
  T top = -std::numeric_limits<T>::infinity();
  index i = 0;
  vec<T> peak = broadcast(top);
  for (; i + lanes<T> <= count; i += lanes<T>) peak = max<T>(peak, load(x + i));
  for (index l = 0; l < lanes<T>; ++l) top = std::max(top, static_cast<T>(peak[l]));
  for (; i < count; ++i) top = std::max(top, x[i]);
  return top;
}

/// Sum of f(i) over the whole vectors among `count` values (the rest is left to the caller), in a fixed order: four sums side by side, as
/// the additions of one alone would wait for each other.
template <class T, class F>
inline vec<T> sum_vectors(index count, F&& f) {
  vec<T> a{}, b{}, c{}, e{};
  index i = 0;
  for (; i + 4 * lanes<T> <= count; i += 4 * lanes<T>) {
    a += f(i);
    b += f(i + lanes<T>);
    c += f(i + 2 * lanes<T>);
    e += f(i + 3 * lanes<T>);
  }
  for (; i + lanes<T> <= count; i += lanes<T>) a += f(i);
  return (a + b) + (c + e);
}

/// sum_i a_i b_i in a fixed order.
template <class T>
inline T dot(const T* a, const T* b, index count) {
  vec<T> total = sum_vectors<T>(count, [&](index i) { return load(a + i) * load(b + i); });
  const index rest = count % lanes<T>;
  if (rest > 0) total += load(a + count - rest, rest) * load(b + count - rest, rest);
  return sum<T>(total);
}

/// y += a x.
template <class T>
inline void add_scaled(T* y, std::type_identity_t<T> a, const std::type_identity_t<T>* x, index count) {
  transform<T>(count, y, [&](index i, index n) { return load_upto(y + i, n) + a * load_upto(x + i, n); });
}

}  // namespace cddrec::core::simd
