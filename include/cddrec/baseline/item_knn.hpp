// Item-based nearest neighbours with recency: an item is near another when the same users took both (Sarwar et al., 2001), and the
// newest items of a history count most. A rival without a gradient that well-tuned networks do not always beat.
#pragma once

#include <cmath>
#include <span>
#include <utility>

#include "cddrec/baseline/popularity.hpp"
#include "cddrec/baseline/sparse_rows.hpp"

namespace cddrec::baseline {

struct item_knn_settings {
  index neighbours = 1000;  // the nearest that an item keeps
  double shrinkage = 20;    // users added to every denominator: what few users say counts little
  double decay = 0.6;       // weight of a history's item beside the next newer one, in (0, 1]
  index longest = 1000;     // the newest items of a sequence that are read: its pairs grow with the square

  /// Calls f(name, setting) for every setting: what a model's file keeps.
  template <class Self, class F>
  static void visit(Self& self, F&& f) {
    f("neighbours", self.neighbours), f("shrinkage", self.shrinkage), f("decay", self.decay), f("longest", self.longest);
  }
};

class item_knn {
 public:
  using scalar = double;

  /// Counts in the training sequences. input_error for a setting out of range, stopped if `tell`, which is told how many items have their
  /// neighbours, returns false.
  explicit item_knn(const data::split& split, const item_knn_settings& s = {}, core::execution how = {}, const core::progress& tell = {})
      : item_knn(popularity(split), nearest(split, check(s), how, tell), s) {}

  /// From what was counted elsewhere: sim(v, w) = users of both / (√(users of v · users of w) + shrinkage), in rows of v.
  /// Of the settings only decay and longest are used. Throws input_error where it is damaged, or a setting out of range.
  item_knn(popularity counts, sparse_rows<double> neighbours, const item_knn_settings& s)
      : settings_(check(s)), popularity_(std::move(counts)), neighbours_(std::move(neighbours)) {
    neighbours_.check("baseline::item_knn", items(), 0);
    share_ = popularity_.shares();
  }

  const item_knn_settings& settings() const { return settings_; }
  const popularity& item_counts() const { return popularity_; }
  const sparse_rows<double>& neighbours() const { return neighbours_; }

  /// A scorer: score(v) = sum over the history, oldest first, of decay^age sim(h, v), age 0 the newest; popularity orders what no item
  /// of the history is near to. Items unknown here count as none, but as old as they are.
  index items() const { return popularity_.items(); }

  /// The histories themselves.
  using query = std::vector<std::vector<data::item>>;
  query encode(eval::histories users, core::execution) const {
    query all;
    for (const auto& history : users) {
      const auto newest = newest_of(history, settings_);
      all.emplace_back(newest.begin(), newest.end());
      for (data::item& h : all.back())
        if (h < 0 || h >= items()) h = -1;
    }
    return all;
  }

  void score(const query& histories, index first, core::view<double> out, core::execution how) const {
    core::parallel_for(how, out.rows(), 16, [&](index begin, index end) {
      for (index row = begin; row < end; ++row) {
        double* scores = out.row(row);
        std::transform(share_.begin() + first, share_.begin() + first + out.cols(), scores, [](double s) { return least * s; });
        for_each_near(histories[static_cast<std::size_t>(row)], first, first + out.cols(),
                      [&](data::item v, double weight, double near) { scores[v - first] = std::fma(weight, near, scores[v - first]); });
      }
    });
  }

  double score_item(const query& histories, index row, data::item v) const {
    double score = least * share_[static_cast<std::size_t>(v)];
    for_each_near(histories[static_cast<std::size_t>(row)], v, v + 1,
                  [&](data::item, double weight, double near) { score = std::fma(weight, near, score); });
    return score;
  }

 private:
  static constexpr double least = 1e-12;  // of popularity: below what any neighbour that matters gives

  static const item_knn_settings& check(const item_knn_settings& s) {
    const char* const where = "baseline::item_knn";
    require(s.neighbours >= 1, where, "neighbours", s.neighbours, "1 or more");
    require(s.shrinkage >= 0 && std::isfinite(s.shrinkage), where, "shrinkage", s.shrinkage, "0 or more");
    require(s.longest >= 1, where, "longest", s.longest, "1 or more");
    require(s.decay > 0 && s.decay <= 1, where, "decay", s.decay, "in (0, 1]");
    return s;
  }

