// Interaction logs as text: a line a user, `user item item …` in time order, tokens parted by blanks or tabs.
// A token is any UTF-8 without control characters, never a number; one pass checks the bytes and cuts the tokens.
#pragma once

#include <algorithm>
#include <filesystem>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "cddrec/data/sequences.hpp"
#include "cddrec/io/atomic_file.hpp"

namespace cddrec::io {

using core::index;

namespace detail {

inline constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

// Length of the UTF-8 character that `text` begins with, 0 if it is none (RFC 3629: no overlong form, no surrogate,
// nothing above U+10FFFF).
inline std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto continues = [&](std::size_t i) { return (byte(i) & 0xC0u) == 0x80u; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return continues(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const unsigned first = lead == 0xE0 ? 0xA0 : 0x80, last = lead == 0xED ? 0x9F : 0xBF;
    return byte(1) >= first && byte(1) <= last && continues(2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const unsigned first = lead == 0xF0 ? 0x90 : 0x80, last = lead == 0xF4 ? 0x8F : 0xBF;
    return byte(1) >= first && byte(1) <= last && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

// Replaces `tokens` by those of a line; returns what is wrong with it, nothing if it is fine.
inline std::string split_line(std::string_view line, std::vector<std::string_view>& tokens) {
  tokens.clear();
  const auto refuse = [&](std::size_t i, const char* what) {
    constexpr char digits[] = "0123456789ABCDEF";
    const auto byte = static_cast<unsigned char>(line[i]);
    return "byte " + std::to_string(i + 1) + " of the line (0x" + digits[byte >> 4] + digits[byte & 15] + ") is " + what;
  };
  std::size_t begin = 0;
  for (std::size_t i = 0; i < line.size();) {
    const auto byte = static_cast<unsigned char>(line[i]);
    if (byte == ' ' || byte == '\t') {
      if (i > begin) tokens.push_back(line.substr(begin, i - begin));
      begin = ++i;
    } else if (byte > ' ' && byte < 0x7F) {
      ++i;
    } else {
      const std::size_t length = utf8_length(line.substr(i));
      if (length == 0) return refuse(i, "not UTF-8; save the text as UTF-8");
      const bool control = length == 1 || (byte == 0xC2 && static_cast<unsigned char>(line[i + 1]) < 0xA0);
      if (control) return refuse(i, "a control character; remove it");
      i += length;
    }
  }
  if (line.size() > begin) tokens.push_back(line.substr(begin));
  return {};
}

}  // namespace detail

/// The tokens of one line of text, parted by blanks and tabs: none if it is blank. They view `line`.
/// Throws input_error `WHERE: what is wrong` for bytes that are not UTF-8 and for control characters.
inline std::vector<std::string_view> split_tokens(std::string_view line, const std::string& where) {
  std::vector<std::string_view> tokens;
  if (const std::string problem = detail::split_line(line, tokens); !problem.empty()) throw input_error(where + ": " + problem);
  return tokens;
}

/// Reads a log. A byte-order mark at the start and carriage returns at the ends of lines are dropped; items may repeat.
/// Throws input_error `FILE:LINE: what is wrong` for a line without items, a user with two lines and what split_tokens
/// refuses, `FILE: what is wrong` for a file that cannot be read or is empty.
inline data::interactions read_interactions(const std::filesystem::path& path) {
  const std::string bytes = read_file(path);
  std::string_view rest = bytes;
  if (rest.starts_with(detail::byte_order_mark)) rest.remove_prefix(detail::byte_order_mark.size());
  if (rest.empty()) throw input_error(path.string() + ": is empty; give it lines of `user item item …`");

  index line_number = 0;
  const auto refuse = [&](const std::string& what) { throw input_error(path.string() + ":" + std::to_string(line_number) + ": " + what); };
  const auto number = [&](data::id_map& map, std::string_view token) {
    if (map.size() == std::numeric_limits<data::item>::max() && !map.find(token))
      refuse("the log has more than 2147483647 users or items; use a part of it");
    return map.add(token);
  };

  data::interactions log;
  std::vector<std::string_view> tokens;
  std::vector<data::item> history;
  while (!rest.empty()) {
    ++line_number;
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);

    if (const std::string problem = detail::split_line(line, tokens); !problem.empty()) refuse(problem);
    if (tokens.empty()) refuse("the line is blank; remove it");
    if (tokens.size() == 1) refuse("no items after the user; write `user item item …` or remove the line");
    const data::item user = number(log.users, tokens.front());
    // Every line so far gave one user, so a user's number is that of the line less one.
    if (user + index{1} != line_number)
      refuse("the user stands on line " + std::to_string(user + index{1}) + " already; put all items of a user on one line");
    history.clear();
    for (std::size_t i = 1; i < tokens.size(); ++i) history.push_back(number(log.items, tokens[i]));
    log.histories.push_back(history);
  }
  return log;
}

/// Writes a log that read_interactions reads back, all or nothing.
/// Throws input_error for a log without users, a user without items or a name that is no token, error if the file cannot be
/// written.
inline void write_interactions(const std::filesystem::path& path, const data::interactions& log) {
  std::vector<std::string_view> tokens;
  std::string text;
  const auto append = [&](const char* kind, const data::id_map& map, data::item number, char after) {
    const std::string& name = map.name(number);
    detail::split_line(name, tokens);
    if (tokens.size() != 1 || tokens.front() != name)
      throw input_error(path.string() + ": the name of " + kind + " " + std::to_string(number) +
                        " (from 0) is empty, not UTF-8, or has blanks or control characters; rename it");
    text += name;
    text += after;
  };
  for (index u = 0; u < log.histories.size(); ++u) {
    const auto history = log.histories[u];
    append("user", log.users, static_cast<data::item>(u), ' ');
    if (history.empty()) throw input_error(path.string() + ": user " + std::to_string(u) + " (from 0) has no items; leave it out");
    for (std::size_t i = 0; i < history.size(); ++i) append("item", log.items, history[i], i + 1 < history.size() ? ' ' : '\n');
  }
  if (text.empty()) throw input_error(path.string() + ": the log has no users; there is nothing to write");
  // A first user whose name begins like a byte-order mark needs a real one before it.
  if (text.starts_with(detail::byte_order_mark)) text.insert(0, detail::byte_order_mark);
  write_atomically(path, text);
}

}  // namespace cddrec::io
