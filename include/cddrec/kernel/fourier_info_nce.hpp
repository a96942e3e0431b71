// InfoNCE in linear time: the denominators are estimated with random Fourier features (Rahimi and Recht, NIPS 2007).
// For unit rows exp(u . v / t) is a Gaussian kernel, a mean over frequencies w of cos(w . (u - v)); so the sum over all v splits into
// u's cosines and sines and sums that all rows share. A mean over draws gives the denominator, not its logarithm.
#pragma once

#include <limits>
#include <numbers>

#include "cddrec/kernel/elementwise.hpp"
#include "cddrec/kernel/matmul.hpp"

namespace cddrec::kernel {

namespace detail {

// Rows of a block: whole register tiles at any vector width; their features, and a panel of frequencies, fit the second-level cache.
inline constexpr index fourier_rows = 48;
// Bytes of features, at most, that are kept for backward, which computes the others again: as many as stay in the third-level cache.
inline constexpr index fourier_kept_bytes = index{16} << 20;
// Sums over all rows are made of at most so many partial sums; which rows go to which depends on N alone.
inline constexpr index fourier_parts = 32;

/// Rows of one block: first, first + 1 … of a, or of b; `anchor` is the number of the first among all 2 N.
struct fourier_block {
  index first, rows, anchor;
  bool of_b;
};

/// What both directions read. A row's features are `line` values: its cosines, then its sines, each padded by zeros to whole vectors.
template <class T>
struct fourier_pairs {
  core::in<T> a, b;
  index frequencies, line;

  fourier_pairs(core::in<T> a, core::in<T> b, index frequencies)
      : a(a), b(b), frequencies(frequencies), line(2 * round_up(frequencies, core::simd::lanes<T>)) {}

  index blocks() const { return 2 * core::block_count(a.rows(), fourier_rows); }
  index per_part() const { return std::max<index>(1, core::block_count(blocks(), fourier_parts)); }
  index parts() const { return core::block_count(blocks(), per_part()); }
  index block_size() const { return fourier_rows * line; }
  fourier_block block(index number) const {
    const index N = a.rows(), half = blocks() / 2, first = number % half * fourier_rows;
    return {first, std::min(fourier_rows, N - first), number < half ? first : N + first, number >= half};
  }
  const T* row(const fourier_block& of, index r) const { return (of.of_b ? b : a).row(of.first + r); }
  const T* partner(const fourier_block& of, index r) const { return (of.of_b ? a : b).row(of.first + r); }

  // What is kept: the packed frequencies, two sums over all rows, a weight for each anchor, and the features of the first blocks.
  index sums_at() const { return round_up(packed_size<T>(a.cols(), frequencies), core::alignment / sizeof(T)); }
  index weights_at() const { return sums_at() + 2 * line; }
  index features_at() const { return round_up(weights_at() + 2 * a.rows(), core::alignment / sizeof(T)); }
  index blocks_kept() const { return std::min(blocks(), fourier_kept_bytes / static_cast<index>(sizeof(T)) / block_size()); }
  index kept_size() const { return features_at() + blocks_kept() * block_size(); }
  index scratch_size(core::execution how) const { return std::min<index>(std::max(how.threads, 1), blocks()) * block_size(); }

  /// The features of a block from its rows; `panels` holds the packed transpose of the frequencies.
  void features(const fourier_block& of, const T* panels, T* to) const {
    namespace simd = core::simd;
    multiply_packed<T>(plain(of.of_b ? b : a), of.first, of.rows, panels, frequencies, to, line, write::assign);
    for (index r = 0; r < of.rows; ++r) {
      T *cosines = to + r * line, *sines = cosines + line / 2;
      std::fill(cosines + frequencies, sines, T(0));
      for (index k = 0; k < line / 2; k += simd::lanes<T>) {
        simd::vec<T> cosine, sine;
        simd::cos_sin_turn<T>(simd::load(cosines + k), cosine, sine);
        simd::store<T>(cosines + k, cosine);
        simd::store<T>(sines + k, sine);
      }
      std::fill(cosines + frequencies, sines, T(0));
    }
  }

  /// to += sum over rows of weight[row] features; four rows at a time, in rising order.
  void add_rows(const T* features, const T* weight, index rows, T* to) const {
    namespace simd = core::simd;
    constexpr index group = 4;
    for (index r = 0; r < rows; r += group) {
      const index count = std::min(group, rows - r);
      const T* from = features + r * line;
      for (index k = 0; k < line; k += simd::lanes<T>) {
        simd::vec<T> total = simd::load(to + k);
        for (index g = 0; g < count; ++g)
          total = simd::multiply_add<T>(simd::broadcast(weight[r + g]), simd::load(from + g * line + k), total);
        simd::store<T>(to + k, total);
      }
    }
  }

