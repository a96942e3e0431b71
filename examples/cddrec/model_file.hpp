// What training adds to a model directory: in `model.safetensors`, beside the model, the settings it was trained with;
// `training.safetensors` is where training stands.
#pragma once

#include <set>

#include "cddrec/io/text.hpp"
#include "cddrec/serve/model_file.hpp"
#include "network.hpp"
#include "report.hpp"

namespace cddrec::cli {

using serve::model_path, serve::required;
inline fs::path training_path(const fs::path& directory) { return directory / "training.safetensors"; }

/// A model, as it is served, and the settings it was trained with.
struct loaded_model : serve::stored_model {
  run_settings settings;
};

/// The network of a model, of a gan its generator; null for the models that count.
inline const network* network_of(const loaded_model& m) { return std::get_if<network>(&m.model); }

inline io::tensor_file describe(const std::string& kind, const run_settings& s, const data::id_map& ids) {
  io::tensor_file file = serve::describe(kind, ids);
  for (const auto& [name, key] : setting_keys())
    if (concerns(kind, name)) file.metadata["settings." + name] = key.get(s);
  return file;
}

/// A setting as it was written. A file older than a key was made when all models were as the key's default says.
inline std::string written_setting(const io::tensor_file& file, const std::string& name) {
  const auto found = file.metadata.find("settings." + name);
  return found != file.metadata.end() ? found->second : setting_keys().at(name).get(run_settings{});
}

inline run_settings read_settings(const std::string& kind, const io::tensor_file& file) {
  run_settings s;
  for (const auto& [name, key] : setting_keys()) key.set(s, written_setting(file, name));
  check(kind, s);
  return s;
}

template <class Network>
inline void save_network(const fs::path& directory, const std::string& kind, const Network& net, const run_settings& s,
                         const data::id_map& ids) {
  io::tensor_file file = describe(kind, s, ids);
  io::put_weights(file, net, io::values::lent);
  file.save(model_path(directory));
}

/// Saves a model that counts.
inline void save_counts(const fs::path& directory, const std::string& kind, const auto& model, const run_settings& s,
                        const data::id_map& ids) {
  io::tensor_file file = describe(kind, s, ids);
  io::put_counts(file, model);
  file.save(model_path(directory));
}

/// What a model file holds, ready to use. No memory is taken on its settings' word. Throws input_error `WHERE: …`.
inline loaded_model read_model(const io::tensor_file& file, const std::string& where) {
  return serve::naming_the_file(where, [&] {
    serve::stored_model stored = serve::read_model(file, where);
    run_settings settings = read_settings(stored.kind, file);
    loaded_model m{std::move(stored), std::move(settings)};
    if (m.kind == "gan") serve::expect_weights(file, m.kind, m.settings, m.ids.size(), where, m.settings.discriminator_layers);
    return m;
  });
}
inline loaded_model load_model(const fs::path& directory) {
  return read_model(serve::load_file(directory), model_path(directory).string());
}

/// What tells a log from others with the same items: the CRC-32 of all histories and, if the log is divided by time, of the times.
inline std::string log_checksum(const data::interactions& log, const run_settings& s) {
  auto crc = ::crc32_z(0, nullptr, 0);
  const auto add = [&](const auto& values) {
    crc = ::crc32_z(crc, reinterpret_cast<const Bytef*>(values.data()), values.size() * sizeof values[0]);
  };
  add(log.histories.items), add(log.histories.offsets);
  if (s.division == "time") add(log.times);
  return std::to_string(crc);
}

/// Where training stands: the weights of the last epoch, those that training goes on with if they differ, and the moments of Adam.
/// `memory_mb` is the most memory that any sitting so far has used.
template <class Network>
inline void save_training(const fs::path& directory, const std::string& kind, const Network& net, const train::fit_state<float>& state,
                          index memory_mb, const run_settings& s, const data::interactions& log) {
  io::tensor_file file = describe(kind, s, log.items);
  file.metadata["log"] = log_checksum(log, s);
  file.metadata["epoch"] = std::to_string(state.epoch);
  file.metadata["best_epoch"] = std::to_string(state.stopping.best_epoch);
  file.metadata["best_ndcg"] = to_text(state.stopping.best);
  file.metadata["seconds"] = to_text(state.seconds);
  file.metadata["adam_steps"] = std::to_string(state.adam_steps);
  file.metadata["peak_memory_mb"] = std::to_string(memory_mb);
  const auto put_curve = [&](const std::string& name, const std::vector<double>& values) {
    for (const double v : values) file.metadata[name] += to_text(v) + ' ';
  };
  put_curve("curve", state.curve);
  if (state.batch > 0) {  // within an epoch
    file.metadata["batch"] = std::to_string(state.batch);
    if (state.skipped > 0) file.metadata["skipped"] = std::to_string(state.skipped);
    put_curve("sums", state.sums);
  }
  for (std::size_t k = 0; k < state.own_curves.size(); ++k) put_curve(gan_network::own_names[k], state.own_curves[k]);
  io::put_weights(file, net, io::values::lent);
  std::size_t k = 0;
  net.visit([&](const std::string& name, const auto&) {
    io::put_matrix(file, "first_moment." + name, state.first_moments[k], io::values::lent);
    io::put_matrix(file, "second_moment." + name, state.second_moments[k], io::values::lent);
    if (!state.trained.empty()) io::put_matrix(file, "trained." + name, state.trained[k], io::values::lent);
    io::put_matrix(file, "best." + name, state.best[k++], io::values::lent);
  });
  file.save(training_path(directory));
}

/// Training as earlier sittings left it.
struct training_so_far {
  train::fit_state<float> state;
  index memory_mb = 0;  // the most that one of them used
};

/// How far training came: all of its state but the matrices.
inline training_so_far training_progress(const io::tensor_file& file, const std::string& where) {
  training_so_far so_far;
  train::fit_state<float>& state = so_far.state;
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
        values.push_back(detail::number<double>(name, std::string(v), -1e15, 1e15, "a number"));
    return values;
  };
  state.curve = curve("curve");
  if (file.metadata.contains("batch")) state.batch = whole("batch"), state.sums = curve("sums");
  if (file.metadata.contains("skipped")) state.skipped = whole("skipped");
  if (file.metadata.contains(gan_network::own_names[0]))
    for (const char* name : gan_network::own_names) state.own_curves.push_back(curve(name));
  if (file.metadata.contains("peak_memory_mb")) so_far.memory_mb = whole("peak_memory_mb");
  return so_far;
}

