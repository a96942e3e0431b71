// Inner products of unit rows in 16-bit fixed point: half the memory of float, twice the multiplications an instruction, and a
// bound on the error. An std::int32_t stands for two neighbouring coordinates, so layout and product are those of matmul.hpp.
#pragma once

#include "cddrec/kernel/matmul.hpp"

namespace cddrec::kernel {

/// Two neighbouring coordinates, each times 2^15 and rounded.
using fixed_pair = std::int32_t;

/// How many pairs hold d coordinates.
inline index fixed_pairs(index d) { return (d + 1) / 2; }

/// An integer product of two fixed-point rows, times this, is their inner product.
template <class T>
inline constexpr T fixed_point_unit = T(1) / (T(32768) * T(32768));

/// Rounds one row of Euclidean length 1 or less to fixed point, fixed_pairs(d) of them. Returns the length of the rounding error,
/// infinity for a row that is longer or not finite.
template <class T>
T to_fixed_point(const T* row, index d, fixed_pair* out) {
  namespace simd = core::simd;
  typedef std::int16_t narrow __attribute__((vector_size(2 * simd::lanes<T>)));
  const simd::vec<T> one = simd::broadcast(T(32768)), most = one - T(1);
  const simd::vec<T> magic = simd::broadcast(T(1.5) / std::numeric_limits<T>::epsilon());  // adding it rounds to an integer
  simd::vec<T> length{}, error{};
  if (d > 0) out[fixed_pairs(d) - 1] = 0;
  for (index j = 0; j < d; j += simd::lanes<T>) {
    const index n = std::min(simd::lanes<T>, d - j);
    const simd::vec<T> x = simd::load_upto(row + j, n);
    const simd::vec<T> fixed = simd::min<T>(simd::max<T>((x * one + magic) - magic, -most), most);
    const simd::vec<T> off = x - fixed / one;
    length += x * x;
    error += off * off;
    const narrow values = __builtin_convertvector(__builtin_convertvector(fixed, simd::bits<T>), narrow);
    std::memcpy(reinterpret_cast<std::int16_t*>(out) + j, &values, static_cast<std::size_t>(n) * sizeof(std::int16_t));
  }
  // No partial sum of a product of two such rows can leave 32 bits: their lengths bound it (Cauchy and Schwarz).
  return simd::sum<T>(length) <= T(1.0002) ? std::sqrt(simd::sum<T>(error)) : std::numeric_limits<T>::infinity();
}

/// A bound on |x . y - their fixed-point product| for rows of d values whose to_fixed_point gave `a` and `b`; x . y is summed in float.
template <class T>
T fixed_point_error(T a, T b, index d) {
  // |x.y - x'.y'| <= |x - x'| |y| + |x'| |y - y'|; then d roundings of the sum and one of the fixed-point product; all rounded up a little.
  return T(1.001) * (a + b + a * b) + static_cast<T>(d + 4) * T(6e-8);
}

/// Values of workspace of matmul_fixed_point for a result [m, n].
inline index fixed_point_workspace(index m, index n) { return m * (n + detail::panel<fixed_pair>); }

/// out [m, n] = a b[:, first … first + n) for rows `a` [m, pairs] in fixed point and b [pairs, …] that pack() has laid out.
template <class T>
void matmul_fixed_point(core::in<fixed_pair> a, const fixed_pair* packed, index first, core::view<T> out, std::span<fixed_pair> workspace,
                        core::execution how) {
  CDDREC_ASSERT(static_cast<index>(workspace.size()) >= fixed_point_workspace(out.rows(), out.cols()));
  const index before = first % detail::panel<fixed_pair>;  // columns of the first panel that are not asked for
  const core::view<fixed_pair> products(workspace.data(), out.rows(), before + out.cols());
  matmul_packed<fixed_pair>(plain(a), packed, first - before, write::assign, products, how);
  core::parallel_for(how, out.rows(), 16, [&](index begin, index end) {
    for (index i = begin; i < end; ++i) {
      const fixed_pair* from = products.row(i) + before;
      T* to = out.row(i);
      for (index j = 0; j < out.cols(); ++j) to[j] = static_cast<T>(from[j]) * fixed_point_unit<T>;
    }
  });
}

}  // namespace cddrec::kernel
