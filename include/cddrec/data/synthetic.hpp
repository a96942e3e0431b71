// A made-up log whose truth is known: users with drifting interests, items in clusters of power-law popularity.
// The interest is a hidden Markov chain seen through noise, so the forward algorithm gives the next item's probabilities exactly.
#pragma once

#include <cmath>

#include "cddrec/core/random.hpp"
#include "cddrec/data/sequences.hpp"

namespace cddrec::data {

/// How a synthetic log is drawn. Before each item but the first, the user's interest stays in its cluster or moves on to the next
/// one on a ring; the item then comes from that cluster or, by chance, from any; within a cluster it is drawn by popularity among
/// the items the user has not had.
struct synthetic_settings {
  index users = 6000;
  index items = 2000;       // those that nobody happens to draw are not in the log
  index cluster_size = 50;  // items / cluster_size clusters, the remainder spread over them
  index min_length = 5;     // a user's number of items is drawn evenly from [min_length, max_length]
  index max_length = 20;
  double stay = 0.95;     // probability that the interest stays
  double noise = 0.2;     // probability that an item comes from a cluster drawn evenly from all
  double exponent = 1.0;  // the r-th item of a cluster has popularity r^-exponent
};

/// A drawn log beside the truth it was drawn from; the same settings and seed give the same log.
class synthetic_log {
 public:
  /// Throws input_error when a setting is out of range, or a cluster so small that one user could use it up.
  synthetic_log(const synthetic_settings& settings, core::seed seed);

  /// Users u1, u2, …; items i1, i2, …, numbered without regard to clusters and mapped in order of first sight, as a reader would.
  const interactions& log() const& { return log_; }
  const interactions& log() const&& = delete;

  index clusters() const { return static_cast<index>(cluster_mass_.size()); }
  index cluster(item v) const { return place(v) % clusters(); }
  /// Share of item v among all items of its cluster, those outside the log included.
  double popularity(item v) const { return weight(place(v)) / cluster_mass_[static_cast<std::size_t>(cluster(v))]; }

  /// P(next item = v | history) for every item v of the log, exactly; 0 for the history's own items.  // [items]
  /// The sum is 1 less the chance of an item that is not in the log. Throws input_error for a history that these settings cannot
  /// produce: longer than max_length, with an unknown or repeated item, or with a move of the interest that has probability 0.
  std::vector<double> next_item_probabilities(std::span<const item> history) const;

 private:
  // Items are kept by place: cluster place % clusters, popularity rank place / clusters.
  index place(item v) const {
    CDDREC_ASSERT(v >= 0 && v < log_.items.size());
    return places_[static_cast<std::size_t>(v)];
  }
  double weight(index place) const { return weights_[static_cast<std::size_t>(place / clusters())]; }
  /// P(the item's cluster is c) for a user whose interest is in c with probability `interest`.
  double emission(double interest) const { return (1 - settings_.noise) * interest + settings_.noise / static_cast<double>(clusters()); }

  void check() const;
  void draw(core::random stream);
  std::vector<index> draw_history(core::random stream) const;  // places

