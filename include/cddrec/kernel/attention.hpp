// Packed multi-head self-attention: every sequence attends to itself alone, nothing is computed on padding.
// Only the log-sum-exp of each row and head is kept; the backward pass recomputes the probabilities from it.
#pragma once

#include <span>

#include "cddrec/core/parallel.hpp"
#include "cddrec/core/ragged.hpp"
#include "cddrec/core/random.hpp"

namespace cddrec::kernel {

using core::index;

/// Dropout of attention weights; rate 0 draws nothing.
struct attention_dropout {
  double rate = 0;
  core::random draw;
};

namespace detail {

inline constexpr index sequence_grain = 4;  // sequences a block

/// The dropout factors of the keys of one (row, head), 0 or 1 / (1 - rate), from elements of the stream that no other (row, head) uses.
template <class T>
class key_factors {
 public:
  key_factors(const attention_dropout& dropout, index row_head)
      : dropout_(dropout), row_head_(row_head), threshold_(static_cast<std::uint32_t>(dropout.rate * 0x1p24)),
        kept_(static_cast<T>(1 / (1 - dropout.rate))) {}
  T operator()(index key) {
    if (dropout_.rate == 0) return T(1);
    const index block = row_head_ * 4096 + key / core::random::block;  // up to 262,144 keys a row
    if (block != held_) dropout_.draw.bits_block(held_ = block, word_);
    return (word_[key % core::random::block] >> 8) < threshold_ ? T(0) : kept_;
  }

 private:
  const attention_dropout& dropout_;
  index row_head_, held_ = -1;
  std::uint32_t threshold_, word_[core::random::block];
  T kept_;
};

}  // namespace detail

/// out = softmax(q k^T / sqrt(d / heads)) v, sequence by sequence and head by head.
/// q, k, v, out [N, d]; log_sum [N, heads]; `causal`: row i sees rows up to i. `workspace` holds N values.
template <class T>
void attention_forward(core::in<T> q, core::in<T> k, core::in<T> v, core::ragged layout, bool causal, const attention_dropout& dropout,
                       core::view<T> out, core::view<T> log_sum, std::span<std::type_identity_t<T>> workspace, core::execution how) {
  namespace simd = core::simd;
  const index heads = log_sum.cols(), width = q.cols() / heads;
  const T scale = static_cast<T>(1 / std::sqrt(static_cast<double>(width)));
  core::parallel_for(how, layout.size(), detail::sequence_grain, [&](index first, index last) {
    for (index s = first; s < last; ++s) {
      const index begin = layout.begin(s), end = layout.end(s);
      T* score = workspace.data() + begin;
      for (index h = 0; h < heads; ++h) {
        const index column = h * width;
        for (index i = begin; i < end; ++i) {
          const index keys = (causal ? i + 1 : end) - begin;
          T largest = -std::numeric_limits<T>::infinity();
          for (index j = 0; j < keys; ++j) {
            score[j] = scale * simd::dot(q.row(i) + column, k.row(begin + j) + column, width);
            largest = std::max(largest, score[j]);
          }
          T total = 0;
          for (index j = 0; j < keys; ++j) total += score[j] = std::exp(score[j] - largest);
          log_sum(i, h) = largest + std::log(total);
          detail::key_factors<T> factor(dropout, i * heads + h);
          T* to = out.row(i) + column;
          std::fill_n(to, width, T(0));
          for (index j = 0; j < keys; ++j) simd::add_scaled(to, score[j] / total * factor(j), v.row(begin + j) + column, width);
        }
      }
    }
  });
}

/// Adds to dq, dk and dv, of which any may be empty. `workspace` holds 2 N values.
/// forward: p_ij = exp(scale q_i . k_j - log_sum_i); out_i = sum_j p_ij f_ij v_j
template <class T>
void attention_backward(core::in<T> dout, core::in<T> q, core::in<T> k, core::in<T> v, core::ragged layout, bool causal,
                        const attention_dropout& dropout, core::in<T> log_sum, core::view<T> dq, core::view<T> dk, core::view<T> dv,
                        std::span<std::type_identity_t<T>> workspace, core::execution how) {
  namespace simd = core::simd;
  const index heads = log_sum.cols(), width = q.cols() / heads;
  const T scale = static_cast<T>(1 / std::sqrt(static_cast<double>(width)));
  core::parallel_for(how, layout.size(), detail::sequence_grain, [&](index first, index last) {
    const bool want_q = !dq.empty(), want_k = !dk.empty(), want_v = !dv.empty();  // locals, which no store can alias
    for (index s = first; s < last; ++s) {
      const index begin = layout.begin(s), end = layout.end(s);
      T *p = workspace.data() + 2 * begin, *dp = p + (end - begin);
      for (index h = 0; h < heads; ++h) {
        const index column = h * width;
        for (index i = begin; i < end; ++i) {
          const index keys = (causal ? i + 1 : end) - begin;
          detail::key_factors<T> factor(dropout, i * heads + h);
          const T* up = dout.row(i) + column;
          T along = 0;  // sum_j p_ij dp_ij: what the softmax takes back
          for (index j = 0; j < keys; ++j) {
            const T f = factor(j);
            p[j] = std::exp(scale * simd::dot(q.row(i) + column, k.row(begin + j) + column, width) - log_sum(i, h));
            dp[j] = f * simd::dot(up, v.row(begin + j) + column, width);
            along += p[j] * dp[j];
            if (want_v) simd::add_scaled(dv.row(begin + j) + column, p[j] * f, up, width);
          }
          for (index j = 0; j < keys; ++j) {
            const T ds = scale * p[j] * (dp[j] - along);
            if (want_q) simd::add_scaled(dq.row(i) + column, ds, k.row(begin + j) + column, width);
            if (want_k) simd::add_scaled(dk.row(begin + j) + column, ds, q.row(i) + column, width);
          }
        }
      }
    }
  });
}

}  // namespace cddrec::kernel
