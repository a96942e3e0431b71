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

TEST_CASE("a malformed log is refused by file, line and column") {
  const scratch directory;
  const auto message = [&](const std::string& bytes) {
    const std::string text = message_of<input_error>([&] { io::read_interactions(directory.write("log", bytes)); });
    const std::string file = (directory / "log").string() + ":";
    REQUIRE(text.starts_with(file));
    return text.substr(file.size());
  };
  const std::string table = "; is it a table? give its format: --format csv, tsv or inter";
  const std::string none = "no items after the user; write `user item item …` or remove the line" + table;
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
  CHECK(message("a 1\nb caf\xE9 2\n") == "2:6: byte 6 of the line (0xE9) is " + text);
  CHECK(message("\xFF 1\n") == "1:1: byte 1 of the line (0xFF) is " + text);
  // A character cut off by the end of the line or of the file.
  CHECK(message("a 1\nb 2\xC3\n") == "2:4: byte 4 of the line (0xC3) is " + text);
  CHECK(message("a \xE2\x82") == "1:3: byte 3 of the line (0xE2) is " + text);
  CHECK(message(std::string("a 1\nb x\0y\n", 10)) == "2:4: byte 4 of the line (0x00) is " + control);
  CHECK(message("a 1\x1B[2J\n") == "1:4: byte 4 of the line (0x1B) is " + control);
  CHECK(message("a 1\x7F\n") == "1:4: byte 4 of the line (0x7F) is " + control);
  CHECK(message("a 1\xC2\x85\n") == "1:4: byte 4 of the line (0xC2) is " + control);
  CHECK(message("a 1\rb 2\r") == "1:4: byte 4 of the line (0x0D) is " + control);
  CHECK(message("a 1\nb 1\nc 1\nb 2\n") == "4:1: this user is on line 2 already; put all items of a user on one line" + table);
  CHECK(message("a 1\n \ta 2\n").starts_with("2:3: this user is on line 1"));
}

TEST_CASE("a log that is not there is refused by name") {
  const scratch directory;
  CHECK(message_of<input_error>([&] { io::read_interactions(directory / "no"); }) ==
        (directory / "no").string() + ": cannot be opened: No such file or directory");
  CHECK_THROWS_WITH(io::read_interactions(directory / ""), ContainsSubstring(": is a directory; name a file"));
}

TEST_CASE("reading a large log tells how many bytes are read, and stops when it is told to") {
  const scratch directory;
  std::string lines, table = "user,item\n";
  for (int u = 0; u < 60'000; ++u) {
    lines += "user" + std::to_string(u) + " a b c\n";
    table += "user" + std::to_string(u) + ",a\n";
  }
  for (const auto& [name, text] : {std::pair<const char*, std::string&>{"log.txt", lines}, {"log.csv", table}}) {
    const auto path = directory.write(name, text);
    const auto bytes = static_cast<index>(text.size());
    std::vector<index> heard;
    const auto log = io::read_interactions(path, {.tell = [&](index done, index all) {
                                             CHECK(all == bytes);
                                             heard.push_back(done);
                                             return true;
                                           }});
    CHECK(log.histories.size() == 60'000);
    CHECK(heard.size() >= 3);
    CHECK(std::is_sorted(heard.begin(), heard.end()));
    CHECK(heard.back() == static_cast<index>(text.size()));
    index calls = 0;
    CHECK_THROWS_AS(io::read_interactions(path, {.tell = [&](index, index) { return ++calls < 2; }}), stopped);
    CHECK(calls == 2);
  }
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
    CHECK_THROWS_WITH(io::write_interactions(directory / "log", other), ContainsSubstring("log: the name of item 0 (from 0), '"));
  }
  for (const char* file : {"log", "log.csv"}) {
    data::interactions other;
    other.users.add("u"), other.items.add("a");
    other.histories.push_back(std::vector<data::item>{0, 1});
    CHECK_THROWS_WITH(io::write_interactions(directory / file, other),
                      ContainsSubstring("item number 1 has no name; the log names 1 of them"));
    other.items.add("b"), other.times = {1};
    CHECK_THROWS_WITH(io::write_interactions(directory / file, other), ContainsSubstring("1 times for 2 items"));
    other.times.clear(), other.histories.push_back(std::vector<data::item>{1});
    CHECK_THROWS_WITH(io::write_interactions(directory / file, other), ContainsSubstring("user number 1 has no name"));
  }
  data::interactions like_header;
  like_header.users.add("User"), like_header.items.add("item_id");
  like_header.histories.push_back(std::vector<data::item>{0});
  CHECK_THROWS_WITH(io::write_interactions(directory / "log", like_header),
                    ContainsSubstring("log: the first line would begin with 'User' and 'item_id', and be read as the header of a table"));
  CHECK(directory.names().empty());
  io::write_interactions(directory / "log.tsv", like_header);
  CHECK(io::read_interactions(directory / "log.tsv").users.name(0) == "User");
}

