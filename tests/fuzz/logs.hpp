// Fuzzing of the readers of logs: the first byte says the format, the rest is the file; what is read is summarised, filtered, divided,
// written and read again.
#pragma once

#include "cddrec/data/filter.hpp"
#include "cddrec/data/split.hpp"
#include "cddrec/data/summary.hpp"
#include "cddrec/io/interactions.hpp"
#include "fuzz/target.hpp"
#include "io/gzipped.hpp"

namespace cddrec::fuzz::logs {

using core::index;

inline std::vector<std::string> seeds() {
  return {"0u a b c d\r\nv b c \xC3\xA9 a\n",
          "1user,item,time\na,x,1\nb,\"y,\"\"z\"\"\",2e3\n a ,y,-3.5\r\n",
          "1who;asin;ts\na;x;9223372036854775807\na;y;0\na;z;1\na;x;2\n",
          "2reviewerID\tasin\tunixReviewTime\na\tthe item\t1\n",
          "3user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t2\t5.0\t9e8\n",
          "0" + test::gzipped("u 1 2\n"),
          "0\xEF\xBB\xBFu 1 2 3 4"};
}

inline bool same(const data::interactions& a, const data::interactions& b) {
  bool equal = a.histories.items == b.histories.items && a.histories.offsets == b.histories.offsets && a.times == b.times &&
               a.items.size() == b.items.size() && a.users.size() == b.users.size();
  for (index i = 0; equal && i < a.items.size(); ++i)
    equal = a.items.name(static_cast<data::item>(i)) == b.items.name(static_cast<data::item>(i));
  for (index u = 0; equal && u < a.users.size(); ++u)
    equal = a.users.name(static_cast<data::item>(u)) == b.users.name(static_cast<data::item>(u));
  return equal;
}

inline void one(std::string_view bytes) {
  if (bytes.empty()) return;
  const int format = (bytes[0] - '0') & 3;
  std::string text(bytes.substr(1));
  data::interactions log;
  io::repairs mended;
  const bool read = accepted([&] {
    if (io::is_gzip(text)) text = io::gunzip(text, "FILE");
    if (format == 0) return void(log = io::parse_sequences(text, "FILE", &mended));
    const std::string_view header = std::string_view(text).substr(0, text.find('\n'));
    const bool semicolons = header.find(',') == header.npos && header.find(';') != header.npos;
    log = io::parse_table(text, "FILE", format > 1 ? '\t' : semicolons ? ';' : ',', {}, &mended);
  });
  if (!read) return;
  promise(log.histories.size() == log.users.size() && log.histories.size() > 0, "every user has a history");
  promise(log.times.empty() || log.times.size() == log.histories.items.size(), "all rows have times or none");
  data::summarise(log);
  accepted([&] { data::keep(log, {.repeats = false, .user_interactions = 2, .item_interactions = 2}); });
  accepted([&] { data::leave_one_out(log); });
  if (!log.times.empty()) accepted([&] { data::by_time(log); });
  // A name with blanks around it, from between quotes, can be written by no format.
  accepted([&] {
    const auto table = io::parse_table(io::detail::written_table(log, "AGAIN", ',', false), "AGAIN", ',');
    const auto twice = io::parse_table(io::detail::written_table(table, "AGAIN", '\t', true), "AGAIN", '\t');
    promise(same(table, twice) && table.times == log.times && table.histories.offsets == log.histories.offsets,
            "a table is read as written");
  });
  accepted([&] {
    std::string lines = io::detail::written_sequences(log, "AGAIN");
    if (lines.starts_with(io::detail::byte_order_mark)) lines.erase(0, io::detail::byte_order_mark.size());
    const auto again = io::parse_sequences(lines, "AGAIN");
    promise(again.histories.offsets == log.histories.offsets, "sequences are read as written");
  });
}

}  // namespace cddrec::fuzz::logs
