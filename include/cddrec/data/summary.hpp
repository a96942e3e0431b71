// A log in a few figures, as papers print them.
#pragma once

#include <algorithm>

#include "cddrec/data/sequences.hpp"

namespace cddrec::data {

/// Sizes of a log, and how long its users' histories are.
struct summary {
  index users = 0, items = 0, interactions = 0;
  double density = 0;  // interactions / (users × items), repeats included
  index shortest = 0, longest = 0;
  double mean = 0, median = 0;
};

/// The summary of a log; of one without users, all but `items` is 0.
inline summary summarise(const interactions& log) {
  std::vector<index> lengths;
  for (index u = 0; u < log.histories.size(); ++u) lengths.push_back(static_cast<index>(log.histories[u].size()));
  summary s{.users = log.histories.size(), .items = log.items.size(), .interactions = static_cast<index>(log.histories.items.size())};
  if (lengths.empty()) return s;
  std::sort(lengths.begin(), lengths.end());
  const std::size_t n = lengths.size();
  s.shortest = lengths.front(), s.longest = lengths.back();
  s.mean = static_cast<double>(s.interactions) / static_cast<double>(s.users);
  s.median = static_cast<double>(lengths[(n - 1) / 2] + lengths[n / 2]) / 2;
  s.density = s.items == 0 ? 0 : s.mean / static_cast<double>(s.items);
  return s;
}

}  // namespace cddrec::data
