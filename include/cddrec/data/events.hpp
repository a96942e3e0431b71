// Events as a table has them, one a row in any order: who, what, and when.
// Grouped by user and sorted by time they become a log; events of the same time keep the order of the table.
#pragma once

#include <algorithm>
#include <cmath>

#include "cddrec/data/sequences.hpp"

namespace cddrec::data {

/// A table of events; row i is user[i], what[i] and, if the table has times, time[i], none of which is NaN.
struct events {
  std::vector<item> user, what;
  std::vector<double> time;  // empty: the order of the table is the order in time
  id_map users, items;
};

/// The log of these events: users in the order of their numbers. Throws input_error when the columns differ in length, a time is NaN, or a
/// user or an item has a number without a name.
inline interactions grouped(events e) {
  const std::size_t rows = e.user.size();
  if (e.what.size() != rows || (!e.time.empty() && e.time.size() != rows))
    throw input_error("data::grouped: " + std::to_string(rows) + " users, " + std::to_string(e.what.size()) + " items and " +
                      std::to_string(e.time.size()) + " times do not make one table");
  const auto expect_named = [](const char* what, const std::vector<item>& numbers, const id_map& names) {
    for (std::size_t row = 0; row < numbers.size(); ++row)
      if (numbers[row] < 0 || numbers[row] >= names.size())
        throw input_error("data::grouped: event " + std::to_string(row) + " (from 0) has " + what + " " + std::to_string(numbers[row]) +
                          ", but there are names for " + std::to_string(names.size()));
  };
  expect_named("user", e.user, e.users), expect_named("item", e.what, e.items);
  for (std::size_t row = 0; row < e.time.size(); ++row)
    if (std::isnan(e.time[row])) throw input_error("data::grouped: the time of event " + std::to_string(row) + " (from 0) is not a number");
  interactions log;
  // Counting sort by user, which keeps the order of the table.
  std::vector<index>& offsets = log.histories.offsets;
  offsets.assign(static_cast<std::size_t>(e.users.size()) + 1, 0);
  for (const item u : e.user) ++offsets[static_cast<std::size_t>(u) + 1];
  for (std::size_t u = 1; u < offsets.size(); ++u) offsets[u] += offsets[u - 1];
  std::vector<std::size_t> order(rows);
  std::vector<index> next(offsets.begin(), offsets.end() - 1);
  for (std::size_t row = 0; row < rows; ++row) order[static_cast<std::size_t>(next[static_cast<std::size_t>(e.user[row])]++)] = row;
  if (!e.time.empty())
    for (std::size_t u = 0; u + 1 < offsets.size(); ++u)
      std::sort(order.begin() + offsets[u], order.begin() + offsets[u + 1],
                [&](std::size_t a, std::size_t b) { return e.time[a] < e.time[b] || (e.time[a] == e.time[b] && a < b); });
  for (const std::size_t row : order) log.histories.items.push_back(e.what[row]);
  if (!e.time.empty())
    for (const std::size_t row : order) log.times.push_back(e.time[row]);
  log.users = std::move(e.users), log.items = std::move(e.items);
  return log;
}

}  // namespace cddrec::data
