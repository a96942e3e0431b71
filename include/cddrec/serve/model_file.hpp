// A model directory: `model.safetensors` is a model, whole in itself: what kind it is, its settings, its item ids, its weights or counts.
// Reading checks all of it, so that a model that loads can be used.
#pragma once

#include <charconv>

#include "cddrec/io/checkpoint.hpp"
#include "cddrec/io/counts.hpp"
#include "cddrec/serve/network.hpp"

namespace cddrec::serve {

inline std::filesystem::path model_path(const std::filesystem::path& directory) { return directory / "model.safetensors"; }

/// A model and the tokens of its items.
struct stored_model {
  std::string kind;
  data::id_map ids;
  std::variant<network, baseline::popularity, baseline::markov, baseline::item_knn> model;
};

/// A file with a model's kind and item ids, to which the caller adds its settings and its weights or counts. input_error for an unknown
/// kind, since no such file could be read.
inline io::tensor_file describe(const std::string& kind, const data::id_map& ids) {
  check_kind(kind, "serve::describe");
  io::tensor_file file;
  file.metadata["format"] = "cddrec 1";
  file.metadata["model"] = kind;
  io::put_ids(file, ids);
  return file;
}

/// A text of a file's metadata; input_error if it is missing.
inline const std::string& required(const io::tensor_file& file, const std::string& name, const std::string& where) {
  const auto found = file.metadata.find(name);
  if (found == file.metadata.end()) throw input_error(where + ": damaged model: its metadata lacks '" + name + "'");
  return found->second;
}

namespace detail {
template <class T>
std::string setting_text(const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::is_arithmetic_v<T>) {
    return to_text(value);
  } else {
    return value;
  }
}

}  // namespace detail

/// Refuses a file that holds far fewer weights, or tensors of them, than a network of these settings has: no memory is taken on the
/// settings' word. Where little is lacking, reading says which tensor. `judging_layers` are those of an adversary.
inline void expect_weights(const io::tensor_file& file, const std::string& kind, const network_settings& s, index items,
                           const std::string& where, index judging_layers = 0) {
  // Without a width, no number of layers or steps asks for a weight.
  if (s.width < 1) throw input_error(where + ": damaged model: its setting width cannot be " + io::quoted(to_text(s.width), '\''));
  network_size held;
  for (const auto& [name, t] : file.tensors())
    if (t.dtype == "F32") held += {1, static_cast<double>(t.bytes.size() / sizeof(float))};
  const network_size asked = size_of(kind, s, items, judging_layers);
  const auto refuse = [&](double wanted, const char* what, double there) {
    throw input_error(where + ": damaged model: its settings ask for " + detail::setting_text(wanted) + what + ", but it holds " +
                      detail::setting_text(there));
  };
  constexpr double few_weights = 1 << 16, few_tensors = 100;
  if (held.weights + few_weights < asked.weights) refuse(asked.weights, " weights", held.weights);
  if (held.tensors + few_tensors < asked.tensors) refuse(asked.tensors, " tensors of weights", held.tensors);
}

/// Calls f. An input_error that does not begin with `where`, because what threw it knows nothing of files, is thrown again as
/// `WHERE: damaged model: …`.
template <class F>
auto naming_the_file(const std::string& where, F&& f) {
  try {
    return f();
  } catch (const input_error& e) {
    const std::string what = e.what();
    throw input_error(what.starts_with(where + ": ") ? what : where + ": damaged model: " + what);
  }
}

