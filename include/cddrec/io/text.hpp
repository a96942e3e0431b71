// Text as it comes: from a file or from standard input, gzip'd or not, in lines of tokens.
// A token is any UTF-8 without blanks and control characters; one pass checks the bytes and cuts the tokens.
#pragma once

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <new>
#include <vector>

#include "cddrec/core/progress.hpp"
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

// Takes the character at `place`, which is moved behind it; returns what is wrong with it, nothing if it is fine.
inline std::string take_character(std::string_view line, std::size_t& place) {
  const auto byte = static_cast<unsigned char>(line[place]);
  if (byte >= ' ' && byte < 0x7F) return ++place, std::string();
  const auto refuse = [&](const char* what) {
    constexpr char digits[] = "0123456789ABCDEF";
    return "byte " + std::to_string(place + 1) + " of the line (0x" + digits[byte >> 4] + digits[byte & 15] + ") is " + what;
  };
  const std::size_t length = utf8_length(line.substr(place));
  if (length == 0) return refuse("not UTF-8; save the text as UTF-8");
  if (length == 1 || (byte == 0xC2 && static_cast<unsigned char>(line[place + 1]) < 0xA0)) return refuse("a control character; remove it");
  return place += length, std::string();
}

// What is wrong with the first bad character of a text, nothing if all are fine.
inline std::string bad_character(std::string_view text) {
  std::string problem;
  for (std::size_t place = 0; problem.empty() && place < text.size();) problem = take_character(text, place);
  return problem;
}

// Replaces `tokens` by those of a line; returns what is wrong with it, at `place`, nothing if it is fine.
inline std::string split_line(std::string_view line, std::vector<std::string_view>& tokens, std::size_t& place) {
  tokens.clear();
  std::size_t begin = 0;
  for (std::size_t& i = place = 0; i < line.size();) {
    if (line[i] == ' ' || line[i] == '\t') {
      if (i > begin) tokens.push_back(line.substr(begin, i - begin));
      begin = ++i;
    } else if (std::string problem = take_character(line, i); !problem.empty()) {
      return problem;
    }
  }
  if (line.size() > begin) tokens.push_back(line.substr(begin));
  return {};
}

// Tells, every few hundred KB, how many bytes of a text are read.
class bytes_read {
 public:
  bytes_read(const core::progress& tell, std::size_t all) : done_(tell, static_cast<index>(all)), rest_(all) {}
  void but(std::size_t rest) {
    if (rest_ - rest < 1 << 18 && rest > 0) return;
    done_.add(static_cast<index>(rest_ - rest));
    rest_ = rest;
  }

 private:
  core::progress_count done_;
  std::size_t rest_;
};

}  // namespace detail

/// Foreign text as errors show it: between marks, on one line, with what a terminal would obey escaped, cut after 60 characters.
inline std::string quoted(std::string_view text, char mark = '"') {
  constexpr int most = 60;  // characters
  std::string out(1, mark);
  int count = 0;
  for (std::size_t i = 0; i < text.size(); ++count) {
    if (count == most) return out + mark + "…";
    const std::size_t begin = i;
    if (!detail::take_character(text, i).empty()) {
      constexpr char digits[] = "0123456789ABCDEF";
      const auto byte = static_cast<unsigned char>(text[i++]);
      out += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
      continue;
    }
    if (text[begin] == mark || text[begin] == '\\') out += '\\';
    out += text.substr(begin, i - begin);
  }
  return out + mark;
}

/// The line that `rest` begins with, without its end, which is taken off; a carriage return at its end is dropped and counted.
inline std::string_view take_line(std::string_view& rest, index* carriage_returns = nullptr) {
  const std::size_t end = std::min(rest.find('\n'), rest.size());
  std::string_view line = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  if (!line.ends_with('\r')) return line;
  if (carriage_returns) ++*carriage_returns;
  line.remove_suffix(1);
  return line;
}

/// What was mended while a log was read, and what a reader should know: nothing else is mended, what cannot be read is an error.
struct repairs {
  index byte_order_marks = 0;  // at the start, dropped
  index carriage_returns = 0;  // at the ends of lines, dropped
  index rounded_times = 0;     // whole numbers beyond 2^53 that no double holds: to the nearest one that does
  std::string untimed{};       // the columns of a table without times: nothing is mended, but its rows were taken in their order
  bool like_table = false;     // lines of sequences, each like a row of a table with a time at its end: taken as sequences

