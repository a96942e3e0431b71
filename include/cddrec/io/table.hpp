// Tables of interactions with a header, one a row: CSV, TSV and RecBole's .inter files.
// Three columns count, found by their usual names or by those that are given: the user, the item and, if there is one, the time.
#pragma once

#include <charconv>
#include <cmath>
#include <optional>

#include "cddrec/data/events.hpp"
#include "cddrec/io/text.hpp"

namespace cddrec::io {

/// The names of the columns; an empty one is looked for by the usual names.
struct columns {
  std::string user{}, item{}, time{};
};

namespace detail {

/// The rows of a table. Fields are parted by a delimiter; with `quotes` they may stand in double quotes, which then may hold delimiters,
/// ends of lines and doubled quotes (RFC 4180). Blanks around a field that is not quoted are dropped.
class table_rows {
 public:
  table_rows(std::string_view text, char delimiter, bool quotes, std::string name)
      : text_(text), rest_(text), delimiter_(delimiter), quotes_(quotes), name_(std::move(name)) {}

  /// The next row; false at the end.
  bool next(std::vector<std::string>& fields) {
    if (rest_.empty()) return false;
    line_ = next_line_, row_ = place();
    places_.clear();
    std::size_t count = 0;
    const auto field = [&]() -> std::string& {
      if (count == fields.size()) fields.emplace_back();
      fields[count].clear();
      return fields[count++];
    };
    for (bool more = true; more;) more = quotes_ && opens_quote() ? take_quoted(field()) : take_plain(field());
    fields.resize(count);
    return true;
  }

  /// Bytes that are still to be read.
  std::size_t rest() const { return rest_.size(); }
  /// Carriage returns that were dropped so far.
  index carriage_returns() const { return carriage_returns_; }

  /// Throws unless a field of the row is UTF-8 without control characters; `where` is what errors call it.
  void check(std::size_t field, const std::string& where) const {
    const auto [begin, end] = places_[field];
    for (std::size_t i = begin; i < end;)
      if (!take_character(text_.substr(0, end), i).empty()) {
        const std::string_view line = text_.substr(line_of(i), end - line_of(i));
        std::size_t in_line = i - line_of(i);
        refuse_at(i, "in " + where + ", " + take_character(line, in_line));
      }
  }

  /// Throws with the row's line, or with the place of a field of it.
  [[noreturn]] void refuse(const std::string& what) const { throw input_error(name_ + ":" + std::to_string(line_) + ": " + what); }
  [[noreturn]] void refuse(std::size_t field, const std::string& what) const { refuse_at(places_[field].begin, what); }

 private:
  static constexpr std::string_view blanks = " \t";
  struct extent {
    std::size_t begin, end;  // in the text; quotation marks are part of it
  };

  std::size_t place() const { return text_.size() - rest_.size(); }
  // Where the line begins that a place of the text is in.
  std::size_t line_of(std::size_t at) const { return at == 0 ? 0 : text_.rfind('\n', at - 1) + 1; }

  [[noreturn]] void refuse_at(std::size_t at, const std::string& what) const {
    const index line =
        line_ + std::count(text_.begin() + static_cast<std::ptrdiff_t>(row_), text_.begin() + static_cast<std::ptrdiff_t>(at), '\n');
    throw input_error(name_ + ":" + std::to_string(line) + ":" + std::to_string(at - line_of(at) + 1) + ": " + what);
  }

  bool opens_quote() const {
    const std::size_t begin = rest_.find_first_not_of(' ');
    return begin != rest_.npos && rest_[begin] == '"';
  }

  // Takes the delimiter or the end of the line that stands next; true if another field follows.
  bool take_end() {
    if (rest_.empty()) return false;
    if (rest_.front() == delimiter_) return rest_.remove_prefix(1), true;
    if (rest_.front() == '\r') {
      ++carriage_returns_;
      rest_.remove_prefix(1);
    }
    if (!rest_.empty()) rest_.remove_prefix(1);  // the last line needs no end
    ++next_line_;
    return false;
  }

  bool take_plain(std::string& field) {
    std::size_t end = 0;
    while (end < rest_.size() && rest_[end] != delimiter_ && rest_[end] != '\n') ++end;
    if (end > 0 && (end == rest_.size() || rest_[end] == '\n') && rest_[end - 1] == '\r') --end;
    const std::string_view text = rest_.substr(0, end);
    const std::size_t begin = std::min(text.find_first_not_of(blanks), text.size());
    field = text.substr(begin, text.find_last_not_of(blanks) + 1 - begin);
    places_.push_back({place() + begin, place() + begin + field.size()});
    rest_.remove_prefix(end);
    return take_end();
  }

