// What is trained on, what validates and what tests: of every user the last items, or of the whole log the last days.
// The sequences are kept once; training sequences, histories and targets are views that end at different places.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "cddrec/data/sequences.hpp"

namespace cddrec::data {

/// The first `length` items of a user; the item that follows them is the target of a case.
struct prefix {
  std::int32_t user, length;
};

/// The users to be ranked, each with a history and the item that followed it. A light view into a split.
class cases {
 public:
  cases(const sequences& log, std::span<const prefix> histories) : log_(&log), histories_(histories) {}

  index size() const { return static_cast<index>(histories_.size()); }

  /// The user's number in the log.
  index user(index i) const { return at(i).user; }

  /// Everything before the target, oldest first.
  std::span<const item> history(index i) const { return (*log_)[at(i).user].first(static_cast<std::size_t>(at(i).length)); }

  /// Those of all cases.
  std::vector<std::span<const item>> histories() const {
    std::vector<std::span<const item>> all;
    all.reserve(histories_.size());
    for (index i = 0; i < size(); ++i) all.push_back(history(i));
    return all;
  }

  /// The item to be predicted.
  item target(index i) const { return (*log_)[at(i).user][static_cast<std::size_t>(at(i).length)]; }

 private:
  const prefix& at(index i) const {
    CDDREC_ASSERT(i >= 0 && i < size());
    return histories_[static_cast<std::size_t>(i)];
  }

  const sequences* log_;
  std::span<const prefix> histories_;
};

/// A log divided by leave_one_out or by_time.
class split {
 public:
  /// Items of the whole log, whether or not anyone is trained on them.
  index items() const { return items_; }
  /// Users of the whole log.
  index users() const { return log_.size(); }

  /// Users with something to train on.
  index training_users() const { return static_cast<index>(training_.size()); }
  /// Training sequence i < training_users(): two items or more, oldest first; every item but the first is a target in turn.
  std::span<const item> training(index i) const {
    CDDREC_ASSERT(i >= 0 && i < training_users());
    const prefix& p = training_[static_cast<std::size_t>(i)];
    return log_[p.user].first(static_cast<std::size_t>(p.length));
  }

  /// A number of what is trained on and validated by (FNV-1a): equal splits have the same, others hardly ever.
  std::uint64_t fingerprint() const {
    std::uint64_t number = 14695981039346656037u;
    const auto take = [&](std::int64_t value) { number = (number ^ static_cast<std::uint64_t>(value)) * 1099511628211u; };
    take(items_);
    for (const std::vector<prefix>* part : {&training_, &validation_}) {
      take(std::ssize(*part));
      for (const prefix& p : *part) {
        take(p.length);
        // of a case, the target too, which follows its history
        for (const item v : log_[p.user].first(static_cast<std::size_t>(p.length) + (part == &validation_))) take(v);
      }
    }
    return number;
  }

  /// Views of the split: valid until it is moved or destroyed.
  cases validation() const& { return {log_, validation_}; }
  cases test() const& { return {log_, test_}; }
  cases validation() const&& = delete;
  cases test() const&& = delete;

  /// Users that are not tested.
  index not_tested() const { return users() - static_cast<index>(test_.size()); }
  /// Those of them that are not trained on either; by_time may still validate by such a user.
  index unusable() const { return unusable_; }

 private:
  friend split leave_one_out(const interactions& log);
  friend split by_time(const interactions& log, double validation_share, double test_share);
  split(const interactions& log, const char* who) : log_(log.histories), items_(log.items.size()) {
    for (const item i : log_.items)
      if (i < 0 || i >= items_)
        throw input_error(std::string(who) + ": item number " + std::to_string(i) + " is not one of the log's " + std::to_string(items_) +
                          " items; number the histories with interactions::items");
    for (index u = 0; u < log_.size(); ++u)
      if (std::ssize(log_[u]) > std::numeric_limits<std::int32_t>::max())
        throw input_error(std::string(who) + ": user " + std::to_string(u) + " (from 0) has 2^31 items or more; leave out the oldest");
  }

  void add(index user, std::size_t training, std::size_t validation, std::size_t test) {
    const auto first = [&](std::size_t length) { return prefix{static_cast<std::int32_t>(user), static_cast<std::int32_t>(length)}; };
    if (training > 1) training_.push_back(first(training));
    if (validation > 0) validation_.push_back(first(validation));
    if (test > 0) test_.push_back(first(test));
    if (training < 2 && test == 0) ++unusable_;
  }

