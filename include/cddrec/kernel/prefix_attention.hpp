// Causal cross-attention with one query for all positions, in linear time (Eq. 9).
// The query does not depend on the position, so row n is a running weighted mean of the values up to n: one scan forward, one back,
// all heads of a row together, since that is how it lies in memory.
#pragma once

#include <span>

#include "cddrec/core/parallel.hpp"
#include "cddrec/core/ragged.hpp"
#include "cddrec/core/simd.hpp"

namespace cddrec::kernel {

using core::index;

namespace detail {
inline constexpr index prefix_grain = 8;  // sequences a block
}

/// out_n = sum_{j <= n} e^{s_j} f_j v_j / sum_{j <= n} e^{s_j} with s_j = q . k_j / sqrt(d / heads), head by head.
/// q [1, d]; k, v, out [N, d]; factor [N, heads] scales the numerator of a key (attention dropout) or is empty for 1;
/// state [N, 3 heads] keeps score, running maximum and running denominator (relative to the maximum).
template <class T>
void prefix_attention_forward(core::in<T> q, core::in<T> k, core::in<T> v, core::in<T> factor, core::ragged layout, core::view<T> out,
                              core::view<T> state, core::execution how) {
  namespace simd = core::simd;
  const index heads = state.cols() / 3, width = k.cols() / heads;
  const T scale = static_cast<T>(1 / std::sqrt(static_cast<double>(width)));
  core::parallel_for(how, layout.size(), detail::prefix_grain, [&](index first, index last) {
    for (index s = first; s < last; ++s) {
      for (index n = layout.begin(s); n < layout.end(s); ++n) {
        const bool start = n == layout.begin(s);
        for (index h = 0; h < heads; ++h) {
          const index column = h * width;
          const T score = scale * simd::dot(q.data() + column, k.row(n) + column, width);
          const T before = start ? -std::numeric_limits<T>::infinity() : state(n - 1, heads + h);
          const T largest = std::max(before, score), fade = std::exp(before - largest), weight = std::exp(score - largest);
          const T previous = start ? T(0) : fade * state(n - 1, 2 * heads + h), denominator = previous + weight;
          state(n, h) = score;
          state(n, heads + h) = largest;
          state(n, 2 * heads + h) = denominator;
          // The running mean itself is carried, not the sums: out_n = out_{n-1} (previous / denominator) + v_n (weight / denominator).
          const T keep = previous / denominator, take = weight / denominator * (factor.empty() ? T(1) : factor(n, h));
          const T* mean = start ? nullptr : out.row(n - 1) + column;
          simd::transform<T>(width, out.row(n) + column, [&](index j, index m) {
            const simd::vec<T> fresh = take * simd::load_upto(v.row(n) + column + j, m);
            return mean ? keep * simd::load_upto(mean + j, m) + fresh : fresh;
          });
        }
      }
    }
  });
}

/// Values of workspace that `prefix_attention_backward` needs.
inline index prefix_attention_workspace(core::ragged layout, index width) {
  return core::block_count(layout.size(), detail::prefix_grain) * 4 * width;
}

/// Adds to dq [1, d], dk and dv [N, d], of which any may be empty.
/// forward: out_n = sum_{j <= n} e^{s_j - m_n} f_j v_j / z_n. With R_j = sum_{n >= j} e^{m_j - m_n} dout_n / z_n, scanned from the end,
/// dv_j = e^{s_j - m_j} f_j R_j and ds_j = e^{s_j - m_j} (f_j R_j . v_j - c_j), where c_j scans dout_n . out_n / z_n likewise.
template <class T>
void prefix_attention_backward(core::in<T> dout, core::in<T> q, core::in<T> k, core::in<T> v, core::in<T> factor, core::ragged layout,
                               core::in<T> out, core::in<T> state, core::view<T> dq, core::view<T> dk, core::view<T> dv,
                               std::span<std::type_identity_t<T>> workspace, core::execution how) {
  namespace simd = core::simd;
  const index heads = state.cols() / 3, d = k.cols(), width = d / heads;
  const T scale = static_cast<T>(1 / std::sqrt(static_cast<double>(width)));
  core::parallel_for(how, layout.size(), detail::prefix_grain, [&](index first, index last) {
    T* block_dq = workspace.data() + first / detail::prefix_grain * 4 * d;
    T *carried = block_dq + d, *carried_along = carried + d;  // [d], [heads]
    T* unwanted = carried + 2 * d;  // [d], in the place of a row of an empty dk or dv: not to write would cost a branch in the loop
    std::fill_n(block_dq, 4 * d, T(0));
    for (index s = first; s < last; ++s) {
      std::fill_n(carried, 2 * d, T(0));
      for (index n = layout.end(s) - 1; n >= layout.begin(s); --n) {
        T *const to_k = dk.empty() ? unwanted : dk.row(n), *const to_v = dv.empty() ? unwanted : dv.row(n);
        for (index h = 0; h < heads; ++h) {
          const index column = h * width;
          const T score = state(n, h), largest = state(n, heads + h), inverse = T(1) / state(n, 2 * heads + h);
          const T fade = n + 1 == layout.end(s) ? T(0) : std::exp(largest - state(n + 1, heads + h));
          const T* up = dout.row(n) + column;
          T* own = carried + column;
          simd::transform<T>(width, own,
                             [&](index j, index m) { return fade * simd::load_upto(own + j, m) + inverse * simd::load_upto(up + j, m); });
          carried_along[h] = fade * carried_along[h] + inverse * simd::dot(up, out.row(n) + column, width);
          const T weight = std::exp(score - largest), f = factor.empty() ? T(1) : factor(n, h);
          simd::add_scaled(to_v + column, weight * f, static_cast<const T*>(own), width);
          const T ds = scale * weight * (f * simd::dot(static_cast<const T*>(own), v.row(n) + column, width) - carried_along[h]);
          simd::add_scaled(to_k + column, ds, q.data() + column, width);
          simd::add_scaled(block_dq + column, ds, k.row(n) + column, width);
        }
      }
    }
  });
  for (index b = 0; !dq.empty() && b < core::block_count(layout.size(), detail::prefix_grain); ++b)
    simd::add_scaled(dq.data(), T(1), static_cast<const T*>(workspace.data() + b * 4 * d), d);
}

}  // namespace cddrec::kernel