/// In what the run behind a training state differs from one of these settings on this log; empty if in nothing. Of a file that is too old
/// to have the log's checksum, only the items are compared. `apart` from settings that a later sitting may change.
inline std::string difference_of(const io::tensor_file& file, const std::string& where, const std::string& kind, const run_settings& s,
                                 const data::interactions& log, const std::set<std::string>& apart) {
  if (const std::string held = required(file, "model", where); held != kind) return "holds a " + io::quoted(held, '\'') + ", not a " + kind;
  for (const auto& [name, key] : setting_keys())
    if (const std::string before = written_setting(file, name); concerns(kind, name) && !apart.contains(name) && before != key.get(s))
      return "was trained with " + name + " = " + io::quoted(before, '\'') + ", not " + key.get(s);
  const data::id_map known = io::get_ids(file, where);
  bool same = known.size() == log.items.size();
  for (index i = 0; same && i < known.size(); ++i) same = known.name(static_cast<data::item>(i)) == log.name(static_cast<data::item>(i));
  if (!same) return "was trained on a log with other items";
  const auto written = file.metadata.find("log");
  return written != file.metadata.end() && written->second != log_checksum(log, s) ? "was trained on another log of the same items" : "";
}

/// Reads it back into a network of the same settings and log; input_error if they differ in more than when to stop.
template <class Network>
inline training_so_far load_training(const fs::path& directory, const std::string& kind, Network& net, const run_settings& s,
                                     const data::interactions& log) {
  const std::string where = training_path(directory).string();
  const io::tensor_file file = io::tensor_file::load(training_path(directory));
  if (const std::string what = difference_of(file, where, kind, s, log, {"epochs", "patience", "skip_bad_steps"}); !what.empty())
    throw input_error(where + ": " + what + "; resume with the same log and settings, or name another directory");
  training_so_far so_far = training_progress(file, where);
  train::fit_state<float>& state = so_far.state;
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
  return so_far;
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

/// Calls f. What the sampler says of its steps and its stop is said of their options, for a setting is called steps, too.
template <class F>
auto naming_generation(F&& f) {
  try {
    return f();
  } catch (const input_error& e) {
    constexpr std::string_view sampler = "diffusion::sampler: ";
    const std::string what = e.what(), said = what.starts_with(sampler) ? what.substr(sampler.size()) : "";
    throw input_error(said.starts_with("stop ") || said.starts_with("steps ") ? "--generation-" + said : what);
  }
}

}  // namespace cddrec::cli
