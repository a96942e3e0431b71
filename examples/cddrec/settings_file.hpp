// Settings by file: `key = value` lines and comments, the part of TOML that settings need.
// What train leaves in a run's directory is what --config reads, whole: model, version and every setting that the run looked at.
#pragma once

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

#include "cddrec/io/text.hpp"
#include "settings.hpp"

namespace cddrec::cli {

/// What a file says, in its order.
struct settings_file {
  struct entry {
    std::string key, value, where;  // where: FILE:LINE, for errors
  };
  std::vector<entry> entries;

  /// The entry of a key, or null.
  const entry* find(std::string_view key) const {
    const auto found = std::find_if(entries.begin(), entries.end(), [&](const entry& e) { return e.key == key; });
    return found == entries.end() ? nullptr : &*found;
  }
};

namespace detail {

inline std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t";
  const std::size_t begin = std::min(text.find_first_not_of(blanks), text.size());
  return text.substr(begin, text.find_last_not_of(blanks) + 1 - begin);
}

// The value that `text` begins with, and what stands behind it. Quotes may be left out; no setting's value needs an escape.
inline std::pair<std::string_view, std::string_view> take_value(std::string_view text) {
  const char quote = text.empty() ? '\0' : text[0];
  if (quote != '"' && quote != '\'') {
    const std::string_view value = trimmed(text.substr(0, text.find('#')));
    if (value.empty()) throw input_error("there is no value; write `key = value`");
    if (value.find_first_of(" \t[]{},\"'") != value.npos)
      throw input_error(io::quoted(value, '\'') + " is not one value; write `key = value`");
    return {value, {}};
  }
  const std::size_t end = text.find(quote, 1);
  if (end == text.npos) throw input_error("the quotation mark is not closed");
  const std::string_view value = text.substr(1, end - 1);
  if (value.find('\\') != value.npos) throw input_error("no setting has a backslash in its value");
  return {value, trimmed(text.substr(end + 1))};
}

}  // namespace detail

/// The settings in a text. Throws input_error `NAME:LINE: what is wrong`; whether the keys are known is for the caller to say.
inline settings_file parse_settings(std::string_view rest, const std::string& name) {
  settings_file file;
  for (index number = 1; !rest.empty(); ++number) {
    const std::string where = name + ":" + std::to_string(number);
    const std::string_view line = detail::trimmed(io::take_line(rest));
    if (line.empty() || line[0] == '#') continue;
    try {
      if (line[0] == '[') throw input_error("settings have no tables; write `key = value`");
      const std::size_t equals = line.find('=');
      if (equals == line.npos) throw input_error("write `key = value`");
      const std::string key(detail::trimmed(line.substr(0, equals)));
      const auto [value, behind] = detail::take_value(detail::trimmed(line.substr(equals + 1)));
      if (!behind.empty() && behind[0] != '#') throw input_error(io::quoted(behind, '\'') + " follows the value; remove it");
      if (const auto* before = file.find(key)) throw input_error(io::quoted(key, '\'') + " is set already, at " + before->where);
      file.entries.push_back({key, std::string(value), where});
    } catch (const input_error& e) {
      throw input_error(where + ": " + e.what());
    }
  }
  return file;
}

/// The same of a file, or for "-" of standard input.
inline settings_file read_settings_file(const std::string& path) { return parse_settings(io::read_text(path), io::name_of_input(path)); }

/// The settings of a run as a text that parse_settings takes; `command` says how to do the run again.
inline std::string settings_text(const std::string& kind, const run_settings& s, const std::string& version, const std::string& command) {
  std::string shown = command;
  std::replace_if(
      shown.begin(), shown.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');  // it is a comment of one line
  std::string text = "# The same run again: " + shown + "\nversion = \"" + version + "\"\nmodel = \"" + kind + "\"\n";
  for (const auto& [key, access] : setting_keys()) {
    if (!belongs_to_run(kind, key)) continue;
    const std::string value = access.get(s);
    const bool word = value.find_first_not_of("0123456789+-.e") != value.npos && value != "true" && value != "false";
    text += key + " = " + (word ? "\"" + value + "\"" : value) + "\n";
  }
  return text;
}

}  // namespace cddrec::cli
