// What is left of a log when repeats, rare users and rare items are taken away, and what was taken.
// Rarity is mutual: a user that goes may make an item rare. Passes over the log go on until one takes nothing (the k-core).
#pragma once

#include "cddrec/data/sequences.hpp"

namespace cddrec::data {

/// What a log keeps.
struct filter {
  bool repeats = true;   // false: of a user's interactions with the same item the first alone
  index user_items = 1;  // a user has at least so many interactions
  index item_users = 1;  // an item stands in at least so many interactions
};

/// A filtered log, and what is not in it.
struct filtered {
  interactions log;
  index repeats = 0;  // interactions with an item that the user had already
  index users = 0;    // without enough interactions, and those whose items all went
  index items = 0;    // without enough interactions, and those whose users all went
  index rare = 0;     // interactions of these users and items
};

/// The part of a log that a filter keeps; numbers are given anew, in the order of first sight.
/// Throws input_error for a negative number, for an item or a user that has no name, for times that are not one an item, and when nothing
/// is left.
inline filtered keep(const interactions& log, const filter& f) {
  if (f.user_items < 0 || f.item_users < 0) throw input_error("data::keep: a number of interactions is negative; 1 keeps everybody");
  const index users = log.histories.size();
  if (log.users.size() < users)
    throw input_error("data::keep: " + std::to_string(users) + " users, of whom " + std::to_string(log.users.size()) + " have a name");
  for (const item i : log.histories.items)
    if (i < 0 || i >= log.items.size())
      throw input_error("data::keep: item " + std::to_string(i) + " of " + std::to_string(log.items.size()));
  detail::check_times(log, "data::keep");
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
      if (mine >= f.user_items && its >= f.item_users) return;
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
                      std::to_string(f.user_items) + " and items " + std::to_string(f.item_users) + "; ask for less");
  return result;
}

}  // namespace cddrec::data
