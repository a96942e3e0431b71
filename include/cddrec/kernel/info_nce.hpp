// Exact InfoNCE over all tokens of a batch (Eq. 14, 15), streamed: memory O(N d), never N x N.
// Similarities are symmetric, so each pair of blocks is multiplied once and serves the rows of both.
#pragma once

#include <limits>

#include "cddrec/kernel/matmul.hpp"

namespace cddrec::kernel {

namespace detail {

// Rows of a block: whole register tiles and whole panels at any vector width, and a tile that fits the second-level cache.
inline constexpr index nce_block = 192;

/// A block of similarities: rows nce_block apart, filled up with -infinity to whole vectors and to whole groups of rows.
template <class T>
struct nce_tile {
  static constexpr index group = 4;  // rows that are read together
  alignas(core::alignment) T values[nce_block * nce_block];
  T* row(index r) { return values + r * nce_block; }
};

/// What both directions read: z = [a; b] [2 N, d], as it is and packed. Forward lays it out, backward finds it.
template <class T, class Id>
struct nce_pairs {
  core::view<const T> z;
  const T* panels;
  std::span<const Id> ids;
  T scale;

  static index size(index N, index d) { return 2 * N * d + packed_size<T>(d, 2 * N); }
  nce_pairs(index N, index d, const T* kept, std::span<const Id> ids, T scale)
      : z(kept, 2 * N, d), panels(kept + z.size()), ids(ids), scale(scale) {}
  static void lay_out(core::in<T> a, core::in<T> b, T* kept, core::execution how) {
    core::parallel_for(how, 2 * a.rows(), nce_block, [&](index begin, index end) {
      for (index i = begin; i < end; ++i) std::copy_n(i < a.rows() ? a.row(i) : b.row(i - a.rows()), a.cols(), kept + i * a.cols());
    });
    pack<T>(transposed(core::view<const T>(kept, 2 * a.rows(), a.cols())), kept + 2 * a.size(), how);
  }

  index blocks() const { return core::block_count(z.rows(), nce_block); }
  index begin(index block) const { return block * nce_block; }
  index rows(index block) const { return std::min(nce_block, z.rows() - begin(block)); }
  index positive(index i) const { return i < z.rows() / 2 ? i + z.rows() / 2 : i - z.rows() / 2; }

  /// z_r . z_c for rows r of block i and c of block j; -infinity on the diagonal and at false negatives: `ids` (empty: not used)
  /// names each token's target, and other tokens of the same target are left out.
  void similarities(index i, index j, nce_tile<T>& tile) const {
    constexpr T never = -std::numeric_limits<T>::infinity();
    const index N = z.rows() / 2, row = begin(i), col = begin(j), m = rows(i), n = rows(j);
    multiply_packed<T>(plain(z), row, m, panels + col * z.cols(), n, tile.values, nce_block, write::assign);
    for (index r = 0; r < m; ++r) {
      T* line = tile.row(r);
      std::fill(line + n, line + round_up(n, core::simd::lanes<T>), never);
      if (!ids.empty()) {
        const Id own = ids[static_cast<std::size_t>((row + r) % N)];
        for (index c = 0; c < n; ++c)
          if (ids[static_cast<std::size_t>((col + c) % N)] == own && col + c != positive(row + r)) line[c] = never;
      }
      if (i == j) line[r] = never;
    }
    for (index r = m; r < round_up(m, nce_tile<T>::group); ++r) std::fill_n(tile.row(r), nce_block, never);
  }

