// Exact InfoNCE over all tokens of a batch (Eq. 14, 15), streamed: memory O(N d) and at most 16 MiB of the N x N scores.
// Similarities are symmetric, so each pair of blocks is multiplied once and serves the rows of both.
#pragma once

#include <limits>

#include "cddrec/kernel/matmul.hpp"

namespace cddrec::kernel {

namespace detail {

// Rows of a block: whole register tiles and whole panels at any vector width, and a tile that fits the second-level cache.
// Half a block is whole tiles and panels, too: a diagonal block is cut into halves, and the part below its diagonal is left out.
inline constexpr index nce_block = 192;
// Bytes of tiles, at most, that are kept for backward, which computes the others again: as many as stay in the third-level cache.
inline constexpr index nce_kept_bytes = index{16} << 20;

/// The scores of a pair of blocks, rows nce_block apart.
template <class T>
using nce_tile = T[nce_block * nce_block];

/// A part of such a pair: rows first and columns first of z, and where it lies in the pair's tile.
struct nce_part {
  index row, rows, col, cols, place;
  bool diagonal() const { return row == col; }
};

/// What both directions read: z = [a; b] [2 N, d], as it is and packed, and behind it tiles of exponentials of the first pairs.
template <class T, class Id>
struct nce_pairs {
  core::view<const T> z;
  const T* panels;
  std::span<const Id> ids;
  T scale;

  static constexpr index group = 4;  // rows of a tile that are read together

  static index laid_out(index N, index d) { return round_up(2 * N * d + packed_size<T>(d, 2 * N), core::alignment / sizeof(T)); }
  static index tiles_kept(index N) {
    const index blocks = core::block_count(2 * N, nce_block);
    return std::min(blocks * (blocks + 1) / 2, nce_kept_bytes / static_cast<index>(sizeof(nce_tile<T>)));
  }
  static index size(index N, index d) { return laid_out(N, d) + tiles_kept(N) * nce_block * nce_block; }

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

  /// Where in `kept` the tile of blocks i <= j is; negative if it is not kept.
  index tile_at(index i, index j) const {
    const index number = j * (j + 1) / 2 + i, N = z.rows() / 2;
    return number < tiles_kept(N) ? laid_out(N, z.cols()) + number * nce_block * nce_block : -1;
  }

  /// Calls f(part) for the parts of blocks i <= j that hold each pair of rows once; those on the diagonal come first.
  template <class F>
  void for_each_part(index i, index j, F&& f) const {
    const index m = rows(i), n = rows(j), half = nce_block / 2;
    if (i != j || m <= half) {
      f(nce_part{begin(i), m, begin(j), n, 0});
      return;
    }
    const index middle = begin(i) + half, rest = m - half;
    f(nce_part{begin(i), half, begin(i), half, 0});
    f(nce_part{middle, rest, middle, rest, half * nce_block + half});
    f(nce_part{begin(i), half, middle, rest, half});
  }

