// How a recommender finds the best items of a history: `exact`, which looks at every item, or a policy of the same form that looks at
// fewer and may miss some. serve/hnsw.hpp has one, which is no part of the door since it needs a library of its own.
#pragma once

#include <algorithm>

#include "cddrec/eval/rank.hpp"

namespace cddrec::serve {

using core::index;

/// A way to find them, for scorers of type S. What a stranger supplies:
///
///   struct my_retrieval {
///     auto prepare(const S& scorer, core::execution how) const;   // what does not depend on a history; input_error where it cannot be
///   };
///
/// What `prepare` gives may be copied, may refer to the scorer, and is asked by several threads at a time:
///   (eval::histories users, index k, std::span<const data::item> excluded, core::execution how) -> what eval::recommend returns
template <class R, class S>
concept retrieval = requires(const R& r, const S& s, eval::histories users, index k, std::span<const data::item> excluded,
                             core::execution how) {
  { r.prepare(s, how)(users, k, excluded, how) } -> std::same_as<std::vector<std::vector<kernel::scored<typename S::scalar>>>>;
};

/// Every item is scored.
struct exact {
  template <eval::scorer S>
  auto prepare(const S& scorer, core::execution) const {
    return [&scorer](eval::histories users, index k, std::span<const data::item> excluded, core::execution how) {
      return eval::recommend(scorer, users, k, how, {.excluded = excluded});
    };
  }
};

/// The share of the items of exact lists that the lists found otherwise hold, too; 1 where there are none. input_error unless there are as
/// many of the one as of the other.
template <class T>
double recall_against(const std::vector<std::vector<kernel::scored<T>>>& found, const std::vector<std::vector<kernel::scored<T>>>& exact) {
  if (found.size() != exact.size())
    throw input_error("serve::recall_against: " + std::to_string(found.size()) + " lists found, but " + std::to_string(exact.size()) +
                      " exact ones");
  index all = 0, held = 0;
  for (std::size_t u = 0; u < exact.size(); ++u)
    for (const auto& wanted : exact[u]) {
      const auto same = [&](const auto& one) { return one.item == wanted.item; };
      ++all, held += std::any_of(found[u].begin(), found[u].end(), same) ? 1 : 0;
    }
  return all > 0 ? static_cast<double>(held) / static_cast<double>(all) : 1;
}

}  // namespace cddrec::serve
