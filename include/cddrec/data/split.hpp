// Leave-one-out: a user's last item is for the test, the one before it for validation, the rest for training.
// The sequences are kept once; training sequences, histories and targets are views that end at different places.
#pragma once

#include "cddrec/data/sequences.hpp"

namespace cddrec::data {

/// The users to be ranked, each with a history and the item that followed it. A light view into a split.
class cases {
 public:
  cases(const sequences& log, std::span<const index> users, std::size_t held_out) : log_(&log), users_(users), held_out_(held_out) {}

  index size() const { return static_cast<index>(users_.size()); }

  /// Everything before the target, oldest first.
  std::span<const item> history(index i) const {
    const auto all = sequence(i);
    return all.first(all.size() - held_out_);
  }

  /// The item to be predicted.
  item target(index i) const {
    const auto all = sequence(i);
    return all[all.size() - held_out_];
  }

 private:
  std::span<const item> sequence(index i) const {
    CDDREC_ASSERT(i >= 0 && i < size());
    return (*log_)[users_[static_cast<std::size_t>(i)]];
  }

  const sequences* log_;
  std::span<const index> users_;
  std::size_t held_out_;  // items at the end that the history must not show: 2 in validation, 1 in the test
};

/// A log divided by leave-one-out. Of a user's items v_1 … v_n
///   training    v_1 … v_{n-2}, a sequence whose every item but the first is a target in turn,
///   validation  v_1 … v_{n-2} → v_{n-1},
///   test        v_1 … v_{n-1} → v_n.
/// A user of 2 or 3 items is trained on whole and not evaluated; one of fewer is of no use. All are counted.
class split {
 public:
  /// Items of the whole log, whether or not anyone is trained on them.
  index items() const { return items_; }
  /// Users of the whole log.
  index users() const { return users_; }

  /// Users with something to train on.
  index training_users() const { return log_.size(); }
  /// Training sequence i < training_users(): two items or more, oldest first.
  std::span<const item> training(index i) const {
    const auto all = log_[i];
    return all.size() < evaluated_length ? all : all.first(all.size() - 2);
  }

  /// The same users in the same order in both; valid as long as the split stays where it is.
  cases validation() const& { return {log_, evaluated_, 2}; }
  cases test() const& { return {log_, evaluated_, 1}; }
  cases validation() const&& = delete;
  cases test() const&& = delete;

  /// Users with fewer than 4 items.
  index not_evaluated() const { return users_ - static_cast<index>(evaluated_.size()); }
  /// Users with fewer than 2 items.
  index unusable() const { return users_ - log_.size(); }

 private:
  friend split leave_one_out(const interactions& log);
  split() = default;

  // Below this length nothing would be left to train on: a pair for training, one target each for validation and test.
  static constexpr std::size_t evaluated_length = 4;

  sequences log_;                 // of the users with two items or more
  std::vector<index> evaluated_;  // those with four or more: indices into log_
  index items_ = 0;
  index users_ = 0;
};

/// Divides a log. Throws input_error when nobody has 4 items, or an item's number is not one of the log's items.
inline split leave_one_out(const interactions& log) {
  split result;
  result.items_ = log.items.size();
  result.users_ = log.histories.size();
  for (const item i : log.histories.items)
    if (i < 0 || i >= result.items_)
      throw input_error("data::leave_one_out: item number " + std::to_string(i) + " is not one of the log's " +
                        std::to_string(result.items_) + " items; number the histories with interactions::items");
  for (index u = 0; u < log.histories.size(); ++u) {
    const auto history = log.histories[u];
    if (history.size() < 2) continue;
    if (history.size() >= split::evaluated_length) result.evaluated_.push_back(result.log_.size());
    result.log_.push_back(history);
  }
  if (result.evaluated_.empty())
    throw input_error("data::leave_one_out: none of the " + std::to_string(result.users_) +
                      " users has 4 items, the fewest that can be trained on, validated and tested; use a longer log");
  return result;
}

}  // namespace cddrec::data
