// The programs that the README and the pages of docs/ show are files that are compiled and run, so they cannot go stale.
#include <fstream>
#include <sstream>

#include "cddrec/cddrec.hpp"
#include "read.hpp"

namespace cddrec::test {
namespace {

namespace fs = std::filesystem;

struct block {
  std::string text;
  std::size_t end;
};

/// The text between the first line `opening` at or after `from` and the "```" after it.
block next_block(const std::string& markdown, const std::string& opening, std::size_t from) {
  const std::size_t begin = markdown.find("\n" + opening + "\n", from);
  REQUIRE(begin != std::string::npos);
  const std::size_t text = begin + opening.size() + 2, end = markdown.find("```", text);
  REQUIRE(end != std::string::npos);
  return {markdown.substr(text, end - text), end};
}

/// What a program of this build prints.
std::string printed_by(const std::string& program, const std::string& arguments = "") {
  const fs::path build = CDDREC_BINARY_DIR, output = build / (program + "_output.txt");
  INFO(program);
  REQUIRE(fs::exists(build / "bin" / program));
  REQUIRE(std::system(('"' + (build / "bin" / program).string() + "\" " + arguments + " > \"" + output.string() + '"').c_str()) == 0);
  return read(output);
}

}  // namespace

TEST_CASE("pages show the programs of examples/ as they are") {
  const fs::path root = CDDREC_SOURCE_DIR;
  const auto shows = [&](const fs::path& page, const std::string& program) {
    CHECK(next_block(read(root / page), "```cpp", 0).text == read(root / "examples" / program));
  };
  shows("README.md", "minimal.cpp");
  shows("docs/serve.md", "serve_minimal.cpp");
  shows("docs/tutorial_engineer.md", "answer.cpp");
}

TEST_CASE("docs/extend.md shows every program of examples/own, and what it prints") {
  const fs::path root = CDDREC_SOURCE_DIR;
  const std::string page = read(root / "docs" / "extend.md");
  std::vector<std::string> shown, programs;
  std::size_t place = 0;
  while (page.find("\n```cpp\n", place) != std::string::npos) {
    const block program = next_block(page, "```cpp", place), printed = next_block(page, "```", program.end + 1);
    shown.push_back(program.text);
    place = printed.end;
    for (const auto& entry : fs::directory_iterator(root / "examples" / "own"))
      if (read(entry.path()) == program.text && fs::exists(fs::path(CDDREC_BINARY_DIR) / "examples"))
        CHECK(printed_by("cddrec_own_" + entry.path().stem().string()) == printed.text);
  }
  for (const auto& entry : fs::directory_iterator(root / "examples" / "own")) programs.push_back(read(entry.path()));
  std::sort(shown.begin(), shown.end());
  std::sort(programs.begin(), programs.end());
  CHECK(shown == programs);
}

TEST_CASE("a page of docs/floors/ for every floor shows its section of examples/floors.cpp, and what it prints") {
  const fs::path root = CDDREC_SOURCE_DIR;
  const std::string program = read(root / "examples" / "floors.cpp");
  const std::vector<std::string> floors{"core",  "kernel", "data",  "autodiff", "eval",  "nn", "diffusion",
                                        "optim", "loss",   "model", "baseline", "train", "io", "serve"};
  std::string all_printed;
  for (const std::string& floor : floors) {
    INFO(floor);
    const std::string page = read(root / "docs" / "floors" / (floor + ".md"));
    const block snippet = next_block(page, "```cpp", 0), printed = next_block(page, "```", snippet.end + 1);
    CHECK(page.find("\n```cpp\n", snippet.end) == std::string::npos);
    std::istringstream lines(snippet.text);
    std::string body;  // as it stands in the program: two blanks further in
    for (std::string line; std::getline(lines, line);) body += (line.empty() ? "" : "  " + line) + '\n';
    CHECK(program.find("\n// ---- " + floor + " ----\nvoid " + floor + "_alone() {\n" + body + "}\n") != std::string::npos);
    CHECK(printed.text.starts_with(floor + ": "));
    all_printed += printed.text;
  }
  std::size_t folders = 0, pages = 0;
  for (const auto& entry : fs::directory_iterator(root / "include" / "cddrec")) folders += entry.is_directory();
  for (const auto& entry : fs::directory_iterator(root / "docs" / "floors")) pages += entry.path().extension() == ".md";
  CHECK(folders == floors.size());
  CHECK(pages == floors.size());
  if (fs::exists(fs::path(CDDREC_BINARY_DIR) / "bin" / "cddrec_floors")) CHECK(printed_by("cddrec_floors") == all_printed);
}

TEST_CASE("the version is the same in words, in numbers and for vcpkg") {
  CHECK(std::string(CDDREC_VERSION) ==
        std::to_string(CDDREC_VERSION_MAJOR) + "." + std::to_string(CDDREC_VERSION_MINOR) + "." + std::to_string(CDDREC_VERSION_PATCH));
  const std::string port = read(fs::path(CDDREC_SOURCE_DIR) / "cmake" / "packaging" / "vcpkg" / "cddrec" / "vcpkg.json");
  CHECK(port.find("\"version\": \"" CDDREC_VERSION "\"") != std::string::npos);
}

TEST_CASE("examples/minimal.cpp recommends ten items its user has not had") {
  const fs::path build = CDDREC_BINARY_DIR;
  if (!fs::exists(build / "bin" / "cddrec_minimal")) return;  // configured without the examples or what they read logs with

  const fs::path log = build / "minimal_log.txt";
  std::ofstream text(log);
  for (int user = 0; user < 60; ++user) {
    text << "user" << user;
    for (int i = 0; i < 8; ++i) text << " item" << (user + 2 * i) % 30;
    text << '\n';
  }
  text.close();
  std::istringstream lines(printed_by("cddrec_minimal", '"' + log.string() + '"'));
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

TEST_CASE("examples/answer.cpp trains where there is no model, loads one where there is, and answers in the order of the requests") {
  const fs::path build = CDDREC_BINARY_DIR, model = build / "answer_model", requests = build / "answer_requests.txt";
  if (!fs::exists(build / "bin" / "cddrec_answer")) return;  // as above

  // Everybody goes round a ring of 12 items, as in the tutorial.
  const fs::path log = build / "answer_log.txt";
  std::ofstream text(log);
  for (int user = 0; user < 48; ++user) {
    text << "user" << user;
    for (int i = 0; i < 6; ++i) text << " item" << (user + i) % 12;
    text << '\n';
  }
  text.close();
  std::ofstream(requests) << "item3 item4 item5\nitem9 item10\nitem3 moon\n";
  fs::remove_all(model);
  const auto ask = [&] {
    return printed_by("cddrec_answer", '"' + model.string() + "\" \"" + log.string() + "\" < \"" + requests.string() + '"');
  };
  const std::string answers = ask();
  std::istringstream lines(answers);
  for (const char* next : {"item6 ", "item11 ", "refused: the model does not know the item 'moon'"}) {
    std::string line;
    REQUIRE(std::getline(lines, line));
    CHECK(line.starts_with(next));
  }
  // A directory that cannot be is an error like others.
  const fs::path said = build / "answer_error.txt";
  const std::string inside_a_file = '"' + (build / "bin" / "cddrec_answer").string() + "\" \"" + (log / "model").string() + "\" \"" +
                                    log.string() + "\" </dev/null 2>\"" + said.string() + '"';
  CHECK(std::system(inside_a_file.c_str()) != 0);
  CHECK(read(said).starts_with("answer: "));
  fs::remove(log);  // the second time it is not read
  CHECK(ask() == answers);
}

}  // namespace cddrec::test