TEST_CASE("the name of a file says its format, unless another is given") {
  for (const auto& [name, format] : {std::pair{"a", "sequences"},
                                     {"a.txt", "sequences"},
                                     {"a.txt.gz", "sequences"},
                                     {"a.inter", "inter"},
                                     {"a.inter.gz", "inter"},
                                     {"a.b.csv", "csv"},
                                     {"d.csv/a", "sequences"},
                                     {"a.tsv", "tsv"},
                                     {"I.CSV", "csv"},
                                     {"I.Inter.GZ", "inter"},
                                     {"-", "sequences"}})
    CHECK(io::format_of(name) == format);
  const scratch directory;
  const auto path = directory.write("log.csv", "user item\nitem time\n");
  CHECK_THROWS_WITH(io::read_interactions(path), ContainsSubstring("no column has a usual name for the user"));
  CHECK(io::read_interactions(path, {.format = "sequences"}).histories.size() == 2);
  CHECK_THROWS_WITH(io::read_interactions(path, {.format = "sequences", .columns = {.user = "u"}}), ContainsSubstring("have no columns"));
  CHECK_THROWS_WITH(io::read_interactions(path, {.format = "xml"}), ContainsSubstring("unknown format 'xml'"));
}

TEST_CASE("a table under the name of no table is refused where that is certain, and told of where it is likely") {
  const scratch directory;
  const auto refusal = [&](const std::string& bytes) {
    const auto path = directory.write("u.data", bytes);
    return message_of<input_error>([&] { io::read_interactions(path); }).substr(path.string().size());
  };
  const std::string tsv = "give --format tsv or name the file .tsv; if it is not one, give --format sequences";
  for (const char* header : {"user\titem\ttime\n", "item_id:token\tUser_ID:token\trating:float\r\n", "userId\tmovieId"})
    CHECK(refusal(std::string(header) + "\na\tx\t1\n") == ":1: this looks like the header of a table; " + tsv);
  CHECK(refusal("user item time\na x 1\n") == ":1: this looks like the header of a table; put tabs between all fields, and " + tsv);
  CHECK(refusal("user,item\na,x\n").ends_with("; is it a table? give its format: --format csv, tsv or inter"));
  CHECK(refusal("1::2::5::978300760\n")
            .ends_with("; is it a table? replace every `::` by a tab, put a header above it, and give --format tsv"));
  CHECK(refusal("196\t242\t3\t881250949\n196\t302\t3\t891717742\n").find("; is it a table?") != std::string::npos);

  const auto like_table = [&](const std::string& bytes, const io::reading& how = {}) {
    io::repairs told;
    io::read_interactions(directory.write("u.data", bytes), how, &told);
    CHECK(told.text().empty());
    return told.like_table;
  };
  CHECK(like_table("196\t242\t3\t881250949\n186\t302\t3\t891717742\n"));
  CHECK(like_table("a\tx\t1397692800000\nb\ty\t1397692800\n"));
  CHECK_FALSE(like_table("a\tx\t1397692800\n", {.format = "sequences"}));
  for (const char* sequences : {"a\tx\t1397692800\nb\tx\n", "a\tx\t1397692800\nb\tx\ty\tz\t1397692800\n", "a\tx\t12345678\n",
                                "a x 1397692800\n", "a\tx\tB397692800\n"})
    CHECK_FALSE(like_table(sequences));
}

