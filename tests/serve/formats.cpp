// Files that earlier versions wrote: each format's folder holds a model of every kind, and no change to the library may change what it says.
#include <fstream>
#include <sstream>

#include "cddrec/serve/recommender.hpp"
#include "serve/models.hpp"

namespace cddrec::test {

TEST_CASE("a model file of every format is read, and recommends what it did when it was written") {
  for (const std::string format : {"format_1"}) {
    const std::filesystem::path folder = std::filesystem::path(CDDREC_SOURCE_DIR) / "tests/serve" / format;
    std::ifstream expected(folder / "expected.txt");
    std::size_t kinds = 0;
    for (std::string line; std::getline(expected, line);) {
      if (line.starts_with('#')) continue;
      std::istringstream words(line);
      std::string kind, item;
      words >> kind;
      INFO(format << ' ' << kind);
      const std::string name = (folder / (kind + ".safetensors")).string();
      const serve::recommender model(serve::read_model(io::tensor_file::load(name), name));
      const auto list = model.recommend(std::vector<std::string>{"i3", "i7", "i12"}, {.top = 5}).items;
      REQUIRE(list.size() == 5);
      for (const auto& [found, score] : list) {
        double was = 0;
        REQUIRE(words >> item >> was);
        CHECK(found == item);
        CHECK(std::abs(score - was) < 1e-4);  // as many places as were written
      }
      ++kinds;
    }
    CHECK(kinds == all_kinds().size());
  }
}

}  // namespace cddrec::test
