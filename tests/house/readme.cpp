// The programs of the README and of docs/serve.md are files that are compiled and run, so they cannot go stale.
#include <fstream>
#include <sstream>

#include "cddrec/cddrec.hpp"
#include "test.hpp"

namespace cddrec::test {
namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE(in);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The text between the first line "```cpp" and the "```" after it.
std::string first_program(const std::string& markdown) {
  const std::string opening = "```cpp\n";
  const std::size_t begin = markdown.find(opening);
  REQUIRE(begin != std::string::npos);
  const std::size_t text = begin + opening.size();
  return markdown.substr(text, markdown.find("```", text) - text);
}

}  // namespace

TEST_CASE("the README and docs/serve.md show the programs of examples/ as they are") {
  const fs::path root = CDDREC_SOURCE_DIR;
  CHECK(first_program(read(root / "README.md")) == read(root / "examples" / "minimal.cpp"));
  CHECK(first_program(read(root / "docs" / "serve.md")) == read(root / "examples" / "serve_minimal.cpp"));
}

TEST_CASE("the version is the same in words and in numbers") {
  CHECK(std::string(CDDREC_VERSION) ==
        std::to_string(CDDREC_VERSION_MAJOR) + "." + std::to_string(CDDREC_VERSION_MINOR) + "." + std::to_string(CDDREC_VERSION_PATCH));
}

TEST_CASE("examples/minimal.cpp recommends ten items its user has not had") {
  const fs::path build = CDDREC_BINARY_DIR;
  if (!fs::exists(build / "examples")) return;  // configured without the examples
  const fs::path program = build / "bin" / "cddrec_minimal";
  REQUIRE(fs::exists(program));

  const fs::path log = build / "minimal_log.txt", output = build / "minimal_output.txt";
  std::ofstream text(log);
  for (int user = 0; user < 60; ++user) {
    text << "user" << user;
    for (int i = 0; i < 8; ++i) text << " item" << (user + 2 * i) % 30;
    text << '\n';
  }
  text.close();
  const std::string command = '"' + program.string() + "\" \"" + log.string() + "\" > \"" + output.string() + '"';
  REQUIRE(std::system(command.c_str()) == 0);

  std::istringstream lines(read(output));
  std::vector<std::string> names;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name;
    double score = 2;
    REQUIRE(words >> name >> score);
    CHECK(std::abs(score) <= 1.0001);
    REQUIRE(name.starts_with("item"));
    const int item = std::stoi(name.substr(4));
    CHECK((item < 30 && (item % 2 == 1 || item > 14)));  // the first user has had items 0, 2 … 14
    names.push_back(name);
  }
  CHECK(names.size() == 10);
  std::sort(names.begin(), names.end());
  CHECK(std::adjacent_find(names.begin(), names.end()) == names.end());
}

}  // namespace cddrec::test