TEST_CASE("a log goes through every format; tables keep its times, and names that lines cannot hold") {
  const scratch directory;
  const auto log = io::read_interactions(directory.write("log.csv", "user_id,item_id,timestamp\nb,x,2\nb,y,1.5\na,y,-3e300\n"));
  REQUIRE(named(log, 0) == history{"y", "x"});
  for (const std::string name : {"copy.csv", "copy.tsv", "copy.inter"}) {
    io::write_interactions(directory / name, log);
    const auto copy = io::read_interactions(directory / name);
    CHECK(copy.users.name(0) == "b");
    CHECK(named(copy, 0) == named(log, 0));
    CHECK(named(copy, 1) == named(log, 1));
    CHECK(copy.times == log.times);
  }
  CHECK(directory.read("copy.inter") == "user_id:token\titem_id:token\ttimestamp:float\nb\ty\t1.5\nb\tx\t2\na\ty\t-3e+300\n");
  // 2^63 and more as whole numbers would be refused; the largest below it would not.
  auto timed = log;
  for (const double time : {0x1p63, 12345678901234567168.0, 1e19, -0x1p64, 0x1p63 - 1024, -0x1p63 + 1024, 0x1p1000, 5e-324}) {
    timed.times = {-0x1p1001, time, time};
    io::write_interactions(directory / "timed.csv", timed);
    CHECK(io::read_interactions(directory / "timed.csv").times == timed.times);
  }
  for (const double time : {std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    timed.times = {1, 2, time};
    CHECK_THROWS_WITH(io::write_interactions(directory / "endless.csv", timed),
                      ContainsSubstring("a time of user 1 (from 0) is not finite"));
  }
  io::write_interactions(directory / "copy.txt", log);
  CHECK(directory.read("copy.txt") == "b y x\na y\n");

  data::interactions odd;
  odd.users.add("a \"b\", c;d");
  odd.histories.push_back(std::vector<data::item>{odd.items.add("The Hobbit"), odd.items.add("\"")});
  io::write_interactions(directory / "odd.csv", odd);
  CHECK(directory.read("odd.csv") == "user_id,item_id\n\"a \"\"b\"\", c;d\",The Hobbit\n\"a \"\"b\"\", c;d\",\"\"\"\"\n");
  CHECK(named(io::read_interactions(directory / "odd.csv"), 0) == history{"The Hobbit", "\""});
  io::write_interactions(directory / "odd.tsv", odd);
  CHECK(io::read_interactions(directory / "odd.tsv").users.name(0) == odd.users.name(0));
  CHECK_THROWS_WITH(
      io::write_interactions(directory / "odd.txt", odd),
      ContainsSubstring("the name of user 0 (from 0), 'a \"b\", c;d', cannot be written: it has a blank; rename it, or write .csv, .tsv or "
                        ".inter, which allow blanks"));
  for (const char* packed : {"a.csv.gz", "a.csv.GZ"})
    CHECK_THROWS_WITH(io::write_interactions(directory / packed, odd), ContainsSubstring("leave off .gz"));
}

TEST_CASE("a CSV whose header has no comma is parted by semicolons") {
  const scratch directory;
  const auto log = io::read_interactions(directory.write("log.csv", "user;item\r\na;\"x;y\"\r\n"));
  CHECK(named(log, 0) == history{"x;y"});
}

}  // namespace cddrec::test
