// Our own matrix product: register-blocked over packed panels, with the same bits for a row wherever it stands.
// Every element is one chain of multiply-adds over k in rising order, so neither its neighbours nor the threads can change it.
#pragma once

#include <span>
#include <utility>

#include "cddrec/core/parallel.hpp"
#include "cddrec/core/simd.hpp"

namespace cddrec::kernel {

using core::index;

/// Whether a kernel overwrites its output or adds to it.
enum class write { assign, add };

/// A matrix read through strides, so that a transpose costs nothing.
template <class T>
struct operand {
  const T* data;
  index rows, cols, row_stride, col_stride;
  const T* at(index i, index j) const { return data + i * row_stride + j * col_stride; }
};

/// The matrix as it lies.
template <class T>
operand<std::remove_const_t<T>> plain(core::view<T> m) {
  return {m.data(), m.rows(), m.cols(), m.cols(), 1};
}
/// Its transpose.
template <class T>
operand<std::remove_const_t<T>> transposed(core::view<T> m) {
  return {m.data(), m.cols(), m.rows(), 1, m.cols()};
}

namespace detail {

// Register blocking: a tile of tile_rows x panel accumulators leaves room for the loads it needs.
template <class T>
inline constexpr index panel = 2 * core::simd::lanes<T>;
inline constexpr index tile_rows = core::simd::bytes == 64 ? 12 : core::simd::bytes == 32 ? 6 : 4;
// Depth of one pass: a panel of this depth stays in the first-level cache.
inline constexpr index depth_block = 256;

inline index round_up(index n, index unit) { return (n + unit - 1) / unit * unit; }

/// Packs b [k, n] into panels [n / panel][k][panel], zero-filled at the right edge.
template <class T>
void pack_panels(operand<T> b, T* packed, core::execution how) {
  const index k = b.rows;
  core::parallel_for(how, b.cols, 4 * panel<T>, [&](index begin, index end) {
    for (index j = begin; j < end; j += panel<T>) {
      const index width = std::min(panel<T>, b.cols - j);
      T* to = packed + j * k;
      if (width < panel<T>) std::fill(to, to + panel<T> * k, T(0));
      if (b.col_stride == 1) {
        for (index p = 0; p < k; ++p) std::copy_n(b.at(p, j), width, to + p * panel<T>);
      } else {
        // Reads a column of b at a time: contiguous when b is a transpose.
        for (index c = 0; c < width; ++c) {
          const T* from = b.at(0, j + c);
          for (index p = 0; p < k; ++p) to[p * panel<T> + c] = from[p * b.row_stride];
        }
      }
    }
  });
}

/// acc[r] += a[r, :] b_panel over `k`; a is read through its strides, four rows a pointer.
template <class T, index Rows>
inline void accumulate(const T* a, index row_stride, index col_stride, const T* b, index k, core::simd::vec<T> (&acc)[Rows][2]) {
  constexpr index lanes = core::simd::lanes<T>;
  const T* group[(Rows + 3) / 4];
  for (index g = 0; g < (Rows + 3) / 4; ++g) group[g] = a + 4 * g * row_stride;
  for (index p = 0; p < k; ++p) {
    const core::simd::vec<T> b0 = core::simd::load(b), b1 = core::simd::load(b + lanes);
    const auto row = [&](index r) {
      const T x = group[r / 4][(r % 4) * row_stride];
      acc[r][0] += x * b0;
      acc[r][1] += x * b1;
    };
    const auto every = [&]<index... R>(std::integer_sequence<index, R...>) { (row(R), ...); };
    every(std::make_integer_sequence<index, Rows>{});
    for (index g = 0; g < (Rows + 3) / 4; ++g) group[g] += col_stride;
    b += 2 * lanes;
  }
}

/// c[0 … Rows)[0 … width) (+)= a[row …, first … first + depth) b_panel.
template <class T, index Rows>
inline void tile(operand<T> a, index row, index first, index depth, const T* b_panel, T* c, index c_stride, index width, bool add) {
  using core::simd::load;
  using core::simd::store;
  constexpr index lanes = core::simd::lanes<T>;
  core::simd::vec<T> acc[Rows][2] = {};
  accumulate<T, Rows>(a.at(row, first), a.row_stride, a.col_stride, b_panel, depth, acc);
  for (index r = 0; r < Rows; ++r) {
    T* to = c + r * c_stride;
    if (width == panel<T>) {
      if (add) acc[r][0] += load(to), acc[r][1] += load(to + lanes);
      store<T>(to, acc[r][0]);
      store<T>(to + lanes, acc[r][1]);
    } else {
      T line[panel<T>];
      store<T>(line, acc[r][0]);
      store<T>(line + lanes, acc[r][1]);
      for (index j = 0; j < width; ++j) to[j] = add ? to[j] + line[j] : line[j];
    }
  }
}

/// c [rows, n] (+)= a[row … row + rows) b for packed b; serial.
template <class T>
void multiply_packed(operand<T> a, index row, index rows, const T* packed, index n, T* c, index c_stride, write mode) {
  // Rows in tiles: as many whole ones as there are, then four, then single ones.
  const auto by_tile = [&](auto&& f) {
    index i = 0;
    for (; i + tile_rows <= rows; i += tile_rows) f(std::integral_constant<index, tile_rows>{}, i);
    for (; i + 4 <= rows; i += 4) f(std::integral_constant<index, 4>{}, i);
    for (; i < rows; ++i) f(std::integral_constant<index, 1>{}, i);
  };
  // Depth is outermost: what a block of it reads of b stays in cache for all rows.
  for (index first = 0; first < std::max<index>(a.cols, 1); first += depth_block) {
    const index depth = std::min(depth_block, a.cols - first);
    const bool add = mode == write::add || first > 0;
    const auto b_panel = [&](index j) { return packed + j * a.cols + first * panel<T>; };
    if (a.row_stride == 1 && a.col_stride > 1) {
      // A transpose: its tile is gathered once for all panels.
      by_tile([&](auto count, index i) {
        constexpr index Rows = decltype(count)::value;
        alignas(core::alignment) T gathered[Rows * depth_block];
        for (index p = 0; p < depth; ++p) std::copy_n(a.at(row + i, first + p), Rows, gathered + p * Rows);
        const operand<T> own{gathered, Rows, depth, 1, Rows};
        for (index j = 0; j < n; j += panel<T>)
          tile<T, Rows>(own, 0, 0, depth, b_panel(j), c + i * c_stride + j, c_stride, std::min(panel<T>, n - j), add);
      });
    } else {
      for (index j = 0; j < n; j += panel<T>)
        by_tile([&](auto count, index i) {
          tile<T, decltype(count)::value>(a, row + i, first, depth, b_panel(j), c + i * c_stride + j, c_stride, std::min(panel<T>, n - j),
                                          add);
        });
    }
  }
}

}  // namespace detail

/// Values of workspace that `matmul` needs to multiply by a [k, n] matrix.
template <class T>
index matmul_workspace(index k, index n) {
  return detail::round_up(n, detail::panel<T>) * k;
}

/// out [m, n] (+)= a [m, k] b[:, first … first + n) for a matrix b that pack() has laid out; first is a multiple of panel.
template <class T>
void matmul_packed(operand<std::type_identity_t<T>> a, const std::type_identity_t<T>* packed, index first, write mode, core::view<T> out,
                   core::execution how) {
  CDDREC_ASSERT(first % detail::panel<T> == 0);
  // Two-dimensional blocks: enough of them to share, small enough for a block of a to stay in cache.
  constexpr index row_grain = 4 * detail::tile_rows;
  const index col_grain = 8 * detail::panel<T>;
  const index row_blocks = core::block_count(a.rows, row_grain);
  core::parallel_for(how, row_blocks * core::block_count(out.cols(), col_grain), 1, [&](index block, index) {
    const index i = block % row_blocks * row_grain, j = block / row_blocks * col_grain;
    detail::multiply_packed<T>(a, i, std::min(row_grain, a.rows - i), packed + (first + j) * a.cols, std::min(col_grain, out.cols() - j),
                               out.row(i) + j, out.cols(), mode);
  });
}

/// out [m, n] (+)= a [m, k] b [k, n]. `workspace` holds at least matmul_workspace<T>(k, n) values, aligned or not.
template <class T>
void matmul(operand<std::type_identity_t<T>> a, operand<std::type_identity_t<T>> b, write mode, core::view<T> out,
            std::span<std::type_identity_t<T>> workspace, core::execution how) {
  CDDREC_ASSERT(a.cols == b.rows && out.rows() == a.rows && out.cols() == b.cols);
  CDDREC_ASSERT(static_cast<index>(workspace.size()) >= matmul_workspace<T>(b.rows, b.cols));
  detail::pack_panels<T>(b, workspace.data(), how);
  matmul_packed<T>(a, workspace.data(), 0, mode, out, how);
}

}  // namespace cddrec::kernel
