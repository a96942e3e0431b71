#include "cddrec/io/interactions.hpp"

#include "io/scratch.hpp"

namespace cddrec::test {

namespace {
using history = std::vector<std::string>;

// A user's items, by name.
history named(const data::interactions& log, index user) {
  history names;
  for (const data::item i : log.histories[user]) names.push_back(log.name(i));
  return names;
}

bool valid_utf8(const std::string& text) {
  try {
    io::split_tokens(text, "here");
    return true;
  } catch (const input_error&) {
    return false;
  }
}
}  // namespace

TEST_CASE("a log is read as opaque tokens in the order of the file") {
  const scratch directory;
  const auto log = io::read_interactions(directory.write("log", "0 café -3 0 café\n-3 \t 0\t日本\n  ü 0 007 7  \nb 00"));
  REQUIRE(log.histories.size() == 4);
  CHECK(log.users.size() == 4);
  CHECK(log.users.name(0) == "0");
  CHECK(log.users.name(1) == "-3");
  CHECK(log.users.name(2) == "ü");
  CHECK(named(log, 0) == history{"café", "-3", "0", "café"});
  CHECK(named(log, 1) == history{"0", "日本"});
  CHECK(named(log, 2) == history{"0", "007", "7"});
  CHECK(named(log, 3) == history{"00"});
  CHECK(log.items.size() == 7);
  CHECK(log.histories[0][0] == 0);
  CHECK(log.histories[0][3] == 0);
}

TEST_CASE("a byte-order mark and carriage returns at the ends of lines are dropped") {
  const scratch directory;
  const auto log = io::read_interactions(directory.write("log",
                                                         "\xEF\xBB\xBF"
                                                         "a b c\r\nd b\r\n"));
  REQUIRE(log.histories.size() == 2);
  CHECK(log.users.name(0) == "a");
  CHECK(named(log, 0) == history{"b", "c"});
  CHECK(named(log, 1) == history{"b"});
  // Elsewhere the mark is a character like any other.
  CHECK(io::read_interactions(directory.write("log",
                                              "a \xEF\xBB\xBF"
                                              "b\n"))
            .name(0) ==
        "\xEF\xBB\xBF"
        "b");
}

TEST_CASE("a malformed log is refused by file and line") {
  const scratch directory;
  const auto message = [&](const std::string& bytes) {
    const std::string text = message_of<input_error>([&] { io::read_interactions(directory.write("log", bytes)); });
    const std::string file = (directory / "log").string() + ":";
    REQUIRE(text.starts_with(file));
    return text.substr(file.size());
  };
  const std::string none = "no items after the user; write `user item item …` or remove the line";
  const std::string blank = "the line is blank; remove it";
  const std::string text = "not UTF-8; save the text as UTF-8";
  const std::string control = "a control character; remove it";
  CHECK(message("") == " is empty; give it lines of `user item item …`");
  CHECK(message("\xEF\xBB\xBF") == " is empty; give it lines of `user item item …`");
  CHECK(message("a 1\nb\nc 1\n") == "2: " + none);
  CHECK(message("a \t \r\n") == "1: " + none);
  CHECK(message("\n") == "1: " + blank);
  CHECK(message("a 1\n\nb 1\n") == "2: " + blank);
  CHECK(message("a 1\n \t\r\nb 1\n") == "2: " + blank);
  CHECK(message("a 1\nb caf\xE9 2\n") == "2: byte 6 of the line (0xE9) is " + text);
  CHECK(message("\xFF 1\n") == "1: byte 1 of the line (0xFF) is " + text);
  // A character cut off by the end of the line or of the file.
  CHECK(message("a 1\nb 2\xC3\n") == "2: byte 4 of the line (0xC3) is " + text);
  CHECK(message("a \xE2\x82") == "1: byte 3 of the line (0xE2) is " + text);
  CHECK(message(std::string("a 1\nb x\0y\n", 10)) == "2: byte 4 of the line (0x00) is " + control);
  CHECK(message("a 1\x1B[2J\n") == "1: byte 4 of the line (0x1B) is " + control);
  CHECK(message("a 1\x7F\n") == "1: byte 4 of the line (0x7F) is " + control);
  CHECK(message("a 1\xC2\x85\n") == "1: byte 4 of the line (0xC2) is " + control);
  CHECK(message("a 1\rb 2\r") == "1: byte 4 of the line (0x0D) is " + control);
  CHECK(message("a 1\nb 1\nc 1\nb 2\n") == "4: the user stands on line 2 already; put all items of a user on one line");
}

TEST_CASE("a log that is not there is refused by name") {
  const scratch directory;
  CHECK(message_of<input_error>([&] { io::read_interactions(directory / "no"); }) ==
        (directory / "no").string() + ": cannot be opened: No such file or directory");
  CHECK_THROWS_WITH(io::read_interactions(directory / ""), ContainsSubstring(": is a directory; name a file"));
}

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

TEST_CASE("a log is written as it is read") {
  const scratch directory;
  for (const std::string text : {"0 café -3 0 café\n-3 0 日本\n",
                                 "\xEF\xBB\xBF\xEF\xBB\xBF"
                                 "a b\n"}) {
    io::write_interactions(directory / "copy", io::read_interactions(directory.write("log", text)));
    CHECK(directory.read("copy") == text);
  }
}

TEST_CASE("a log that could not be read back is not written") {
  const scratch directory;
  data::interactions log;
  const auto write = [&] { io::write_interactions(directory / "log", log); };
  CHECK_THROWS_WITH(write(), ContainsSubstring("log: the log has no users"));
  log.users.add("u");
  log.histories.push_back({});
  CHECK_THROWS_WITH(write(), ContainsSubstring("log: user 0 (from 0) has no items"));
  for (const std::string name : {"", "a b", " a", "a ", "a\n", "a \xFF", "\xFF"}) {
    data::interactions other;
    other.users.add("u");
    other.histories.push_back(std::vector<data::item>{other.items.add(name)});
    CHECK_THROWS_WITH(io::write_interactions(directory / "log", other), ContainsSubstring("log: the name of item 0 (from 0) is"));
  }
  CHECK(directory.names().empty());
}

}  // namespace cddrec::test
