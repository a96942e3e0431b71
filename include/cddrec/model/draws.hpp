// What several draws of a generation say beside their mean: how far they spread, and lists that are as varied as the draws are.
// A draw is one more row of a ranker's query, so items are scored draw by draw just as they are served.
//
//   const model::ranker<network> ranker(net, how, 64 << 20, {.kind = model::way::ancestral, .stop = 5, .draws = 8});
//   const auto best = eval::recommend(ranker, users, 10, how);        // by the mean of the draws
//   const auto varied = model::diversified(ranker, users, 10, how);   // the draws take turns
//   const std::vector<data::item> items{3, 14, 15};
//   const auto spread = model::spread(ranker, users, items, how);
//   report(spread[0][2].item, spread[0][2].score, spread[0][2].deviation);   // of item 15 for the first user
#pragma once

#include "cddrec/model/ranker.hpp"

namespace cddrec::model {

/// An item's score over the draws.
template <class T>
struct spread_score {
  data::item item;
  T score;      // the mean of its scores by the draws
  T deviation;  // their standard deviation (divided by the number of draws): 0 for one draw
  friend bool operator==(const spread_score&, const spread_score&) = default;
};

/// The draws for every history, of length 1 where the score is a cosine: row u * ranker.draws() + k of the query's `unit` is draw k of user
/// u.
template <class Network>
typename ranker<Network>::query draws_of(const ranker<Network>& r, eval::histories users, core::execution how = {}) {
  return r.encode(users, how, true);
}

namespace detail {

// Mean and deviation of the scores of some items over the rows of q.
template <class Network>
auto spread_of(const ranker<Network>& r, const typename ranker<Network>::query& q, std::span<const data::item> items) {
  using T = typename Network::scalar;
  const std::size_t n = items.size(), K = static_cast<std::size_t>(r.draws());
  std::vector<T> scores(K * n);
  for (std::size_t k = 0; k < K; ++k) r.score_items(q, static_cast<index>(k), items, std::span<T>(scores).subspan(k * n, n));
  std::vector<spread_score<T>> spread;
  for (std::size_t i = 0; i < n; ++i) {
    double sum = 0, squares = 0;
    for (std::size_t k = 0; k < K; ++k) sum += static_cast<double>(scores[k * n + i]);
    const double mean = sum / static_cast<double>(K);
    for (std::size_t k = 0; k < K; ++k) squares += std::pow(static_cast<double>(scores[k * n + i]) - mean, 2);
    if (!std::isfinite(mean))
      throw numeric_error("model::spread: the score of item " + std::to_string(items[i]) +
                          " is not finite: the model has diverged; train it again with a lower learning rate");
    spread.push_back({items[i], static_cast<T>(mean), static_cast<T>(std::sqrt(squares / static_cast<double>(K)))});
  }
  return spread;
}

// The draws of one history as a scorer of as many users.
template <class Network>
struct draws_apart {
  using scalar = typename Network::scalar;
  using query = const typename ranker<Network>::query*;
  const ranker<Network>& r;
  const typename ranker<Network>::query& all;

  index items() const { return r.items(); }
  query encode(eval::histories, core::execution) const { return &all; }
  void score(query q, index first, core::view<scalar> out, core::execution how) const { r.score(*q, first, out, how); }
  scalar score_item(query q, index row, data::item i) const { return r.score_item(*q, row, i); }
  void score_items(query q, index row, std::span<const data::item> some, std::span<scalar> out) const { r.score_items(*q, row, some, out); }
  void score_roughly(query q, index first, core::view<scalar> out, core::execution how) const { r.score_roughly(*q, first, out, how); }
  scalar rough_error(query q, index row) const { return r.rough_error(*q, row); }
};

}  // namespace detail

/// Mean and standard deviation over the draws of the score of every one of `items`, for every history: [users][items]. A user's
/// means are the ranker's scores (of cosines, times the length of the mean unit draw): but for rounding they order items as it does.
/// input_error for an unknown item or an empty history, numeric_error for a score that is not finite.
template <class Network>
std::vector<std::vector<spread_score<typename Network::scalar>>> spread(const ranker<Network>& r, eval::histories users,
                                                                        std::span<const data::item> items, core::execution how = {}) {
  for (const data::item i : items)
    if (i < 0 || i >= r.items())
      throw input_error("model::spread: item " + std::to_string(i) + " is not one of the network's " + std::to_string(r.items()) +
                        " items; leave unknown items out");
  std::vector<std::vector<spread_score<typename Network::scalar>>> all(users.size());
  core::parallel_for(how, static_cast<index>(users.size()), 1, [&](index u, index) {
    const std::size_t at = static_cast<std::size_t>(u);
    all[at] = detail::spread_of(r, draws_of(r, users.subspan(at, 1), how), items);
  });
  return all;
}

/// k unseen items for every history, none of them `excluded`, taken from the draws' own rankings in turn: the best of draw 0, the best of
/// draw 1 that is not taken yet, and so on; after the last draw it is draw 0's turn again. In that order, each with its mean score as in
/// spread(). Where fewer than k items are unseen, all of them. input_error for a negative k, an unknown item or an empty history,
/// numeric_error for a score that is not finite: the user in its message is the number of a draw.
template <class Network>
std::vector<std::vector<kernel::scored<typename Network::scalar>>> diversified(const ranker<Network>& r, eval::histories users, index k,
                                                                               core::execution how = {},
                                                                               std::span<const data::item> excluded = {}) {
  if (k < 0) throw input_error("model::diversified: k is " + std::to_string(k) + "; ask for 0 items or more");
  std::vector<std::vector<kernel::scored<typename Network::scalar>>> all(users.size());
  core::parallel_for(how, static_cast<index>(users.size()), 1, [&](index u, index) {
    const std::size_t at = static_cast<std::size_t>(u), draws = static_cast<std::size_t>(r.draws());
    const auto q = draws_of(r, users.subspan(at, 1), how);
    const std::vector<std::span<const data::item>> same(draws, users[at]);
    // The others take at most k - 1 of a draw's k best, so that these are enough.
    const auto lists =
        eval::recommend(detail::draws_apart<Network>{r, q}, same, k, how, {.excluded = excluded, .blocks = {.users = r.draws()}});
    std::vector<data::item> taken;
    std::vector<std::size_t> next(draws, 0);
    const std::size_t wanted = lists.front().size();
    for (std::size_t turn = 0; taken.size() < wanted; turn = (turn + 1) % draws) {
      const auto seen = [&](data::item i) { return std::find(taken.begin(), taken.end(), i) != taken.end(); };
      while (next[turn] < wanted && seen(lists[turn][next[turn]].item)) ++next[turn];
      if (next[turn] < wanted) taken.push_back(lists[turn][next[turn]].item);
    }
    for (const auto& s : detail::spread_of(r, q, taken)) all[at].push_back({s.item, s.score});
  });
  return all;
}

}  // namespace cddrec::model
