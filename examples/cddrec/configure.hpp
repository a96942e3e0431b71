// Where a run's settings come from: what the kind of model or a preset starts from, a file of settings, the command line.
#pragma once

#include <CLI/CLI.hpp>

#include "cddrec/io/atomic_file.hpp"
#include "settings.hpp"

namespace cddrec::cli {

/// Takes the settings of a file's text, called `name` in errors. Throws input_error `NAME: what is wrong`.
inline void read_config(run_settings& s, const std::string& bytes, const std::string& name) {
  std::istringstream text(bytes);
  std::vector<CLI::ConfigItem> items;
  try {
    items = CLI::ConfigTOML().from_config(text);
  } catch (const CLI::Error& e) {
    throw input_error(name + ": is not a settings file: " + e.what());
  }
  for (const auto& item : items) {
    try {
      if (item.inputs.size() != 1 || !item.parents.empty()) throw input_error("write one `key = value` a line");
      set(s, item.name, item.inputs[0]);
    } catch (const input_error& e) {
      throw input_error(name + ": " + e.what());
    }
  }
}

/// Settings in rising strength: preset or the kind's defaults, the file, --set.
inline run_settings gather_settings(const std::string& kind, const std::string& preset_name, const std::string& config,
                                    const std::vector<std::string>& assignments) {
  if (!preset_name.empty() && kind != "cddrec")
    throw input_error("preset " + preset_name + ": the presets are for the model cddrec, not for " + kind);
  run_settings s = preset_name.empty() ? defaults(kind) : preset(preset_name);
  if (!config.empty()) read_config(s, io::read_file(config), config);
  for (const std::string& a : assignments) {
    const std::size_t equals = a.find('=');
    if (equals == a.npos) throw input_error("--set " + a + ": write key=value");
    set(s, a.substr(0, equals), a.substr(equals + 1));
  }
  check(s);
  return s;
}

}  // namespace cddrec::cli