namespace detail {

// A file older than a setting was made when all models were as its default says.
template <class T>
void get_setting(const io::tensor_file& file, const std::string& name, T& value, const std::string& where) {
  const auto found = file.metadata.find("settings." + name);
  if (found == file.metadata.end()) return;
  const std::string& text = found->second;
  bool good = true;
  if constexpr (std::is_same_v<T, bool>) {
    value = text == "true";
    good = value || text == "false";
  } else if constexpr (std::is_arithmetic_v<T>) {
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    good = problem == std::errc() && end == text.data() + text.size() && value >= 0 && value <= 1'000'000'000;
  } else {
    value = text;
  }
  if (!good) throw input_error(where + ": damaged model: its setting " + name + " cannot be " + io::quoted(text, '\''));
}

template <class Settings>
Settings read_settings(const io::tensor_file& file, const std::string& where) {
  Settings s;
  Settings::visit(s, [&](const char* name, auto& value) { get_setting(file, name, value, where); });
  return s;
}

inline network read_network(const io::tensor_file& file, const std::string& kind, index items, const std::string& where) {
  const auto s = read_settings<network_settings>(file, where);
  expect_weights(file, kind, s, items, where);
  network net = make_network(kind, s, items, {});
  io::get_weights(file, net, where);
  return net;
}

inline stored_model read_model(const io::tensor_file& file, const std::string& where) {
  if (const std::string& format = required(file, "format", where); format != "cddrec 1")
    throw input_error(where + ": its format is " + io::quoted(format, '\'') + "; this program reads 'cddrec 1'");
  const std::string& kind = required(file, "model", where);
  // The ids last: each takes many times the memory that it takes in the file.
  const index items = io::count_ids(file);
  const auto stored = [&](auto model) { return stored_model{kind, io::get_ids(file, where), std::move(model)}; };
  if (is_network(kind)) return stored(detail::read_network(file, kind, items, where));
  if (kind == "popularity") return stored(io::get_popularity(file, items, where));
  if (kind == "markov") return stored(io::get_markov(file, items, where));
  if (kind != "item_knn") throw input_error(where + ": " + detail::unknown_kind(kind));
  return stored(io::get_item_knn(file, items, read_settings<baseline::item_knn_settings>(file, where), where));
}

}  // namespace detail

/// Adds the settings of a network, or of item neighbours.
template <class Settings>
void put_settings(io::tensor_file& file, const Settings& s) {
  Settings::visit(
      s, [&](const char* name, const auto& value) { file.metadata["settings." + std::string(name)] = detail::setting_text(value); });
}

/// Reads a model from a file that describe(), put_settings() and io's put_weights or put_counts filled. input_error for what is missing,
/// damaged or of another format; `where` is the file's name in errors.
inline stored_model read_model(const io::tensor_file& file, const std::string& where) {
  return naming_the_file(where, [&] { return detail::read_model(file, where); });
}

/// The file of a model directory. input_error if there is none.
inline io::tensor_file load_file(const std::filesystem::path& directory) {
  const auto path = model_path(directory);
  if (io::is_there(path)) return io::tensor_file::load(path);
  std::error_code unknown;
  if (std::filesystem::is_regular_file(directory, unknown))
    throw input_error(directory.string() + ": is a file; name the directory that it is in");
  if (io::is_there(directory / "training.safetensors"))
    throw input_error(directory.string() + ": holds an unfinished run and no model yet; `cddrec train --resume` goes on with it");
  throw input_error(directory.string() + ": holds no model; `cddrec train --output` makes one");
}

/// Calls f(scorer) for a model. `made` is how a diffusion model generates predictions; input_error if it asks another kind for more.
/// The model must stay alive and where it is as long as the scorer.
template <class F>
auto with_scorer(const stored_model& m, core::execution how, const model::generation& made, F&& f) {
  if (m.kind != "cddrec" && (made.kind != model::way::direct || made.steps != 0 || made.stop != 0 || made.draws != 1))
    throw input_error("a model of kind " + m.kind + " has no diffusion: its predictions are direct");
  return std::visit(
      [&](const auto& model) {
        if constexpr (eval::scorer<std::decay_t<decltype(model)>>)
          return f(model);
        else
          return f(model::ranker<network>(model, how, std::size_t{64} << 20, made));
      },
      m.model);
}

}  // namespace cddrec::serve
