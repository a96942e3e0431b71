// The augmented view of a training sequence: one of crop, mask and reorder, drawn anew for each.
// Every (input, target) pair keeps its target, so the augmented view is a batch like any other; the views are aligned at their ends.
#pragma once

#include "cddrec/core/random.hpp"
#include "cddrec/data/batch.hpp"

namespace cddrec::data {

/// How far a view departs from its sequence, as shares of the sequence's pairs, rounded down.
struct augmentation {
  float crop_keep = 0.6f;       // crop: the length of the window that stays, in (0, 1]; at least one pair
  float mask_ratio = 0.3f;      // mask: inputs that are hidden, in (0, 1); at least one of several, never all
  float reorder_window = 0.6f;  // reorder: the length of the window that is shuffled, in (0, 1]
};

/// Throws input_error if a share is out of range.
inline void check(const augmentation& a) {
  const char* const where = "data::augmentation";
  require(a.crop_keep > 0 && a.crop_keep <= 1, where, "crop_keep", a.crop_keep, "in (0, 1]");
  require(a.mask_ratio > 0 && a.mask_ratio < 1, where, "mask_ratio", a.mask_ratio, "in (0, 1)");
  require(a.reorder_window > 0 && a.reorder_window <= 1, where, "reorder_window", a.reorder_window, "in (0, 1]");
}

namespace detail {

// floor(ratio * count) as it is meant on paper: 0.7f of 10 is 7, though 0.7f is a little less than 0.7.
inline index share_of(float ratio, index count) {
  return static_cast<index>(static_cast<double>(ratio) * static_cast<double>(count) + 1e-4);
}

// Each of these leaves element 0 of the stream to the choice among them, and uses every other element at most once.

// Keeps a window of the pairs [first, end) and drops the others.
inline void crop(batch& out, index first, float keep, core::random draw) {
  const index count = out.tokens() - first;
  const index kept = std::max<index>(1, share_of(keep, count));
  const index start = first + draw.below(1, count - kept + 1);
  for (std::vector<item>* values : {&out.inputs, &out.targets}) {
    std::copy_n(values->begin() + start, kept, values->begin() + first);
    values->resize(static_cast<std::size_t>(first + kept));
  }
  out.offsets.back() = out.tokens();
}

// Hides some of the inputs [first, end), every choice of them as likely.
inline void mask(batch& out, index first, float ratio, item mask_item, core::random draw) {
  const index count = out.tokens() - first;
  index hidden = std::min(std::max<index>(1, share_of(ratio, count)), count - 1);
  // Selection sampling: the next position is taken with probability (still to take) / (still to come).
  for (index left = count; left > 0; --left) {
    if (draw.below(left, left) >= hidden) continue;
    out.inputs[static_cast<std::size_t>(out.tokens() - left)] = mask_item;
    --hidden;
  }
}

// Shuffles a window of the inputs [first, end).
inline void reorder(batch& out, index first, float window, core::random draw) {
  const index count = out.tokens() - first;
  const index length = share_of(window, count);
  const auto begin = out.inputs.begin() + first + draw.below(1, count - length + 1);
  for (index i = length; i > 1; --i) std::swap(begin[i - 1], begin[draw.below(i, i)]);  // Fisher-Yates
}

}  // namespace detail

/// Adds an augmented view of the pairs that batch::add_training would add, and a flag for each of its rows to `clean`:
/// 0 where the row's target already stands among the inputs up to and including that row and would leak, else 1.
/// `mask_item` is a number that no item has; `draw` is this sequence's own stream.
/// Throws input_error as add_training does, and for settings out of range.
inline void add_augmented(batch& out, std::vector<unsigned char>& clean, std::span<const item> sequence, index max_length, item mask_item,
                          const augmentation& settings, core::random draw) {
  CDDREC_ASSERT(clean.size() == out.inputs.size());
  check(settings);
  const index first = out.tokens();
  out.add_training(sequence, max_length);
  switch (draw.below(0, 3)) {
    case 0:
      detail::crop(out, first, settings.crop_keep, draw);
      break;
    case 1:
      detail::mask(out, first, settings.mask_ratio, mask_item, draw);
      break;
    default:
      detail::reorder(out, first, settings.reorder_window, draw);
  }
  const auto begin = out.inputs.begin() + first;
  for (auto end = begin; end != out.inputs.end();) {
    const item target = out.targets[clean.size()];
    ++end;
    clean.push_back(std::find(begin, end, target) == end);
  }
}

/// A row of the sequences' batch and its counterpart in the augmented one.
struct row_pair {
  index main;
  index augmented;
};

/// Replaces `out` by the pairs of two batches of the same sequences: the k-th newest row of a sequence with the k-th newest of
/// its augmented view, where both exist and the augmented one is clean. Rows ascend.
/// Throws input_error if the batches hold different numbers of sequences or `clean` does not have a flag for every augmented row.
inline void pair_views(const batch& main, const batch& augmented, std::span<const unsigned char> clean, std::vector<row_pair>& out) {
  if (main.size() != augmented.size() || clean.size() != augmented.inputs.size())
    throw input_error("data::pair_views: " + std::to_string(main.size()) + " sequences, " + std::to_string(augmented.size()) +
                      " augmented with " + std::to_string(augmented.tokens()) + " rows and " + std::to_string(clean.size()) +
                      " flags; fill both batches from the same sequences, and `clean` along with the augmented one");
  out.clear();
  const core::ragged rows = main.layout(), views = augmented.layout();
  for (index i = 0; i < rows.size(); ++i)
    for (index k = std::min(rows.length(i), views.length(i)); k > 0; --k)
      if (const row_pair pair{rows.end(i) - k, views.end(i) - k}; clean[static_cast<std::size_t>(pair.augmented)]) out.push_back(pair);
}

}  // namespace cddrec::data