  synthetic_settings settings_;
  interactions log_;
  std::vector<index> places_;         // [items of the log]
  std::vector<double> weights_;       // [largest cluster], popularity by rank
  std::vector<double> cluster_mass_;  // [clusters], sum of the popularity of its items
};

inline synthetic_log::synthetic_log(const synthetic_settings& settings, core::seed seed) : settings_(settings) {
  check();
  const index clusters = std::max<index>(1, settings.items / settings.cluster_size);
  cluster_mass_.resize(static_cast<std::size_t>(clusters));
  for (index rank = 0; rank * clusters < settings.items; ++rank) {
    weights_.push_back(std::pow(static_cast<double>(rank + 1), -settings.exponent));
    for (index c = 0; c < std::min(clusters, settings.items - rank * clusters); ++c)
      cluster_mass_[static_cast<std::size_t>(c)] += weights_.back();
  }
  draw(core::random(seed));
}

inline void synthetic_log::check() const {
  const char* const where = "data::synthetic_log";
  const auto probability = [](double p) { return p >= 0 && p <= 1; };  // false for NaN
  const synthetic_settings& s = settings_;
  require(s.users >= 1 && s.users <= INT32_MAX, where, "users", s.users, "1 to 2^31 - 1");
  require(s.items >= 1 && s.items <= INT32_MAX, where, "items", s.items, "1 to 2^31 - 1");
  const std::string longest = "max_length (" + to_text(s.max_length) + ")";
  require(s.min_length >= 1 && s.min_length <= s.max_length, where, "min_length", s.min_length, "1 to " + longest);
  // A user's last item, and the one after it, must find something unseen in every cluster.
  require(s.cluster_size > s.max_length, where, "cluster_size", s.cluster_size, "above " + longest);
  require(s.items > s.max_length, where, "items", s.items, "above " + longest);
  require(probability(s.stay), where, "stay", s.stay, "a probability, in [0, 1]");
  require(probability(s.noise), where, "noise", s.noise, "a probability, in [0, 1]");
  // What is left of a cluster is found by subtraction: a steeper popularity would leave less of it than rounding takes away.
  require(s.exponent >= 0 && s.exponent <= 2, where, "exponent", s.exponent, "in [0, 2]");
}

inline std::vector<index> synthetic_log::draw_history(core::random stream) const {
  const index length = settings_.min_length + stream.below(0, settings_.max_length - settings_.min_length + 1);
  index interest = stream.below(1, clusters());
  std::vector<double> unseen = cluster_mass_;
  std::vector<index> history;
  for (index step = 0; step < length; ++step) {
    const index first = 4 * (step + 1);  // the step's four draws
    if (step > 0 && stream.uniform(first) >= settings_.stay) interest = (interest + 1) % clusters();
    const index c = stream.uniform(first + 1) < settings_.noise ? stream.below(first + 2, clusters()) : interest;
    double& mass = unseen[static_cast<std::size_t>(c)];
    double left = mass * stream.uniform(first + 3);
    index chosen = -1;
    for (index p = c; p < settings_.items; p += clusters()) {
      if (std::find(history.begin(), history.end(), p) != history.end()) continue;
      chosen = p;  // if rounding lets the loop run out, the last unseen item is it
      if ((left -= weight(p)) < 0) break;
    }
    mass -= weight(chosen);
    history.push_back(chosen);
  }
  return history;
}

inline void synthetic_log::draw(core::random stream) {
  std::vector<index> number(static_cast<std::size_t>(settings_.items));  // of each place: a random permutation
  const core::random shuffle = stream.child(0), drawn = stream.child(1);
  for (index i = 0; i < settings_.items; ++i) {
    const index j = shuffle.below(i, i + 1);
    number[static_cast<std::size_t>(i)] = number[static_cast<std::size_t>(j)];
    number[static_cast<std::size_t>(j)] = i;
  }
  std::vector<item> sequence;
  for (index user = 0; user < settings_.users; ++user) {
    sequence.clear();
    for (index p : draw_history(drawn.child(static_cast<std::uint64_t>(user)))) {
      sequence.push_back(log_.items.add("i" + std::to_string(number[static_cast<std::size_t>(p)] + 1)));
      if (static_cast<std::size_t>(sequence.back()) == places_.size()) places_.push_back(p);
    }
    log_.users.add("u" + std::to_string(user + 1));
    log_.histories.push_back(sequence);
  }
}

inline std::vector<double> synthetic_log::next_item_probabilities(std::span<const item> history) const {
  if (static_cast<index>(history.size()) > settings_.max_length)
    throw input_error("data::synthetic_log: the history has " + std::to_string(history.size()) + " items, but max_length is " +
                      std::to_string(settings_.max_length));
  const std::size_t c_count = cluster_mass_.size();
  std::vector<double> interest(c_count, 1 / static_cast<double>(c_count));  // of the next step, given what was seen so far
  std::vector<double> unseen = cluster_mass_;
  std::vector<double> probability(places_.size(), 1);
  for (item v : history) {
    if (v < 0 || v >= log_.items.size() || probability[static_cast<std::size_t>(v)] == 0)
      throw input_error("data::synthetic_log: item " + std::to_string(v) + " of the history is not in the log or is repeated");
    const std::size_t c = static_cast<std::size_t>(cluster(v));
    probability[static_cast<std::size_t>(v)] = 0;
    unseen[c] -= weight(place(v));
    // Bayes: an item's share of its cluster's unseen mass does not depend on the interest and cancels.
    double total = 0;
    for (std::size_t z = 0; z < c_count; ++z) total += interest[z] *= emission(z == c ? 1 : 0);
    if (!(total > 0)) throw input_error("data::synthetic_log: with these settings the history has probability 0");
    double before = interest.back();
    for (double& here : interest) {
      const double moved = settings_.stay * here + (1 - settings_.stay) * before;
      before = here;
      here = moved / total;
    }
  }
  for (std::size_t v = 0; v < probability.size(); ++v) {
    const index p = places_[v];
    const std::size_t c = static_cast<std::size_t>(p % clusters());
    probability[v] *= weight(p) / unseen[c] * emission(interest[c]);
  }
  return probability;
}

}  // namespace cddrec::data
