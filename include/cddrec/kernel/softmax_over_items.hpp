// Cross-entropy against a softmax over the whole catalogue, streamed: no more than 32 MiB of the N x V scores is ever in memory.
// The forward pass keeps each row's log-sum-exp and its expected item vector, which already is the gradient of the prediction.
#pragma once

#include "cddrec/kernel/matmul.hpp"

namespace cddrec::kernel {

namespace detail {
inline constexpr index stream_rows = 4 * tile_rows;    // rows of one block, at most
inline constexpr index stream_cols = depth_block;      // columns of one block: also the depth of the second product
inline constexpr index stream_slab = 8 * stream_cols;  // items laid out at a time: a third-level cache holds them for all rows
// Bytes of scores, those of the first items, that are kept for backward: reading one takes a fifth of the time of computing it again.
inline constexpr index stream_kept_bytes = index{32} << 20;

/// Rows of each block of n: fewer than stream_rows where threads would else be without one in the last turn.
inline index stream_grain(index n, core::execution how) {
  const index threads = std::max(how.threads, 1), turns = std::max<index>(1, core::block_count(n, stream_rows * threads));
  return std::clamp(round_up(core::block_count(n, turns * threads), tile_rows), tile_rows, stream_rows);
}

/// Values of memory that `streamed` needs for m [n, d].
template <class T>
index streamed_size(index n, index d) {
  return round_up(n, panel<T>) * d + n * round_up(d, panel<T>);
}
/// Both forms of m [n, d] that streaming needs, packed into `memory`: m^T for scores, and m itself by blocks of stream_cols rows.
template <class T>
struct streamed {
  const T* scores;  // panels of m^T: block j starts at scores + j * d
  const T* values;  // block j starts at values + j * round_up(d, panel)
  index n, d;
  streamed(core::in<T> m, T* memory, core::execution how) : scores(memory), n(m.rows()), d(m.cols()) {
    pack<T>(transposed(m), memory, how);
    T* blocks = memory + round_up(n, panel<T>) * d;
    values = blocks;
    core::parallel_for(how, n, stream_cols, [&](index begin, index end) {
      pack<T>(plain(m.middle_rows(begin, end - begin)), blocks + begin * round_up(d, panel<T>), {1});
    });
  }
  const T* score_block(index j) const { return scores + j * d; }
  const T* value_block(index j) const { return values + j * round_up(d, panel<T>); }
};
}  // namespace detail

/// Values of workspace for both directions.
template <class T>
index softmax_over_items_workspace(index rows, index items, index d) {
  return detail::streamed_size<T>(std::max(rows, std::min(items, detail::stream_slab)), d);
}

/// Values of `scores`, which forward may keep for backward: those of all rows for as many whole blocks of items as may be kept.
template <class T>
index softmax_over_items_kept(index rows, index items) {
  const index most = detail::stream_kept_bytes / static_cast<index>(sizeof(T)) / std::max<index>(rows, 1);
  return rows * (items <= most ? items : most - most % detail::stream_cols);
}

/// loss_i = log sum_v exp(scale (x_i . e_v + bias_v)) - scale (x_i . e_target(i) + bias_target(i)), or without targets the first term
/// alone. x [N, d], items [V, d], bias [V] or empty, loss [N, 1], log_sum [N, 1]; every row needs an item whose score is finite.
/// Kept for backward, or empty: expected [N, d] = sum_v p_iv e_v, and scores.
template <class T, class Id>
void softmax_over_items_forward(core::in<T> x, core::in<T> items, std::span<const std::type_identity_t<T>> bias,
                                std::span<const Id> targets, std::type_identity_t<T> scale, core::view<T> loss, core::view<T> log_sum,
                                core::view<T> expected, std::span<std::type_identity_t<T>> scores,
                                std::span<std::type_identity_t<T>> workspace, core::execution how) {
  namespace simd = core::simd;
  using namespace detail;
  const index d = x.cols(), V = items.rows(), N = x.rows(), kept = std::ssize(scores), grain = stream_grain(N, how);
  // Until the end, log_sum holds each row's largest score so far, and loss its sum of exponentials relative to that.
  std::fill_n(log_sum.data(), x.rows(), -std::numeric_limits<T>::infinity());
  std::fill_n(loss.data(), x.rows(), T(0));
  if (!expected.empty()) std::fill_n(expected.data(), expected.size(), T(0));
  for (index first = 0; first < V; first += stream_slab) {
    const streamed<T> e(items.middle_rows(first, std::min(stream_slab, V - first)), workspace.data(), how);
    core::parallel_for(how, x.rows(), grain, [&](index begin, index end) {
      const index rows = end - begin;
      alignas(core::alignment) T tile[stream_rows * stream_cols];
      for (index j = 0; j < e.n; j += stream_cols) {
        const index n = std::min(stream_cols, e.n - j);
        T* const products = (first + j) * N < kept ? scores.data() + (first + j) * N + begin * n : tile;
        for (index r = 0; r < rows && !bias.empty(); ++r) std::copy_n(bias.data() + first + j, n, products + r * n);
        multiply_packed<T>(plain(x), begin, rows, e.score_block(j), n, products, n, bias.empty() ? write::assign : write::add);
        for (index r = 0; r < rows; ++r) {
          T *line = tile + r * n, &largest = log_sum(begin + r, 0), &total = loss(begin + r, 0);
          const T* from = products + r * n;
          const T raised = std::max(largest, scale * simd::largest(from, n));
          if (raised > largest) {  // rescale what the earlier blocks gave
            const T fade = std::exp(largest - raised);
            if (!expected.empty() && total > 0)
              for (index c = 0; c < d; ++c) expected(begin + r, c) *= fade;
            total *= fade;
            largest = raised;
          }
          // Where all scores so far are -infinity, less the largest they would be NaN; less a finite number they stay -infinity.
          const T shift = std::max(raised, std::numeric_limits<T>::lowest());
          simd::vec<T> sum{};
          const auto p = [&](index c, index m) { return simd::exp<T>(scale * simd::load_upto(from + c, m) - shift); };
          index c = 0;
          for (; c + simd::lanes<T> <= n; c += simd::lanes<T>) {
            const simd::vec<T> whole = p(c, simd::lanes<T>);
            simd::store<T>(line + c, whole);
            sum += whole;
          }
          if (c < n) {
            simd::store<T>(line + c, p(c, n - c), n - c);
            sum += simd::load(line + c, n - c);
          }
          total += simd::sum<T>(sum);
        }
        if (!expected.empty())
          multiply_packed<T>(plain(core::view<const T>(tile, rows, n)), 0, rows, e.value_block(j), d, expected.row(begin), d, write::add);
      }
    });
  }
  core::parallel_for(how, x.rows(), stream_rows, [&](index begin, index end) {
    for (index i = begin; i < end; ++i) {
      if (!expected.empty()) {
        const T inverse = T(1) / loss(i, 0);
        for (index c = 0; c < d; ++c) expected(i, c) *= inverse;
      }
      log_sum(i, 0) += std::log(loss(i, 0));
      loss(i, 0) = log_sum(i, 0);
      if (targets.empty()) continue;
      const auto target = static_cast<index>(targets[static_cast<std::size_t>(i)]);
      loss(i, 0) -= scale * (simd::dot(x.row(i), items.row(target), d) + (bias.empty() ? T(0) : bias[static_cast<std::size_t>(target)]));
    }
  });
}

/// Adds to dx and ditems (either may be empty) for upstream gradients dloss [N, 1].
/// forward: p_iv = exp(scale (x_i . e_v + bias_v) - log_sum_i);  dx_i = dloss_i scale (expected_i - e_target);
/// de_v = sum_i dloss_i scale (p_iv - [v = target(i)]) x_i
template <class T, class Id>
void softmax_over_items_backward(core::in<T> dloss, core::in<T> x, core::in<T> items, std::span<const std::type_identity_t<T>> bias,
                                 std::span<const Id> targets, std::type_identity_t<T> scale, core::in<T> log_sum, core::in<T> expected,
                                 std::span<const std::type_identity_t<T>> scores, core::view<T> dx,
                                 std::type_identity_t<core::view<T>> ditems, std::span<std::type_identity_t<T>> workspace,
                                 core::execution how) {
  namespace simd = core::simd;
  using namespace detail;
  const index d = x.cols(), N = x.rows();
  if (!dx.empty()) {
    core::parallel_for(how, N, stream_rows, [&](index begin, index end) {
      for (index i = begin; i < end; ++i) {
        const T up = dloss(i, 0) * scale;
        simd::add_scaled(dx.row(i), up, expected.row(i), d);
        if (!targets.empty()) simd::add_scaled(dx.row(i), -up, items.row(static_cast<index>(targets[static_cast<std::size_t>(i)])), d);
      }
    });
  }
  if (ditems.empty()) return;
  const streamed<T> tokens(x, workspace.data(), how);
  const index kept = N > 0 ? std::ssize(scores) / N : 0;
  // Scores that were kept lie by tokens: their weights are the transposed side of the product.
  core::parallel_for(how, kept, stream_cols, [&](index begin, index end) {
    const index n = end - begin;
    alignas(core::alignment) T tile[square * stream_cols];
    for (index i = 0; i < N; i += stream_cols)
      for (index stop = std::min(N, i + stream_cols), k = i; k < stop; k += square) {
        const index rows = std::min(square, stop - k);
        for (index r = 0; r < rows; ++r) {
          const T *from = scores.data() + begin * N + (k + r) * n, up = scale * dloss(k + r, 0), shift = log_sum(k + r, 0);
          simd::transform<T>(n, tile + r * n,
                             [&](index c, index m) { return up * simd::exp<T>(scale * simd::load_upto(from + c, m) - shift); });
        }
        multiply_packed<T>({tile, n, rows, 1, n}, 0, n, tokens.value_block(i) + (k - i) * panel<T>, d, ditems.row(begin), d, write::add,
                           stop - i);
      }
  });
  core::parallel_for(how, items.rows() - kept, stream_rows, [&](index from, index to) {
    const index begin = kept + from, end = kept + to, rows = end - begin;
    alignas(core::alignment) T tile[stream_rows * stream_cols];
    for (index i = 0; i < N; i += stream_cols) {
      const index n = std::min(stream_cols, N - i);
      for (index r = 0; r < rows && !bias.empty(); ++r) std::fill_n(tile + r * n, n, bias[static_cast<std::size_t>(begin + r)]);
      multiply_packed<T>(plain(items), begin, rows, tokens.score_block(i), n, tile, n, bias.empty() ? write::assign : write::add);
      for (index r = 0; r < rows; ++r) {
        T* line = tile + r * n;
        simd::transform<T>(n, line, [&](index c, index m) {
          using simd::load_upto;
          return scale * load_upto(dloss.data() + i + c, m) *
                 simd::exp<T>(scale * load_upto(line + c, m) - load_upto(log_sum.data() + i + c, m));
        });
      }
      multiply_packed<T>(plain(core::view<const T>(tile, rows, n)), 0, rows, tokens.value_block(i), d, ditems.row(begin), d, write::add);
    }
  });
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const index row = static_cast<index>(i);
    simd::add_scaled(ditems.row(static_cast<index>(targets[i])), -scale * dloss(row, 0), x.row(row), d);
  }
}

}  // namespace cddrec::kernel
