// cddrec completion: a script with which bash or zsh completes commands, options and their values.
// It is made from the very options that are parsed, so it cannot know others; setting keys come from their one table.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "settings.hpp"

namespace cddrec::cli {

namespace detail {

/// What the shell offers for the value of an option.
struct offered {
  enum class kind { nothing, words, settings, files, directories } kind = kind::nothing;
  std::vector<std::string> words = {};
};

// An option says it by its type: TEXT:{a,b}, FILE, DIR.
inline offered offer(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  if (const std::size_t open = type.find('{'); open != type.npos) {
    offered o{offered::kind::words};
    std::istringstream words(type.substr(open + 1, type.find('}', open) - open - 1));
    for (std::string word; std::getline(words, word, ',');) o.words.push_back(word);
    return o;
  }
  if (type == "KEY=VALUE") {
    offered o{offered::kind::settings};
    for (const auto& [key, unused] : setting_keys()) o.words.push_back(key + "=");
    return o;
  }
  return {type == "FILE" ? offered::kind::files : type == "DIR" ? offered::kind::directories : offered::kind::nothing};
}

inline std::string joined_by_blanks(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& w : words) line += (line.empty() ? "" : " ") + w;
  return line;
}

// The names of an option as they are typed; none for what goes by its position.
inline std::vector<std::string> names_of(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  return names;
}

inline bool is_flag(const CLI::Option& option) { return option.get_items_expected_max() == 0; }

inline std::string bash_script(const CLI::App& app) {
  std::string commands, values, options;
  for (const CLI::App* command : app.get_subcommands({})) {
    commands += command->get_name() + " ";
    std::string names;
    for (const CLI::Option* option : command->get_options()) {
      const offered o = offer(*option);
      for (const std::string& name : names_of(*option)) {
        names += name + " ";
        if (is_flag(*option)) continue;
        values += "    '" + command->get_name() + " " + name + "') ";
        if (o.kind == offered::kind::words) values += "offer -W '" + joined_by_blanks(o.words) + "'; ";
        if (o.kind == offered::kind::settings) values += "compopt -o nospace 2>/dev/null; offer -W '" + joined_by_blanks(o.words) + "'; ";
        if (o.kind == offered::kind::files) values += "compopt -o filenames 2>/dev/null; offer -f; ";
        if (o.kind == offered::kind::directories) values += "compopt -o filenames 2>/dev/null; offer -d; ";
        values += "return ;;\n";
      }
      if (names_of(*option).empty() && o.kind == offered::kind::words) names += joined_by_blanks(o.words) + " ";
    }
    options += "    " + command->get_name() + ") offer -W '" + names + "' ;;\n";
  }
  std::string own;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : names_of(*option)) own += name + " ";
  return "# bash completion for cddrec: source <(cddrec completion bash)\n_cddrec() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}\n"
         "  offer() { mapfile -t COMPREPLY < <(compgen \"$@\" -- \"$word\"); }\n"
         "  COMPREPLY=()\n  if [ \"$COMP_CWORD\" -eq 1 ]; then offer -W '" +
         commands + own + "'; return; fi\n  case \"$command $before\" in\n" + values + "  esac\n  case \"$command\" in\n" + options +
         "  esac\n}\ncomplete -F _cddrec cddrec\n";
}

// Text between single quotes, in which _arguments gives colons and brackets a meaning.
inline std::string zsh_text(const std::string& text, bool colons = true) {
  std::string out;
  for (const char c : text) {
    if (c == '\'')
      out += "'\\''";
    else if (c == '[' || c == ']' || c == '\\' || (colons && c == ':'))
      (out += '\\') += c;
    else
      out += c;
  }
  return out;
}

inline std::string zsh_value(const offered& o) {
  switch (o.kind) {
    case offered::kind::words:
      return "(" + joined_by_blanks(o.words) + ")";
    case offered::kind::settings:
      return "{compadd -S \"\" - " + joined_by_blanks(o.words) + "}";
    case offered::kind::files:
      return "_files";
    case offered::kind::directories:
      return "_files -/";
    case offered::kind::nothing:
      break;
  }
  return " ";
}

inline std::string zsh_script(const CLI::App& app) {
  std::string commands, cases;
  for (const CLI::App* command : app.get_subcommands({})) {
    commands += " '" + command->get_name() + ":" + zsh_text(command->get_description()) + "'";
    cases += "    " + command->get_name() + ")\n      _arguments";
    for (const CLI::Option* option : command->get_options()) {
      const std::string value = zsh_value(offer(*option));
      for (const std::string& name : names_of(*option)) {
        const std::string repeated = option->get_expected_max() > 1 ? "*" : "";
        cases += " \\\n        '" + repeated + name + "[" + zsh_text(option->get_description()) + "]";
        cases += (is_flag(*option) ? "" : ":value:" + value) + "'";
      }
      if (names_of(*option).empty()) cases += " \\\n        '1:" + zsh_text(option->get_description()) + ":" + value + "'";
    }
    cases += " ;;\n";
  }
  std::string own;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : names_of(*option)) own += " '" + name + ":" + zsh_text(option->get_description()) + "'";
  return "#compdef cddrec\n# zsh completion for cddrec: source <(cddrec completion zsh), or a file _cddrec in a folder of $fpath\n"
         "_cddrec() {\n  if (( CURRENT == 2 )); then\n    local -a commands=(" +
         commands + ")\n    local -a options=(" + own +
         ")\n    _describe command commands -- options\n    return\n  fi\n"
         "  local name=$words[2]\n  shift words\n  (( CURRENT-- ))\n  case $name in\n" +
         cases + "  esac\n}\nif [ \"$funcstack[1]\" = _cddrec ]; then _cddrec \"$@\"; else compdef _cddrec cddrec; fi\n";
}

}  // namespace detail

/// The script for "bash" or "zsh".
inline std::string completion(const CLI::App& app, const std::string& shell) {
  return shell == "zsh" ? detail::zsh_script(app) : detail::bash_script(app);
}

}  // namespace cddrec::cli
