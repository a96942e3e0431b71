// Selection from a block of scores, in the one order of every ranking: higher score first, then lower item number.
// The common case, a run of scores none of which gets in, costs one vector comparison a register.
#pragma once

#include <algorithm>
#include <limits>
#include <span>
#include <vector>

#include "cddrec/core/simd.hpp"

namespace cddrec::kernel {

using core::index;

/// An item and its score.
template <class T>
struct scored {
  std::int32_t item;
  T score;
  friend bool operator==(const scored&, const scored&) = default;
};

/// True if `a` stands before `b` in a ranking.
template <class T>
bool better(const scored<T>& a, const scored<T>& b) {
  return a.score > b.score || (a.score == b.score && a.item < b.item);
}

namespace detail {

// Number of x for which holds(x) is true; `holds` compares a whole vector or one value.
template <class T, class F>
index count(std::span<const T> x, F holds) {
  namespace simd = core::simd;
  constexpr std::size_t width = static_cast<std::size_t>(simd::lanes<T>);
  simd::bits<T> hits{};  // a comparison gives -1 in every lane where it holds
  std::size_t i = 0;
  for (; i + width <= x.size(); i += width) hits -= holds(simd::load(x.data() + i));
  index total = 0;
  for (std::size_t l = 0; l < width; ++l) total += static_cast<index>(hits[l]);
  for (; i < x.size(); ++i) total += holds(x[i]) ? 1 : 0;
  return total;
}

// Moves the k best to the front, the worst of them k-th, and drops all others that are more than `slack` below it,
// or, if `slack` is 0, all others.
template <class T>
void keep_best(std::vector<scored<T>>& best, index k, T slack) {
  if (static_cast<index>(best.size()) < k) return;
  const auto kth = best.begin() + (k - 1);
  std::nth_element(best.begin(), kth, best.end(), better<T>);
  const auto hopeless = [slack, least = kth->score - slack](const scored<T>& s) { return slack == T(0) || s.score < least; };
  best.erase(std::remove_if(kth + 1, best.end(), hopeless), best.end());
}

}  // namespace detail

/// Number of scores that are NaN or infinite.
template <class T>
index count_non_finite(std::span<const T> scores) {
  return detail::count<T>(scores, [](auto x) { return x - x != T(0); });
}

/// Number of items of a block that stand before `target` in the ranking. `scores` are those of items first, first + 1 …;
/// the target itself may be among them, and -infinity stands before nothing.
template <class T>
index count_better(std::span<const T> scores, index first, const scored<T>& target) {
  const index size = static_cast<index>(scores.size());
  const auto before = static_cast<std::size_t>(std::clamp<index>(target.item - first, 0, size));
  return detail::count<T>(scores.first(before), [&](auto x) { return x >= target.score; }) +
         detail::count<T>(scores.subspan(before), [&](auto x) { return x > target.score; });
}

/// Number of scores above `pivot` by more than `error`; appends the items of those within it to `open`. `scores` are those of items
/// first, first + 1 …
template <class T>
index split_at(std::span<const T> scores, index first, T pivot, T error, std::vector<std::int32_t>& open) {
  namespace simd = core::simd;
  constexpr index run = 8 * simd::lanes<T>;
  const T low = pivot - error, high = pivot + error;
  const index size = static_cast<index>(scores.size());
  index total = 0;
  const auto within = [low, high](auto x) { return (x >= low) & (x <= high); };
  const auto look_through = [&](index begin, index end) {
    for (index i = begin; i < end; ++i)
      if (within(scores[static_cast<std::size_t>(i)])) open.push_back(static_cast<std::int32_t>(first + i));
  };
  simd::bits<T> above{};  // a comparison gives -1 in every lane where it holds
  index i = 0;
  for (; i + run <= size; i += run) {
    const T* x = scores.data() + i;
    simd::bits<T> found{};
    for (index l = 0; l < run; l += simd::lanes<T>) {
      above -= simd::load(x + l) > high;
      found |= within(simd::load(x + l));
    }
    if (!simd::any<T>(found)) continue;
    for (index l = 0; l < run; l += simd::lanes<T>)
      if (simd::any<T>(within(simd::load(x + l)))) look_through(i + l, i + l + simd::lanes<T>);
  }
  look_through(i, size);
  for (; i < size; ++i) total += scores[static_cast<std::size_t>(i)] > high ? 1 : 0;
  for (index l = 0; l < simd::lanes<T>; ++l) total += static_cast<index>(above[l]);
  return total;
}

/// Merges a block of scores, those of items first, first + 1 …, into the k best so far, and whatever else is within `slack` of the
/// k-th; -infinity never gets in. Start with an empty `best` and end with sort_best. Blocks may come in any order.
/// Between calls the k best come first, and the worst of them k-th.
template <class T>
void top_k(std::span<const T> scores, index first, index k, std::vector<scored<T>>& best, std::type_identity_t<T> slack = T(0)) {
  constexpr std::size_t run = 256;
  if (k <= 0) return;
  for (std::size_t begin = 0; begin < scores.size(); begin += run) {
    const auto part = scores.subspan(begin, std::min(run, scores.size() - begin));
    const bool full = static_cast<index>(best.size()) >= k;
    const T least = full ? best[static_cast<std::size_t>(k - 1)].score - slack : std::numeric_limits<T>::lowest();
    if (detail::count<T>(part, [least](auto x) { return x >= least; }) == 0) continue;
    for (std::size_t i = 0; i < part.size(); ++i)
      if (part[i] >= least) best.push_back({static_cast<std::int32_t>(first + static_cast<index>(begin + i)), part[i]});
    detail::keep_best(best, k, slack);
  }
}

/// Puts what top_k collected in order, best first.
template <class T>
void sort_best(std::vector<scored<T>>& best) {
  std::sort(best.begin(), best.end(), better<T>);
}

}  // namespace cddrec::kernel
