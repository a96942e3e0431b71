#include "cddrec/io/table.hpp"

#include "io/scratch.hpp"

namespace cddrec::test {

namespace {
using history = std::vector<std::string>;

history named(const data::interactions& log, index user) {
  history names;
  for (const data::item i : log.histories[user]) names.push_back(log.name(i));
  return names;
}
std::string refusal(const std::string& text, char delimiter = ',', const io::columns& given = {}) {
  return message_of<input_error>([&] { io::parse_table(text, "f", delimiter, given); });
}
}  // namespace

TEST_CASE("a table is sorted by time in every user; ties keep the order of the rows") {
  const auto log = io::parse_table("rating,userId,movieId,timestamp\n5,b,x,20\n1,a,y,7\n2,b,z,10\n3,b,v,20\n4,b,w,10\n", "f", ',');
  REQUIRE(log.histories.size() == 2);
  CHECK(log.users.name(0) == "b");
  CHECK(named(log, 0) == history{"z", "w", "x", "v"});
  CHECK(named(log, 1) == history{"y"});
  CHECK(log.times == std::vector<double>{10, 10, 20, 20, 7});
  const auto untimed = io::parse_table("user,item\nb,x\na,y\nb,z\n", "f", ',');
  CHECK(named(untimed, 0) == history{"x", "z"});
  CHECK(untimed.times.empty());
}

TEST_CASE("a table without times is told of, with its columns") {
  io::repairs told;
  io::parse_table("user,item,\xff,when\na,x,1,2\n", "f", ',', {}, &told);
  CHECK(told.untimed == "'\\xFF', 'when'");
  CHECK(told.text().empty());
  told = {};
  io::parse_table("user,item\na,x\n", "f", ',', {}, &told);  // there is none that could be the time
  CHECK(told.untimed.empty());
  told = {};
  io::parse_table("user,item,when\na,x,1\n", "f", ',', {.user = {}, .item = {}, .time = "when"}, &told);
  CHECK(told.untimed.empty());
}

TEST_CASE("quotes, blanks and ends of lines are as RFC 4180 has them") {
  const auto log =
      io::parse_table("user , \"item\",\"no\nmatter\"\r\n \"a, \"\"b\"\"\" ,  The Hobbit ,\r\nc,\"\"\"\",\"x\r\ny\"", "f", ',');
  REQUIRE(log.histories.size() == 2);
  CHECK(log.users.name(0) == "a, \"b\"");
  CHECK(named(log, 0) == history{"The Hobbit"});
  CHECK(named(log, 1) == history{"\""});
  // The last line may end by half.
  for (const std::string last : {"c,y\r", "c,\"y\"\r", "c,\"y\" \r"}) {
    io::repairs mended;
    CHECK(named(io::parse_table("user,item\r\na,x\r\n" + last, "f", ',', {}, &mended), 1) == history{"y"});
    CHECK(mended.carriage_returns == 3);
  }
  // Tables parted by tabs have no quotes.
  CHECK(io::parse_table("user\titem\n\"a\t\"b\"\n", "f", '\t').users.name(0) == "\"a");
}

TEST_CASE("the types of a RecBole header are no part of the names") {
  const auto log =
      io::parse_table("user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t2\t5.0\t9e8\n1\t1\t1.0\t1\n", "f", '\t');
  CHECK(named(log, 0) == history{"1", "2"});
  CHECK(refusal("user_id:token\titem_id_list:token_seq\titem_id:token\n", '\t') ==
        "f:1:15: the column 'item_id_list:token_seq' holds sequences; give a table with one item a row");
}

TEST_CASE("columns are found by usual names, or named") {
  for (const char* header : {"reviewerID,asin,unixReviewTime", "USER-ID,Product Id,event_time", "visitorid,itemid,ts"})
    CHECK(io::parse_table(std::string(header) + "\na,x,1\n", "f", ',').times.size() == 1);
  const io::columns given{.user = "who", .item = "asin", .time = ""};
  CHECK(io::parse_table("who,asin,item\na,x,y\n", "f", ',', given).name(0) == "x");
  CHECK(refusal("who,asin,item\na,x,y\n", ',', {.user = "who", .item = {}, .time = {}}) ==
        "f:1:10: 'asin' and 'item' may both be the column of the item; say which with --item-column");
  CHECK(refusal("who,item\na,x\n") ==
        "f:1: no column has a usual name for the user; if this line is data, put a header line above it, such as "
        "user,item,rating,timestamp; if it is the header, name one of 'who', 'item' with --user-column");
  CHECK(refusal("user,item\na,x\n", ',', {.user = {}, .item = {}, .time = "when"}) ==
        "f:1: there is no column 'when'; the columns are 'user', 'item'");
  CHECK(refusal("user,item\na,x\n", ',', {.user = "item", .item = {}, .time = {}}) ==
        "f:1: user, item and time must be three different columns; name each");
}

TEST_CASE("a malformed table is refused by line") {
  const std::string head = "user,item,time\n";
  CHECK(refusal("") == "f: is empty; give it a header and rows of users, items and times");
  CHECK(refusal(head) == "f: has a header but no rows");
  CHECK(refusal(head + "a,x,1\n\nb,x,1\n") == "f:3: the line is blank; remove it");
  CHECK(refusal(head + "a,x\n") == "f:2: the row has 2 fields, but the header 3");
  CHECK(refusal(head + "a,x,1,2\n") == "f:2: the row has 4 fields, but the header 3");
  CHECK(refusal(head + "\"a\nb\",x,1\n") == "f:2:3: in the column 'user', byte 3 of the line (0x0A) is a control character; remove it");
  CHECK(refusal(head + "\"a\",\"x\nx\",1\nb,,1\n").starts_with("f:2:7: in the column 'item', byte 7 of"));
  CHECK(refusal("user,item,note\n\"a\",x,\"1\n2\"\nb,,1\n") == "f:4:3: there is nothing in the column 'item'");
  CHECK(refusal(head + "a,x\xFF,1\n") == "f:2:4: in the column 'item', byte 4 of the line (0xFF) is not UTF-8; save the text as UTF-8");
  for (const std::string time : {"", "nan", "inf", "-inf", "1e999", "2014-07-23", "1 2", "0x10", "+1"})
    CHECK(refusal(head + "a,x," + time + "\n") ==
          "f:2:5: the time '" + time + "' is not a finite number of 64 bits; give times as numbers, such as seconds since 1970");
  CHECK(refusal(head + "a,\"x,1\nb,y,2\n") == "f:2:3: this quotation mark is never closed");
  CHECK(refusal(head + "a,\"x\"y,1\n").starts_with("f:2:6: there is text between a closing quotation mark"));
  // Places count bytes of the line, whatever stands before: quotes, quotation marks that are doubled, blanks, the end of another line.
  CHECK(refusal(head + "\"a\"\"b\" ,  x\xFF,1\n").starts_with("f:2:12: in the column 'item', byte 12 of the line (0xFF)"));
  CHECK(refusal(head + "a,  ,1\n") == "f:2:5: there is nothing in the column 'item'");
  CHECK(refusal("note,user,item\n\"1\n2\",a,\"x\x01\"\n").starts_with("f:3:8: in the column 'item', byte 8 of the line (0x01)"));
  CHECK(refusal("note,user,item,time\n\"1\n2\",a,x,soon\n").starts_with("f:3:8: the time 'soon'"));
}

}  // namespace cddrec::test