  bool take_quoted(std::string& field) {
    const std::size_t opened = place() + rest_.find('"');
    rest_.remove_prefix(rest_.find('"') + 1);
    for (;;) {
      const std::size_t quote = rest_.find('"');
      if (quote == rest_.npos) refuse_at(opened, "this quotation mark is never closed");
      next_line_ += std::count(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(quote), '\n');
      field += rest_.substr(0, quote);
      rest_.remove_prefix(quote + 1);
      if (!rest_.starts_with('"')) break;
      field += '"';
      rest_.remove_prefix(1);
    }
    places_.push_back({opened, place()});
    rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size()));
    if (!rest_.empty() && rest_.front() != delimiter_ && rest_.front() != '\n' && !rest_.starts_with("\r\n") && rest_ != "\r")
      refuse_at(place(), "there is text between a closing quotation mark and the end of the field; double a quotation mark inside a field");
    return take_end();
  }

  std::string_view text_, rest_;
  char delimiter_;
  bool quotes_;
  std::string name_;
  std::vector<extent> places_;  // of the row's fields
  std::size_t row_ = 0;         // where the row begins
  index line_ = 0, next_line_ = 1, carriage_returns_ = 0;
};

// Whether a column's name is one of the usual ones; capitals, blanks, - and _ do not matter.
inline bool is_usual(std::string_view name, std::span<const std::string_view> usual) {
  std::string plain;
  for (const char c : name)
    if (c != '_' && c != '-' && c != ' ') plain += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return std::find(usual.begin(), usual.end(), plain) != usual.end();
}

inline constexpr std::string_view usual_users[] = {"user", "userid", "uid", "reviewerid", "customerid", "visitorid", "sessionid"};
inline constexpr std::string_view usual_items[] = {"item",      "itemid",     "iid",     "asin",   "movieid",   "productid",
                                                   "productno", "businessid", "trackid", "songid", "articleid", "bookid"};
inline constexpr std::string_view usual_times[] = {"time", "timestamp", "ts", "unixreviewtime", "unixtime", "eventtime"};

// Names in quotes.
inline std::string listed(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + io::quoted(name, '\'');
  return list;
}

// The place of a column, -1 if none has a usual name.
inline std::ptrdiff_t find_column(const std::vector<std::string>& header, const std::string& given, const char* role,
                                  std::span<const std::string_view> usual, const table_rows& rows) {
  // Errors show names, and bytes that are no text must not reach a terminal.
  const auto all = [&] {
    for (std::size_t c = 0; c < header.size(); ++c) rows.check(c, "a column name");
    return listed(header);
  };
  std::ptrdiff_t found = -1;
  for (std::size_t c = 0; c < header.size(); ++c) {
    if (given.empty() ? !is_usual(header[c], usual) : header[c] != given) continue;
    if (found >= 0)
      rows.refuse(c, "'" + header[static_cast<std::size_t>(found)] + "' and '" + header[c] + "' may both be the column of the " + role +
                         "; say which with --" + role + "-column");
    found = static_cast<std::ptrdiff_t>(c);
  }
  if (found < 0 && !given.empty()) rows.refuse("there is no column '" + given + "'; the columns are " + all());
  if (found < 0 && usual.data() != usual_times)
    rows.refuse(
        std::string("no column has a usual name for the ") + role +
        "; if this line is data, put a header line above it, such as user,item,rating,timestamp; if it is the header, name one of " +
        all() + " with --" + role + "-column");
  return found;
}

// A finite number, none for what is not one or is a whole number of more than 64 bits; `exact` is left alone or becomes false.
inline std::optional<double> read_time(std::string_view text, bool& exact) {
  const char* const last = text.data() + text.size();
  double value = 0;
  const auto [end, problem] = std::from_chars(text.data(), last, value);
  if (problem != std::errc() || end != last || !std::isfinite(value)) return std::nullopt;
  if (std::abs(value) < 0x1p53) return value;  // 2^53 is what 2^53 + 1 is read as, too
  std::int64_t whole = 0;
  const auto [whole_end, whole_problem] = std::from_chars(text.data(), last, whole);
  if (whole_end != last) return value;  // written with a point or an exponent
  if (whole_problem != std::errc()) return std::nullopt;
  if (value >= 0x1p63 || static_cast<std::int64_t>(value) != whole) exact = false;
  return value;
}

}  // namespace detail