  /// E = exp(scale (z_r . z_c - 1)): unit rows bound z_r . z_c by 1, so a fixed shift takes the place of a running maximum.
  core::simd::vec<T> exponential(const T* similarity) const { return core::simd::exp<T>(scale * core::simd::load(similarity) - scale); }
};

}  // namespace detail

/// Values that info_nce_forward keeps for info_nce_backward, for N pairs of d values.
template <class T>
index info_nce_kept(index pairs, index d) {
  return detail::nce_pairs<T, int>::size(pairs, d);
}
/// Values of workspace of info_nce_backward.
template <class T>
index info_nce_workspace(index pairs, index d) {
  return 2 * pairs * (detail::round_up(d, detail::panel<T>) + d);
}

/// Mean over the 2 N anchors of -log exp(z_i . z_pos / t) / sum_{j != i} exp(z_i . z_j / t), z = [a; b], each row of unit length.
/// a, b [N, d]; partner of a_i is b_i. sums [2 N, 1] keeps the shifted denominators, `kept` what backward reads of a and b.
/// Returns the loss.
template <class T, class Id>
T info_nce_forward(core::in<T> a, core::in<T> b, std::span<const Id> ids, std::type_identity_t<T> temperature, core::view<T> sums,
                   std::span<std::type_identity_t<T>> kept, core::execution how) {
  namespace simd = core::simd;
  using namespace detail;
  if (a.rows() == 0) return T(0);
  nce_pairs<T, Id>::lay_out(a, b, kept.data(), how);
  const nce_pairs<T, Id> all(a.rows(), a.cols(), kept.data(), ids, T(1) / temperature);
  std::fill_n(sums.data(), sums.size(), T(0));
  core::parallel_pairs(how, all.blocks(), [&](index i, index j) {
    nce_tile<T> tile;
    all.similarities(i, j, tile);
    alignas(core::alignment) T column_sums[nce_block] = {};
    constexpr index group = nce_tile<T>::group;
    for (index r = 0; r < all.rows(i); r += group) {
      simd::vec<T> row_sum[group] = {};
      for (index c = 0; c < all.rows(j); c += simd::lanes<T>) {
        simd::vec<T> column_sum = simd::load(column_sums + c);
        for (index g = 0; g < group; ++g) {
          const simd::vec<T> e = all.exponential(tile.row(r + g) + c);
          row_sum[g] += e;
          column_sum += e;
        }
        simd::store<T>(column_sums + c, column_sum);
      }
      for (index g = 0; g < std::min(group, all.rows(i) - r); ++g) sums(all.begin(i) + r + g, 0) += simd::sum<T>(row_sum[g]);
    }
    if (i != j) simd::add_scaled(sums.row(all.begin(j)), T(1), static_cast<const T*>(column_sums), all.rows(j));
  });
  // Both anchors of a pair have the same similarity.
  T loss = 0;
  for (index i = 0; i < a.rows(); ++i)
    loss += std::log(sums(i, 0)) + std::log(sums(a.rows() + i, 0)) +
            T(2) * all.scale * (T(1) - simd::dot(all.z.row(i), all.z.row(all.positive(i)), a.cols()));
  return loss / static_cast<T>(all.z.rows());
}

/// Adds upstream * d loss / d a to da and likewise db; either may be empty. `kept` and `sums` are as forward left them.
/// forward: E_ij = exp((z_i . z_j - 1) / t), S_i = sum_j E_ij. With g = upstream / (2 N t),
/// dz_i = g sum_j E_ij (1 / S_i + 1 / S_j) z_j - 2 g z_pos(i): i is an anchor itself, and in the denominator of every other anchor.
template <class T, class Id>
void info_nce_backward(std::type_identity_t<T> upstream, index width, std::span<const Id> ids, std::type_identity_t<T> temperature,
                       core::in<T> sums, std::span<const std::type_identity_t<T>> kept, core::view<T> da, core::view<T> db,
                       std::span<std::type_identity_t<T>> workspace, core::execution how) {
  namespace simd = core::simd;
  using namespace detail;
  const index N = sums.rows() / 2, d = width, stride = round_up(d, panel<T>);
  if (N == 0) return;
  const nce_pairs<T, Id> all(N, d, kept.data(), ids, T(1) / temperature);
  const T g = upstream * all.scale / static_cast<T>(2 * N);
  T* values = workspace.data();  // z, packed block by block
  const core::view<T> dz(values + 2 * N * stride, 2 * N, d);
  core::parallel_for(how, 2 * N, nce_block,
                     [&](index begin, index end) { pack<T>(plain(all.z.middle_rows(begin, end - begin)), values + begin * stride, {1}); });
  // The diagonal comes first and assigns; every other pair adds to both of its blocks.
  core::parallel_pairs(how, all.blocks(), [&](index i, index j) {
    nce_tile<T> tile;
    all.similarities(i, j, tile);
    const index m = all.rows(i), n = all.rows(j);
    alignas(core::alignment) T column_weight[nce_block] = {};
    for (index c = 0; c < n; ++c) column_weight[c] = g / sums(all.begin(j) + c, 0);
    for (index r = 0; r < m; ++r) {
      const T own = g / sums(all.begin(i) + r, 0);
      T* line = tile.row(r);
      for (index c = 0; c < n; c += simd::lanes<T>)
        simd::store<T>(line + c, all.exponential(line + c) * (own + simd::load(column_weight + c)));
    }
    const operand<T> w{tile.values, m, n, nce_block, 1}, flipped{tile.values, n, m, 1, nce_block};
    const auto add_to = [&](const operand<T>& weights, index from, index to, write mode) {
      multiply_packed<T>(weights, 0, weights.rows, values + all.begin(from) * stride, d, dz.row(all.begin(to)), d, mode);
    };
    add_to(w, j, i, i == j ? write::assign : write::add);
    if (i != j) add_to(flipped, i, j, write::add);
  });
  core::parallel_for(how, 2 * N, nce_block, [&](index begin, index end) {
    for (index i = begin; i < end; ++i) {
      const core::view<T>& to = i < N ? da : db;
      if (to.empty()) continue;
      T* row = to.row(i % N);
      simd::add_scaled(row, T(1), static_cast<const T*>(dz.row(i)), d);
      simd::add_scaled(row, T(-2) * g, all.z.row(all.positive(i)), d);
    }
  });
}

}  // namespace cddrec::kernel
