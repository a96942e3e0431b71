// Exact InfoNCE over all tokens of a batch (Eq. 14, 15), streamed: memory O(N d), never N x N.
// Rows are unit vectors, so logits are bounded by 1 / temperature: a fixed shift replaces the running maximum.
#pragma once

#include "cddrec/kernel/softmax_over_items.hpp"

namespace cddrec::kernel {

namespace detail {

/// tile[r][c] = exp((z_{row+r} . z_{col+c} - 1) / temperature), zero on the diagonal and at false negatives.
/// z is [a; b], 2 N rows; `ids` (empty: not used) names each token's target: other tokens of the same target are left out.
template <class T, class Id>
void info_nce_tile(core::in<T> z, const streamed<T>& packed, std::span<const Id> ids, T scale, index row, index rows, index col, index cols,
                   T* tile) {
  namespace simd = core::simd;
  multiply_packed<T>(plain(z), row, rows, packed.score_block(col), cols, tile, cols, write::assign);
  const index N = z.rows() / 2;
  for (index r = 0; r < rows; ++r) {
    T* line = tile + r * cols;
    simd::transform<T>(cols, line, [&](index c, index m) { return simd::exp<T>(scale * simd::load_upto(line + c, m) - scale); });
    const index i = row + r;
    if (!ids.empty()) {
      const index positive = i < N ? i + N : i - N;
      const Id own = ids[static_cast<std::size_t>(i % N)];
      for (index c = 0; c < cols; ++c)
        if (ids[static_cast<std::size_t>((col + c) % N)] == own && col + c != positive) line[c] = T(0);
    }
    if (i >= col && i < col + cols) line[i - col] = T(0);
  }
}

}  // namespace detail

/// Values of workspace for both directions, for N pairs of d values.
template <class T>
index info_nce_workspace(index pairs, index d) {
  using namespace detail;
  return 2 * pairs * d + streamed_size<T>(2 * pairs, d) + 2 * pairs * d + 2 * pairs;
}

/// Mean over the 2 N anchors of -log exp(z_i . z_pos / t) / sum_{j != i} exp(z_i . z_j / t), z = [a; b], each row of unit length.
/// a, b [N, d]; partner of a_i is b_i. sums [2 N, 1] keeps the shifted denominators. Returns the loss.
template <class T, class Id>
T info_nce_forward(core::in<T> a, core::in<T> b, std::span<const Id> ids, std::type_identity_t<T> temperature, core::view<T> sums,
                   std::span<std::type_identity_t<T>> workspace, core::execution how) {
  namespace simd = core::simd;
  using namespace detail;
  const index N = a.rows(), d = a.cols();
  if (N == 0) return T(0);
  const T scale = T(1) / temperature;
  core::view<T> z(workspace.data(), 2 * N, d);
  std::copy_n(a.data(), N * d, z.row(0));
  std::copy_n(b.data(), N * d, z.row(N));
  const streamed<T> packed(z, z.row(2 * N), how);
  T* loss = z.row(2 * N) + streamed_size<T>(2 * N, d);
  core::parallel_for(how, 2 * N, stream_rows, [&](index begin, index end) {
    alignas(core::alignment) T tile[stream_rows * stream_cols];
    T total[stream_rows] = {};
    for (index j = 0; j < 2 * N; j += stream_cols) {
      const index n = std::min(stream_cols, 2 * N - j);
      info_nce_tile<T, Id>(z, packed, ids, scale, begin, end - begin, j, n, tile);
      for (index r = 0; r < end - begin; ++r) {
        simd::vec<T> sum{};
        for (index c = 0; c < n; c += simd::lanes<T>) sum += simd::load_upto(tile + r * n + c, std::min(simd::lanes<T>, n - c));
        total[r] += simd::sum<T>(sum);
      }
    }
    for (index i = begin; i < end; ++i) {
      sums(i, 0) = total[i - begin];
      const T positive = simd::dot(z.row(i), z.row(i < N ? i + N : i - N), d);
      loss[i] = std::log(total[i - begin]) + scale - scale * positive;
    }
  });
  T mean = 0;
  for (index i = 0; i < 2 * N; ++i) mean += loss[i];
  return mean / static_cast<T>(2 * N);
}

/// Adds upstream * d loss / d a to da and likewise db.
/// forward: E_ij = exp((z_i . z_j - 1) / t), S_i = sum_j E_ij. With g = upstream / (2 N t),
/// dz_i = g sum_j E_ij (1 / S_i + 1 / S_j) z_j - 2 g z_pos(i): i is an anchor itself, and in the denominator of every other anchor.
template <class T, class Id>
void info_nce_backward(std::type_identity_t<T> upstream, core::in<T> a, core::in<T> b, std::span<const Id> ids,
                       std::type_identity_t<T> temperature, core::in<T> sums, core::view<T> da, core::view<T> db,
                       std::span<std::type_identity_t<T>> workspace, core::execution how) {
  namespace simd = core::simd;
  using namespace detail;
  const index N = a.rows(), d = a.cols();
  if (N == 0) return;
  const T scale = T(1) / temperature, g = upstream * scale / static_cast<T>(2 * N);
  core::view<T> z(workspace.data(), 2 * N, d);
  std::copy_n(a.data(), N * d, z.row(0));
  std::copy_n(b.data(), N * d, z.row(N));
  const streamed<T> packed(z, z.row(2 * N), how);
  core::view<T> dz(z.row(2 * N) + streamed_size<T>(2 * N, d), 2 * N, d);
  T* weight = dz.row(2 * N);
  for (index i = 0; i < 2 * N; ++i) weight[i] = g / sums(i, 0);
  core::parallel_for(how, 2 * N, stream_rows, [&](index begin, index end) {
    const index rows = end - begin;
    alignas(core::alignment) T tile[stream_rows * stream_cols];
    for (index j = 0; j < 2 * N; j += stream_cols) {
      const index n = std::min(stream_cols, 2 * N - j);
      info_nce_tile<T, Id>(z, packed, ids, scale, begin, rows, j, n, tile);
      for (index r = 0; r < rows; ++r) {
        T* line = tile + r * n;
        const T own = weight[begin + r];
        simd::transform<T>(n, line, [&](index c, index m) {
          return simd::load_upto(line + c, m) * (own + simd::load_upto(weight + j + c, m));
        });
      }
      multiply_packed<T>(plain(core::view<const T>(tile, rows, n)), 0, rows, packed.value_block(j), d, dz.row(begin), d,
                         j == 0 ? write::assign : write::add);
    }
    for (index i = begin; i < end; ++i) {
      const bool first = i < N;
      const core::view<T>& to = first ? da : db;
      if (to.empty()) continue;
      T* row = to.row(first ? i : i - N);
      simd::add_scaled(row, T(1), dz.row(i), d);
      simd::add_scaled(row, T(-2) * g, z.row(first ? i + N : i - N), d);
    }
  });
}

}  // namespace cddrec::kernel
