// Where a run's settings come from: what the kind of model or a preset starts from, a file of settings, the command line.
#pragma once

#include "settings_file.hpp"

namespace cddrec::cli {

/// What a run is told: the kind of model and its settings.
struct run_choice {
  std::string kind;
  run_settings settings;
};

/// Settings in rising strength: those to start from, or else the preset or the kind's defaults, the file, --set. No kind: the file's, or
/// cddrec.
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
  if (model) at(*model, [&] { check_kind(model->value); });
  if (kind.empty()) kind = model ? model->value : "cddrec";
  if (!preset_name.empty() && kind != "cddrec")
    throw input_error("preset " + preset_name + ": the presets are for the model cddrec, not for " + kind);
  run_settings s = start ? *start : preset_name.empty() ? defaults(kind) : preset(preset_name);
  for (const auto& entry : file.entries)
    if (entry.key != "model" && entry.key != "version") at(entry, [&] { set(s, entry.key, entry.value); });
  for (const std::string& a : assignments) {
    const std::size_t equals = a.find('=');
    if (equals == a.npos) throw input_error("--set " + a + ": write key=value");
    set(s, a.substr(0, equals), a.substr(equals + 1));
  }
  check(s);
  return {kind, s};
}

}  // namespace cddrec::cli