  /// The same in words, `1 byte-order mark dropped; …`; empty if nothing was mended.
  std::string text() const {
    std::string all;
    const auto add = [&](index count, const char* what) {
      if (count > 0) all += (all.empty() ? "" : "; ") + std::to_string(count) + what;
    };
    add(byte_order_marks, " byte-order mark dropped");
    add(carriage_returns, " carriage returns at ends of lines dropped");
    add(rounded_times, " times beyond 2^53 rounded to the nearest double");
    return all;
  }
};

/// The tokens of one line of text, parted by blanks and tabs: none if it is blank. They view `line`.
/// Throws input_error `WHERE: what is wrong` for bytes that are not UTF-8 and for control characters.
inline std::vector<std::string_view> split_tokens(std::string_view line, const std::string& where) {
  std::vector<std::string_view> tokens;
  std::size_t place = 0;
  if (const std::string problem = detail::split_line(line, tokens, place); !problem.empty()) throw input_error(where + ": " + problem);
  return tokens;
}

/// Whether bytes begin as gzip'd data does (RFC 1952), which no UTF-8 text can.
inline bool is_gzip(std::string_view bytes) { return bytes.starts_with("\x1F\x8B"); }

/// Unpacks gzip'd data of one member or of several. Throws input_error `WHERE: what is wrong` for data that is damaged, that ends too early
/// or that something else follows; bad_alloc where zlib finds no memory.
inline std::string gunzip(std::string_view bytes, const std::string& where) {
  struct stream : z_stream {
    stream() : z_stream{} {
      constexpr int gzip_with_largest_window = 16 + 15;
      const int state = ::inflateInit2(this, gzip_with_largest_window);
      if (state == Z_MEM_ERROR) throw std::bad_alloc();
      if (state != Z_OK) throw error("io::gunzip: the zlib library and its header differ in version");
    }
    stream(const stream&) = delete;
    stream& operator=(const stream&) = delete;
    ~stream() { ::inflateEnd(this); }
  } s;
  const auto refuse = [&](const std::string& what) { throw input_error(where + ": the gzip'd data " + what + "; fetch the file again"); };
  constexpr std::size_t piece = std::size_t{1} << 20;  // zlib counts in 32 bits
  std::string out;
  for (;;) {
    const std::size_t offered = std::min(bytes.size(), piece), made = out.size();
    out.resize(made + piece);
    s.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes.data()));  // which zlib only reads
    s.next_out = reinterpret_cast<Bytef*>(out.data() + made);
    s.avail_in = static_cast<uInt>(offered), s.avail_out = static_cast<uInt>(piece);
    const int state = ::inflate(&s, Z_NO_FLUSH);
    out.erase(out.size() - s.avail_out);
    bytes.remove_prefix(offered - s.avail_in);
    if (state == Z_STREAM_END) {
      if (bytes.empty()) return out;
      if (!is_gzip(bytes)) refuse("is followed by something else");
      ::inflateReset(&s);
    } else if (state == Z_BUF_ERROR) {  // there is room for output, so it is input that is lacking
      refuse("ends too early");
    } else if (state == Z_MEM_ERROR) {
      throw std::bad_alloc();
    } else if (state != Z_OK) {
      refuse("is damaged" + (s.msg ? " (" + std::string(s.msg) + ")" : ""));
    }
  }
}

/// What errors call an input.
inline std::string name_of_input(const std::filesystem::path& path) { return path == "-" ? "standard input" : path.string(); }

/// The text of a file, or for "-" of standard input; what is gzip'd is unpacked, and a byte-order mark is dropped and counted.
/// Throws as read_file and gunzip.
inline std::string read_text(const std::filesystem::path& path, repairs* mended = nullptr) {
  std::string bytes = path == "-" ? detail::read_all(STDIN_FILENO, name_of_input(path)) : read_file(path);
  if (is_gzip(bytes)) bytes = gunzip(bytes, name_of_input(path));
  if (!bytes.starts_with(detail::byte_order_mark)) return bytes;
  if (mended) ++mended->byte_order_marks;
  bytes.erase(0, detail::byte_order_mark.size());
  return bytes;
}

}  // namespace cddrec::io
