// cddrec evaluate: a model's metrics on a log's held-out items.
#pragma once

#include "diagnose.hpp"
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

inline void run_evaluate(const std::string& directory, const log_options& data, const std::string& which, bool diagnose,
                         const model::generation& made, bool as_json, core::execution how) {
  const auto started = std::chrono::steady_clock::now();
  const loaded_model m = load_model(directory);
  index dropped = 0;
  const data::interactions log = in_model_numbers(data.read(), m.ids, dropped);
  if (dropped > 0) std::cerr << "cddrec: " << dropped << " interactions dropped: the model does not know their items\n";
  const data::split split = divide(log, m.settings);
  tell_left_out(split, m.settings);
  const auto metrics = with_scorer(m, how, made, [&](const auto& scorer) {
    return eval::measure(eval::rank(scorer, which == "valid" ? split.validation() : split.test(), how));
  });
  if (metrics.target_in_history > 0)
    std::cerr << "cddrec: " << metrics.target_in_history << " targets stand in their own history: counted as misses\n";
  const auto best = read_optimum(data.data, which);
  const json figures = diagnose ? diagnostics(m, which == "valid" ? split.validation() : split.test(), how) : json();
  if (!as_json) {
    std::vector<std::pair<std::string, json>> table{{m.kind, to_json(metrics)}};
    if (best) table.emplace_back("best possible", *best);
    std::cout << which << ", full ranking of " << split.items() << " items, " << metrics.users << " users\n";
    print_table(table);
    if (diagnose) print_diagnostics(figures);
    return;
  }
  json out{{"model", m.kind}, {"split", which}, {"users", metrics.users}, {"metrics", to_json(metrics)}};
  if (best) out["best"] = *best;
  if (diagnose) out["diagnostics"] = figures;
  out["seconds"] = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  std::cout << out.dump() << '\n';
}

}  // namespace cddrec::cli
