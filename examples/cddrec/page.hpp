// What report.html of a run shows, gathered: the table, the curves, the schedule and, of a network, its spectra and its way from noise.
// Vectors are taken as they are multiplied to give scores, of length 1 where the score is a cosine.
#pragma once

#include "cddrec/diffusion/sampler.hpp"
#include "cddrec/eval/diagnostics.hpp"
#include "cddrec/eval/principal.hpp"
#include "cddrec/io/report.hpp"
#include "log.hpp"
#include "model_file.hpp"

namespace cddrec::cli {

namespace detail {

// About `most` of the numbers below `count`, evenly spread.
inline std::vector<data::item> evenly(index count, index most) {
  std::vector<data::item> chosen;
  for (index k = 0; k < std::min(count, most); ++k) chosen.push_back(static_cast<data::item>(k * count / std::min(count, most)));
  return chosen;
}

inline core::matrix<float> scored_items(const network& net, std::span<const data::item> items) {
  core::arena memory;
  autodiff::tape<float> t(memory, {}, autodiff::mode::inference);
  return net.scored(net.embed(t, items)).value().matrix_map();
}

inline std::vector<io::svg::point> points(const eval::principal_components& plane, core::view<const float> x) {
  const core::matrix<double> flat = plane.project<float>(x);
  std::vector<io::svg::point> all;
  for (index i = 0; i < flat.rows(); ++i) all.push_back({flat(i, 0), flat(i, 1)});
  return all;
}

// mu(e_s, t) and, of one ancestral draw, x_t for every visited step t, the noisiest first; a process of one step has no path.
inline void add_way(io::training_report::path& path, const network& net, const eval::principal_components& plane,
                    std::span<const data::item> history, const core::random& draw) {
  core::arena memory;
  autodiff::tape<float> t(memory, {}, autodiff::mode::inference);
  const index d = net.settings().width, offsets[] = {0, std::ssize(history)};
  const core::ragged layout(offsets);
  const auto encoded = net.encode(t, history, layout, {});
  const auto predict = [&](index step) { return core::matrix<float>(net.predict_last(encoded, layout, step).value().matrix_map()); };
  const auto show = [&](std::vector<io::svg::point>& to, const core::matrix<float>& x) {
    const bool cosine = net.settings().score == model::similarity::cosine;
    to.push_back(points(plane, core::matrix<float>(cosine ? x.normalized() : x)).front());
  };
  const index T = net.process().steps();
  constexpr index most = 40;
  diffusion::path way;
  if (T > 1) way = diffusion::ancestral(net.process(), std::min(T, most));
  core::matrix<float> y(1, d), noise(1, d);
  const auto normal = [&](index t_from) {
    draw.child(static_cast<std::uint64_t>(t_from)).normal<float>(0, std::span<float>(noise.data(), static_cast<std::size_t>(d)));
  };
  const auto show_state = [&](index step) { show(path.states, y * std::sqrt(net.process().alpha_bar(step))); };
  normal(T);
  y = noise * static_cast<float>(way.start_deviation);
  for (const diffusion::move& m : way.moves) {
    const core::matrix<float> x0 = predict(m.from);
    show(path.predictions, x0);
    show_state(m.from);
    normal(m.from);
    y = static_cast<float>(1 - m.keep) * x0 + static_cast<float>(m.keep) * y + static_cast<float>(m.noise) * noise;
  }
  show(path.predictions, predict(0));
  if (T > 1) show_state(0);
}

}  // namespace detail

/// Spectra of items and predictions and, of a diffusion model, its schedule and the paths of four test users; `ranks` are those of the
/// test. Without a test, the schedule alone; without a way back from the last step, no paths. A network wider than 1024 gets neither
/// spectra nor paths: the decompositions would take longer than its training.
inline void add_network(io::training_report& r, const std::string& kind, const network& net, const data::interactions& log,
                        const data::cases& test, std::span<const index> ranks, core::execution how) {
  if (kind == "cddrec")
    for (index t = 0; t < net.process().steps(); ++t) {
      r.beta.push_back(static_cast<double>(net.process().beta(t)));
      r.alpha_bar.push_back(static_cast<double>(net.process().alpha_bar(t)));
    }
  const index d = net.settings().width;
  if (d < 2 || d > 1024 || test.size() == 0) return;
  const core::matrix<float> items = detail::scored_items(net, detail::evenly(net.items(), 20000));
  std::vector<std::span<const data::item>> users;
  for (const data::item u : detail::evenly(test.size(), 1000)) users.push_back(test.history(u));
  const auto query = model::ranker<network>(net, how).encode(users, how);
  core::matrix<float> noise(std::ssize(users), d);
  core::random(core::seed{0}).normal<float>(0, std::span<float>(noise.data(), static_cast<std::size_t>(noise.size())));
  const auto add_spectrum = [&](const char* name, core::view<const float> x) {
    r.spectra.push_back({name, eval::singular_spectrum<float>(x)});
  };
  add_spectrum("items", items);
  add_spectrum("predictions", core::view<const float>(query.unit.data(), std::ssize(users), d));
  add_spectrum("noise of the same size", noise);
  if (kind != "cddrec" || !diffusion::has_way_back(net.process())) return;

  const auto plane = eval::principal_components_of<float>(items, 2);
  r.plane_shares = {plane.shares[0], plane.shares[1]};
  r.items = detail::points(plane, detail::scored_items(net, detail::evenly(net.items(), 500)));
  const core::random draw(core::seed{0});
  for (const data::item u : detail::evenly(test.size(), 4)) {
    const auto newest = test.history(u).last(std::min(test.history(u).size(), static_cast<std::size_t>(net.settings().max_length)));
    const index rank = ranks[static_cast<std::size_t>(u)];
    io::training_report::path path{.title = "User " + std::string(log.users.name(static_cast<data::item>(test.user(u)))) + ": the target " +
                                            (rank == eval::missed ? "is in the history" : "has rank " + std::to_string(rank + 1))};
    const data::item target = test.target(u);
    path.target = detail::points(plane, detail::scored_items(net, {&target, 1})).front();
    path.history = detail::points(plane, detail::scored_items(net, newest));
    detail::add_way(path, net, plane, newest, draw.child(static_cast<std::uint64_t>(u)));
    r.paths.push_back(std::move(path));
  }
}

/// Facts, table and settings of a run.
inline io::training_report begin_report(const std::string& kind, const run_settings& s, const std::string& log_name,
                                        const data::interactions& log, const std::vector<std::pair<std::string, json>>& table,
                                        index tested) {
  io::training_report r;
  r.title = kind + " on " + fs::path(log_name).filename().string();
  r.facts = {{"cddrec", CDDREC_VERSION},
             {"users", std::to_string(log.histories.size())},
             {"items", std::to_string(log.items.size())},
             {"interactions", std::to_string(log.histories.items.size())}};
  if (is_network(kind)) r.facts.push_back({"seed", std::to_string(s.seed)});
  r.table_caption = "Full ranking of all " + std::to_string(log.items.size()) + " items for " + std::to_string(tested) + " users";
  r.metric_names = metric_names();
  for (const auto& [name, metrics] : table) {
    r.table.push_back({.name = name, .values = {}, .trained = name == kind, .bound = name == "best possible"});
    for (const std::string& metric : r.metric_names) r.table.back().values.push_back(metrics.at(metric).get<double>());
  }
  for (const auto& [key, access] : setting_keys())
    if (concerns(kind, key)) r.settings.emplace_back(key, access.get(s));
  return r;
}

}  // namespace cddrec::cli
