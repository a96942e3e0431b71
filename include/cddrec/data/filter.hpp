// What is left of a log when repeats, rare users and rare items are taken away, and what was taken.
// Rarity is mutual: a user that goes may make an item rare. Passes over the log go on until one takes nothing (the k-core).
#pragma once

#include "cddrec/data/sequences.hpp"

namespace cddrec::data {

/// What a log keeps.
struct filter {
  bool repeats = true;          // false: only the first of a user's interactions with an item is kept
  index user_interactions = 1;  // the fewest interactions of a user
  index item_interactions = 1;  // the fewest interactions of an item; repeats count
};

/// A filtered log, and what is not in it.
struct filtered {
  interactions log;
  index repeats = 0;  // interactions with an item that the user had already
  index users = 0;    // users removed: too few interactions, or all their items removed
  index items = 0;    // items removed: too few interactions, or all their users removed
  index rare = 0;     // interactions of these users and items
};

/// The part of a log that a filter keeps; users and items are numbered anew, in the order of first appearance.
/// Throws input_error for a negative setting, an item or a user without a name, times that are not as many as the items, and when nothing
/// is left.
inline filtered keep(const interactions& log, const filter& f) {
  if (f.user_interactions < 0 || f.item_interactions < 0)
    throw input_error("data::keep: the fewest interactions must not be negative; 1 keeps everybody");
  const index users = log.histories.size();
  if (log.users.size() < users)
    throw input_error("data::keep: the log has " + std::to_string(users) + " users but names " + std::to_string(log.users.size()));
  for (const item i : log.histories.items)
    if (i < 0 || i >= log.items.size())
      throw input_error("data::keep: item " + std::to_string(i) + " is not one of the log's " + std::to_string(log.items.size()));
  check_times(log, "data::keep");
  const auto& offsets = log.histories.offsets;
  std::vector<bool> kept(log.histories.items.size(), true);
  filtered result;
  if (!f.repeats) {
    std::vector<index> last_user(static_cast<std::size_t>(log.items.size()), -1);
    for (index u = 0; u < users; ++u)
      for (auto place = static_cast<std::size_t>(offsets[static_cast<std::size_t>(u)]);
           place < static_cast<std::size_t>(offsets[static_cast<std::size_t>(u) + 1]); ++place) {
        index& seen = last_user[static_cast<std::size_t>(log.histories.items[place])];
        if (seen == u) kept[place] = false, ++result.repeats;
        seen = u;
      }
  }
  std::vector<index> of_user(static_cast<std::size_t>(users)), of_item(static_cast<std::size_t>(log.items.size()));
  for (bool changed = true; changed;) {
    changed = false;
    std::fill(of_user.begin(), of_user.end(), 0), std::fill(of_item.begin(), of_item.end(), 0);
    const auto each = [&](auto&& act) {
      for (std::size_t u = 0; u < of_user.size(); ++u)
        for (auto place = static_cast<std::size_t>(offsets[u]); place < static_cast<std::size_t>(offsets[u + 1]); ++place)
          if (kept[place]) act(place, of_user[u], of_item[static_cast<std::size_t>(log.histories.items[place])]);
    };
    each([](std::size_t, index& mine, index& its) { ++mine, ++its; });
    each([&](std::size_t place, index mine, index its) {
      if (mine >= f.user_interactions && its >= f.item_interactions) return;
      kept[place] = false, changed = true, ++result.rare;
    });
  }
  std::vector<item> number(static_cast<std::size_t>(log.items.size()), -1), history;
  for (index u = 0; u < users; ++u) {
    history.clear();
    const auto begin = static_cast<std::size_t>(offsets[static_cast<std::size_t>(u)]);
    for (std::size_t i = 0; i < log.histories[u].size(); ++i) {
      if (!kept[begin + i]) continue;
      item& its = number[static_cast<std::size_t>(log.histories.items[begin + i])];
      if (its < 0) its = result.log.items.add(log.name(log.histories.items[begin + i]));
      history.push_back(its);
      if (!log.times.empty()) result.log.times.push_back(log.times[begin + i]);
    }
    if (history.empty()) continue;
    result.log.users.add(log.users.name(static_cast<item>(u)));
    result.log.histories.push_back(history);
  }
  result.users = users - result.log.histories.size();
  result.items = log.items.size() - result.log.items.size();
  if (result.log.histories.size() == 0)
    throw input_error("data::keep: nothing is left of " + std::to_string(log.histories.items.size()) + " interactions when users need " +
                      std::to_string(f.user_interactions) + " and items " + std::to_string(f.item_interactions) + "; ask for fewer");
  return result;
}

}  // namespace cddrec::data
