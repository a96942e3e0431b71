// Malformed logs: each is refused by its name, line and column, or mended with a count, or means what docs/data.md says it means.
#include "cddrec/io/interactions.hpp"
#include "io/gzipped.hpp"
#include "io/scratch.hpp"

namespace cddrec::test {

namespace {

struct malformed {
  const char* name;
  std::string bytes, message;  // what follows the file's name in the error
};

const std::string head = "user,item,time\n", good = "a,x,1\n";

std::vector<malformed> all() {
  const std::string utf8 = "is not UTF-8; save the text as UTF-8", control = "is a control character; remove it";
  const std::string no_number = "' is not a finite number of 64 bits; give times as numbers, such as seconds since 1970";
  const std::string whole = gzipped(head + good);
  std::string wrong_sum = whole, not_deflate = whole;
  wrong_sum[wrong_sum.size() - 6] ^= 1;
  not_deflate[10] = 7;  // a block of a kind that there is not
  std::vector<malformed> list{
      // Lines of sequences.
      {"log", "", ": is empty; give it lines of `user item item …`"},
      {"log", "\xEF\xBB\xBF", ": is empty; give it lines of `user item item …`"},
      {"log", "\n", ":1: the line is blank; remove it"},
      {"log", "a 1\n\nb 2\n", ":2: the line is blank; remove it"},
      {"log", "a 1\n\r\nb 2\n", ":2: the line is blank; remove it"},
      {"log", "a 1\nb\n", ":2: no items after the user; write `user item item …` or remove the line"},
      {"log", "a 1\nb 1\na 2\n", ":3:1: this user is on line 1 already; put all items of a user on one line"},
      {"log", std::string("a 1\nb 1\0002\n", 11), ":2:4: byte 4 of the line (0x00) " + control},
      {"log", std::string(4096, '\0'), ":1:1: byte 1 of the line (0x00) " + control},
      {"log", "a 1\rb 2\r", ":1:4: byte 4 of the line (0x0D) " + control},
      {"log", "a 1\r\r\n", ":1:4: byte 4 of the line (0x0D) " + control},
      {"log", "a 1\x0C\n", ":1:4: byte 4 of the line (0x0C) " + control},
      {"log", "a 1\x1B]0;x\x07\n", ":1:4: byte 4 of the line (0x1B) " + control},
      {"log", std::string("\xFF\xFE") + std::string("a\0 \0001\0\n\0", 8), ":1:1: byte 1 of the line (0xFF) " + utf8},
      {"log", "a caf\xE9\n", ":1:6: byte 6 of the line (0xE9) " + utf8},
      {"log", "a 1\nb \xC0\xAF\n", ":2:3: byte 3 of the line (0xC0) " + utf8},
      {"log", "a \xED\xA0\x80\n", ":1:3: byte 3 of the line (0xED) " + utf8},
      {"log", "a \xF4\x90\x80\x80\n", ":1:3: byte 3 of the line (0xF4) " + utf8},
      {"log", "a 1\nb \xE2\x82", ":2:3: byte 3 of the line (0xE2) " + utf8},
      {"log", "1::1193::5::978300760\n",
       ":1: no items after the user; write `user item item …` or remove the line; is it a table? replace every `::` by a tab"},
      {"log", "user\titem\ttime\na\tx\t1\n", ":1: this looks like the header of a table; give --format tsv"},
      {"log", "1\t2\t5\t978300760\n1\t3\t4\t978302109\n",
       ":2:1: this user is on line 1 already; put all items of a user on one line; is it a table?"},
      // Tables.
      {"log.csv", "", ": is empty; give it a header and rows of users, items and times"},
      {"log.csv", head, ": has a header but no rows"},
      {"log.csv", "\n" + head + good, ":1: the line is blank; remove it"},
      {"log.csv", "1,2,978300760\n1,3,978302109\n",
       ":1: no column has a usual name for the user; if this line is data, put a header line above it, such as "
       "user,item,rating,timestamp; if it is the header, name one of '1', '2', '978300760' with --user-column"},
      {"log.csv", "user;item;time\na;x;1\nb,y,2\n", ":3: the row has 1 fields, but the header 3"},
      {"log.csv", "user\titem\ttime\na\tx\t1\n",
       ":1: there is no comma or semicolon in this line; if tabs part its fields, give --format tsv"},
      {"log.tsv", "user;item;time\na;x;1\n",
       ":1: there is no tab in this line; if commas or semicolons part its fields, give --format csv"},
      {"log.csv", "user,user_id,item\na,b,x\n", ":1:6: 'user' and 'user_id' may both be the column of the user; say which"},
      {"log.csv", "user,item\ra,x\r", ":1:10: in a column name, byte 10 of the line (0x0D) " + control},
      {"log.csv", "us\xE9r,item\na,x\n", ":1:3: in a column name, byte 3 of the line (0xE9) " + utf8},
      {"log.csv", head + "a,x\n", ":2: the row has 2 fields, but the header 3"},
      {"log.csv", head + good + "a,x,1,\n", ":3: the row has 4 fields, but the header 3"},
      {"log.csv", head + "a,b,c,1\n", ":2: the row has 4 fields, but the header 3"},
      {"log.csv", head + good + "\n" + good, ":3: the line is blank; remove it"},
      {"log.csv", head + ",x,1\n", ":2:1: there is nothing in the column 'user'"},
      {"log.csv", head + "a,\"\",1\n", ":2:3: there is nothing in the column 'item'"},
      {"log.csv", head + "a,x,\"1\n" + good, ":2:5: this quotation mark is never closed"},
      {"log.csv", head + "a,\"x\"x,1\n",
       ":2:6: there is text between a closing quotation mark and the end of the field; double a quotation mark inside a field"},
      {"log.csv", head + "a,\"x\ny\",1\n", ":2:5: in the column 'item', byte 5 of the line (0x0A) " + control},
      {"log.csv", head + good + "b,y\r", ":3: the row has 2 fields, but the header 3"},
      {"log.csv", head + std::string("a,x\0y,1\n", 8), ":2:4: in the column 'item', byte 4 of the line (0x00) " + control},
      {"log.csv", head + "a,x,1\x1B[2J\n", ":2:6: in the column 'time', byte 6 of the line (0x1B) " + control},
      {"log.inter", "user_id:token\titem_id_list:token_seq\na\tx y\n",
       ":1:15: the column 'item_id_list:token_seq' holds sequences; give a table with one item a row"},
      {"log.tsv", "user item time\na x 1\n", ":1: no column has a usual name for the user; if this line is data"},
      // What was gzip'd.
      {"log.csv.gz", whole.substr(0, whole.size() / 2), ": the gzip'd data ends too early; fetch the file again"},
      {"log.csv.gz", whole.substr(0, whole.size() - 1), ": the gzip'd data ends too early; fetch the file again"},
      {"log.csv.gz", whole.substr(0, 2), ": the gzip'd data ends too early; fetch the file again"},
      {"log.csv.gz", wrong_sum, ": the gzip'd data is damaged (incorrect data check); fetch the file again"},
      {"log.csv.gz", not_deflate, ": the gzip'd data is damaged (invalid block type); fetch the file again"},
      {"log.csv.gz", whole + std::string(512, '\0'), ": the gzip'd data is followed by something else; fetch the file again"},
      {"log.csv.gz", gzipped(whole), ":1:1: in a column name, byte 1 of the line (0x1F) " + control},
  };
  for (const std::string time : {"", "nan", "-inf", "1e999", "9223372036854775808", "-9223372036854775809", "99999999999999999999",
                                 "2014-07-23", "1 2", "0x10", "1,5"})
    list.push_back({"log.csv", head + good + "b,y," + (time == "1,5" ? "\"1,5\"" : time) + "\n", ":3:5: the time '" + time + no_number});
  return list;
}

}  // namespace

TEST_CASE("malformed logs are refused by name and line") {
  const scratch directory;
  const auto cases = all();
  for (const malformed& m : cases) {
    const auto path = directory.write(m.name, m.bytes);
    const std::string message = message_of<input_error>([&] { io::read_interactions(path); });
    INFO(m.message);
    REQUIRE(message.starts_with(path.string()));
    CHECK(message.substr(path.string().size()).starts_with(m.message));
  }
  CHECK(cases.size() >= 40);
  WARN(cases.size() << " files");
}

TEST_CASE("what is mended is counted, and nothing is lost") {
  const scratch directory;
  const auto mended = [&](const std::string& name, const std::string& bytes, index interactions) {
    io::repairs r;
    const auto log = io::read_interactions(directory.write(name, bytes), {}, &r);
    CHECK(std::ssize(log.histories.items) == interactions);
    return r.text();
  };
  const std::string mark = "\xEF\xBB\xBF";
  CHECK(mended("log", "a 1 2\nb 3\n", 3).empty());
  CHECK(mended("log", "a 1 2\nb 3", 3).empty());
  CHECK(mended("log", "a 1 2\r\nb 3\r\nc 4", 4) == "2 carriage returns at ends of lines dropped");
  CHECK(mended("log", mark + "a 1\r", 1) == "1 byte-order mark dropped; 1 carriage returns at ends of lines dropped");
  CHECK(mended("log.gz", gzipped(mark + "a 1\n"), 1) == "1 byte-order mark dropped");
  CHECK(mended("log.csv", mark + "user,item,time\r\na,x,1\r\n\"b\",\"y\",\"2\"\r\nc,z,3", 3) ==
        "1 byte-order mark dropped; 3 carriage returns at ends of lines dropped");
  CHECK(mended("log.tsv", "user\titem\r\na\tx\r\n", 1) == "2 carriage returns at ends of lines dropped");
  // The first whole numbers that are read as another one.
  CHECK(mended("log.csv", "user,item,time\na,x,9007199254740993\na,y,-9007199254740993\na,z,-9007199254740992\n", 3) ==
        "2 times beyond 2^53 rounded to the nearest double");
  // Nanoseconds fit 64 bits and no double; a whole number that a double holds is not touched.
  CHECK(mended("log.csv", "user,item,time\na,x,1700000000123456789\na,y,-9223372036854775807\na,z,9223372036854775807\n", 3) ==
        "3 times beyond 2^53 rounded to the nearest double");
  CHECK(
      mended("log.csv", "user,item,time\na,x,1700000000123456768\na,y,9007199254740992\na,z,1e300\na,w,-9223372036854775808\n", 4).empty());
}

namespace {
void read_items(const scratch& directory, index many) {
  std::string text = "u";
  text.reserve(static_cast<std::size_t>(4 * many) + 1);
  for (index i = 0; i < many; ++i) text += " " + std::to_string(i % 1000);
  const auto log = io::read_interactions(directory.write("log", text));
  CHECK(log.histories.size() == 1);
  CHECK(std::ssize(log.histories.items) == many);
  CHECK(log.items.size() == 1000);
}
}  // namespace

TEST_CASE("long lines and many items on one are read whole") {
  const scratch directory;
  read_items(directory, 300'000);
  CHECK(io::read_interactions(directory.write("log", "u " + std::string(1'000'000, 'x') + "\n")).name(0).size() == 1'000'000);
}

TEST_CASE("10^7 items on a line are read, and a line of 1 GB is read or refused at its last byte", "[.large]") {
  const scratch directory;
  read_items(directory, 10'000'000);
  const std::string long_name(1'000'000'000, 'x');
  CHECK(io::read_interactions(directory.write("log", "u " + long_name + "\n")).name(0).size() == long_name.size());
  CHECK_THROWS_WITH(io::read_interactions(directory.write("log", "u " + long_name + "\xFF\n")),
                    ContainsSubstring("log:1:1000000003: byte 1000000003 of the line (0xFF) is not UTF-8"));
  CHECK_THROWS_WITH(io::read_interactions(directory.write("log.csv", "user,item\nu,\"" + long_name)),
                    ContainsSubstring("log.csv:2:3: this quotation mark is never closed"));
}

}  // namespace cddrec::test