  /// to = the sum of what f(number of a block, worker, sums of its part) adds for every block: the blocks of a part in rising order, then
  /// the parts in theirs. partial: parts() * line values.
  template <class F>
  void sum_over_blocks(T* partial, T* to, core::execution how, F&& f) const {
    core::parallel_for(how, parts(), 1, [&](index part, index, int worker) {
      T* own = partial + part * line;
      std::fill_n(own, line, T(0));
      for (index k = part * per_part(); k < std::min(blocks(), (part + 1) * per_part()); ++k) f(k, worker, own);
    });
    std::copy_n(partial, line, to);
    for (index part = 1; part < parts(); ++part) core::simd::add_scaled(to, T(1), static_cast<const T*>(partial + part * line), line);
  }
};

}  // namespace detail

/// Frequencies of the features at a temperature, in turns of 2 pi: normal with variance 1 / (4 pi^2 temperature). out [m, d]; a row depends
/// on `draw` and its number alone.
template <class T>
void draw_frequencies(const core::random& draw, std::type_identity_t<T> temperature, core::view<T> out, core::execution how) {
  const T deviation = T(1) / (T(2) * std::numbers::pi_v<T> * std::sqrt(temperature));
  detail::for_normals<T>(out.rows(), out.cols(), draw, how, [&](index i, index first, index count, const T* normals) {
    for (index j = 0; j < count; ++j) out.row(i)[first + j] = deviation * normals[j];
  });
}

/// Values that fourier_info_nce_forward keeps for its backward, for N pairs of d values and m frequencies.
template <class T>
index fourier_info_nce_kept(index pairs, index d, index m) {
  return detail::fourier_pairs<T>({nullptr, pairs, d}, {nullptr, pairs, d}, m).kept_size();
}
/// Values of workspace of either direction.
template <class T>
index fourier_info_nce_workspace(index pairs, index d, index m, core::execution how) {
  const detail::fourier_pairs<T> all({nullptr, pairs, d}, {nullptr, pairs, d}, m);
  return std::max(2 * pairs + all.parts() * all.line, packed_size<T>(m, d)) + all.scratch_size(how);
}

/// A loss, and how many of its 2 N anchors were clamped: their estimate was below the least that the denominator can be.
template <class T>
struct fourier_loss {
  T value;
  index clamped;
};

/// The loss of info_nce_forward, whose denominators are estimated: with E_ij = exp((z_i . z_j - 1) / t), phi(z) the cosines and sines of
/// z's frequencies over sqrt(m), and S = sum_j phi(z_j), sum_{j != i} E_ij is estimated by phi(z_i) . S - 1. The true sum is at
/// least the E of the anchor's own pair: an estimate below that is clamped to it, and the anchor's loss and gradient are 0.
/// a, b [N, d] of unit rows; frequencies [m, d] in turns. O(N m d) time; `kept` is for backward.
template <class T>
fourier_loss<T> fourier_info_nce_forward(core::in<T> a, core::in<T> b, core::in<T> frequencies, std::type_identity_t<T> temperature,
                                         std::span<std::type_identity_t<T>> kept, std::span<std::type_identity_t<T>> workspace,
                                         core::execution how) {
  namespace simd = core::simd;
  using namespace detail;
  const fourier_pairs<T> all(a, b, frequencies.rows());
  const index N = a.rows(), m = frequencies.rows(), line = all.line;
  if (N == 0) return {T(0), 0};
  CDDREC_ASSERT(static_cast<index>(workspace.size()) >= fourier_info_nce_workspace<T>(N, a.cols(), m, how));
  T *const panels = kept.data(), *const sum = panels + all.sums_at(), *const weighted_sum = sum + line;
  T *const weights = panels + all.weights_at(), *const features = panels + all.features_at();
  T *const losses = workspace.data(), *const partial = losses + 2 * N, *const scratch = partial + all.parts() * line;
  const auto place = [&](index k, int worker) {
    return k < all.blocks_kept() ? features + k * all.block_size() : scratch + worker * all.block_size();
  };
  T ones[fourier_rows];
  std::fill_n(ones, fourier_rows, T(1));
  pack<T>(transposed(frequencies), panels, how);
  all.sum_over_blocks(partial, sum, how, [&](index k, int worker, T* own) {
    const fourier_block of = all.block(k);
    all.features(of, panels, place(k, worker));
    all.add_rows(place(k, worker), ones, of.rows, own);
  });
  // Each anchor's estimate, and what backward needs of all: the features weighted by 1 / estimate.
  all.sum_over_blocks(partial, weighted_sum, how, [&](index k, int worker, T* own) {
    const fourier_block of = all.block(k);
    T* const from = place(k, worker);
    if (k >= all.blocks_kept()) all.features(of, panels, from);
    for (index r = 0; r < of.rows; ++r) {
      const index i = of.anchor + r;
      const T estimate = simd::dot(static_cast<const T*>(from + r * line), static_cast<const T*>(sum), line) / static_cast<T>(m) - T(1);
      const T apart = (T(1) - simd::dot(all.row(of, r), all.partner(of, r), a.cols())) / temperature;
      // A NaN is not clamped, so that it reaches the loss.
      const bool clamped = estimate < std::max(std::exp(-apart), std::numeric_limits<T>::min());
      weights[i] = clamped ? T(0) : T(1) / estimate;
      losses[i] = clamped ? T(0) : std::log(estimate) + apart;
    }
    all.add_rows(from, weights + of.anchor, of.rows, own);
  });
  double total = 0;
  index clamped = 0;
  for (index i = 0; i < 2 * N; ++i) {
    total += static_cast<double>(losses[i]);
    clamped += weights[i] == T(0);
  }
  return {static_cast<T>(total / static_cast<double>(2 * N)), clamped};
}

/// Adds upstream * d loss / d a to da and likewise db; either may be empty, and they may share rows. `kept` is as forward left it.
/// forward: estimate_i = phi_i . S - 1. With c_i = 1 / estimate_i, or 0 for a clamped anchor, and G = sum_j c_j phi_j,
/// dphi_i = c_i S + G (what an anchor's own feature adds to S turns with it and has no slope), and a phase of phi turns by 2 pi w . dz;
/// the pair's own similarity is -1 / t times the partner for each of the two anchors that is not clamped.
template <class T>
void fourier_info_nce_backward(std::type_identity_t<T> upstream, core::in<T> a, core::in<T> b, core::in<T> frequencies,
                               std::type_identity_t<T> temperature, std::span<const std::type_identity_t<T>> kept, core::view<T> da,
                               core::view<T> db, std::span<std::type_identity_t<T>> workspace, core::execution how) {
  namespace simd = core::simd;
  using namespace detail;
  const fourier_pairs<T> all(a, b, frequencies.rows());
  const index N = a.rows(), m = frequencies.rows(), d = a.cols(), line = all.line, half = line / 2;
  if (N == 0) return;
  CDDREC_ASSERT(static_cast<index>(workspace.size()) >= fourier_info_nce_workspace<T>(N, d, m, how));
  const T *const panels = kept.data(), *const sum = panels + all.sums_at(), *const weighted_sum = sum + line;
  const T *const weights = panels + all.weights_at(), *const features = panels + all.features_at();
  T *const turns = workspace.data(), *const scratch = turns + packed_size<T>(m, d);
  const T g = upstream / static_cast<T>(2 * N), of_phase = g * T(2) * std::numbers::pi_v<T> / static_cast<T>(m);
  pack<T>(plain(frequencies), turns, how);
  const auto add = [&](core::view<T> to, index k, int worker) {
    const fourier_block of = all.block(k);
    T* const slopes = scratch + worker * all.block_size();
    if (k >= all.blocks_kept()) all.features(of, panels, slopes);
    const T* const from = k < all.blocks_kept() ? features + k * all.block_size() : slopes;
    for (index r = 0; r < of.rows; ++r) {
      const T *cosines = from + r * line, *sines = cosines + half, own = weights[of.anchor + r];
      for (index j = 0; j < half; j += simd::lanes<T>) {
        const simd::vec<T> of_cosine = own * simd::load(sum + j) + simd::load(weighted_sum + j);
        const simd::vec<T> of_sine = own * simd::load(sum + half + j) + simd::load(weighted_sum + half + j);
        simd::store<T>(slopes + r * line + j, of_phase * (simd::load(cosines + j) * of_sine - simd::load(sines + j) * of_cosine));
      }
    }
    multiply_packed<T>({slopes, of.rows, m, line, 1}, 0, of.rows, turns, d, to.row(of.first), d, write::add);
    for (index r = 0; r < of.rows; ++r) {
      const index anchors = (weights[of.first + r] != T(0)) + (weights[N + of.first + r] != T(0));
      simd::add_scaled(to.row(of.first + r), -g / temperature * static_cast<T>(anchors), all.partner(of, r), d);
    }
  };
  const index blocks = all.blocks() / 2;  // of either
  core::parallel_for(how, da.empty() ? 0 : blocks, 1, [&](index k, index, int worker) { add(da, k, worker); });
  core::parallel_for(how, db.empty() ? 0 : blocks, 1, [&](index k, index, int worker) { add(db, blocks + k, worker); });
}

}  // namespace cddrec::kernel
