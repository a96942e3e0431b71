// A training run as one page of HTML that needs nothing else: no script, nothing fetched, light or dark as the reader's system is.
// It is made of figures alone, which the caller gathers; what is not given has no section.
#pragma once

#include "cddrec/eval/diagnostics.hpp"
#include "cddrec/io/svg.hpp"
#include "cddrec/io/training_log.hpp"

namespace cddrec::io {

/// What the page shows. Vectors that are empty are not shown.
struct training_report {
  struct model_row {
    std::string name;
    std::vector<double> values;  // under metric_names
    bool trained = false;        // what the page is about
    bool bound = false;          // what could be reached at best: no model, so never in bold
  };
  struct named_spectrum {
    std::string name;
    eval::spectrum of;
  };
  /// How a user's next item comes out of noise, in a plane.
  struct path {
    std::string title;
    std::vector<svg::point> history = {}, predictions = {},
                            states = {};  // predictions mu(e_s, t) and states x_t from the noisiest step to the last
    svg::point target = {};
  };

  std::string title;
  std::vector<std::pair<std::string, std::string>> facts;
  std::string table_caption;
  std::vector<std::string> metric_names;
  std::vector<model_row> table;
  training_log log;
  index best_epoch = 0;
  std::vector<double> beta, alpha_bar;  // of step 0, 1 …
  std::vector<named_spectrum> spectra;
  std::vector<svg::point> items;             // in the plane of the paths
  std::pair<double, double> plane_shares{};  // of the items' variance along its axes
  std::vector<path> paths;
  std::vector<std::pair<std::string, std::string>> settings;
};

namespace detail {

inline std::string page_style() {
  return svg::style() +
         "*{box-sizing:border-box}body{margin:0 auto;max-width:940px;padding:24px 16px 48px;background:var(--paper);color:var(--ink);"
         "font:15px/1.5 system-ui,sans-serif}h1{font-size:24px;line-height:1.25;overflow-wrap:anywhere}h2{font-size:18px;margin:36px 0 8px}"
         "p{margin:0 0 12px;color:var(--soft);max-width:75ch}"
         ".panels{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,380px),1fr));gap:16px}"
         ".panels>*{min-width:0;border:1px solid var(--faint);border-radius:6px;padding:8px}"
         ".scroll{overflow-x:auto}table{border-collapse:collapse;font-size:14px}caption{text-align:left;color:var(--soft)}"
         "th,td{padding:4px 10px;border-bottom:1px solid var(--faint);text-align:right;font-variant-numeric:tabular-nums}"
         "th:first-child,td:first-child{text-align:left}th{font-weight:600}tr.trained td{color:var(--c0)}td.best{font-weight:700}"
         "dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,200px),1fr));gap:4px 24px;margin:0}"
         "dl div{min-width:0;overflow-wrap:anywhere}dt{display:inline;color:var(--soft)}dd{display:inline;margin:0 0 0 6px}";
}

inline std::string list_of(const std::vector<std::pair<std::string, std::string>>& all) {
  std::string out = "<dl>\n";
  for (const auto& [name, value] : all) out += "<div><dt>" + svg::escaped(name) + "</dt><dd>" + svg::escaped(value) + "</dd></div>\n";
  return out + "</dl>\n";
}

inline std::string section(const std::string& heading, const std::string& text, const std::string& panels) {
  return "<h2>" + heading + "</h2>\n<p>" + text + "</p>\n<div class=\"panels\">\n" + panels + "</div>\n";
}
inline std::string panel(const svg::frame& f, const std::vector<svg::series>& all) { return "<div>" + svg::plot(f, all) + "</div>\n"; }

// The best of the models in bold.
inline std::string table_of(const training_report& r) {
  std::string out = "<div class=\"scroll\"><table><caption>" + svg::escaped(r.table_caption) + "</caption>\n<tr><th>model</th>";
  for (const std::string& name : r.metric_names) out += "<th>" + svg::escaped(name) + "</th>";
  out += "</tr>\n";
  for (const auto& row : r.table) {
    out += std::string(row.trained ? "<tr class=\"trained\">" : "<tr>") + "<td>" + svg::escaped(row.name) + "</td>";
    for (std::size_t k = 0; k < row.values.size(); ++k) {
      bool best = !row.bound;
      for (const auto& other : r.table) best = best && (other.bound || k >= other.values.size() || other.values[k] <= row.values[k]);
      char buffer[40];
      const std::string value(buffer, std::to_chars(buffer, buffer + sizeof buffer, row.values[k], std::chars_format::fixed, 4).ptr);
      out += (best ? "<td class=\"best\">" : "<td>") + value + "</td>";
    }
    out += "</tr>\n";
  }
  return out + "</table></div>\n";
}

// Values over 0, 1, 2 … or over the given places.
inline svg::series over(const std::string& name, const char* colour, const std::vector<double>& values, const std::vector<double>& places) {
  svg::series s{.name = name, .colour = colour};
  for (std::size_t k = 0; k < values.size(); ++k) s.points.push_back({places.empty() ? static_cast<double>(k) : places[k], values[k]});
  return s;
}

inline std::string curves_of(const training_report& r) {
  const std::vector<double> epochs = r.log.column("epoch");
  std::string panels;
  svg::frame loss{.title = "Loss", .x_label = "epoch", .whole = true};
  if (r.best_epoch > 0) loss.rule = static_cast<double>(r.best_epoch), loss.rule_label = "best epoch";
  svg::frame validation = loss;
  validation.title = "Validation", validation.from_zero = true;
  panels += panel(loss, {over("", "c0", r.log.column("loss"), epochs)});
  panels += panel(validation, {over("recall@10", "c1", r.log.column("recall@10"), epochs), over("mrr", "c2", r.log.column("mrr"), epochs),
                               over("ndcg@10", "c0", r.log.column("ndcg@10"), epochs)});
  const std::vector<std::string> parts = r.log.parts();
  for (const std::string& part : parts) {
    const std::vector<double> values = r.log.column(part);
    if (parts.size() == 1 || std::all_of(values.begin(), values.end(), [](double v) { return v == 0; })) continue;
    panels += panel({.title = part, .x_label = "epoch", .height = 200, .whole = true}, {over("", "c3", values, epochs)});
  }
  return section("Training", "The loss is the mean over an epoch's batches; each of its parts is shown below.", panels);
}

inline std::string schedule_of(const training_report& r) {
  const svg::frame frame{.title = "Share of the signal left, ᾱ", .x_label = "step t", .height = 240, .from_zero = true, .whole = true};
  svg::frame added = frame;
  added.title = "Variance added by a step, β";
  return section("Noise schedule", "What each step of the forward process leaves of an item’s vector.",
                 panel(frame, {over("", "c1", r.alpha_bar, {})}) + panel(added, {over("", "c3", r.beta, {})}));
}

inline std::string spectra_of(const training_report& r) {
  std::vector<svg::series> shown;
  constexpr const char* colours[] = {"c1", "c0", "cloud", "c2", "c3"};
  std::string table = "<table><tr><th>vectors</th><th>effective rank</th><th>share of the largest</th></tr>\n";
  for (const auto& s : r.spectra) {
    const std::vector<double>& all = s.of.singular_values;
    std::vector<double> shares, places;
    for (const double value : all)
      if (value > 1e-6 * all.front())  // below it is rounding
        shares.push_back(value / all.front()), places.push_back(static_cast<double>(shares.size()));
    shown.push_back(over(s.name, colours[shown.size() % std::size(colours)], shares, places));
    table += "<tr><td>" + svg::escaped(s.name) + "</td><td>" + svg::short_number(s.of.effective_rank) + " of " +
             std::to_string(all.size()) + "</td><td>" + svg::short_number(100 * s.of.top_share, 3) + " %</td></tr>\n";
  }
  svg::frame frame{.title = "Singular values, relative to the largest", .x_label = "index, largest first"};
  frame.logarithmic = frame.whole = true;
  return section("Spectra", "Vectors that use all of their dimensions have a flat spectrum; a steep drop means collapse.",
                 panel(frame, shown) + "<div class=\"scroll\">" + table + "</table></div>\n");
}

inline std::string paths_of(const training_report& r) {
  const auto percent = [](double share) { return svg::short_number(100 * share, 2) + " %"; };
  std::string panels;
  for (const auto& p : r.paths) {
    const svg::frame frame{.title = p.title, .x_label = "first component across, second upwards", .height = 400, .equal = true};
    panels += panel(frame, {{.name = "items", .colour = "cloud", .mark = svg::mark::dots, .points = r.items},
                            {.name = "history", .colour = "c2", .mark = svg::mark::dots, .points = p.history},
                            {.name = "x_t from noise", .colour = "c1", .points = p.states},
                            {.name = "where it ends",
                             .colour = "c1",
                             .mark = svg::mark::ring,
                             .points = p.states.empty() ? std::vector<svg::point>{} : std::vector<svg::point>{p.states.back()}},
                            {.name = "prediction μ(t)", .colour = "c0", .points = p.predictions},
                            {.name = "target", .colour = "c5", .mark = svg::mark::cross, .points = {p.target}}});
  }
  return section(
      "Denoising, drawn in two dimensions",
      "Some test users, in the plane in which the items vary most: its axes hold " + percent(r.plane_shares.first) + " and " +
          percent(r.plane_shares.second) +
          " of the items’ variance, so points close in the picture need not be close. Vectors are drawn as they are "
          "multiplied to give scores. Lines run from the noisiest step to the last: x_t of one ancestral draw, and the prediction.",
      panels);
}

}  // namespace detail

/// The page. The same figures give the same bytes.
inline std::string html(const training_report& r) {
  std::string page =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>" +
      svg::escaped(r.title) + "</title>\n<style>" + detail::page_style() + "</style>\n</head>\n<body>\n<h1>" + svg::escaped(r.title) +
      "</h1>\n" + detail::list_of(r.facts);
  if (!r.table.empty()) page += "<h2>Test</h2>\n" + detail::table_of(r);
  if (r.log.size() > 0) page += detail::curves_of(r);
  if (!r.alpha_bar.empty()) page += detail::schedule_of(r);
  if (!r.spectra.empty()) page += detail::spectra_of(r);
  if (!r.paths.empty()) page += detail::paths_of(r);
  if (!r.settings.empty()) page += "<h2>Settings</h2>\n" + detail::list_of(r.settings);
  return page + "</body>\n</html>\n";
}

}  // namespace cddrec::io
