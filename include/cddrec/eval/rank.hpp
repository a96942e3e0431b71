// Full ranking over all unseen items of anything that scores, and the best of them as recommendations.
// Blocks of users times blocks of items: memory is one block of scores, never users times items.
#pragma once

#include <algorithm>
#include <concepts>
#include <string>
#include <vector>

#include "cddrec/core/parallel.hpp"
#include "cddrec/core/progress.hpp"
#include "cddrec/data/split.hpp"
#include "cddrec/eval/metrics.hpp"
#include "cddrec/kernel/top_k.hpp"

namespace cddrec::eval {

/// Histories to score for, oldest item first; views of the caller's memory.
using histories = std::span<const std::span<const data::item>>;

/// Anything that scores items for a history. What a stranger supplies:
///
///   struct my_scorer {
///     using scalar = float;
///     index items() const;                                                  // V
///     my_query encode(eval::histories users, core::execution how) const;    // whatever score needs to know of them
///     void score(const my_query& query, index first, core::view<float> out, core::execution how) const;
///                                  // out [users, count]: the scores of items first … first + count - 1
///     float score_item(const my_query& query, index row, data::item i) const;   // one of them
///   };
///
/// The contract: an item's score has the same bits in whatever block it is asked for, by itself too; and several threads may
/// call at a time.
template <class S>
concept scorer = requires(const S& s, histories users, core::execution how, index i, data::item v) {
  requires std::floating_point<typename S::scalar>;
  { s.items() } -> std::convertible_to<index>;
  s.encode(users, how);
  s.score(s.encode(users, how), i, core::view<typename S::scalar>(), how);
  { s.score_item(s.encode(users, how), i, v) } -> std::same_as<typename S::scalar>;
};

/// A scorer may add rough scores, cheaper than its own, with a bound on their error. eval then asks for the proper scores of those
/// items alone that the rough ones leave open, and no result changes by a bit:
///
///     T rough_error(const my_query& query, index row) const;   // |rough - proper| at most, for every item; infinity: can't tell
///     void score_roughly(const my_query& query, index first, core::view<T> out, core::execution how) const;   // as score
///     void score_items(const my_query& query, index row, std::span<const data::item> items, std::span<T> out) const;   // proper
template <class S>
concept rough_scorer = scorer<S> && requires(const S& s, histories users, core::execution how, index i, std::span<const data::item> v) {
  { s.rough_error(s.encode(users, how), i) } -> std::same_as<typename S::scalar>;
  s.score_roughly(s.encode(users, how), i, core::view<typename S::scalar>(), how);
  s.score_items(s.encode(users, how), i, v, std::span<typename S::scalar>());
};

/// Sizes of the block of scores that is in memory at a time. No result depends on them.
struct block_sizes {
  static constexpr index unit = 12;  // whole register tiles of a product, for vectors of any width
  index users = 4 * unit;            // at most
  index items = 512;
};

namespace detail {

// The largest error of the rough scores of a block of users; 0: the proper scores are to be used.
template <class S, class Query>
typename S::scalar rough_error(const S& s, const Query& query, index rows) {
  using T = typename S::scalar;
  T error = 0;
  if constexpr (rough_scorer<S>) {
    for (index row = 0; row < rows; ++row) {
      const T own = s.rough_error(query, row);
      if (!std::isfinite(own)) return 0;
      error = std::max(error, own);
    }
  }
  return error;
}

// Proper scores of some items, where rough ones leave a ranking open.
template <class S, class Query>
std::vector<typename S::scalar> score_items(const S& s, const Query& query, index row, std::span<const data::item> items) {
  std::vector<typename S::scalar> scores(items.size());
  if constexpr (rough_scorer<S>) s.score_items(query, row, items, scores);
  return scores;
}

// Calls visit(query, row, user, first, scores, error) for every user and block of items: the scores of items first, first + 1 …,
// those of the history at -infinity if `mask_history`, and those of `hidden`, which is in rising order. Query and row are what score_item
// takes. A user's blocks come in order, users in parallel. Scores that are rough are at most `error` off; it is 0 for proper ones, and
// after the last block of rough ones comes settle(query, row, user). Throws numeric_error where a candidate's score is not finite.
template <class S, class Visit, class Settle>
void for_each_block(const S& s, histories users, bool mask_history, std::span<const data::item> hidden, core::execution how,
                    block_sizes blocks, const core::progress& tell, Visit visit, Settle settle) {
  using T = typename S::scalar;
  if (blocks.users < 1 || blocks.items < 1) throw input_error("eval: a block needs at least one user and one item");
  const index all_users = static_cast<index>(users.size()), all_items = s.items();
  // A thread takes a block of users through the whole catalogue, so its scores stay in cache; threads share a block that is alone.
  const bool alone = all_users <= blocks.users;
  const core::execution inner = alone ? how : core::execution{1};
  // Of few users, blocks are smaller, so that every thread has one.
  const index each = core::block_count(core::block_count(all_users, std::max(how.threads, 1)), block_sizes::unit) * block_sizes::unit;
  core::progress_count done(tell, all_users);
  core::parallel_for(how, all_users, alone ? blocks.users : std::min(blocks.users, each), [&](index first_user, index end_user) {
    done.add(0);
    const index rows = end_user - first_user;
    core::buffer<T> memory(static_cast<std::size_t>(rows * std::min(blocks.items, all_items)));
    const auto query = s.encode(users.subspan(static_cast<std::size_t>(first_user), static_cast<std::size_t>(rows)), inner);
    const T error = rough_error(s, query, rows);
    std::vector<std::vector<data::item>> seen(static_cast<std::size_t>(mask_history ? rows : 0));  // in rising order
    for (std::size_t row = 0; row < seen.size(); ++row) {
      const auto& history = users[static_cast<std::size_t>(first_user) + row];
      seen[row].assign(history.begin(), history.end());
      std::sort(seen[row].begin(), seen[row].end());
    }
    const auto for_each_row = [&](auto&& body) {
      core::parallel_for(inner, rows, 16, [&](index begin, index end) {
        for (index row = begin; row < end; ++row) body(row, first_user + row);
      });
    };
    for (index first = 0; first < all_items; first += blocks.items) {
      const core::view<T> block(memory.data(), rows, std::min(blocks.items, all_items - first));
      if constexpr (rough_scorer<S>)
        error > 0 ? s.score_roughly(query, first, block, inner) : s.score(query, first, block, inner);
      else
        s.score(query, first, block, inner);
      // Of items in rising order, those that have a score here.
      const auto those_here = [&](std::span<const data::item> items) {
        const auto begin = std::lower_bound(items.begin(), items.end(), first);
        return std::span(begin, std::lower_bound(begin, items.end(), first + block.cols()));
      };
      const auto hidden_here = those_here(hidden);
      for_each_row([&](index row, index user) {
        const std::span<T> scores(block.row(row), static_cast<std::size_t>(block.cols()));
        const auto seen_here = mask_history ? those_here(seen[static_cast<std::size_t>(row)]) : hidden_here.first(0);
        const auto mask = [&](T value) {
          for (const auto& some : {hidden_here, seen_here})
            for (const data::item i : some) scores[static_cast<std::size_t>(i - first)] = value;
        };
        if (error == 0) mask(T(0));  // a seen item is no candidate: its score may be anything
        if (error == 0 && kernel::count_non_finite<T>(scores) > 0) {
          const auto bad = std::find_if(scores.begin(), scores.end(), [](T x) { return !std::isfinite(x); });
          throw numeric_error("eval: the score of item " + std::to_string(first + (bad - scores.begin())) + " for user " +
                              std::to_string(user) + " is " + std::to_string(*bad) +
                              ": the model has diverged; train it again with a lower learning rate");
        }
        mask(-std::numeric_limits<T>::infinity());
        visit(query, row, user, first, std::span<const T>(scores), error);
      });
    }
    if (error > 0) for_each_row([&](index row, index user) { settle(query, row, user); });
    done.add(rows);
  });
}

}  // namespace detail

/// The 0-based rank of every case's target among all items that are not in the history: the number of them with a higher
/// score, or the same score and a lower number. `missed` if the target itself is in the history, however far back.
/// Throws numeric_error for a score that is not finite, input_error for a target the scorer does not know or whose score differs from its
/// score_item, stopped if `tell`, which is told how many users are done, returns false.
template <scorer S>
std::vector<index> rank(const S& s, const data::cases& cases, core::execution how = {}, block_sizes blocks = {},
                        const core::progress& tell = {}) {
  using T = typename S::scalar;
  const std::size_t users = static_cast<std::size_t>(cases.size());
  std::vector<std::span<const data::item>> seen(users);
  std::vector<kernel::scored<T>> targets(users);
  std::vector<index> ranks(users, 0);
  for (std::size_t u = 0; u < users; ++u) {
    seen[u] = cases.history(static_cast<index>(u));
    targets[u].item = cases.target(static_cast<index>(u));
    if (targets[u].item < 0 || targets[u].item >= s.items())
      throw input_error("eval::rank: the target of user " + std::to_string(u) + " is item " + std::to_string(targets[u].item) +
                        ", but the scorer has " + std::to_string(s.items()) + "; use a scorer made for this log");
    if (std::find(seen[u].begin(), seen[u].end(), targets[u].item) != seen[u].end()) ranks[u] = missed;
  }
  std::vector<std::vector<data::item>> open(users);  // whose rough scores are too near to the target's to tell
  const auto visit = [&](const auto& query, index row, index user, index first, std::span<const T> scores, T error) {
    const std::size_t u = static_cast<std::size_t>(user);
    kernel::scored<T>& target = targets[u];
    if (ranks[u] == missed) return;
    if (first == 0) target.score = s.score_item(query, row, target.item);
    if (error > 0) {
      ranks[u] += kernel::split_at(scores, first, target.score, error, open[u]);
      return;
    }
    const std::size_t place = static_cast<std::size_t>(target.item - first);
    if (target.item >= first && place < scores.size() && scores[place] != target.score)
      throw input_error("eval::rank: the scorer's score and score_item give item " + std::to_string(target.item) +
                        " different scores for user " + std::to_string(user) + "; they must agree to the last bit");
    ranks[u] += kernel::count_better(scores, first, target);
  };
  const auto settle = [&](const auto& query, index row, index user) {
    const std::size_t u = static_cast<std::size_t>(user);
    const auto scores = detail::score_items(s, query, row, open[u]);
    for (std::size_t i = 0; i < scores.size(); ++i) ranks[u] += kernel::better<T>({open[u][i], scores[i]}, targets[u]) ? 1 : 0;
    open[u] = {};
  };
  detail::for_each_block(s, seen, true, {}, how, blocks, tell, visit, settle);
  return ranks;
}

/// What recommend does beside scoring.
struct recommend_options {
  bool mask_history = true;                   // false: items of the history may be recommended again
  std::span<const data::item> excluded = {};  // recommended to nobody; in any order
  block_sizes blocks = {};
  core::progress tell = {};  // of users that are done
};

/// The k best items for every history, best first: score descending, then item number ascending. Where fewer than k items
/// may be recommended, all of them. Throws numeric_error for a score that is not finite, input_error for an excluded item that the scorer
/// does not know or a negative k, stopped if options.tell returns false.
template <scorer S>
std::vector<std::vector<kernel::scored<typename S::scalar>>> recommend(const S& s, histories users, index k, core::execution how = {},
                                                                       recommend_options options = {}) {
  using T = typename S::scalar;
  if (k < 0) throw input_error("eval::recommend: k is " + std::to_string(k) + "; ask for 0 items or more");
  std::vector<data::item> hidden(options.excluded.begin(), options.excluded.end());
  std::sort(hidden.begin(), hidden.end());
  if (!hidden.empty() && (hidden.front() < 0 || hidden.back() >= s.items()))
    throw input_error("eval::recommend: the excluded item " + std::to_string(hidden.front() < 0 ? hidden.front() : hidden.back()) +
                      " is not one of the scorer's " + std::to_string(s.items()) + " items; leave it out");
  std::vector<std::vector<kernel::scored<T>>> lists(users.size());
  const auto visit = [&](const auto&, index, index user, index first, std::span<const T> scores, T error) {
    // What is twice the error below the k-th cannot be among the k best.
    kernel::top_k(scores, first, k, lists[static_cast<std::size_t>(user)], T(2) * error);
  };
  const auto settle = [&](const auto& query, index row, index user) {
    auto& list = lists[static_cast<std::size_t>(user)];
    std::vector<data::item> items;
    for (const auto& candidate : list) items.push_back(candidate.item);
    const auto scores = detail::score_items(s, query, row, items);
    for (std::size_t i = 0; i < list.size(); ++i) list[i].score = scores[i];
  };
  detail::for_each_block(s, users, options.mask_history, hidden, how, options.blocks, options.tell, visit, settle);
  for (auto& list : lists) {
    kernel::sort_best(list);
    if (static_cast<index>(list.size()) > k) list.resize(static_cast<std::size_t>(k));
  }
  return lists;
}

}  // namespace cddrec::eval
