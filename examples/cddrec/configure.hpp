// Where a run's settings come from: what the kind of model or a preset starts from, a file of settings, the command line.
#pragma once

#include "settings_file.hpp"

namespace cddrec::cli {

/// What a run is told: the kind of model and its settings.
struct run_choice {
  std::string kind;
  run_settings settings;
};

/// The setting that a `key=value` of --set names.
inline std::string key_of(const std::string& assignment) { return assignment.substr(0, assignment.find('=')); }

/// Does what --set asks for.
inline void assign(run_settings& s, const std::string& assignment) {
  const std::string key = key_of(assignment);
  if (key.size() == assignment.size()) throw input_error("--set " + assignment + ": write key=value");
  set(s, key, assignment.substr(key.size() + 1));
}

/// Settings, each overriding those before: those to start from, or else the preset or the kind's defaults; the file; --set. No kind: the
/// file's, or cddrec. A file may serve several kinds; this one must use what --set names.
inline run_choice gather_settings(std::string kind, const std::string& preset_name, const settings_file& file,
                                  const std::vector<std::string>& assignments, const run_settings* start = nullptr) {
  const auto at = [](const settings_file::entry& e, auto&& act) {
    try {
      act();
    } catch (const input_error& wrong) {
      throw input_error(e.where + ": " + wrong.what());
    }
  };
  const settings_file::entry* model = file.find("model");
  if (model) at(*model, [&] { serve::check_kind(model->value); });
  if (kind.empty()) kind = model ? model->value : "cddrec";
  if (!preset_name.empty() && kind != "cddrec")
    throw input_error("preset " + preset_name + ": the presets are for the model cddrec, not for " + kind);
  run_settings s = start ? *start : preset_name.empty() ? defaults() : preset(preset_name);
  for (const auto& entry : file.entries)
    if (entry.key != "model" && entry.key != "version") at(entry, [&] { set(s, entry.key, entry.value); });
  for (const std::string& a : assignments) {
    assign(s, a);
    if (!belongs_to_run(kind, key_of(a))) throw input_error("setting " + key_of(a) + ": " + kind + " does not use it; leave it out");
  }
  check(kind, s);
  return {kind, s};
}

}  // namespace cddrec::cli