  sequences log_;
  std::vector<prefix> training_, validation_, test_;
  index items_ = 0, unusable_ = 0;
};

/// Divides a log by its users' last items. Of a user's v_1 … v_n
///   training    v_1 … v_{n-2},
///   validation  v_1 … v_{n-2} → v_{n-1},
///   test        v_1 … v_{n-1} → v_n.
/// A user of 2 or 3 items is trained on whole and not evaluated; one of fewer is of no use. Validation and test have the same users in the
/// same order. It leaks: what others did after a user's last item is trained on.
/// Throws input_error when nobody has 4 items, or an item's number is not one of the log's items.
inline split leave_one_out(const interactions& log) {
  // Below 4 nothing would be left to train on: a pair for training, a target each for validation and test.
  constexpr std::size_t evaluated_length = 4;
  split result(log, "data::leave_one_out");
  for (index u = 0; u < result.log_.size(); ++u) {
    const std::size_t n = result.log_[u].size();
    if (n < evaluated_length)
      result.add(u, n, 0, 0);
    else
      result.add(u, n - 2, n - 2, n - 1);
  }
  if (result.test_.empty())
    throw input_error("data::leave_one_out: none of the " + std::to_string(result.users()) +
                      " users has 4 items, the fewest for training, validation and test; use a longer log");
  return result;
}

/// Divides a log at two times, so that the last `test_share` of all interactions are for the test and the `validation_share` before them
/// for validation; interactions of one time stay together, in the later part. Of a user
///   training    what was done before the first time,
///   validation  that → the next item, if it came before the second time,
///   test        what was done before the second time → the next item.
/// Nothing that is trained on is later than what is predicted. Targets that nobody had in training cannot be predicted: see cold_targets.
/// Throws input_error for a log without times, with times that are not as many as the items, NaN or falling within a user, for shares that
/// are not above 0 and together below 1, and when a part would be empty.
inline split by_time(const interactions& log, double validation_share = 0.1, double test_share = 0.1) {
  if (log.times.empty()) throw input_error("data::by_time: the log has no times; use one that has them, or split it by leave_one_out");
  check_times(log, "data::by_time");
  if (!(validation_share > 0 && test_share > 0 && validation_share + test_share < 1))
    throw input_error("data::by_time: the shares are " + to_text(validation_share) + " and " + to_text(test_share) +
                      "; each must be above 0, and their sum below 1");
  if (std::any_of(log.times.begin(), log.times.end(), [](double time) { return std::isnan(time); }))
    throw input_error("data::by_time: a time in the log is not a number; correct it or leave that interaction out");
  split result(log, "data::by_time");
  std::vector<double> sorted = log.times;
  std::sort(sorted.begin(), sorted.end());
  const auto last = [&](double share) {  // the time of the first of the last interactions
    const auto n = static_cast<double>(sorted.size());
    return sorted[static_cast<std::size_t>(n - std::max(1.0, std::round(n * share)))];
  };
  const double first = last(validation_share + test_share), second = last(test_share);
  for (index u = 0; u < result.log_.size(); ++u) {
    const auto times = log.times_of(u);
    if (!std::is_sorted(times.begin(), times.end()))
      throw input_error("data::by_time: the times of user " + std::to_string(u) +
                        " (from 0) are out of order; sort every user's interactions by time");
    const auto before = [&](double time) {
      return static_cast<std::size_t>(std::lower_bound(times.begin(), times.end(), time) - times.begin());
    };
    const std::size_t early = before(first), late = before(second);
    result.add(u, early, early < late ? early : 0, late < times.size() ? late : 0);
  }
  for (const auto& [part, name] :
       {std::pair{&result.training_, "train on"}, {&result.validation_, "validate on"}, {&result.test_, "test on"}})
    if (part->empty())
      throw input_error(std::string("data::by_time: there are no users to ") + name + " when the log is split at times " + to_text(first) +
                        " and " + to_text(second) + "; change the shares");
  return result;
}

/// How many targets of these cases stand in their own history. A ranking of unseen items misses them, whatever the model.
inline index targets_in_history(const cases& these) {
  index count = 0;
  for (index i = 0; i < these.size(); ++i) {
    const auto history = these.history(i);
    count += std::find(history.begin(), history.end(), these.target(i)) != history.end();
  }
  return count;
}

/// How many targets of these cases are in no training sequence, so that nothing can be known of them.
inline index cold_targets(const split& s, const cases& these) {
  std::vector<bool> trained(static_cast<std::size_t>(s.items()));
  for (index i = 0; i < s.training_users(); ++i)
    for (const item v : s.training(i)) trained[static_cast<std::size_t>(v)] = true;
  index count = 0;
  for (index i = 0; i < these.size(); ++i) count += !trained[static_cast<std::size_t>(these.target(i))];
  return count;
}

}  // namespace cddrec::data
