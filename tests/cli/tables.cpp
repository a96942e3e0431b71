// The command line: tables, those that come in under other names and those that go out.
#include "cli/command.hpp"

namespace cddrec::test {

TEST_CASE("what is read as sequences and looks like a table is told of") {
  shop().write("u.data", "196\t242\t3\t881250949\n186\t302\t3\t891717742\n");
  const outcome read = shop().run("prepare --data u.data");
  CHECK(read.status == 0);
  CHECK_THAT(read.err,
             ContainsSubstring("cddrec: u.data: read as lines of `user item item …`, but every line looks like a row of a table") &&
                 ContainsSubstring("give --format tsv\n"));
  CHECK(shop().run("prepare --data u.data --format sequences").err.empty());
  shop().write("headed.txt", "user\titem\ttime\n196\t242\t881250949\n");
  refused("prepare --data headed.txt", "headed.txt:1: this looks like the header of a table; give --format tsv");
  shop().write("BIG.CSV", "user,item,time\n196,242,881250949\n");
  CHECK(shop().run("prepare --data BIG.CSV").status == 0);
}

TEST_CASE("names of any length leave the columns of a table where they are") {
  shop().write("long.txt", "popularity popularity\nevery-item-as-often-as-it-was-taken popularity\n");
  const outcome o = shop().run("compare --data log.txt --variants long.txt --output long_names");
  CHECK(o.status == 0);
  std::size_t rows = 0, width = 0;
  for (const std::string& line : lines_of(o.out)) {
    const bool head = line.find("recall@1 ") != line.npos || line.find("eff. rank ") != line.npos;
    if (!head && line.find("popularity") != 0 && line.find("every-") != 0) continue;
    INFO(line);
    if (head) width = line.size();
    CHECK(line.size() == width);
    ++rows;
  }
  CHECK(rows == 6);
}

}  // namespace cddrec::test
