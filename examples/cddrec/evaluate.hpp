// cddrec evaluate: a model's metrics on a log's held-out items.
#pragma once

#include "cddrec/eval/sampled_metrics.hpp"
#include "diagnose.hpp"
#include "display.hpp"
#include "log.hpp"

namespace cddrec::cli {

/// The cases that a model can be asked about: it knows their target and part of their history; the rest of the history is left out. Every
/// other case is a miss.
class known_cases {
 public:
  /// For a log whose items are numbered_after the model's; `items`: how many the model has.
  known_cases(const data::cases& all, index items) : all_(all.size()) {
    std::vector<data::item> known;
    for (index u = 0; u < all.size(); ++u) {
      known.clear();
      std::copy_if(all.history(u).begin(), all.history(u).end(), std::back_inserter(known), [&](data::item i) { return i < items; });
      dropped_ += std::ssize(all.history(u)) - std::ssize(known);
      const bool target_known = all.target(u) < items;
      target_known ? empty_ += known.empty() : ++unknown_targets_;
      if (!target_known || known.empty()) continue;
      ends_.push_back({static_cast<std::int32_t>(places_.size()), static_cast<std::int32_t>(known.size())});
      places_.push_back(static_cast<std::size_t>(u));
      known.push_back(all.target(u));
      sequences_.push_back(known);
    }
  }

  /// Valid as long as this stays where it is.
  data::cases cases() const { return {sequences_, ends_}; }
  /// A column of these cases extended to all cases, with `other` where the model cannot be asked.
  std::vector<index> of_all(const std::vector<index>& column, index other) const {
    std::vector<index> all(static_cast<std::size_t>(all_), other);
    for (std::size_t k = 0; k < column.size(); ++k) all[places_[k]] = column[k];
    return all;
  }
  void tell() const {
    if (unknown_targets_ > 0)
      std::cerr << "cddrec: " << unknown_targets_ << " of " << all_
                << " targets are items that the model does not know: counted as misses\n";
    if (dropped_ > 0) std::cerr << "cddrec: " << dropped_ << " items of histories dropped: the model does not know them\n";
    if (empty_ > 0) std::cerr << "cddrec: " << empty_ << " histories hold no item that the model knows: counted as misses\n";
  }

 private:
  index all_, unknown_targets_ = 0, dropped_ = 0, empty_ = 0;
  data::sequences sequences_;
  std::vector<data::prefix> ends_;
  std::vector<std::size_t> places_;  // among all
};

/// input_error if a log has no item that the model knows.
inline void refuse_strange_log(const log_options& log, bool some_known) {
  if (!some_known)
    throw input_error(io::name_of_input(log.data) +
                      ": the model knows none of its items; name a log of the same catalogue, read with the same columns");
}

struct evaluate_options {
  std::string model, split = "test";
  log_options log;
  bool diagnose = false, as_json = false;
  index sample = 0;  // 0: full ranking alone
};

inline void run_evaluate(const evaluate_options& o, const model::generation& made, core::execution how) {
  const stopwatch run;
  const loaded_model m = load_model(o.model);
  data::interactions own = o.log.read();
  const index items = own.items.size();
  const data::interactions log = numbered_after(m.ids, std::move(own));
  refuse_strange_log(o.log, log.items.size() < m.ids.size() + items);
  if (m.settings.division == "time" && log.times.empty())
    throw input_error(io::name_of_input(o.log.data) +
                      ": has no times, which this model's division into training and test needs (division = time); name a log with times");
  const data::split split = divide(log, m.settings);
  tell_left_out(split, m.settings);
  const auto best = read_optimum(o.log.data, o.split);
  const known_cases known(o.split == "valid" ? split.validation() : split.test(), m.ids.size());
  known.tell();
  const data::cases cases = known.cases();
  if (o.diagnose && cases.size() == 0)
    throw input_error("evaluate: no user of this log has both a target and a history that the model knows; leave out --diagnostics");
  tell_repeated(cases);
  json figures;
  const auto known_ranks = with_scorer(m, how, made, [&](const auto& scorer) {
    std::optional<work_display> bar(std::in_place, "ranking");
    auto found = eval::rank(scorer, cases, how, {}, bar->tell());
    bar.reset();
    if (o.diagnose) figures = diagnostics(m, scorer, cases, how);
    return found;
  });
  const std::vector<index> ranks = known.of_all(known_ranks, eval::missed);
  const auto metrics = eval::measure(ranks);
  json sampled;
  if (o.sample > 0) sampled = to_json(eval::sampled_metrics(ranks, known.of_all(eval::other_items(cases, m.ids.size()), 0), o.sample));
  if (o.sample >= m.ids.size())
    std::cerr << "cddrec: the model knows " << m.ids.size() << " items: metrics against " << o.sample
              << " of them are those of the full ranking\n";
  else if (o.sample > 0)
    std::cerr << "cddrec: metrics against " << o.sample << " sampled items flatter each model by a different amount and may order models\n"
              << "        differently from the full ranking: compare them only with the same metrics of other models\n";
  if (!o.as_json) {
    std::vector<std::pair<std::string, json>> table{{m.kind, to_json(metrics)}};
    if (best) table.emplace_back("best possible", *best);
    if (o.sample > 0) table.emplace_back("of " + std::to_string(o.sample) + " sampled", sampled);
    std::cout << o.split << ", full ranking of " << m.ids.size() << " items, " << metrics.users << " users\n";
    print_table(table);
    if (o.diagnose) print_diagnostics(figures);
    return;
  }
  json out{{"model", m.kind}, {"split", o.split}, {"users", metrics.users}, {"metrics", to_json(metrics)}};
  if (best) out["best"] = *best;
  if (o.sample > 0) out["sampled"] = {{"items", o.sample}, {"metrics", sampled}};
  if (o.diagnose) out["diagnostics"] = figures;
  out["seconds"] = run.seconds();
  std::cout << out.dump() << '\n';
}

}  // namespace cddrec::cli
