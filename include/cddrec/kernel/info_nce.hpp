// Exact InfoNCE over all tokens of a batch (Eq. 14, 15), streamed: memory O(N d), never N x N.
// Similarities are symmetric, so each pair of blocks is multiplied once and serves the rows of both.
#pragma once

#include "cddrec/kernel/softmax_over_items.hpp"

namespace cddrec::kernel {

namespace detail {

// Rows of a block: whole register tiles and whole panels at any vector width, and a tile that fits the second-level cache.
inline constexpr index nce_block = 192;

/// What both directions read: z = [a; b] [2 N, d], as it is and packed.
template <class T, class Id>
struct nce_pairs {
  core::view<T> z;
  streamed<T> packed;
  std::span<const Id> ids;
  T scale;

  static index size(index N, index d) { return 2 * N * d + streamed_size<T>(2 * N, d); }
  nce_pairs(core::in<T> a, core::in<T> b, std::span<const Id> ids, T scale, T* memory, core::execution how)
      : z(stack(a, b, memory)), packed(z, memory + z.size(), how, nce_block), ids(ids), scale(scale) {}

  index blocks() const { return core::block_count(z.rows(), nce_block); }
  index begin(index block) const { return block * nce_block; }
  index rows(index block) const { return std::min(nce_block, z.rows() - begin(block)); }
  index positive(index i) const { return i < z.rows() / 2 ? i + z.rows() / 2 : i - z.rows() / 2; }

  /// E[r][c] = exp(scale (z_r . z_c - 1)) for rows r of block i and c of block j, zero on the diagonal and at false negatives.
  /// Unit rows bound z_r . z_c by 1: a fixed shift takes the place of a running maximum. `ids` (empty: not used) names each token's
  /// target: other tokens of the same target are left out.
  void similarities(index i, index j, T* tile) const {
    namespace simd = core::simd;
    const index N = z.rows() / 2, row = begin(i), col = begin(j), n = rows(j);
    multiply_packed<T>(plain(z), row, rows(i), packed.score_block(col), n, tile, n, write::assign);
    for (index r = 0; r < rows(i); ++r) {
      T* line = tile + r * n;
      simd::transform<T>(n, line, [&](index c, index m) { return simd::exp<T>(scale * simd::load_upto(line + c, m) - scale); });
      if (!ids.empty()) {
        const Id own = ids[static_cast<std::size_t>((row + r) % N)];
        for (index c = 0; c < n; ++c)
          if (ids[static_cast<std::size_t>((col + c) % N)] == own && col + c != positive(row + r)) line[c] = T(0);
      }
      if (i == j) line[r] = T(0);
    }
  }

 private:
  static core::view<T> stack(core::in<T> a, core::in<T> b, T* memory) {
    std::copy_n(a.data(), a.size(), memory);
    std::copy_n(b.data(), b.size(), memory + a.size());
    return {memory, 2 * a.rows(), a.cols()};
  }
};

}  // namespace detail

/// Values of workspace for both directions, for N pairs of d values.
template <class T>
index info_nce_workspace(index pairs, index d) {
  return detail::nce_pairs<T, int>::size(pairs, d) + 2 * pairs * d + 2 * pairs;
}

/// Mean over the 2 N anchors of -log exp(z_i . z_pos / t) / sum_{j != i} exp(z_i . z_j / t), z = [a; b], each row of unit length.
/// a, b [N, d]; partner of a_i is b_i. sums [2 N, 1] keeps the shifted denominators. Returns the loss.
template <class T, class Id>
T info_nce_forward(core::in<T> a, core::in<T> b, std::span<const Id> ids, std::type_identity_t<T> temperature, core::view<T> sums,
                   std::span<std::type_identity_t<T>> workspace, core::execution how) {
  namespace simd = core::simd;
  using namespace detail;
  if (a.rows() == 0) return T(0);
  const nce_pairs<T, Id> all(a, b, ids, T(1) / temperature, workspace.data(), how);
  std::fill_n(sums.data(), sums.size(), T(0));
  core::parallel_pairs(how, all.blocks(), [&](index i, index j) {
    alignas(core::alignment) T tile[nce_block * nce_block];
    all.similarities(i, j, tile);
    const index n = all.rows(j);
    T* column_sums = sums.data() + all.begin(j);
    for (index r = 0; r < all.rows(i); ++r) {
      const T* line = tile + r * n;
      simd::vec<T> sum{};
      for (index c = 0; c < n; c += simd::lanes<T>) sum += simd::load_upto(line + c, std::min(simd::lanes<T>, n - c));
      sums(all.begin(i) + r, 0) += simd::sum<T>(sum);
      if (i != j) simd::add_scaled(column_sums, T(1), line, n);
    }
  });
  T loss = 0;
  for (index i = 0; i < all.z.rows(); ++i)
    loss += std::log(sums(i, 0)) + all.scale - all.scale * simd::dot(all.z.row(i), all.z.row(all.positive(i)), a.cols());
  return loss / static_cast<T>(all.z.rows());
}

/// Adds upstream * d loss / d a to da and likewise db; either may be empty.
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
  const nce_pairs<T, Id> all(a, b, ids, T(1) / temperature, workspace.data(), how);
  const T g = upstream * all.scale / static_cast<T>(2 * N);
  const core::view<T> dz(workspace.data() + nce_pairs<T, Id>::size(N, d), 2 * N, d);
  T* weight = dz.data() + dz.size();
  for (index i = 0; i < 2 * N; ++i) weight[i] = g / sums(i, 0);
  // The diagonal comes first and assigns; every other pair adds to both of its blocks.
  core::parallel_pairs(how, all.blocks(), [&](index i, index j) {
    alignas(core::alignment) T tile[nce_block * nce_block];
    all.similarities(i, j, tile);
    const index m = all.rows(i), n = all.rows(j);
    const T* column_weight = weight + all.begin(j);
    for (index r = 0; r < m; ++r) {
      T* line = tile + r * n;
      const T own = weight[all.begin(i) + r];
      simd::transform<T>(n, line, [&](index c, index lanes) {
        return simd::load_upto(line + c, lanes) * (own + simd::load_upto(column_weight + c, lanes));
      });
    }
    const core::view<const T> w(tile, m, n);
    multiply_packed<T>(plain(w), 0, m, all.packed.value_block(all.begin(j)), d, dz.row(all.begin(i)), d,
                       i == j ? write::assign : write::add);
    if (i != j) multiply_packed<T>(transposed(w), 0, n, all.packed.value_block(all.begin(i)), d, dz.row(all.begin(j)), d, write::add);
  });
  core::parallel_for(how, 2 * N, nce_block, [&](index begin, index end) {
    for (index i = begin; i < end; ++i) {
      const core::view<T>& to = i < N ? da : db;
      if (to.empty()) continue;
      T* row = to.row(i % N);
      simd::add_scaled(row, T(1), static_cast<const T*>(dz.row(i)), d);
      simd::add_scaled(row, T(-2) * g, static_cast<const T*>(all.z.row(all.positive(i))), d);
    }
  });
}

}  // namespace cddrec::kernel
