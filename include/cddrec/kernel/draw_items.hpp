// One item a row, drawn from a softmax over the whole catalogue, streamed: the N x V scores are never in memory.
// Gumbel's trick decides between blocks of items, one number a block; inside a block, the distribution function does.
#pragma once

#include "cddrec/core/random.hpp"
#include "cddrec/kernel/matmul.hpp"

namespace cddrec::kernel {

namespace detail {
inline constexpr index drawn_rows = 4 * tile_rows;   // rows of one block of scores
inline constexpr index drawn_cols = depth_block;     // items of one
inline constexpr index drawn_slab = 8 * drawn_cols;  // items laid out at a time

/// Uniform in (0, 1), element i, on all 32 bits and never at an end.
inline double open_uniform(const core::random& draw, index i) { return (static_cast<double>(draw.bits(i)) + 0.5) * 0x1p-32; }
}  // namespace detail

/// Values of workspace that `draw_items` needs.
template <class T>
index draw_items_workspace(index rows, index items, index d) {
  return packed_size<T>(d, std::min(items, detail::drawn_slab)) + rows;
}

/// drawn_i = v with probability softmax(scale x_i . items_v), scale > 0: first the block argmax_b (log sum_{v in b}
/// exp(scale x_i . items_v) + g_ib) with Gumbel noise g, then an item of that block. x [N, d], items [V, d], drawn [N]. What row i draws is
/// a function of `draw`, i and that row's scores. A block with a score that is NaN or +infinity is not drawn from; where there is no other,
/// item 0 is drawn.
template <class T, class Id>
void draw_items(core::in<T> x, core::in<T> items, std::type_identity_t<T> scale, const core::random& draw, std::span<Id> drawn,
                std::span<std::type_identity_t<T>> workspace, core::execution how) {
  namespace simd = core::simd;
  using namespace detail;
  const index V = items.rows();
  T* const best = workspace.data();  // of each row, so far
  T* const panels = best + x.rows();
  std::fill_n(best, x.rows(), -std::numeric_limits<T>::infinity());
  std::fill(drawn.begin(), drawn.end(), Id(0));
  for (index slab = 0; slab < V; slab += drawn_slab) {
    const index stop = std::min(V, slab + drawn_slab);
    pack<T>(transposed(items.middle_rows(slab, stop - slab)), panels, how);
    core::parallel_for(how, x.rows(), drawn_rows, [&](index begin, index end) {
      alignas(core::alignment) T tile[drawn_rows * drawn_cols];
      for (index first = slab; first < stop; first += drawn_cols) {
        const index n = std::min(drawn_cols, stop - first), block = first / drawn_cols;
        multiply_packed<T>(plain(x), begin, end - begin, panels + (first - slab) * x.cols(), n, tile, n, write::assign);
        for (index i = begin; i < end; ++i) {
          T* const line = tile + (i - begin) * n;
          const T top = scale * simd::largest(line, n);
          simd::transform<T>(n, line, [&](index c, index m) { return simd::exp<T>(scale * simd::load_upto(line + c, m) - top); });
          simd::vec<T> sum{};
          for (index c = 0; c < n; c += simd::lanes<T>) sum += simd::load_upto(line + c, std::min(simd::lanes<T>, n - c));
          const core::random own = draw.child(static_cast<std::uint64_t>(i));
          const T key =
              top + static_cast<T>(std::log(static_cast<double>(simd::sum<T>(sum))) - std::log(-std::log(open_uniform(own, 2 * block))));
          if (!(key > best[i])) continue;
          best[i] = key;
          double total = 0, passed = 0;
          for (index c = 0; c < n; ++c) total += static_cast<double>(line[c]);
          const double mark = open_uniform(own, 2 * block + 1) * total;
          index c = 0;  // the last sum is the total itself, so the mark is passed
          while (c + 1 < n && (passed += static_cast<double>(line[c])) <= mark) ++c;
          drawn[static_cast<std::size_t>(i)] = static_cast<Id>(first + c);
        }
      }
    });
  }
}

}  // namespace cddrec::kernel
