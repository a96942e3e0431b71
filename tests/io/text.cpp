#include "cddrec/io/text.hpp"

#include <random>

#include "io/gzipped.hpp"
#include "io/scratch.hpp"

namespace cddrec::test {

namespace {
bool valid_utf8(const std::string& text) {
  try {
    io::split_tokens(text, "here");
    return true;
  } catch (const input_error&) {
    return false;
  }
}
}  // namespace

TEST_CASE("UTF-8 is exactly what RFC 3629 says") {
  // Every code point in its one right form.
  const auto encode = [](unsigned c) {
    const auto byte = [](unsigned b) { return static_cast<char>(static_cast<unsigned char>(b)); };
    if (c < 0x80) return std::string{byte(c)};
    if (c < 0x800) return std::string{byte(0xC0 | c >> 6), byte(0x80 | (c & 63))};
    if (c < 0x10000) return std::string{byte(0xE0 | c >> 12), byte(0x80 | (c >> 6 & 63)), byte(0x80 | (c & 63))};
    return std::string{byte(0xF0 | c >> 18), byte(0x80 | (c >> 12 & 63)), byte(0x80 | (c >> 6 & 63)), byte(0x80 | (c & 63))};
  };
  unsigned wrong = 0;
  for (unsigned c = 0; c < 0x140000; ++c) {
    const bool control = c < 0x20 ? c != '\t' : c >= 0x7F && c < 0xA0;
    const bool surrogate = c >= 0xD800 && c < 0xE000;
    wrong += valid_utf8(encode(c)) != (!control && !surrogate && c <= 0x10FFFF);
  }
  CHECK(wrong == 0);
  for (const char* bytes :
       {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC3", "\xC3(", "\xE0\x9F\xBF", "\xE2\x82", "\xE2\x28\xA1", "\xE2\x82(", "\xED\xA0\x80",
        "\xF0\x8F\xBF\xBF", "\xF0\x9F\x98", "\xF0\x9F\x98(", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFE"})
    CHECK_FALSE(valid_utf8(bytes));
}

TEST_CASE("a line of history is cut into tokens") {
  using tokens = std::vector<std::string_view>;
  CHECK(io::split_tokens(" 3\t-3  café ", "x") == tokens{"3", "-3", "café"});
  CHECK(io::split_tokens("a", "x") == tokens{"a"});
  CHECK(io::split_tokens(" \t", "x").empty());
  CHECK(io::split_tokens("", "x").empty());
  CHECK(message_of<input_error>([] { io::split_tokens("1 \xE9", "--history"); }) ==
        "--history: byte 3 of the line (0xE9) is not UTF-8; save the text as UTF-8");
}

TEST_CASE("text of another hand is shown on one line, without what a terminal obeys, and not whole where it is long") {
  CHECK(io::quoted("café 'x'") == "\"café 'x'\"");
  CHECK(io::quoted("'a' \"b\" \\", '\'') == "'\\'a\\' \"b\" \\\\'");
  CHECK(io::quoted("\x1B[2J\n\x7F\xC2\x9B\xFF") == R"("\x1B[2J\x0A\x7F\xC2\x9B\xFF")");
  std::string letters;
  for (int i = 0; i < 60; ++i) letters += "é";
  CHECK(io::quoted(letters) == '"' + letters + '"');
  CHECK(io::quoted(letters + 'x') == '"' + letters + "\"…");
}

TEST_CASE("lines are taken off a text with their ends, and the last may lack one") {
  std::string_view rest = "a b\r\n\n\rc\r\nd";
  index carriage_returns = 0;
  std::vector<std::string_view> lines;
  while (!rest.empty()) lines.push_back(io::take_line(rest, &carriage_returns));
  CHECK(lines == std::vector<std::string_view>{"a b", "", "\rc", "d"});
  CHECK(carriage_returns == 2);
  CHECK(io::take_line(rest).empty());
}

TEST_CASE("gzip'd text is unpacked, of several members and of more than a piece, and nothing is lost") {
  const scratch directory;
  std::string large(3'500'000, '\0');
  std::minstd_rand draw(1);
  for (char& c : large) c = static_cast<char>('a' + draw() % 26);
  for (const std::string& text : {std::string(), std::string("u 1 2\n"), std::string(std::size_t{1} << 20, 'x'), large})
    CHECK((io::gunzip(gzipped(text), "f") == text));
  CHECK(io::gunzip(gzipped("ab") + gzipped("") + gzipped("c"), "f") == "abc");
  CHECK(io::read_text(directory.write("log.gz", gzipped("\xEF\xBB\xBFu 1\n"))) == "u 1\n");
  CHECK(io::read_text(directory.write("plain.gz", "u 1\n")) == "u 1\n");
}

TEST_CASE("gzip'd text that is cut, damaged or followed by something is refused") {
  const std::string whole = gzipped("u 1 2 3 4 5 6 7 8\n");
  for (std::size_t length = 2; length < whole.size(); ++length)
    CHECK_THROWS_WITH(io::gunzip(whole.substr(0, length), "f.gz"), ContainsSubstring("f.gz: the gzip'd data ends too early"));
  std::string damaged = whole;
  damaged[damaged.size() - 6] ^= 1;  // in the CRC
  CHECK_THROWS_WITH(io::gunzip(damaged, "f.gz"), ContainsSubstring("f.gz: the gzip'd data is damaged (incorrect data check)"));
  CHECK_THROWS_WITH(io::gunzip(whole + "x", "f.gz"), ContainsSubstring("is followed by something else; fetch the file again"));
  CHECK_THROWS_WITH(io::gunzip(whole + whole.substr(0, 9), "f.gz"), ContainsSubstring("ends too early"));
}

}  // namespace cddrec::test
