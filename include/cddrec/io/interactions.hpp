// Interaction logs as text: lines of `user item item …` in time order, or tables with a header; read from any, written as either.
// Names are opaque UTF-8, never numbers.
#pragma once

#include "cddrec/io/table.hpp"

namespace cddrec::io {

/// How a log is written down: `sequences`, a line a user, `user item item …` in time order, parted by blanks or tabs; `csv`, a table
/// with a header, parted by commas, or by semicolons where the header has no comma; `tsv` and `inter`, one parted by tabs.
inline constexpr std::string_view log_formats[] = {"sequences", "csv", "tsv", "inter"};

/// What a file's name ends with, from its last dot on, in small letters.
inline std::string extension_of(const std::filesystem::path& path) {
  std::string name = path.extension().string();
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return name;
}

/// The format that a file's name says, with or without a `.gz` behind it: that of its extension, in any case, else sequences.
inline std::string format_of(std::filesystem::path path) {
  if (extension_of(path) == ".gz") path.replace_extension();
  const std::string name = extension_of(path);
  for (const std::string_view format : log_formats)
    if (name == "." + std::string(format)) return std::string(format);
  return "sequences";
}

/// How a log is to be read: its format, if not the one that its name says, and the columns of a table. `tell` is told of the bytes that are
/// read, and may stop it.
struct reading {
  std::string format{};
  io::columns columns{};
  core::progress tell{};
};

namespace detail {

// How an error about a line ends, since the line may be a table's.
inline std::string maybe_table(std::string_view line) {
  return line.find("::") == line.npos ? "; is it a table? give its format: --format csv, tsv or inter"
                                      : "; is it a table? replace every `::` by a tab, put a header above it, and give --format tsv";
}

// Whether a line is the header of a table: it begins with usual names for a user and an item.
inline bool is_header(std::string_view line) {
  std::vector<std::string_view> tokens;
  std::size_t place = 0;
  if (!split_line(line, tokens, place).empty() || tokens.size() < 2) return false;
  const auto named = [&](std::size_t token, std::span<const std::string_view> usual) {
    return is_usual(tokens[token].substr(0, tokens[token].find(':')), usual);  // without the type that RecBole's have
  };
  return (named(0, usual_users) && named(1, usual_items)) || (named(0, usual_items) && named(1, usual_users));
}

// Throws if the first line is one.
inline void refuse_header(std::string_view text, const std::string& name) {
  const std::string_view line = take_line(text);
  if (!is_header(line)) return;
  throw input_error(name + ":1: this looks like the header of a table; " +
                    (line.find('\t') == line.npos ? "put tabs between all fields, and " : "") +
                    "give --format tsv or name the file .tsv; if it is not one, give --format sequences");
}

// Whether every line has three or four fields parted by tabs, the last a number as long as seconds since 1970 are, or longer.
inline bool is_like_table(std::string_view text) {
  while (!text.empty()) {
    const std::string_view line = take_line(text), last = line.substr(line.rfind('\t') + 1);
    const auto tabs = std::count(line.begin(), line.end(), '\t');
    if (tabs < 2 || tabs > 3 || last.size() < 9 || last.find_first_not_of("0123456789") != last.npos) return false;
  }
  return true;
}

}  // namespace detail

/// Parses lines of `user item item …`; items may repeat. Throws input_error `NAME:LINE: what is wrong` for a line without items, and
/// `NAME:LINE:COLUMN: …`, in bytes from 1, for a user with two lines and what split_tokens refuses. What is mended is added to `mended`, if
/// it is given.
inline data::interactions parse_sequences(std::string_view text, const std::string& name, repairs* mended = nullptr,
                                          const core::progress& tell = {}) {
  if (text.empty()) throw input_error(name + ": is empty; give it lines of `user item item …`");
  index line_number = 0;
  const auto refuse = [&](const std::string& what, std::size_t column = 0) {
    throw input_error(name + ":" + std::to_string(line_number) + (column > 0 ? ":" + std::to_string(column) : "") + ": " + what);
  };
  const auto number = [&](data::id_map& map, std::string_view token) {
    if (map.size() == std::numeric_limits<data::item>::max() && !map.find(token))
      refuse("the log has more than 2147483647 users or items; use a part of it");
    return map.add(token);
  };

  data::interactions log;
  std::vector<std::string_view> tokens;
  std::vector<data::item> history;
  for (detail::bytes_read read(tell, text.size()); !text.empty(); read.but(text.size())) {
    ++line_number;
    const std::string_view line = take_line(text, mended ? &mended->carriage_returns : nullptr);
    std::size_t place = 0;
    if (const std::string problem = detail::split_line(line, tokens, place); !problem.empty()) refuse(problem, place + 1);
    if (tokens.empty()) refuse("the line is blank; remove it");
    if (tokens.size() == 1) refuse("no items after the user; write `user item item …` or remove the line" + detail::maybe_table(line));
    const data::item user = number(log.users, tokens.front());
    // Every line so far gave one user, so a user's number is that of the line less one.
    if (user + index{1} != line_number)
      refuse("this user is on line " + std::to_string(user + index{1}) + " already; put all items of a user on one line" +
                 detail::maybe_table(line),
             static_cast<std::size_t>(tokens.front().data() - line.data()) + 1);
    history.clear();
    for (std::size_t i = 1; i < tokens.size(); ++i) history.push_back(number(log.items, tokens[i]));
    log.histories.push_back(history);
  }
  return log;
}

/// Reads a log from a file, or for "-" from standard input; gzip'd or not. A byte-order mark at the start and carriage returns at the
/// ends of lines are dropped; what is mended is added to `mended`, if it is given. Where neither `how` nor the name says the format these
/// are sequences, and a first line that is the header of a table is refused. Throws input_error `FILE:LINE:COLUMN: what is wrong`, without
/// a column where a whole line is and without a line where the whole file is; see parse_sequences and parse_table for what is refused.
/// Throws stopped if how.tell says so.
inline data::interactions read_interactions(const std::filesystem::path& path, const reading& how = {}, repairs* mended = nullptr) {
  const std::string format = how.format.empty() ? format_of(path) : how.format;
  if (std::find(std::begin(log_formats), std::end(log_formats), format) == std::end(log_formats))
    throw input_error("io::read_interactions: unknown format '" + format + "'; the formats are sequences, csv, tsv and inter");
  const std::string name = name_of_input(path), text = read_text(path, mended);
  if (format == "sequences") {
    if (!how.columns.user.empty() || !how.columns.item.empty() || !how.columns.time.empty())
      throw input_error(name +
                        ": is read as lines of `user item item …`, which have no columns; for a table give its format: csv, tsv or inter");
    if (how.format.empty()) detail::refuse_header(text, name);  // who says that these are sequences knows better
    data::interactions log = parse_sequences(text, name, mended, how.tell);
    if (mended && how.format.empty()) mended->like_table = detail::is_like_table(text);
    return log;
  }
  const std::string_view header = std::string_view(text).substr(0, text.find('\n'));
  const char delimiter = format != "csv" ? '\t' : header.find(',') == header.npos && header.find(';') != header.npos ? ';' : ',';
  return parse_table(text, name, delimiter, how.columns, mended, how.tell);
}

namespace detail {

// The name of a user or an item. Throws input_error unless a log can hold it: not empty, UTF-8 without control characters, no blanks around
// it or, in lines of sequences, in it.
inline const std::string& checked_name(const char* kind, const data::id_map& map, data::item number, bool in_lines,
                                       const std::string& path) {
  if (number < 0 || number >= map.size())
    throw input_error(path + ": " + kind + " number " + std::to_string(number) + " has no name; the log names " +
                      std::to_string(map.size()) + " of them");
  const std::string& name = map.name(number);
  const bool blanks = in_lines ? name.find(' ') != name.npos : name.starts_with(' ') || name.ends_with(' ');
  std::string why = name.empty() ? "it is empty" : bad_character(name);
  if (why.empty() && !blanks) return name;
  if (why.empty()) why = in_lines ? "it has a blank" : "it begins or ends with a blank";
  throw input_error(path + ": the name of " + kind + " " + std::to_string(number) + " (from 0), " + io::quoted(name, '\'') +
                    ", cannot be written: " + why + "; rename it" +
                    (in_lines && blanks ? ", or write .csv, .tsv or .inter, which allow blanks" : ""));
}

inline std::string written_sequences(const data::interactions& log, const std::string& path) {
  std::string text;
  for (index u = 0; u < log.histories.size(); ++u) {
    text += checked_name("user", log.users, static_cast<data::item>(u), true, path);
    for (const data::item i : log.histories[u]) text += ' ', text += checked_name("item", log.items, i, true, path);
    text += '\n';
  }
  if (std::string_view rest = text; is_header(take_line(rest)))
    throw input_error(path + ": the first line would begin with " + io::quoted(log.users.name(0), '\'') + " and " +
                      io::quoted(log.items.name(log.histories[0].front()), '\'') +
                      ", and be read as the header of a table; write .csv, .tsv or .inter, or rename one of them");
  // A first user whose name begins like a byte-order mark needs a real one before it.
  if (text.starts_with(byte_order_mark)) text.insert(0, byte_order_mark);
  return text;
}

inline std::string written_table(const data::interactions& log, const std::string& path, char delimiter, bool typed) {
  const bool timed = !log.times.empty();
  std::string text = std::string("user_id") + (typed ? ":token" : "") + delimiter + "item_id" + (typed ? ":token" : "");
  if (timed) text += std::string(1, delimiter) + "timestamp" + (typed ? ":float" : "");
  text += '\n';
  const auto name = [&](const std::string& token) {
    const bool quoted = delimiter != '\t' && token.find_first_of(",;\"") != token.npos;
    if (!quoted) return void(text += token);
    text += '"';
    for (const char c : token) text.append(c == '"' ? 2 : 1, c);
    text += '"';
  };
  for (index u = 0; u < log.histories.size(); ++u)
    for (std::size_t i = 0; i < log.histories[u].size(); ++i) {
      name(checked_name("user", log.users, static_cast<data::item>(u), false, path));
      text += delimiter;
      name(checked_name("item", log.items, log.histories[u][i], false, path));
      if (timed) {
        const double time = log.times_of(u)[i];
        if (!std::isfinite(time))
          throw input_error(path + ": a time of user " + std::to_string(u) +
                            " (from 0) is not finite; correct it or leave that interaction out");
        // A whole number of more than 64 bits is refused when it is read; one with an exponent is not.
        char digits[32], *const end = std::end(digits);
        const auto written =
            std::abs(time) < 0x1p63 ? std::to_chars(digits, end, time) : std::to_chars(digits, end, time, std::chars_format::scientific);
        (text += delimiter).append(digits, written.ptr);
      }
      text += '\n';
    }
  return text;
}

}  // namespace detail

/// Writes a log that read_interactions reads back, all or nothing, in the format that the file's name says: as sequences, which have no
/// times, or as a table. Throws input_error for a log without users, a user without items, a number without a name, a name that the
/// format cannot hold, sequences that would begin like the header of a table, times that are not as many as the items or one that is not
/// finite, error if the file cannot be written.
inline void write_interactions(const std::filesystem::path& path, const data::interactions& log) {
  if (extension_of(path) == ".gz") throw input_error(path.string() + ": logs are written as plain text; leave off .gz");
  if (log.histories.size() == 0) throw input_error(path.string() + ": the log has no users; there is nothing to write");
  data::check_times(log, "io::write_interactions");
  for (index u = 0; u < log.histories.size(); ++u)
    if (log.histories[u].empty()) throw input_error(path.string() + ": user " + std::to_string(u) + " (from 0) has no items; leave it out");
  const std::string format = format_of(path);
  write_atomically(path, format == "sequences"
                             ? detail::written_sequences(log, path.string())
                             : detail::written_table(log, path.string(), format == "csv" ? ',' : '\t', format == "inter"));
}

}  // namespace cddrec::io
