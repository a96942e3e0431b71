// A model directory: `model.safetensors` is the model of the best epoch, whole in itself; `training.safetensors` is where training stands.
// Networks keep their weights, the models that count keep their counts.
#pragma once

#include <numeric>
#include <optional>

#include "cddrec/baseline/markov.hpp"
#include "cddrec/io/checkpoint.hpp"
#include "cddrec/io/text.hpp"
#include "network.hpp"
#include "report.hpp"

namespace cddrec::cli {

inline fs::path model_path(const fs::path& directory) { return directory / "model.safetensors"; }
inline fs::path training_path(const fs::path& directory) { return directory / "training.safetensors"; }

struct loaded_model {
  std::string kind;
  run_settings settings;
  data::id_map ids;
  std::variant<std::monostate, network, gan_network, baseline::popularity, baseline::markov, baseline::item_knn> model;
};

/// The network that a model serves with, of a gan its generator; null for the models that count.
inline const network* network_of(const loaded_model& m) {
  if (const auto* adversarial = std::get_if<gan_network>(&m.model)) return adversarial;
  return std::get_if<network>(&m.model);
}

inline io::tensor_file describe(const std::string& kind, const run_settings& s, const data::id_map& ids) {
  io::tensor_file file;
  file.metadata["format"] = "cddrec 1";
  file.metadata["model"] = kind;
  for (const auto& [name, key] : setting_keys())
    if (concerns(kind, name)) file.metadata["settings." + name] = key.get(s);
  io::put_ids(file, ids);
  return file;
}

inline std::string required(const io::tensor_file& file, const std::string& name, const std::string& where) {
  const auto found = file.metadata.find(name);
  if (found == file.metadata.end()) throw input_error(where + ": damaged model: its metadata lacks '" + name + "'");
  return found->second;
}

/// A setting as it was written. A file older than a key was made when all models were as the key's default says.
inline std::string written_setting(const io::tensor_file& file, const std::string& name) {
  const auto found = file.metadata.find("settings." + name);
  return found != file.metadata.end() ? found->second : setting_keys().at(name).get(run_settings{});
}

inline run_settings read_settings(const io::tensor_file& file) {
  run_settings s;
  for (const auto& [name, key] : setting_keys()) key.set(s, written_setting(file, name));
  check(s);
  return s;
}

template <class Network>
inline void save_network(const fs::path& directory, const std::string& kind, const Network& net, const run_settings& s,
                         const data::id_map& ids) {
  io::tensor_file file = describe(kind, s, ids);
  io::put_weights(file, net);
  file.save(model_path(directory));
}

inline void put_indices(io::tensor_file& file, const std::string& name, const auto& values) {
  const std::vector<std::int64_t> wide(values.begin(), values.end());
  file.add<std::int64_t>(name, {static_cast<index>(wide.size())}, wide);
}

inline void save_popularity(const fs::path& directory, const baseline::popularity& model, const run_settings& s, const data::id_map& ids) {
  io::tensor_file file = describe("popularity", s, ids);
  put_indices(file, "counts", model.counts());
  file.save(model_path(directory));
}

inline void save_markov(const fs::path& directory, const baseline::markov& model, const run_settings& s, const data::id_map& ids) {
  io::tensor_file file = describe("markov", s, ids);
  put_indices(file, "counts", model.item_counts().counts());
  put_indices(file, "transitions.offsets", model.transition_counts().offsets);
  put_indices(file, "transitions.successors", model.transition_counts().items);
  put_indices(file, "transitions.counts", model.transition_counts().values);
  file.save(model_path(directory));
}

inline void save_item_knn(const fs::path& directory, const baseline::item_knn& model, const run_settings& s, const data::id_map& ids) {
  io::tensor_file file = describe("item_knn", s, ids);
  put_indices(file, "counts", model.item_counts().counts());
  put_indices(file, "neighbours.offsets", model.neighbours().offsets);
  put_indices(file, "neighbours.items", model.neighbours().items);
  const auto& similarities = model.neighbours().values;
  file.add<double>("neighbours.similarities", {static_cast<index>(similarities.size())}, similarities);
  file.save(model_path(directory));
}

namespace detail {
// Apart from the try block around it: a function-try-block here made g++ 12 destroy the model twice when memory ran out.
inline loaded_model read_model(const io::tensor_file& file, const std::string& where) {
  if (required(file, "format", where) != "cddrec 1")
    throw input_error(where + ": its format is '" + required(file, "format", where) + "'; this program reads 'cddrec 1'");
  loaded_model m;
  m.kind = required(file, "model", where);
  m.ids = io::get_ids(file, where);
  const auto indices = [&](const std::string& name) {
    const auto values = file.values<std::int64_t>(name);
    return std::vector<index>(values.begin(), values.end());
  };
  m.settings = read_settings(file);
  if (is_network(m.kind)) {
    const double held = static_cast<double>(std::accumulate(
        file.tensors().begin(), file.tensors().end(), std::size_t{0},
        [](std::size_t sum, const auto& named) { return sum + (named.second.dtype == "F32" ? named.second.bytes.size() / 4 : 0); }));
    if (const double least = least_weights(m.kind, m.settings, m.ids.size()); held < least)
      throw input_error(where + ": damaged model: its settings ask for " + detail::text(least) + " weights or more, it holds " +
                        detail::text(held));
    const auto read = [&](auto net) {
      io::get_weights(file, net, where);
      m.model = std::move(net);
    };
    m.kind == "gan" ? read(make_gan(m.kind, m.settings, m.ids.size())) : read(make_network(m.kind, m.settings, m.ids.size()));
  } else if (m.kind == "popularity" || m.kind == "markov" || m.kind == "item_knn") {
    baseline::popularity counts(indices("counts"));
    if (counts.items() != m.ids.size()) throw input_error(where + ": damaged model: counts and item ids differ in number");
    const auto rows = [&](auto& table, const std::string& name, const char* items) {
      table.offsets = indices(name + ".offsets");
      for (const index item : indices(name + items)) {
        if (item < 0 || item >= m.ids.size())
          throw input_error(where + ": damaged model: there is no item " + std::to_string(item) + ", which tensor " + name + items +
                            " names");
        table.items.push_back(static_cast<data::item>(item));
      }
    };
    if (m.kind == "popularity") {
      m.model = std::move(counts);
    } else if (m.kind == "markov") {
      baseline::transitions table;
      rows(table, "transitions", ".successors");
      table.values = indices("transitions.counts");
      m.model.emplace<baseline::markov>(std::move(counts), std::move(table));
    } else {
      baseline::sparse_rows<double> table;
      rows(table, "neighbours", ".items");
      const auto similarities = file.values<double>("neighbours.similarities");
      table.values.assign(similarities.begin(), similarities.end());
      m.model.emplace<baseline::item_knn>(std::move(counts), std::move(table), knn_settings(m.settings));
    }
  } else {
    throw input_error(where + ": unknown kind of model '" + m.kind + "'");
  }
  return m;
}
}  // namespace detail

/// What a model file holds, ready to use. No memory is taken on its settings' word. Throws input_error `WHERE: …`.
inline loaded_model read_model(const io::tensor_file& file, const std::string& where) {
  try {
    return detail::read_model(file, where);
  } catch (const input_error& e) {
    // Settings and counts are refused by those who know nothing of files.
    const std::string what = e.what();
    throw input_error(what.starts_with(where + ": ") ? what : where + ": damaged model: " + what);
  }
}

inline loaded_model load_model(const fs::path& directory) {
  const fs::path path = model_path(directory);
  if (!fs::exists(path)) throw input_error(directory.string() + ": holds no model; `cddrec train --output` makes one");
  return read_model(io::tensor_file::load(path), path.string());
}

/// Where training stands: the weights of the last epoch, those that go on where they are not the same, and the moments of Adam.
template <class Network>
inline void save_training(const fs::path& directory, const std::string& kind, const Network& net, const train::fit_state<float>& state,
                          const run_settings& s, const data::id_map& ids) {
  io::tensor_file file = describe(kind, s, ids);
  file.metadata["epoch"] = std::to_string(state.epoch);
  file.metadata["best_epoch"] = std::to_string(state.stopping.best_epoch);
  file.metadata["best_ndcg"] = detail::text(state.stopping.best);
  file.metadata["seconds"] = detail::text(state.seconds);
  file.metadata["adam_steps"] = std::to_string(state.adam_steps);
  file.metadata["peak_memory_mb"] = std::to_string(peak_memory_mb());
  const auto put_curve = [&](const std::string& name, const std::vector<double>& values) {
    for (const double v : values) file.metadata[name] += detail::text(v) + ' ';
  };
  put_curve("curve", state.curve);
  for (std::size_t k = 0; k < state.own_curves.size(); ++k) put_curve(gan_network::own_names[k], state.own_curves[k]);
  io::put_weights(file, net);
  std::size_t k = 0;
  net.visit([&](const std::string& name, const auto&) {
    io::put_matrix(file, "first_moment." + name, state.first_moments[k]);
    io::put_matrix(file, "second_moment." + name, state.second_moments[k]);
    if (!state.trained.empty()) io::put_matrix(file, "trained." + name, state.trained[k]);
    io::put_matrix(file, "best." + name, state.best[k++]);
  });
  file.save(training_path(directory));
}

/// How far training came: all of its state but the matrices.
inline train::fit_state<float> training_progress(const io::tensor_file& file, const std::string& where) {
  train::fit_state<float> state;
  const auto whole = [&](const char* name) {
    return detail::number<index>(name, required(file, name, where), 0, 1'000'000'000'000, "0 or more");
  };
  const auto real = [&](const char* name) { return detail::number<double>(name, required(file, name, where), -1, 1e12, "a number"); };
  state.epoch = whole("epoch"), state.stopping.best_epoch = whole("best_epoch"), state.adam_steps = whole("adam_steps");
  state.stopping.best = real("best_ndcg"), state.seconds = real("seconds");
  const auto curve = [&](const char* name) {
    std::vector<double> values;
    const auto written = file.metadata.find(name);
    if (written != file.metadata.end())
      for (const auto v : io::split_tokens(written->second, where))
        values.push_back(detail::number<double>(name, std::string(v), 0, 1e12, "0 or more"));
    return values;
  };
  state.curve = curve("curve");
  if (file.metadata.contains(gan_network::own_names[0]))
    for (const char* name : gan_network::own_names) state.own_curves.push_back(curve(name));
  return state;
}

/// Reads it back into a network of the same settings and items; input_error if they differ.
template <class Network>
inline train::fit_state<float> load_training(const fs::path& directory, const std::string& kind, Network& net, const run_settings& s,
                                             const data::id_map& ids) {
  const std::string where = training_path(directory).string();
  const io::tensor_file file = io::tensor_file::load(training_path(directory));
  if (required(file, "model", where) != kind)
    throw input_error(where + ": holds a " + required(file, "model", where) + ", not a " + kind + "; name another directory");
  for (const auto& [name, key] : setting_keys()) {
    const bool counts = concerns(kind, name) && name != "epochs" && name != "patience" && name != "skip_bad_steps";
    const std::string before = written_setting(file, name);
    if (counts && before != key.get(s))
      throw input_error(where + ": was trained with " + name + " = " + before + ", not " + key.get(s) + "; resume with the same settings");
  }
  const data::id_map known = io::get_ids(file, where);
  bool same = known.size() == ids.size();
  for (index i = 0; same && i < ids.size(); ++i) same = known.name(static_cast<data::item>(i)) == ids.name(static_cast<data::item>(i));
  if (!same) throw input_error(where + ": was trained on a log with other items; resume with the same log");
  train::fit_state<float> state = training_progress(file, where);
  io::get_weights(file, net, where);
  const auto like = [&](const std::string& name, const auto& p) {
    core::matrix<float> m(p.value.rows(), p.value.cols());
    io::get_matrix(file, name, m, where);
    return m;
  };
  net.visit([&](const std::string& name, const auto& p) {
    state.first_moments.push_back(like("first_moment." + name, p));
    state.second_moments.push_back(like("second_moment." + name, p));
    state.best.push_back(like("best." + name, p));
    if (s.ema_decay > 0) state.trained.push_back(like("trained." + name, p));
  });
  return state;
}

/// Calls f with the scorer of a loaded model, whose predictions are made as asked if it is a diffusion model.
template <class F>
auto with_scorer(const loaded_model& m, core::execution how, const model::generation& made, F&& f) {
  if (m.kind != "cddrec" && made.kind != model::way::direct)
    throw input_error("a model of kind " + m.kind + " has no diffusion: its predictions are direct");
  if (const network* net = network_of(m)) return f(model::ranker<network>(*net, how, std::size_t{64} << 20, made));
  if (const auto* popularity = std::get_if<baseline::popularity>(&m.model)) return f(*popularity);
  if (const auto* markov = std::get_if<baseline::markov>(&m.model)) return f(*markov);
  return f(std::get<baseline::item_knn>(m.model));
}

/// How predictions are made, as the command line says it.
struct generation_options {
  std::string kind = "direct";
  index steps = 0, stop = 0, draws = 1;
  operator model::generation() const {
    const auto way = kind == "ancestral" ? model::way::ancestral : kind == "ddim" ? model::way::ddim : model::way::direct;
    return {.kind = way, .steps = steps, .stop = stop, .draws = draws};
  }
};

}  // namespace cddrec::cli
