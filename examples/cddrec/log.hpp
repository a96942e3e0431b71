// The log of a command: read as its options say, divided as the settings say, with a report of what is not evaluated.
#pragma once

#include <iostream>

#include "cddrec/data/split.hpp"
#include "cddrec/io/interactions.hpp"
#include "display.hpp"
#include "settings.hpp"

namespace cddrec::cli {

struct log_options {
  std::string data;
  io::reading how;

  /// Tells what had to be mended.
  data::interactions read() const {
    const std::string name = io::name_of_input(data);
    io::repairs mended;
    std::optional<work_display> bar;  // only once bytes arrive: until then a signal ends the program as usual
    io::reading told = how;
    told.tell = [&](index done, index all) {
      if (!bar) bar.emplace("reading " + name);
      return bar->tell()(done, all);
    };
    data::interactions log = io::read_interactions(data, told, &mended);
    bar.reset();
    if (const std::string what = mended.text(); !what.empty()) std::cerr << "cddrec: " << name << ": mended: " << what << '\n';
    if (!mended.untimed.empty())
      std::cerr << "cddrec: " << name << ": no column has a usual name for the time: rows are taken in the order of the file; if it is one "
                << "of these, name it with --time-column: " << mended.untimed << '\n';
    if (mended.like_table)
      std::cerr
          << "cddrec: " << name << ": read as lines of `user item item …`, but every line looks like a row of a table, with a time at "
          << "its end; if it is one, put a header line above it (user, item, rating, timestamp, separated by tabs) and give --format tsv\n";
    return log;
  }

  /// The same as words of a command line, but for the log's name.
  std::vector<std::string> words() const {
    std::vector<std::string> all;
    for (const auto& [option, value] : {std::pair{"--format", &how.format},
                                        {"--user-column", &how.columns.user},
                                        {"--item-column", &how.columns.item},
                                        {"--time-column", &how.columns.time}})
      if (!value->empty()) all.insert(all.end(), {option, *value});
    return all;
  }
};

inline data::split divide(const data::interactions& log, const run_settings& s) {
  return s.division == "time" ? data::by_time(log, s.validation_share, s.test_share) : data::leave_one_out(log);
}

/// The log with the items of `ids` under the numbers that they have there, whether they occur in it or not, and its new ones behind them.
inline data::interactions numbered_after(const data::id_map& ids, data::interactions log) {
  data::id_map all = ids;
  std::vector<data::item> numbers;
  for (index i = 0; i < log.items.size(); ++i) numbers.push_back(all.add(log.name(static_cast<data::item>(i))));
  for (data::item& i : log.histories.items) i = numbers[static_cast<std::size_t>(i)];
  log.items = std::move(all);
  return log;
}

/// Tells whom a division leaves out, and which targets nothing can predict.
inline void tell_left_out(const data::split& split, const run_settings& s) {
  const bool by_time = s.division == "time";
  if (split.not_tested() > 0)
    std::cerr << "cddrec: " << split.not_tested() << " users have "
              << (by_time ? "no item before the test's time or none in it" : "fewer than 4 items") << ": not "
              << (by_time ? "tested" : "evaluated") << ", " << split.not_tested() - split.unusable() << " of them trained on\n";
  if (const index cold = by_time ? data::cold_targets(split, split.test()) : 0; cold > 0)
    std::cerr << "cddrec: " << cold << " of " << split.test().size() << " test targets are items that occur nowhere in training\n";
}

/// Tells which targets no ranking of unseen items can hold.
inline void tell_repeated(const data::cases& cases) {
  if (const index repeated = data::targets_in_history(cases); repeated > 0)
    std::cerr
        << "cddrec: " << repeated << " of " << cases.size()
        << " targets are in their own history: counted as misses; `cddrec prepare --drop-repeats` leaves repeated items out of a log\n";
}

}  // namespace cddrec::cli
