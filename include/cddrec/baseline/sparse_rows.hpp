// Numbers between items, of which few are not zero: row by row, the items of a row ascending.
// What a counting baseline has learned, and what a file keeps of it.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "cddrec/data/sequences.hpp"

namespace cddrec::baseline {

using core::index;

/// Row v holds values[e] for items[e], for e in [offsets[v], offsets[v + 1]); items ascend within a row.
template <class Value>
struct sparse_rows {
  std::vector<index> offsets{0};  // [V + 1]
  std::vector<data::item> items;
  std::vector<Value> values;

  /// Calls f(item, value) for those of row v whose items are in [first, last); a row below 0 has none.
  template <class F>
  void for_each(data::item v, index first, index last, F&& f) const {
    if (v < 0) return;
    const auto begin = items.begin() + offsets[static_cast<std::size_t>(v)], end = items.begin() + offsets[static_cast<std::size_t>(v) + 1];
    const auto low = std::lower_bound(begin, end, first), high = std::lower_bound(low, end, last);
    for (auto i = low; i != high; ++i) f(*i, values[static_cast<std::size_t>(i - items.begin())]);
  }

  /// Throws input_error, in the name of `owner`, unless these are `count` rows over as many items, each value at least `least` and finite.
  void check(const std::string& owner, index count, Value least) const {
    const auto refuse = [&](const std::string& what) { throw input_error(owner + ": " + what + "; the counts are damaged, count again"); };
    if (static_cast<index>(offsets.size()) != count + 1 || offsets.front() != 0 || !std::is_sorted(offsets.begin(), offsets.end()) ||
        offsets.back() != static_cast<index>(items.size()) || values.size() != items.size())
      refuse("offsets do not ascend from 0 to the number of entries, one step for each of " + std::to_string(count) + " items");
    for (std::size_t v = 0; v + 1 < offsets.size(); ++v)
      for (std::size_t e = static_cast<std::size_t>(offsets[v]); e < static_cast<std::size_t>(offsets[v + 1]); ++e)
        if (items[e] < 0 || items[e] >= count || !(values[e] >= least) || !std::isfinite(static_cast<double>(values[e])) ||
            (static_cast<index>(e) > offsets[v] && items[e] <= items[e - 1]))
          refuse("the row of item " + std::to_string(v) + " holds item numbers out of order or range, or a value that is none");
  }
};

}  // namespace cddrec::baseline
