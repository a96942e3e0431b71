// Our own matrix product: register-blocked over packed panels, with the same bits for a row wherever it stands.
// Every element is a chain of multiply-adds over k in rising order, in blocks that depend on k alone: neither its neighbours nor the
// threads can change it.
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
/// Always inlined: passed to a call, the accumulators would live in memory.
template <class T, index Rows>
[[gnu::always_inline]] inline void accumulate(const T* a, index row_stride, index col_stride, const T* b, index k,
                                              core::simd::vec<T> (&acc)[Rows][2]) {
  constexpr index lanes = core::simd::lanes<T>;
  const T* group[(Rows + 3) / 4];
  for (index g = 0; g < (Rows + 3) / 4; ++g) group[g] = a + 4 * g * row_stride;
  for (index p = 0; p < k; ++p) {
    const core::simd::vec<T> b0 = core::simd::load(b), b1 = core::simd::load(b + lanes);
    const auto row = [&](index r) __attribute__((always_inline)) {
      const core::simd::vec<T> x = core::simd::broadcast(group[r / 4][(r % 4) * row_stride]);
      acc[r][0] = core::simd::multiply_add<T>(x, b0, acc[r][0]);
      acc[r][1] = core::simd::multiply_add<T>(x, b1, acc[r][1]);
    };
    const auto every = [&]<index... R>(std::integer_sequence<index, R...>) __attribute__((always_inline)) { (row(R), ...); };
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
  // Rows by constant numbers: a loop would keep the accumulators in memory.
  const auto put = [&]<index... R>(std::integer_sequence<index, R...>, T * to, index stride) __attribute__((always_inline)) {
    ((store<T>(to + R * stride, acc[R][0]), store<T>(to + R * stride + lanes, acc[R][1])), ...);
  };
  const auto take = [&]<index... R>(std::integer_sequence<index, R...>) __attribute__((always_inline)) {
    ((acc[R][0] += load(c + R * c_stride), acc[R][1] += load(c + R * c_stride + lanes)), ...);
  };
  constexpr std::make_integer_sequence<index, Rows> every{};
  if (width == panel<T>) {
    if (add) take(every);
    put(every, c, c_stride);
  } else {
    T lines[Rows * panel<T>];
    put(every, lines, panel<T>);
    for (index r = 0; r < Rows; ++r)
      for (index j = 0; j < width; ++j) c[r * c_stride + j] = add ? c[r * c_stride + j] + lines[r * panel<T> + j] : lines[r * panel<T> + j];
  }
}

/// c[0 … n) (+)= a[row, first … first + depth) b for a row that is no part of a tile: several panels at a time, since the two
/// sums of one alone would leave the multipliers waiting.
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

/// Side of the square blocks by which a transposed left operand is copied: half a first-level cache, and whole tiles.
inline constexpr index square = 96;

/// c [rows of a, n] (+)= a b for a transposed a and packed b, whose panels lie `panel_stride` apart. Calls before_tile()
/// before every tile.
template <class T, class F>
void multiply_transposed(operand<T> a, const T* packed, index panel_stride, index n, T* c, index c_stride, bool add, F&& before_tile) {
  alignas(core::alignment) T tiles[square * square];  // tile by tile, each [depth][rows of the tile]
  for (index first = 0; first == 0 || first < a.cols; first += square)
    for (index top = 0; top < a.rows; top += square) {
      const index depth = std::min(square, a.cols - first), rows = std::min(square, a.rows - top);
      for_each_tile(rows, [&](auto count, index i) {
        constexpr index Rows = decltype(count)::value;
        const T* from = a.at(top + i, first);
        const index step = a.col_stride;  // a local, which no store can alias
        T* to = tiles + i * depth;
        for (const T* const stop = to + depth * Rows; to != stop; from += step, to += Rows) std::memcpy(to, from, sizeof(T) * Rows);
      });
      for (index j = 0; j < n; j += panel<T>)
        for_each_tile(rows, [&](auto count, index i) {
          constexpr index Rows = decltype(count)::value;
          before_tile();
          tile<T, Rows>({tiles + i * depth, Rows, depth, 1, Rows}, 0, 0, depth, packed + j / panel<T> * panel_stride + first * panel<T>,
                        c + (top + i) * c_stride + j, c_stride, std::min(panel<T>, n - j), add || first > 0);
        });
    }
}

/// Prefetches rows of a transposed a, and of b, some time before they are read: they are far from the cache, and strided.
template <class T>
class rows_ahead {
 public:
  /// Every call asks for so many rows that `calls` of them ask for all.
  rows_ahead(operand<T> a, operand<T> b, index calls) : a_(a), b_(b), each_(core::block_count(b.rows, std::max<index>(1, calls))) {}
  void operator()() {
    for (const index stop = std::min(b_.rows, row_ + each_); row_ < stop; ++row_) {
      for (index i = 0; i < a_.rows; i += line) __builtin_prefetch(a_.at(i, row_), 0, 2);
      if (b_.col_stride != 1) continue;
      for (index j = 0; j < b_.cols; j += line) __builtin_prefetch(b_.at(row_, j), 0, 2);
    }
  }

 private:
  static constexpr index line = static_cast<index>(64 / sizeof(T));
  operand<T> a_, b_;
  index each_, row_ = 0;
};

/// c [rows, n] (+)= a[row … row + rows) b for packed b; serial. Its panels may be those of a deeper b: then they hold `deep` rows.
template <class T>
void multiply_packed(operand<T> a, index row, index rows, const T* packed, index n, T* c, index c_stride, write mode, index deep = 0) {
  const index panel_stride = std::max(a.cols, deep) * panel<T>;
  if (is_transpose(a)) {
    multiply_transposed<T>({a.at(row, 0), rows, a.cols, 1, a.col_stride}, packed, panel_stride, n, c, c_stride, mode == write::add, [] {});
    return;
  }
  // Depth is outermost: what a block of it reads of b stays in cache for all rows.
  for (index first = 0; first < std::max<index>(a.cols, 1); first += depth_block) {
    const index depth = std::min(depth_block, a.cols - first), tiled = rows - rows % tile_rows % 4;
    const bool add = mode == write::add || first > 0;
    const T* b = packed + first * panel<T>;
    for (index j = 0; j < n; j += panel<T>)
      for_each_tile(tiled, [&](auto count, index i) {
        tile<T, decltype(count)::value>(a, row + i, first, depth, b + j / panel<T> * panel_stride, c + i * c_stride + j, c_stride,
                                        std::min(panel<T>, n - j), add);
      });
    for (index i = tiled; i < rows; ++i) single_row<T>(a, row + i, first, depth, b, panel_stride, n, c + i * c_stride, add);
  }
}

inline constexpr index pack_grain = depth_block / 4;  // rows laid out by a thread at a time

/// Rows begin … end - 1 of pack(), for contiguous rows.
template <class T>
void pack_rows(operand<T> b, index begin, index end, T* packed) {
  constexpr index width = panel<T>;
  const index last = b.cols / width * width, rest = b.cols - last, step = b.rows * width;  // locals, which no store can alias
  for (index p = begin; p < end; ++p) {
    const T* from = b.at(p, 0);
    T* to = packed + p * width;
    for (const T* const stop = from + last; from != stop; from += width, to += step) std::memcpy(to, from, sizeof(T) * width);
    if (rest > 0) std::fill_n(std::copy_n(from, rest, to), width - rest, T(0));
  }
}

/// Parts a depth of k is cut into for threads to share: a power of two, which divides evenly, and few, for each costs a sum of its own.
inline index depth_parts(index k) {
  index parts = 1;
  while (parts < 16 && k >= 128 * parts * parts) parts *= 2;
  return parts;
}

/// Rows of an m-row result that a piece of a part holds: threads beyond the parts share a part's rows, which changes no sum.
inline index rows_of_piece(index m, index parts, core::execution how) {
  return round_up(core::block_count(std::max<index>(1, m), std::max<index>(1, how.threads / parts)), tile_rows);
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

/// How many values pack() writes for a [k, n] matrix.
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
  } else {  // b is a transpose: its columns are contiguous
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

/// The same on the calling thread alone, for the first n columns of b and an out whose rows lie `stride` apart.
template <class T>
void matmul_packed(operand<std::type_identity_t<T>> a, const std::type_identity_t<T>* packed, write mode, T* out, index n, index stride) {
  detail::multiply_packed<T>(a, 0, a.rows, packed, n, out, stride, mode);
}

/// Values of workspace that `matmul` needs.
template <class T>
index matmul_workspace(operand<T> a, operand<T> b, core::execution how) {
  using namespace detail;
  if (!is_transpose(a)) return packed_size<T>(b.rows, b.cols);
  const index parts = depth_parts(b.rows), pieces = parts * core::block_count(a.rows, rows_of_piece(a.rows, parts, how));
  return std::min<index>(std::max(how.threads, 1), pieces) * packed_size<T>(std::min(square, b.rows), b.cols) +
         (parts > 1 ? parts * a.rows * b.cols : 0);
}

/// out [m, n] (+)= a [m, k] b [k, n]. `workspace` holds at least matmul_workspace(a, b, how) values, aligned or not.
template <class T>
void matmul(operand<std::type_identity_t<T>> a, operand<std::type_identity_t<T>> b, write mode, core::view<T> out,
            std::span<std::type_identity_t<T>> workspace, core::execution how) {
  using namespace detail;
  CDDREC_ASSERT(a.cols == b.rows && out.rows() == a.rows && out.cols() == b.cols);
  CDDREC_ASSERT(static_cast<index>(workspace.size()) >= matmul_workspace<T>(a, b, how));
  const index k = b.rows, m = a.rows, n = b.cols;
  if (!is_transpose(a)) {
    pack<T>(b, workspace.data(), how);
    matmul_packed<T>(a, workspace.data(), 0, mode, out, how);
    return;
  }
  // x^T dy: its depth, the tokens, is long and its result small. Each part of the depth gets a sum of its own, so a thread lays out
  // what it multiplies itself; the parts depend on the depth alone, and are added up in their order.
  const index parts = depth_parts(k), part_depth = core::block_count(k, parts), size = m * n,
              packed = packed_size<T>(std::min(square, k), n), most = rows_of_piece(m, parts, how), shares = core::block_count(m, most);
  T* const scratch = workspace.data();
  T* const sums = scratch + std::min<index>(std::max(how.threads, 1), parts * shares) * packed;
  core::parallel_for(how, parts * shares, 1, [&](index piece, index, int worker) {
    const index part = piece / shares, top = piece % shares * most, rows = std::min(most, m - top);
    const index begin = std::min(k, part * part_depth), end = std::min(k, begin + part_depth);
    T* const panels = scratch + worker * packed;
    T* const to = (parts == 1 ? out.data() : sums + part * size) + top * n;
    write own = parts == 1 ? mode : write::assign;
    const index squares = std::max<index>(1, core::block_count(part_depth, square));
    const index step = std::max<index>(1, core::block_count(part_depth, squares));  // no square much smaller than the others
    for (index first = begin; first == begin || first < end; first += step, own = write::add) {
      const index depth = std::min(step, end - first), next = first + depth, ahead = std::min(step, end - next);
      pack<T>({b.at(first, 0), depth, n, b.row_stride, b.col_stride}, panels, {});
      multiply_transposed<T>(
          {a.at(top, first), rows, depth, 1, a.col_stride}, panels, depth * panel<T>, n, to, n, own == write::add,
          rows_ahead<T>({a.at(top, next), rows, ahead, 1, a.col_stride}, {b.at(next, 0), ahead, n, b.row_stride, b.col_stride},
                        core::block_count(rows, tile_rows) * core::block_count(n, panel<T>)));
    }
  });
  if (parts == 1) return;
  core::parallel_for(how, size, 4096, [&](index begin, index end) {
    core::simd::transform<T>(end - begin, out.data() + begin, [&](index j, index count) {
      core::simd::vec<T> total{};
      for (index part = 0; part < parts; ++part) total += core::simd::load_upto(sums + part * size + begin + j, count);
      return mode == write::add ? total + core::simd::load_upto(out.data() + begin + j, count) : total;
    });
  });
}

}  // namespace cddrec::kernel