  /// E = exp(scale (z_r . z_c - 1)) for a part: unit rows bound z_r . z_c by 1, so a fixed shift takes the place of a running maximum.
  /// The exponent falls to -2 scale, and float's exp is right down to -87, that is to a temperature of .023: below it, E is too large where
  /// rows are far apart. E is 0, in float at most 2e-38, on the diagonal, at other tokens of the same target (`ids` names each token's;
  /// empty: none are left out), and where a row is filled up to a whole vector. Rows that fill up a group are 0.
  void exponentials(const nce_part& p, T* to) const {
    namespace simd = core::simd;
    constexpr T never = -std::numeric_limits<T>::infinity();
    const index N = z.rows() / 2, width = round_up(p.cols, simd::lanes<T>);
    multiply_packed<T>(plain(z), p.row, p.rows, panels + p.col * z.cols(), p.cols, to, nce_block, write::assign);
    for (index r = 0; r < p.rows; ++r) {
      T* line = to + r * nce_block;
      std::fill(line + p.cols, line + width, never);
      if (!ids.empty()) {
        const Id own = ids[static_cast<std::size_t>((p.row + r) % N)];
        for (index c = 0; c < p.cols; ++c)
          if (ids[static_cast<std::size_t>((p.col + c) % N)] == own && p.col + c != positive(p.row + r)) line[c] = never;
      }
      if (p.diagonal()) line[r] = never;
      for (index c = 0; c < width; c += simd::lanes<T>) simd::store<T>(line + c, simd::exp<T>(scale * simd::load(line + c) - scale));
    }
    for (index r = p.rows; r < round_up(p.rows, group); ++r) std::fill_n(to + r * nce_block, width, T(0));
  }
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

/// Mean over the 2 N anchors of -log(exp(z_i . z_pos / t) / sum_{j != i} exp(z_i . z_j / t)), z = [a; b], each row of unit length.
/// a, b [N, d]; partner of a_i is b_i. `ids`, empty or [N], leaves out every j of i's id but its partner. sums [2 N, 1] keeps the shifted
/// denominators, `kept` what backward reads of a and b. Returns the loss.
template <class T, class Id>
T info_nce_forward(core::in<T> a, core::in<T> b, std::span<const Id> ids, std::type_identity_t<T> temperature, core::view<T> sums,
                   std::span<std::type_identity_t<T>> kept, core::execution how) {
  namespace simd = core::simd;
  using namespace detail;
  if (a.rows() == 0) return T(0);
  using all_pairs = nce_pairs<T, Id>;
  all_pairs::lay_out(a, b, kept.data(), how);
  const all_pairs all(a.rows(), a.cols(), kept.data(), ids, T(1) / temperature);
  std::fill_n(sums.data(), sums.size(), T(0));
  core::parallel_pairs(how, all.blocks(), [&](index i, index j, const core::pair_turn& turn) {
    alignas(core::alignment) nce_tile<T> passing;
    alignas(core::alignment) T row_sums[3][nce_block], column_sums[3][nce_block];  // of every part
    const index at = all.tile_at(i, j);
    T* const tile = at < 0 ? passing : kept.data() + at;
    index part = 0;
    all.for_each_part(i, j, [&](const nce_part& p) {
      T* const e = tile + p.place;
      all.exponentials(p, e);
      constexpr index group = all_pairs::group;
      T *const of_rows = row_sums[part], *const of_columns = column_sums[part];
      std::fill_n(of_columns, nce_block, T(0));
      for (index r = 0; r < p.rows; r += group) {
        simd::vec<T> row_sum[group] = {};
        for (index c = 0; c < p.cols; c += simd::lanes<T>) {
          simd::vec<T> column_sum = simd::load(of_columns + c);
          for (index g = 0; g < group; ++g) {
            const simd::vec<T> x = simd::load(e + (r + g) * nce_block + c);
            row_sum[g] += x;
            column_sum += x;
          }
          simd::store<T>(of_columns + c, column_sum);
        }
        for (index g = 0; g < group; ++g) of_rows[r + g] = simd::sum<T>(row_sum[g]);
      }
      ++part;
    });
    turn();
    part = 0;
    all.for_each_part(i, j, [&](const nce_part& p) {
      simd::add_scaled(sums.row(p.row), T(1), static_cast<const T*>(row_sums[part]), p.rows);
      if (!p.diagonal()) simd::add_scaled(sums.row(p.col), T(1), static_cast<const T*>(column_sums[part]), p.cols);
      ++part;
    });
  });
  // Both anchors of a pair have the same similarity.
  double loss = 0;
  for (index i = 0; i < a.rows(); ++i)
    loss += static_cast<double>(std::log(sums(i, 0)) + std::log(sums(a.rows() + i, 0)) +
                                T(2) * all.scale * (T(1) - simd::dot(all.z.row(i), all.z.row(all.positive(i)), a.cols())));
  return static_cast<T>(loss / static_cast<double>(all.z.rows()));
}

/// Adds upstream * d loss / d a to da and likewise db, which may be empty, and may share rows. `kept` and `sums` are as forward left them.
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
  // Blocks are few and threads may be many: then they share the columns of dz, if nothing but the weights is computed anew for each.
  const index at_once = std::max<index>(1, all.blocks() / 2), panels = core::block_count(d, panel<T>);
  const bool all_kept = all.tile_at(all.blocks() - 1, all.blocks() - 1) >= 0;
  const index most = all_kept ? core::block_count(panels, core::block_count(std::max(how.threads, 1), at_once)) * panel<T> : d;
  // The diagonal comes first and assigns; every other pair adds to both of its blocks.
  const auto add_pair = [&](index i, index j, const core::pair_turn& turn) {
    alignas(core::alignment) nce_tile<T> weights;
    const index at = all.tile_at(i, j), first = turn.tournament * most, columns = std::min(most, d - first);
    all.for_each_part(i, j, [&](const nce_part& p) {
      T* const w = weights + p.place;
      if (at < 0) all.exponentials(p, w);
      const T* const e = at < 0 ? w : kept.data() + at + p.place;
      alignas(core::alignment) T column_weight[nce_block] = {};
      for (index c = 0; c < p.cols; ++c) column_weight[c] = g / sums(p.col + c, 0);
      for (index r = 0; r < p.rows; ++r) {
        const T row_weight = g / sums(p.row + r, 0);
        for (index k = r * nce_block, c = 0; c < p.cols; c += simd::lanes<T>)
          simd::store<T>(w + k + c, simd::load(e + k + c) * (row_weight + simd::load(column_weight + c)));
      }
    });
    turn();
    all.for_each_part(i, j, [&](const nce_part& p) {
      const T* const w = weights + p.place;
      const auto add_to = [&](const operand<T>& of, index block, index from, index to) {
        const T* packed = values + all.begin(block) * stride + first * all.rows(block) + (from - all.begin(block)) * panel<T>;
        multiply_packed<T>(of, 0, of.rows, packed, columns, dz.row(to) + first, d, p.diagonal() ? write::assign : write::add,
                           all.rows(block));
      };
      add_to({w, p.rows, p.cols, nce_block, 1}, j, p.col, p.row);
      if (!p.diagonal()) add_to({w, p.cols, p.rows, 1, nce_block}, i, p.row, p.col);
    });
  };
  core::parallel_pairs(how, all.blocks(), add_pair, core::block_count(d, most));
  const auto add = [&](core::view<T> to, index first) {
    core::parallel_for(how, to.rows(), nce_block, [&](index begin, index end) {
      for (index i = begin; i < end; ++i) {
        simd::add_scaled(to.row(i), T(1), static_cast<const T*>(dz.row(first + i)), d);
        simd::add_scaled(to.row(i), T(-2) * g, all.z.row(all.positive(first + i)), d);
      }
    });
  };
  add(da, 0);
  add(db, N);
}

}  // namespace cddrec::kernel
