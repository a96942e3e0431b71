// Commands as a shell takes them: what is printed to be typed again must be the words that were meant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cddrec::cli {

/// A word of a command line, in quotes if a shell would not take it as it stands.
inline std::string shell_word(const std::string& word) {
  // Bytes above 127 are letters to a shell.
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || static_cast<unsigned char>(c) > 127 ||
           std::string_view("_-+=:,./@%").find(c) != std::string_view::npos;
  };
  bool bare = !word.empty();
  for (const char c : word) bare = bare && plain(c);
  if (bare) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + '\'';
}

/// The words of a command as one line.
inline std::string shell_line(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& w : words) line += (line.empty() ? "" : " ") + shell_word(w);
  return line;
}

}  // namespace cddrec::cli
