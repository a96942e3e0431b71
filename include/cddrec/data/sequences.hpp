// A log in memory: what every user did, oldest first.
// All sequences lie back to back in one array and are found by their offsets: two allocations for any number of users.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "cddrec/data/id_map.hpp"

namespace cddrec::data {

/// Packed sequences of items, one a user; an item may repeat.
struct sequences {
  std::vector<item> items;
  std::vector<index> offsets{0};  // sequence u holds items [offsets[u], offsets[u + 1])

  /// Number of users.
  index size() const { return static_cast<index>(offsets.size()) - 1; }

  /// The items of one user, oldest first; valid until the next push_back.
  std::span<const item> operator[](index user) const {
    CDDREC_ASSERT(user >= 0 && user < size());
    const std::size_t begin = static_cast<std::size_t>(offsets[static_cast<std::size_t>(user)]);
    const std::size_t end = static_cast<std::size_t>(offsets[static_cast<std::size_t>(user) + 1]);
    return std::span<const item>(items).subspan(begin, end - begin);
  }

  /// Appends one more user; `sequence` lies outside this object.
  void push_back(std::span<const item> sequence) {
    offsets.push_back(static_cast<index>(items.size() + sequence.size()));
    try {
      items.insert(items.end(), sequence.begin(), sequence.end());
    } catch (...) {  // no memory: the next user would get these items
      offsets.pop_back();
      throw;
    }
  }
};

/// An interaction log: who did what, in which order, and what the numbers are called.
struct interactions {
  sequences histories;
  id_map items;
  id_map users;               // users.name(u) is the user of histories[u]
  std::vector<double> times;  // one for each of histories.items, never falling within a user; empty if the log has none

  /// The times of one user's items; nothing if the log has none.
  std::span<const double> times_of(index user) const {
    if (times.empty()) return {};
    const std::size_t begin = static_cast<std::size_t>(histories.offsets[static_cast<std::size_t>(user)]);
    return std::span<const double>(times).subspan(begin, histories[user].size());
  }

  const std::string& name(item i) const { return items.name(i); }
};

/// Throws input_error, in the name of `who`, for a log that has times, but not one for every item.
inline void check_times(const interactions& log, const char* who) {
  if (!log.times.empty() && log.times.size() != log.histories.items.size())
    throw input_error(std::string(who) + ": the log has " + std::to_string(log.times.size()) + " times for " +
                      std::to_string(log.histories.items.size()) + " items; give a time for every item, or no times at all");
}

}  // namespace cddrec::data
