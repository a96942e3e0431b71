#include "cddrec/data/id_map.hpp"

#include "test.hpp"

namespace cddrec::test {

TEST_CASE("tokens are numbered in the order in which they are first seen") {
  data::id_map ids;
  CHECK(ids.size() == 0);
  CHECK(ids.add("7") == 0);
  CHECK(ids.add("0") == 1);
  CHECK(ids.add("7") == 0);
  CHECK(ids.add("café") == 2);
  CHECK(ids.size() == 3);
  CHECK(ids.name(0) == "7");
  CHECK(ids.name(1) == "0");
  CHECK(ids.name(2) == "café");
}

TEST_CASE("tokens are opaque") {
  data::id_map ids;
  const std::string with_zero("a\0b", 3);
  const std::vector<std::string> tokens{"-3", "3", "03", " 3", "", "A", "a", with_zero, "a very long token, longer than any small string"};
  for (const auto& token : tokens) ids.add(token);
  REQUIRE(ids.size() == static_cast<index>(tokens.size()));
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    CHECK(ids.find(tokens[i]) == static_cast<data::item>(i));
    CHECK(ids.name(static_cast<data::item>(i)) == tokens[i]);
  }
  CHECK_FALSE(ids.find("+3"));
  CHECK_FALSE(ids.find("ab"));
  CHECK(ids.size() == static_cast<index>(tokens.size()));
}

TEST_CASE("a map outgrows its first memory, and its copy stands alone") {
  data::id_map ids;
  for (int i = 0; i < 5000; ++i) ids.add(std::to_string(i * 31));
  data::id_map copy = ids;
  ids = data::id_map();
  CHECK_FALSE(ids.find("0"));
  REQUIRE(copy.size() == 5000);
  for (int i = 0; i < 5000; ++i) {
    REQUIRE(copy.find(std::to_string(i * 31)) == i);
    REQUIRE(copy.name(i) == std::to_string(i * 31));
  }
  CHECK(copy.add("new") == 5000);
}

}  // namespace cddrec::test