  static std::span<const data::item> newest_of(std::span<const data::item> sequence, const item_knn_settings& s) {
    return sequence.last(std::min(sequence.size(), static_cast<std::size_t>(s.longest)));
  }

  // Calls f(item, weight, similarity) for what is near to the history and in [first, last), the oldest item of the history first. Both
  // ways to a score add by the same operation, so that they agree to the last bit.
  template <class F>
  void for_each_near(const std::vector<data::item>& history, index first, index last, F&& f) const {
    for (std::size_t k = 0; k < history.size(); ++k) {
      const double weight = std::pow(settings_.decay, static_cast<double>(history.size() - 1 - k));
      neighbours_.for_each(history[k], first, last, [&](data::item v, double similarity) { f(v, weight, similarity); });
    }
  }

  // The nearest of every item, a dense row of counts at a time: what is in memory does not grow with the pairs there are.
  static sparse_rows<double> nearest(const data::split& split, const item_knn_settings& s, core::execution how,
                                     const core::progress& tell) {
    const index V = split.items();
    std::vector<std::vector<index>> users(static_cast<std::size_t>(V));  // of each item, once each
    std::vector<std::vector<data::item>> taken(static_cast<std::size_t>(split.training_users()));
    for (index u = 0; u < split.training_users(); ++u) {
      auto& own = taken[static_cast<std::size_t>(u)];
      const auto newest = newest_of(split.training(u), s);
      own.assign(newest.begin(), newest.end());
      std::sort(own.begin(), own.end());
      own.erase(std::unique(own.begin(), own.end()), own.end());
      for (data::item v : own) users[static_cast<std::size_t>(v)].push_back(u);
    }
    struct neighbour {
      data::item item;
      double similarity;
    };
    struct scratch {
      std::vector<index> both;  // [V]: users with both items, 0 between two rows
      std::vector<data::item> met;
      std::vector<neighbour> row;
    };
    constexpr index at_once = 64;
    std::vector<scratch> own_scratch(static_cast<std::size_t>(std::min<index>(std::max(how.threads, 1), core::block_count(V, at_once))));
    std::vector<std::vector<neighbour>> rows(static_cast<std::size_t>(V));
    core::progress_count done(tell, V);
    core::parallel_for(how, V, at_once, [&](index begin, index end, int worker) {
      done.add(0);  // once one thread was told to stop, none begins another block
      auto& [both, met, row] = own_scratch[static_cast<std::size_t>(worker)];
      both.resize(static_cast<std::size_t>(V), 0);
      for (index v = begin; v < end; ++v) {
        const auto& own = users[static_cast<std::size_t>(v)];
        for (index u : own)
          for (data::item w : taken[static_cast<std::size_t>(u)])
            if (w != v && both[static_cast<std::size_t>(w)]++ == 0) met.push_back(w);
        row.clear();
        for (data::item w : met) {
          const double product = static_cast<double>(own.size()) * static_cast<double>(users[static_cast<std::size_t>(w)].size());
          row.push_back({w, static_cast<double>(std::exchange(both[static_cast<std::size_t>(w)], 0)) / (std::sqrt(product) + s.shrinkage)});
        }
        met.clear();
        if (static_cast<index>(row.size()) > s.neighbours) {
          const auto nearer = [](const neighbour& a, const neighbour& b) {
            return a.similarity != b.similarity ? a.similarity > b.similarity : a.item < b.item;
          };
          std::nth_element(row.begin(), row.begin() + s.neighbours, row.end(), nearer);
          row.resize(static_cast<std::size_t>(s.neighbours));
        }
        std::sort(row.begin(), row.end(), [](const neighbour& a, const neighbour& b) { return a.item < b.item; });
        rows[static_cast<std::size_t>(v)] = row;  // a copy, which has no more room than it needs
      }
      done.add(end - begin);
    });
    sparse_rows<double> table;
    for (const auto& row : rows) {
      for (const neighbour& n : row) {
        table.items.push_back(n.item);
        table.values.push_back(n.similarity);
      }
      table.offsets.push_back(static_cast<index>(table.items.size()));
    }
    return table;
  }

  item_knn_settings settings_;
  popularity popularity_;
  sparse_rows<double> neighbours_;
  std::vector<double> share_;  // [V], below 1
};

static_assert(eval::scorer<item_knn>);

}  // namespace cddrec::baseline
