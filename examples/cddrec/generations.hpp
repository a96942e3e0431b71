// What each way of generation brings on test: accuracy, time, and for several draws how far they spread and how varied their lists are.
#pragma once

#include <unordered_set>

#include "cddrec/model/draws.hpp"
#include "display.hpp"
#include "model_file.hpp"

namespace cddrec::cli {

/// Calls measure(scorer) and adds the seconds it took.
template <class Measure>
json timed(const loaded_model& m, const model::generation& made, core::execution how, Measure&& measure) {
  const stopwatch measuring;
  json j = serve::with_scorer(m, how, made, measure);
  j["seconds"] = measuring.seconds();
  return j;
}

/// Metrics of a model on a split, with the seconds they took.
inline json timed_metrics(const loaded_model& m, const data::cases& cases, const model::generation& made, core::execution how) {
  work_display bar("measuring " + m.kind);
  return timed(m, made, how, [&](const auto& scorer) { return to_json(eval::measure(eval::rank(scorer, cases, how, {}, bar.tell()))); });
}

namespace detail {

using lists = std::vector<std::vector<kernel::scored<float>>>;

/// How many different items are among the ten best of all users.
inline index distinct_in_tens(const lists& all) {
  std::unordered_set<data::item> items;
  for (const auto& list : all)
    for (std::size_t k = 0; k < std::min<std::size_t>(list.size(), 10); ++k) items.insert(list[k].item);
  return std::ssize(items);
}

/// Metrics of lists of twenty: a target that is not in its list is missed. No MRR, which needs the ranks beyond.
inline json list_metrics(const lists& all, const data::cases& cases) {
  std::vector<index> ranks;
  for (index u = 0; u < cases.size(); ++u) {
    const auto& list = all[static_cast<std::size_t>(u)];
    const auto at = std::find_if(list.begin(), list.end(), [&](const auto& s) { return s.item == cases.target(u); });
    ranks.push_back(at != list.end() ? at - list.begin() : eval::missed);
  }
  json j = to_json(eval::measure(ranks));
  j.erase("mrr");
  return j;
}

/// The mean deviation, over the draws, of the scores of a user's ten best; over the first thousand users.
inline double mean_spread(const model::ranker<network>& ranker, const lists& best, eval::histories users, core::execution how) {
  double sum = 0, scores = 0;
  for (std::size_t u = 0; u < std::min<std::size_t>(users.size(), 1000); ++u) {
    std::vector<data::item> ten;
    for (std::size_t k = 0; k < std::min<std::size_t>(best[u].size(), 10); ++k) ten.push_back(best[u][k].item);
    const auto spread = model::spread(ranker, users.subspan(u, 1), ten, how);
    for (const auto& s : spread.front()) sum += s.deviation, ++scores;
  }
  return scores > 0 ? sum / scores : 0;
}

}  // namespace detail

/// Test metrics of a diffusion model by ways of generation: each a row with kind, steps, stop and draws; `steps` counts the states
/// that are visited. Ways of several draws and the direct one say how many different items are among all users' ten best (`distinct`),
/// several draws also how far they spread; in the lists of `diversified` the draws take turns.
inline json generation_rows(const loaded_model& m, const data::cases& cases, core::execution how) {
  json rows = json::array();
  const std::vector<std::span<const data::item>> users = cases.histories();
  const index T = m.settings.steps;
  const auto add = [&](const char* name, const model::generation& g, json figures) {
    const index steps = g.kind == model::way::direct ? 1 : g.steps == 0 ? T - std::max<index>(g.stop, 0) : g.steps;
    json row{{"kind", name}, {"steps", steps}, {"stop", g.stop}, {"draws", g.draws}};
    row.update(figures);
    if (g.kind == model::way::direct || g.draws > 1) {
      const model::ranker<network> ranker(*network_of(m), how, std::size_t{64} << 20, g);
      const bool turns = name == std::string("diversified");
      const auto best = turns ? model::diversified(ranker, users, 10, how) : eval::recommend(ranker, users, 10, how);
      row["distinct"] = detail::distinct_in_tens(best);
      if (g.draws > 1 && !turns) row["spread"] = detail::mean_spread(ranker, best, users, how);
    }
    rows.push_back(row);
  };
  const auto ranked = [&](const char* name, const model::generation& g) { add(name, g, timed_metrics(m, cases, g, how)); };
  ranked("direct", {});
  for (const auto& [name, kind] : {std::pair{"ancestral", model::way::ancestral}, {"ddim", model::way::ddim}}) {
    for (const index steps : {index{2}, index{5}})
      if (steps < T) ranked(name, {.kind = kind, .steps = steps});
    if (T > 1) ranked(name, {.kind = kind, .steps = T});
    if (T > 2) ranked(name, {.kind = kind, .stop = T / 2});
    if (T > 2) ranked(name, {.kind = kind, .stop = T / 2, .draws = 8});
  }
  if (T > 2) {
    const model::generation g{.kind = model::way::ancestral, .stop = T / 2, .draws = 8};
    work_display bar("measuring diversified lists");
    add("diversified", g, timed(m, g, how, [&](const auto& scorer) {
          if constexpr (requires { scorer.draws(); })
            return detail::list_metrics(model::diversified(scorer, users, 20, how), cases);
          else
            return json();
        }));
  }
  return rows;
}

}  // namespace cddrec::cli
