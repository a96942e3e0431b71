// How the commands speak: help in lines that a terminal of 80 columns holds, and errors without the names of C++.
// CLI11 as of 2.1 breaks no lines of its own.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

namespace cddrec::cli {

/// Help that is broken between words: an option with its type, and from the formatter's column on what it says.
class wrapped_help : public CLI::Formatter {
 public:
  std::string make_option(const CLI::Option* option, bool is_positional) const override {
    return entry(make_option_name(option, is_positional) + make_option_opts(option), make_option_desc(option), get_column_width());
  }
  std::string make_subcommand(const CLI::App* command) const override {
    return entry(command->get_display_name(true), command->get_description(), 14);
  }

 private:
  static std::size_t columns(const std::string& text) {  // of UTF-8
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
  }
  // Puts words behind a line that is `at` columns long; those for which it has no room begin another, behind `indent` blanks.
  static std::size_t put(std::string& out, const std::string& text, std::size_t at, std::size_t indent) {
    std::istringstream words(text);
    bool first = true;  // of its line
    for (std::string word; words >> word; first = false) {
      const std::size_t wide = columns(word) + (first ? 0 : 1);
      if (!first && at + wide > 80) {
        out += '\n' + std::string(indent, ' ') + word;
        at = indent + columns(word);
      } else {
        out += (first ? "" : " ") + word;
        at += wide;
      }
    }
    return at;
  }
  static std::string entry(const std::string& name, const std::string& what, std::size_t column) {
    std::string out = "  ";
    std::size_t at = put(out, name, 2, 6);
    if (!what.empty()) {
      if (at >= column) out += '\n', at = 0;
      out += std::string(column - at, ' ');
      put(out, what, column, column);
    }
    return out + '\n';
  }
};

/// What is wrong with the words of a command line. What is not expected comes first: where an option is misspelt, it is missing, too.
inline std::string wrong_words(const CLI::App& command, const CLI::ParseError& wrong) {
  const std::vector<std::string> extra = command.remaining();
  std::string list = extra.size() == 1 ? "The following argument was not expected:" : "The following arguments were not expected:";
  for (const std::string& word : extra) list += ' ' + word;
  return extra.empty() ? wrong.what() : list;
}

/// Has an empty name of a file or directory, which an unset variable of a shell leaves, refused with its option.
inline void name_empty_paths(CLI::App& app) {
  for (CLI::App* command : app.get_subcommands({}))
    for (CLI::Option* option : command->get_options())
      if (option->get_type_name() == "FILE" || option->get_type_name() == "DIR")
        option->check([](const std::string& name) { return name.empty() ? "the name is empty" : std::string(); });
}

/// An error of the library without the C++ name that it begins with, as in `data::keep: `: who typed a command has called nothing.
inline std::string without_cpp_name(const std::string& what) {
  const std::size_t colons = what.find("::"), end = what.find(": ");
  const bool named = colons < end && what.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_:") == end + 1;
  return named && end != what.npos ? what.substr(end + 2) : what;
}

}  // namespace cddrec::cli
