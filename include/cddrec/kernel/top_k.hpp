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

/// Merges a block of scores, those of items first, first + 1 …, into the k best so far; -infinity never gets in.
/// `best` is a heap with its worst on top: start with an empty one and end with sort_best. Blocks may come in any order.
template <class T>
void top_k(std::span<const T> scores, index first, index k, std::vector<scored<T>>& best) {
  constexpr std::size_t run = 256;
  if (k <= 0) return;
  for (std::size_t begin = 0; begin < scores.size(); begin += run) {
    const auto part = scores.subspan(begin, std::min(run, scores.size() - begin));
    const bool full = static_cast<index>(best.size()) == k;
    if (full && detail::count<T>(part, [worst = best.front().score](auto x) { return x >= worst; }) == 0) continue;
    for (std::size_t i = 0; i < part.size(); ++i) {
      const scored<T> candidate{static_cast<std::int32_t>(first + static_cast<index>(begin + i)), part[i]};
      if (static_cast<index>(best.size()) < k) {
        if (!(candidate.score > -std::numeric_limits<T>::infinity())) continue;
        best.push_back(candidate);
      } else {
        if (!better(candidate, best.front())) continue;
        std::pop_heap(best.begin(), best.end(), better<T>);
        best.back() = candidate;
      }
      std::push_heap(best.begin(), best.end(), better<T>);
    }
  }
}

/// Puts what top_k collected in order, best first.
template <class T>
void sort_best(std::vector<scored<T>>& best) {
  std::sort_heap(best.begin(), best.end(), better<T>);
}

}  // namespace cddrec::kernel
