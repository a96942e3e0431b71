// Which items stand against a target: drawn evenly, by their popularity in training, or from the other targets of the batch.
// Popularity is a table of running sums, so a draw is one binary search; the target's own share is cut out, never drawn and rejected.
#pragma once

#include <algorithm>
#include <cmath>

#include "cddrec/core/random.hpp"
#include "cddrec/data/split.hpp"

namespace cddrec::data {

enum class negative_law { uniform, popularity, in_batch };

class negative_sampler {
 public:
  /// Draws evenly, without knowledge of a log.
  negative_sampler() = default;

  /// Draws by `law`. By popularity an item's weight is the number of times it is a target in training, to the `power`: 1 is popularity
  /// itself, 0 is even again. Targets are those that batches hold: the newest `max_length` of a sequence. Items that are none count as half
  /// of one, so that any can be drawn, as long as the sum of the weights is below 2^30: a draw has 32 bits. input_error for a power that is
  /// not in [0, 2], beyond which common logs would come near that.
  negative_sampler(const split& log, negative_law law, index max_length, double power = 1) : law_(law) {
    require(power >= 0 && power <= 2, "data::negative_sampler", "power", power, "in [0, 2]");
    std::vector<double> weight(static_cast<std::size_t>(log.items()), 0.5);
    for (index u = 0; u < log.training_users(); ++u) {
      const auto targets = log.training(u).subspan(1);
      for (const item i : targets.last(std::min(targets.size(), static_cast<std::size_t>(max_length)))) {
        double& own = weight[static_cast<std::size_t>(i)];
        own = own < 1 ? 1 : own + 1;
      }
    }
    sums_.push_back(0);
    for (double& w : weight) {
      // A batch's own targets come as often as items are targets, whatever the power.
      if (law != negative_law::in_batch) w = std::pow(w, power);
      sums_.push_back(sums_.back() + w);
    }
    for (const double w : weight) log_others_.push_back(std::log1p(-w / sums_.back()));
  }

  negative_law law() const { return law_; }

  /// log(1 - (1 - p)^draws): the log of the probability that an item comes up at least once in `draws` of this law, 1 or more; p is that of
  /// one draw. Where draws are even it is 0 for every item, since only differences between items matter.
  double log_inclusion(item i, index draws) const {
    if (law_ == negative_law::uniform || log_others_.empty()) return 0;
    return std::log(-std::expm1(static_cast<double>(draws) * log_others_[static_cast<std::size_t>(i)]));
  }

  /// An item other than `target`, of `items` in all, 2 or more; by element `e` of `draw`. `batch` holds the targets that in_batch draws
  /// from: it takes the first, from the drawn one on, that differs from `target`, or `target` itself where none does.
  item other_than(item target, index items, std::span<const item> batch, const core::random& draw, index e) const {
    if (law_ == negative_law::in_batch) {
      const std::size_t first = static_cast<std::size_t>(draw.below(e, static_cast<index>(batch.size())));
      for (std::size_t k = 0; k < batch.size(); ++k)
        if (const item other = batch[(first + k) % batch.size()]; other != target) return other;
      return target;
    }
    if (law_ == negative_law::uniform) {
      const auto other = static_cast<item>(draw.below(e, items - 1));
      return other < target ? other : other + 1;
    }
    const auto t = static_cast<std::size_t>(target);
    double place = unit(draw, e) * (sums_.back() - (sums_[t + 1] - sums_[t]));
    if (place >= sums_[t]) place += sums_[t + 1] - sums_[t];
    const item found = at(place);
    return found != target ? found : (target > 0 ? target - 1 : target + 1);  // rounding at the border of its share
  }

  /// Any item, for a law other than in_batch.
  item any(index items, const core::random& draw, index e) const {
    return law_ == negative_law::uniform ? static_cast<item>(draw.below(e, items)) : at(unit(draw, e) * sums_.back());
  }

 private:
  static double unit(const core::random& draw, index e) { return static_cast<double>(draw.bits(e)) * 0x1p-32; }
  item at(double place) const {
    const auto above = std::upper_bound(sums_.begin() + 1, sums_.end() - 1, place);
    return static_cast<item>(above - sums_.begin() - 1);
  }

  negative_law law_ = negative_law::uniform;
  std::vector<double> sums_;        // [V + 1], of the weights of the items before
  std::vector<double> log_others_;  // [V], log of the probability that a draw is another item
};

}  // namespace cddrec::data
