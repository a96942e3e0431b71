// cddrec evaluate: a model's metrics on a log's held-out items.
#pragma once

#include "cddrec/eval/sampled_metrics.hpp"
#include "diagnose.hpp"
#include "display.hpp"
#include "log.hpp"

namespace cddrec::cli {

/// The log with the model's item numbers; items that the model does not know are dropped and counted.
inline data::interactions in_model_numbers(const data::interactions& log, const data::id_map& ids, index& dropped) {
  data::interactions mapped;
  mapped.items = ids;
  std::vector<data::item> history;
  for (index u = 0; u < log.histories.size(); ++u) {
    history.clear();
    for (std::size_t i = 0; i < log.histories[u].size(); ++i) {
      const auto known = ids.find(log.name(log.histories[u][i]));
      if (!known) {
        ++dropped;
        continue;
      }
      history.push_back(*known);
      if (!log.times.empty()) mapped.times.push_back(log.times_of(u)[i]);
    }
    mapped.users.add(log.users.name(static_cast<data::item>(u)));
    mapped.histories.push_back(history);
  }
  return mapped;
}

struct evaluate_options {
  std::string model, split = "test";
  log_options log;
  bool diagnose = false, as_json = false;
  index sample = 0;  // 0: full ranking alone
};

inline void run_evaluate(const evaluate_options& o, const model::generation& made, core::execution how) {
  const auto started = std::chrono::steady_clock::now();
  const loaded_model m = load_model(o.model);
  index dropped = 0;
  const data::interactions log = in_model_numbers(o.log.read(), m.ids, dropped);
  if (dropped > 0) std::cerr << "cddrec: " << dropped << " interactions dropped: the model does not know their items\n";
  const data::split split = divide(log, m.settings);
  tell_left_out(split, m.settings);
  const data::cases cases = o.split == "valid" ? split.validation() : split.test();
  std::optional<work_display> bar(std::in_place, "ranking");
  const auto ranks = with_scorer(m, how, made, [&](const auto& scorer) { return eval::rank(scorer, cases, how, {}, bar->tell()); });
  bar.reset();
  const auto metrics = eval::measure(ranks);
  if (metrics.target_in_history > 0)
    std::cerr << "cddrec: " << metrics.target_in_history << " targets stand in their own history: counted as misses\n";
  const auto best = read_optimum(o.log.data, o.split);
  const json figures = o.diagnose ? diagnostics(m, cases, how) : json();
  const json sampled = o.sample > 0 ? to_json(eval::sampled_metrics(ranks, eval::other_items(cases, split.items()), o.sample)) : json();
  if (o.sample > 0)
    std::cerr << "cddrec: metrics against " << o.sample << " sampled items flatter, each model by another amount, and may order models\n"
              << "        otherwise than the full ranking does: compare them with nothing but the same of other models\n";
  if (!o.as_json) {
    std::vector<std::pair<std::string, json>> table{{m.kind, to_json(metrics)}};
    if (best) table.emplace_back("best possible", *best);
    if (o.sample > 0) table.emplace_back("of " + std::to_string(o.sample) + " sampled", sampled);
    std::cout << o.split << ", full ranking of " << split.items() << " items, " << metrics.users << " users\n";
    print_table(table);
    if (o.diagnose) print_diagnostics(figures);
    return;
  }
  json out{{"model", m.kind}, {"split", o.split}, {"users", metrics.users}, {"metrics", to_json(metrics)}};
  if (best) out["best"] = *best;
  if (o.sample > 0) out["sampled"] = {{"items", o.sample}, {"metrics", sampled}};
  if (o.diagnose) out["diagnostics"] = figures;
  out["seconds"] = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  std::cout << out.dump() << '\n';
}

}  // namespace cddrec::cli
