// cddrec evaluate --diagnostics: whether a model's vectors and lists have collapsed, beside Gaussian noise: as many vectors of as many
// dimensions for the same histories, positions and items.
#pragma once

#include <map>

#include "cddrec/eval/diagnostics.hpp"
#include "cddrec/eval/noise.hpp"
#include "model_file.hpp"
#include "report.hpp"

namespace cddrec::cli {

inline json vector_figures(core::view<const float> x) {
  const eval::spectrum s = eval::singular_spectrum<float>(x);
  return {{"mean_cosine", eval::mean_cosine<float>(x)},
          {"effective_rank", s.effective_rank},
          {"top_singular_share", s.top_share},
          {"uniformity", eval::uniformity<float>(x.middle_rows(0, std::min<index>(x.rows(), 4000)))},  // its cost is quadratic
          {"spectrum", s.singular_values}};
}

/// Encodings and direct predictions at all positions of a thousand histories, fewer if they are long: how alike those of one user are, and
/// what a variational network does with its latent dimensions.
inline json position_figures(const network& net, const eval::noise& noise, eval::histories users, core::execution how) {
  std::vector<data::item> inputs;
  std::vector<index> offsets{0};
  std::vector<std::span<const data::item>> read;  // by every position
  for (const auto& history : users.first(std::min<std::size_t>(users.size(), 1000))) {
    if (inputs.size() >= 50000) break;
    const auto newest = history.last(std::min(history.size(), static_cast<std::size_t>(net.settings().max_length)));
    inputs.insert(inputs.end(), newest.begin(), newest.end());
    offsets.push_back(std::ssize(inputs));
    for (std::size_t n = 1; n <= newest.size(); ++n) read.push_back(newest.first(n));
  }
  core::arena memory;
  autodiff::tape<float> t(memory, how, autodiff::mode::inference);
  const core::ragged layout(offsets);
  const auto encoded = net.encode(t, inputs, layout, {});
  const auto context = net.prepare(encoded, layout, {});
  json all{{"positions",
            {{"encoding_cosine", eval::mean_cosine_within<float>(encoded.value(), layout)},
             {"prediction_cosine", eval::mean_cosine_within<float>(net.predict(context, 0, {}).value(), layout)}}},
           {"noise_positions", {{"prediction_cosine", eval::mean_cosine_within<float>(noise.encode(read, how), layout)}}}};
  if (const auto latent = net.latent_of(context); latent.mean.rows() > 0) {
    const auto use = eval::latent_dimensions<float>(latent.mean.value(), latent.log_variance.value());
    all["latent"] = {{"kl", use.total_kl}, {"active", use.active}, {"dimensions", std::ssize(use.kl)}, {"kl_by_dimension", use.kl}};
  }
  return all;
}

template <class Scorer>
json list_figures(const Scorer& scorer, eval::histories users, core::execution how) {
  const auto d = eval::top_of_lists(eval::recommend(scorer, users, 10, how));
  return {{"gap_to_second", d.gap_to_second}, {"gap_to_tenth", d.gap_to_tenth}, {"distinct_first", d.distinct_first}, {"lists", d.lists}};
}

/// The predictions of a network, made as its ranker makes them, for the histories of `cases`, and its items.
inline json network_figures(const network& net, const model::ranker<network>& ranker, const data::cases& cases, eval::histories users,
                            core::execution how) {
  const auto query = ranker.encode(users, how);
  const index d = net.settings().width;
  const core::view<const float> predicted(query.unit.data(), cases.size(), d);
  core::arena memory;
  autodiff::tape<float> t(memory, how, autodiff::mode::inference);
  const core::view<const float> items = net.scored(net.item_table(t)).value();
  core::matrix<float> targets(cases.size(), d);
  for (index u = 0; u < cases.size(); ++u) targets.row(u) = items.middle_rows(static_cast<index>(cases.target(u)), 1).matrix_map();
  const eval::noise control(items.rows(), d, core::seed{0});
  const core::matrix<float> noise = control.encode(users, how);
  json all{{"predictions", vector_figures(predicted)},
           {"items", vector_figures(items)},
           {"noise", vector_figures(noise)},
           {"noise_items", vector_figures(control.item_vectors())},
           {"noise_lists", list_figures(control, users, how)}};
  all["predictions"]["alignment"] = eval::alignment<float>(predicted, targets);
  all["noise"]["alignment"] = eval::alignment<float>(noise, targets);
  all.update(position_figures(net, control, users, how));
  return all;
}

/// What a model's lists say and, if it is a network, its vectors; `scorer` is one of the model.
template <class Scorer>
json diagnostics(const loaded_model& m, const Scorer& scorer, const data::cases& cases, core::execution how) {
  const std::vector<std::span<const data::item>> users = cases.histories();
  json all{{"lists", list_figures(scorer, users, how)}};
  if constexpr (std::is_same_v<Scorer, model::ranker<network>>) all.update(network_figures(*network_of(m), scorer, cases, users, how));
  return all;
}

inline void print_diagnostics(const json& all) {
  std::cout << std::fixed << std::setprecision(4);
  for (const auto& [of, figures] : all.items()) {
    std::cout << std::left << std::setw(12) << of << std::right;
    for (const auto& [name, value] : figures.items()) {
      if (value.is_array()) continue;  // for programs
      std::cout << "  " << name << ' ';
      value.is_number_float() ? std::cout << four_decimals(value.get<double>()) : std::cout << value.get<index>();
    }
    std::cout << '\n';
  }
}

/// What `compare` shows beside accuracy: of `vectors`, if there are any, and of lists. The keys of both are those of diagnostics().
inline json collapse_row(const json& vectors, const json& lists) {
  json row = json::object();
  const auto take = [&](const json& from, const char* key, const char* column) {
    if (from.contains(key)) row[column] = from[key];
  };
  take(vectors, "mean_cosine", "cosine"), take(vectors, "effective_rank", "eff. rank"), take(vectors, "top_singular_share", "top share");
  take(lists, "gap_to_second", "gap 1-2"), take(lists, "gap_to_tenth", "gap 1-10"), take(lists, "distinct_first", "firsts");
  return row;
}

/// Whether the models of these records have collapsed; below them noise of each width that they have.
inline void print_collapse(const std::vector<std::pair<std::string, json>>& records) {
  std::vector<std::pair<std::string, json>> table;
  std::map<std::string, json> controls;  // of each figure what the first has that has it: older records have fewer
  const json none = json::object();
  for (const auto& [name, record] : records) {
    const json all = record.value("diagnostics", none);
    table.emplace_back(name, collapse_row(all.value("predictions", none), all.value("lists", none)));
    if (all.contains("noise"))
      for (const json noise = collapse_row(all["noise"], all.value("noise_lists", none)); const auto& [column, figure] : noise.items())
        controls["noise, width " + record.value("settings", none).value("width", std::string("unknown"))].emplace(column, json(figure));
  }
  table.insert(table.end(), controls.begin(), controls.end());
  std::cout << "collapse: predictions' mean cosine, effective rank and top singular share; gaps of mean scores; different first items\n";
  print_table(table, {"cosine", "eff. rank", "top share", "gap 1-2", "gap 1-10", "firsts"});
}

}  // namespace cddrec::cli
