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

/// Whether columns are contiguous and rows are not.
template <class T>
bool is_transpose(operand<T> a) {
  return a.row_stride == 1 && a.col_stride > 1;
}

inline index round_up(index n, index unit) { return (n + unit - 1) / unit * unit; }

/// acc[r] += a[r, :] b_panel over `k`; a is read through its strides, four rows a pointer.
template <class T, index Rows>
inline void accumulate(const T* a, index row_stride, index col_stride, const T* b, index k, core::simd::vec<T> (&acc)[Rows][2]) {
  constexpr index lanes = core::simd::lanes<T>;
  const T* group[(Rows + 3) / 4];
  for (index g = 0; g < (Rows + 3) / 4; ++g) group[g] = a + 4 * g * row_stride;
  for (index p = 0; p < k; ++p) {
    const core::simd::vec<T> b0 = core::simd::load(b), b1 = core::simd::load(b + lanes);
    const auto row = [&](index r) {
      const core::simd::vec<T> x = core::simd::broadcast(group[r / 4][(r % 4) * row_stride]);
      acc[r][0] = core::simd::multiply_add<T>(x, b0, acc[r][0]);
      acc[r][1] = core::simd::multiply_add<T>(x, b1, acc[r][1]);
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
  if (width == panel<T>) {
    const auto row = [&](index r) {  // each by itself: a loop would send the accumulators through memory
      T* to = c + r * c_stride;
      if (add) acc[r][0] += load(to), acc[r][1] += load(to + lanes);
      store<T>(to, acc[r][0]);
      store<T>(to + lanes, acc[r][1]);
    };
    const auto every = [&]<index... R>(std::integer_sequence<index, R...>) { (row(R), ...); };
    every(std::make_integer_sequence<index, Rows>{});
  } else {
    for (index r = 0; r < Rows; ++r) {
      T line[panel<T>];
      store<T>(line, acc[r][0]);
      store<T>(line + lanes, acc[r][1]);
      T* to = c + r * c_stride;
      for (index j = 0; j < width; ++j) to[j] = add ? to[j] + line[j] : line[j];
    }
  }
}

/// c[0 … n) (+)= a[row, first … first + depth) b for a row that is no part of a tile: several panels at a time, since the two
/// chains of one would wait for each other.
template <class T>
void single_row(operand<T> a, index row, index first, index depth, const T* b, index panel_stride, index n, T* c, bool add) {
  using core::simd::load;
  using core::simd::store;
  constexpr index lanes = core::simd::lanes<T>, panels = 4;
  index j = 0;
  for (; j + panels * panel<T> <= n; j += panels * panel<T>, b += panels * panel_stride) {
    core::simd::vec<T> acc[panels][2] = {};
    const T* x = a.at(row, first);
    for (index p = 0; p < depth; ++p, x += a.col_stride)
      for (index k = 0; k < panels; ++k) {
        const T* from = b + k * panel_stride + p * panel<T>;
        for (index half = 0; half < 2; ++half)
          acc[k][half] = core::simd::multiply_add<T>(core::simd::broadcast(*x), load(from + half * lanes), acc[k][half]);
      }
    for (index k = 0; k < panels; ++k)
      for (index half = 0; half < 2; ++half) {
        T* to = c + j + k * panel<T> + half * lanes;
        store<T>(to, add ? acc[k][half] + load(to) : acc[k][half]);
      }
  }
  for (; j < n; j += panel<T>, b += panel_stride) tile<T, 1>(a, row, first, depth, b, c + j, 0, std::min(panel<T>, n - j), add);
}

/// Cuts rows into tiles: as many whole ones as there are, then four, then single ones. f(rows of the tile, its first row).
template <class F>
inline void for_each_tile(index rows, F&& f) {
  index i = 0;
  for (; i + tile_rows <= rows; i += tile_rows) f(std::integral_constant<index, tile_rows>{}, i);
  for (; i + 4 <= rows; i += 4) f(std::integral_constant<index, 4>{}, i);
  for (; i < rows; ++i) f(std::integral_constant<index, 1>{}, i);
}

/// Columns gathered at a time: few enough for their lines, which several tiles share, to stay in the first-level cache.
inline constexpr index gather_grain = 32;

/// Lays columns begin … end - 1 < depth of a transposed a out tile by tile, each [depth][rows of the tile].
template <class T>
void gather_tiles(operand<T> a, index depth, index begin, index end, T* tiles) {
  const index stride = a.col_stride;
  for (index first = begin; first < end; first += gather_grain) {
    // What comes next, be it another call's, is asked for early: the stride hides it from the hardware.
    for (index p = first + gather_grain; p < std::min(first + 2 * gather_grain, a.cols); ++p)
      for (index i = 0; i < a.rows; i += static_cast<index>(core::alignment / sizeof(T))) __builtin_prefetch(a.at(i, p), 0, 2);
    for_each_tile(a.rows, [&](auto count, index i) {
      constexpr index Rows = decltype(count)::value;
      const T *from = a.at(i, first), *const stop = a.at(i, std::min(first + gather_grain, end));
      const index step = stride;  // a local that no store can change
      for (T* to = tiles + i * depth + first * Rows; from != stop; from += step, to += Rows) std::memcpy(to, from, sizeof(T) * Rows);
    });
  }
}

/// c [rows, n] (+)= tiles b for gathered tiles and panels of b that lie `panel_stride` apart.
template <class T>
void multiply_tiles(const T* tiles, index rows, index depth, const T* b, index panel_stride, index n, T* c, index c_stride, bool add) {
  for (index j = 0; j < n; j += panel<T>)
    for_each_tile(rows, [&](auto count, index i) {
      constexpr index Rows = decltype(count)::value;
      tile<T, Rows>({tiles + i * depth, Rows, depth, 1, Rows}, 0, 0, depth, b + j / panel<T> * panel_stride, c + i * c_stride + j, c_stride,
                    std::min(panel<T>, n - j), add);
    });
}

/// c [rows, n] (+)= a[row … row + rows) b for packed b; serial.
template <class T>
void multiply_packed(operand<T> a, index row, index rows, const T* packed, index n, T* c, index c_stride, write mode) {
  // Depth is outermost: what a block of it reads of b stays in cache for all rows.
  for (index first = 0; first < std::max<index>(a.cols, 1); first += depth_block) {
    const index depth = std::min(depth_block, a.cols - first);
    const bool add = mode == write::add || first > 0;
    const T* b = packed + first * panel<T>;
    if (is_transpose(a)) {
      constexpr index group = 4 * tile_rows;
      alignas(core::alignment) T tiles[group * depth_block];
      for (index top = 0; top < rows; top += group) {
        const index height = std::min(group, rows - top);
        gather_tiles<T>({a.at(row + top, first), height, a.cols - first, 1, a.col_stride}, depth, 0, depth, tiles);
        multiply_tiles(tiles, height, depth, b, a.cols * panel<T>, n, c + top * c_stride, c_stride, add);
      }
    } else {
      const index tiled = rows - rows % tile_rows % 4;
      for (index j = 0; j < n; j += panel<T>)
        for_each_tile(tiled, [&](auto count, index i) {
          tile<T, decltype(count)::value>(a, row + i, first, depth, b + j * a.cols, c + i * c_stride + j, c_stride,
                                          std::min(panel<T>, n - j), add);
        });
      for (index i = tiled; i < rows; ++i) single_row<T>(a, row + i, first, depth, b, a.cols * panel<T>, n, c + i * c_stride, add);
    }
  }
}

inline constexpr index pack_grain = depth_block / 4;  // rows laid out by a thread at a time

/// Rows begin … end - 1 of pack(), for contiguous rows.
template <class T>
void pack_rows(operand<T> b, index begin, index end, T* packed) {
  constexpr index width = panel<T>;
  const index last = b.cols / width * width, rest = b.cols - last, step = b.rows * width;  // locals that no store can change
  for (index p = begin; p < end; ++p) {
    const T* from = b.at(p, 0);
    T* to = packed + p * width;
    for (const T* const stop = from + last; from != stop; from += width, to += step) std::memcpy(to, from, sizeof(T) * width);
    if (rest > 0) std::fill_n(std::copy_n(from, rest, to), width - rest, T(0));
  }
}

/// Depth that is packed and multiplied at a time: whole depth blocks, of b as much as leaves half a second-level cache to a.
inline index slab_depth(index k, index n) {
  return std::min(k, std::max<index>(1, 65536 / (std::max<index>(n, 1) * depth_block)) * depth_block);
}

/// Calls f(i, rows, j, cols) for the blocks of an [m, n] result: enough of them to share, small enough for their part of a to
/// stay in cache.
template <class T, class F>
void for_each_block(index m, index n, core::execution how, F&& f) {
  const index row_grain = (m <= 16 * tile_rows ? 2 : 4) * tile_rows, col_grain = 8 * panel<T>;
  const index row_blocks = core::block_count(m, row_grain);
  core::parallel_for(how, row_blocks * core::block_count(n, col_grain), 1, [&](index block, index) {
    const index i = block % row_blocks * row_grain, j = block / row_blocks * col_grain;
    f(i, std::min(row_grain, m - i), j, std::min(col_grain, n - j));
  });
}

}  // namespace detail

/// Values of a [k, n] matrix that pack() has laid out.
template <class T>
index packed_size(index k, index n) {
  return detail::round_up(n, detail::panel<T>) * k;
}

/// Lays b [k, n] out in panels [n / panel][k][panel], zero-filled at the right edge, as matmul_packed reads it.
template <class T>
void pack(operand<std::type_identity_t<T>> b, T* packed, core::execution how) {
  constexpr index width = detail::panel<T>;
  const index k = b.rows, n = b.cols;
  if (b.col_stride == 1) {
    core::parallel_for(how, k, detail::pack_grain, [&](index begin, index end) { detail::pack_rows<T>(b, begin, end, packed); });
  } else {  // columns are, when b is a transpose
    core::parallel_for(how, n, 4 * width, [&](index begin, index end) {
      if (end % width != 0) std::fill_n(packed + end / width * width * k, width * k, T(0));
      for (index j = begin; j < end; ++j) {
        T* to = packed + j / width * width * k + j % width;
        const T* from = b.at(0, j);
        for (index p = 0; p < k; ++p) to[p * width] = from[p * b.row_stride];
      }
    });
  }
}

/// out [m, n] (+)= a [m, k] b[:, first … first + n) for a matrix b that pack() has laid out; first is a multiple of panel.
template <class T>
void matmul_packed(operand<std::type_identity_t<T>> a, const std::type_identity_t<T>* packed, index first, write mode, core::view<T> out,
                   core::execution how) {
  CDDREC_ASSERT(first % detail::panel<T> == 0);
  detail::for_each_block<T>(a.rows, out.cols(), how, [&](index i, index rows, index j, index cols) {
    detail::multiply_packed<T>(a, i, rows, packed + (first + j) * a.cols, cols, out.row(i) + j, out.cols(), mode);
  });
}

/// Values of workspace that `matmul` needs.
template <class T>
index matmul_workspace(operand<T> a, operand<T> b) {
  return detail::slab_depth(b.rows, b.cols) * (detail::round_up(b.cols, detail::panel<T>) + (detail::is_transpose(a) ? a.rows : 0));
}

/// out [m, n] (+)= a [m, k] b [k, n]. `workspace` holds at least matmul_workspace(a, b) values, aligned or not.
template <class T>
void matmul(operand<std::type_identity_t<T>> a, operand<std::type_identity_t<T>> b, write mode, core::view<T> out,
            std::span<std::type_identity_t<T>> workspace, core::execution how) {
  using namespace detail;
  CDDREC_ASSERT(a.cols == b.rows && out.rows() == a.rows && out.cols() == b.cols);
  CDDREC_ASSERT(static_cast<index>(workspace.size()) >= matmul_workspace<T>(a, b));
  const index m = a.rows, n = b.cols, slab = std::max<index>(1, slab_depth(b.rows, n));
  T *packed = workspace.data(), *tiles = packed + packed_size<T>(slab, n);
  for (index first = 0; first == 0 || first < b.rows; first += slab) {
    const index depth = std::min(slab, b.rows - first);
    const write own = first == 0 ? mode : write::add;
    const operand<T> left{a.at(0, first), m, depth, a.row_stride, a.col_stride};
    const operand<T> right{b.at(first, 0), depth, n, b.row_stride, b.col_stride};
    if (!is_transpose(a)) {
      pack<T>(right, packed, how);
      matmul_packed<T>(left, packed, 0, own, out, how);
      continue;
    }
    // A transpose, too, is laid out once for all blocks, by depth blocks; both sides by the same thread where rows are contiguous.
    const bool together = b.col_stride == 1;
    if (!together) pack<T>(right, packed, how);
    core::parallel_for(how, depth, pack_grain, [&](index begin, index end) {
      if (together) pack_rows<T>(right, begin, end, packed);
      const index block = begin / depth_block * depth_block, height = std::min(depth_block, depth - block);
      gather_tiles<T>({left.at(0, block), m, a.cols - first - block, 1, a.col_stride}, height, begin - block, end - block,
                      tiles + block * m);
    });
    for_each_block<T>(m, n, how, [&](index i, index rows, index j, index cols) {
      for (index block = 0; block < depth; block += depth_block) {
        const index height = std::min(depth_block, depth - block);
        multiply_tiles(tiles + block * m + i * height, rows, height, packed + j * depth + block * panel<T>, depth * panel<T>, cols,
                       out.row(i) + j, out.cols(), own == write::add || block > 0);
      }
    });
  }
}

}  // namespace cddrec::kernel