/// Reads a table with a header. `delimiter` parts the fields; those of a table that is parted by tabs are never quoted. What follows a
/// colon in a name of such a table is its type, as in RecBole's `item_id:token`. Times are numbers, of any unit; rows are sorted by them,
/// and those of one time, or all if there is no such column, keep the order of the table. A user's and an item's name may hold blanks.
/// What stands in other columns is not looked at. What is mended is added to `mended`, if it is given.
/// Throws input_error `NAME:LINE:COLUMN: what is wrong`, the column in bytes from 1, or without it where a whole line is.
inline data::interactions parse_table(std::string_view text, const std::string& name, char delimiter, const columns& given = {},
                                      repairs* mended = nullptr, const core::progress& tell = {}) {
  const bool tabs = delimiter == '\t';
  detail::table_rows rows(text, delimiter, !tabs, name);
  std::vector<std::string> header, fields;
  if (!rows.next(header)) throw input_error(name + ": is empty; give it a header and rows of users, items and times");
  if (header.size() == 1 && header[0].empty()) rows.refuse("the line is blank; remove it");
  if (header.size() == 1 && header[0].find_first_of(tabs ? ",;" : "\t") != header[0].npos)
    rows.refuse(tabs ? "there is no tab in this line; if commas or semicolons part its fields, give --format csv"
                     : "there is no comma or semicolon in this line; if tabs part its fields, give --format tsv");
  if (tabs)
    for (std::size_t c = 0; c < header.size(); ++c) {
      std::string& column = header[c];
      const std::size_t colon = column.find(':');
      if (colon == column.npos) continue;
      if (column.ends_with("_seq") && !detail::is_usual(column.substr(0, colon), detail::usual_times)) {
        rows.check(c, "a column name");
        rows.refuse(c, "the column '" + column + "' holds sequences; give a table with one item a row");
      }
      column.resize(colon);
    }
  const std::ptrdiff_t user = detail::find_column(header, given.user, "user", detail::usual_users, rows);
  const std::ptrdiff_t item = detail::find_column(header, given.item, "item", detail::usual_items, rows);
  const std::ptrdiff_t time = detail::find_column(header, given.time, "time", detail::usual_times, rows);
  if (user == item || user == time || item == time) rows.refuse("user, item and time must be three different columns; name each");

  data::events events;
  const auto number = [&](data::id_map& map, std::ptrdiff_t column) {
    const auto c = static_cast<std::size_t>(column);
    const std::string& token = fields[c];
    if (token.empty()) rows.refuse(c, "there is nothing in the column '" + header[c] + "'");
    rows.check(c, "the column '" + header[c] + "'");
    if (map.size() == std::numeric_limits<data::item>::max() && !map.find(token))
      rows.refuse("the log has more than 2147483647 users or items; use a part of it");
    return map.add(token);
  };
  for (detail::bytes_read read(tell, text.size()); rows.next(fields); read.but(rows.rest())) {
    if (fields.size() != header.size())
      rows.refuse(fields.size() == 1 && fields[0].empty()
                      ? "the line is blank; remove it"
                      : "the row has " + std::to_string(fields.size()) + " fields, but the header " + std::to_string(header.size()));
    events.user.push_back(number(events.users, user));
    events.what.push_back(number(events.items, item));
    if (time < 0) continue;
    const auto c = static_cast<std::size_t>(time);
    const std::string& when = fields[c];
    rows.check(c, "the column '" + header[c] + "'");
    bool exact = true;
    const std::optional<double> value = detail::read_time(when, exact);
    if (!value)
      rows.refuse(c, "the time " + io::quoted(when, '\'') +
                         " is not a finite number of 64 bits; give times as numbers, such as seconds since 1970");
    if (mended && !exact) ++mended->rounded_times;
    events.time.push_back(*value);
  }
  if (mended) mended->carriage_returns += rows.carriage_returns();
  if (mended && time < 0) {
    std::vector<std::string> others = header;
    for (const index used : {std::max(user, item), std::min(user, item)}) others.erase(others.begin() + used);
    if (!others.empty()) mended->untimed = detail::listed(others);
  }
  if (events.user.empty()) throw input_error(name + ": has a header but no rows");
  return data::grouped(std::move(events));
}

}  // namespace cddrec::io
