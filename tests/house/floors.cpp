// The law of floors and what goes with it, checked on the text of the library itself.
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "read.hpp"

namespace cddrec::test {
namespace {

namespace fs = std::filesystem;

const std::map<std::string, int> floor_of = {{"core", 0},     {"kernel", 1},    {"data", 1},  {"autodiff", 2}, {"eval", 2},
                                             {"nn", 3},       {"diffusion", 3}, {"optim", 3}, {"loss", 4},     {"model", 4},
                                             {"baseline", 5}, {"train", 6},     {"io", 7},    {"serve", 8}};
constexpr int longest_header = 350;

/// The floor whose `detail` a line uses from outside, empty if there is none.
std::string inside_of(const std::string& line, const std::string& folder) {
  static const std::regex inside(R"(\b([a-z_]+)::detail::)");
  for (std::sregex_iterator found(line.begin(), line.end(), inside), end; found != end; ++found)
    if (const std::string floor = (*found)[1]; floor != folder && floor_of.contains(floor)) return floor;
  return {};
}

/// What breaks the law in the header `name` (as in an include: "core/tensor.hpp"), each as `name:line: what`.
std::vector<std::string> violations(const std::string& name, const std::string& text) {
  static const std::regex include(R"re(^\s*#\s*include\s*["<]cddrec/(([a-z_]+)/)?[^">]*[">])re");
  static const std::regex omp(R"(^\s*#\s*pragma\s+omp|_Pragma)");
  static const std::regex printing(R"(#\s*include\s*<(iostream|print)>|\b(cout|cerr|clog|printf|fprintf|puts|fputs|putchar)\b)");
  static const std::regex macro(R"(^\s*#\s*define\s+(\w+))");

  std::vector<std::string> found;
  const std::string folder = name.substr(0, name.find('/'));
  const bool door = folder == "cddrec.hpp", serving = folder == "serve.hpp";
  if (!door && !serving && !floor_of.contains(folder)) return {name + ":1: no floor is called " + folder};

  std::istringstream lines(text);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const auto report = [&](const std::string& what) { found.push_back(name + ":" + std::to_string(number) + ": " + what); };
    line = line.substr(0, line.find("//"));
    std::smatch match;
    if (std::regex_search(line, match, include)) {
      const std::string other = match[2];
      if (!floor_of.contains(other))
        report("includes cddrec/" + other + ", which is no floor");
      else if (door      ? floor_of.at(other) >= floor_of.at("io")
               : serving ? other != "serve"
                         : other != folder && floor_of.at(other) >= floor_of.at(folder))
        report("includes " + other + ", which is not below " + folder);
    }
    if (const std::string floor = inside_of(line, folder); !floor.empty()) report("uses " + floor + "::detail, which is not its own");
    if (name != "core/parallel.hpp" && std::regex_search(line, omp)) report("OpenMP outside core/parallel.hpp");
    if (std::regex_search(line, printing)) report("the library prints nothing");
    if (std::regex_search(line, match, macro) && name != "core/parallel.hpp" && name != "core/check.hpp" &&
        !(door && match[1].str().starts_with("CDDREC_VERSION")))
      report("a macro outside core/check.hpp and core/parallel.hpp");
  }
  if (number > longest_header) found.push_back(name + ":" + std::to_string(number) + ": longer than 350 lines; split it");
  return found;
}

std::vector<std::string> headers() {
  const fs::path root = fs::path(CDDREC_SOURCE_DIR) / "include" / "cddrec";
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(root))
    if (entry.is_regular_file()) names.push_back(fs::relative(entry.path(), root).generic_string());
  std::sort(names.begin(), names.end());
  return names;
}

/// Every header that `name` brings, whatever brings it.
std::set<std::string> behind(const std::string& name) {
  static const std::regex include(R"re(^\s*#\s*include\s*["<]cddrec/([^">]*)[">])re");
  std::set<std::string> all;
  std::vector<std::string> open{name};
  while (!open.empty()) {
    std::istringstream lines(read(fs::path(CDDREC_SOURCE_DIR) / "include" / "cddrec" / open.back()));
    open.pop_back();
    std::smatch match;
    for (std::string line; std::getline(lines, line);)
      if (std::regex_search(line, match, include) && all.insert(match[1]).second) open.push_back(match[1]);
  }
  return all;
}

/// Those of them that only training needs: optimisers, objectives and their kernels, what draws for them, and what checks gradients.
std::vector<std::string> training_alone(const std::set<std::string>& names) {
  static const std::regex training(
      "(optim|train|loss)/.*|autodiff/(gradcheck|objective_ops|fourier_ops).hpp|baseline/gan.hpp|data/(augment|negatives|synthetic).hpp|"
      "kernel/(info_nce|fourier_info_nce|softmax_over_items|draw_items).hpp|eval/(diagnostics|sampled_metrics).hpp");
  std::vector<std::string> found;
  std::copy_if(names.begin(), names.end(), std::back_inserter(found), [&](const auto& n) { return std::regex_match(n, training); });
  return found;
}

}  // namespace

TEST_CASE("no header of the library breaks the law of floors") {
  const auto names = headers();
  CHECK(names.size() > 40);
  for (const std::string& name : names) {
    CHECK(name.ends_with(".hpp"));
    for (const std::string& violation : violations(name, read(fs::path(CDDREC_SOURCE_DIR) / "include" / "cddrec" / name)))
      FAIL_CHECK(violation);
  }
}

TEST_CASE("no example uses what the library keeps to itself") {
  int lines_read = 0;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(CDDREC_SOURCE_DIR) / "examples")) {
    if (const auto extension = entry.path().extension(); extension != ".hpp" && extension != ".cpp") continue;
    std::istringstream lines(read(entry.path()));
    for (std::string line; std::getline(lines, line); ++lines_read)
      if (!inside_of(line, "").empty()) FAIL_CHECK(entry.path().filename() << ": " << line);
  }
  CHECK(lines_read > 2000);
}

TEST_CASE("the doors open on every header: one on those of io and serve not, the other on those of serve that need no further library") {
  const std::string door = read(fs::path(CDDREC_SOURCE_DIR) / "include" / "cddrec" / "cddrec.hpp");
  const std::string serving = read(fs::path(CDDREC_SOURCE_DIR) / "include" / "cddrec" / "serve.hpp");
  for (const std::string& name : headers()) {
    if (name == "cddrec.hpp" || name == "serve.hpp") continue;
    INFO(name);
    const bool served = name.starts_with("serve/");
    CHECK((door.find("#include \"cddrec/" + name + "\"") != std::string::npos) == (!served && !name.starts_with("io/")));
    CHECK((serving.find("#include \"cddrec/" + name + "\"") != std::string::npos) == (served && name != "serve/hnsw.hpp"));
  }
}

TEST_CASE("nothing that only trains or measures is behind the door of those who serve") {
  const std::set<std::string> all = behind("serve.hpp");
  CHECK(all.size() > 40);
  CHECK(all.contains("kernel/top_k.hpp"));
  const auto found = training_alone(all);
  for (const std::string& name : found) FAIL_CHECK("serve.hpp brings " << name);
  CHECK(found.empty());
  // The other door has all of them.
  const std::set<std::string> everything = behind("cddrec.hpp");
  CHECK(training_alone(everything).size() >= 20);
}

TEST_CASE("the scanner finds what it looks for, with its line") {
  const auto only = [](const std::string& name, const std::string& text, const std::string& expected) {
    const auto found = violations(name, text);
    REQUIRE(found.size() == 1);
    CHECK(found[0].starts_with(expected));
  };
  SECTION("includes") {
    only("data/a.hpp", "#pragma once\n#include \"cddrec/eval/rank.hpp\"\n", "data/a.hpp:2: includes eval");
    only("data/a.hpp", "#include \"cddrec/kernel/rows.hpp\"\n", "data/a.hpp:1: includes kernel");  // neighbours on one floor
    only("data/a.hpp", "  #  include <cddrec/train/fit.hpp>\n", "data/a.hpp:1: includes train");
    only("train/a.hpp", "#include \"cddrec/cddrec.hpp\"\n", "train/a.hpp:1: includes cddrec/, which is no floor");
    only("cddrec.hpp", "#include \"cddrec/io/report.hpp\"\n", "cddrec.hpp:1: includes io");
    only("cddrec.hpp", "#include \"cddrec/serve/network.hpp\"\n", "cddrec.hpp:1: includes serve");
    only("serve.hpp", "#include \"cddrec/io/checkpoint.hpp\"\n", "serve.hpp:1: includes io");
    only("attic/a.hpp", "", "attic/a.hpp:1: no floor");
    CHECK(violations("data/a.hpp", "#include \"cddrec/data/b.hpp\"\n#include \"cddrec/core/tensor.hpp\"\n").empty());
    CHECK(violations("io/a.hpp", "#include \"cddrec/train/fit.hpp\"\n// #include \"cddrec/nowhere/b.hpp\"\n").empty());
  }
  SECTION("what another floor keeps to itself") {
    only("io/a.hpp", "\nf(1, data::detail::g());\n", "io/a.hpp:2: uses data::detail");
    only("io/a.hpp", "io::detail::f(cddrec::data::detail::g());\n", "io/a.hpp:1: uses data::detail");
    CHECK(violations("io/a.hpp", "detail::f(io::detail::g());  // not data::detail::h\n").empty());
  }
  SECTION("OpenMP") {
    only("kernel/a.hpp", "\n\n#pragma omp parallel\n", "kernel/a.hpp:3: OpenMP");
    CHECK(violations("core/parallel.hpp", "#pragma omp parallel\n").empty());
  }
  SECTION("printing") {
    only("io/a.hpp", "#include <iostream>\n", "io/a.hpp:1: the library prints");
    only("io/a.hpp", "std::cout << 1;\n", "io/a.hpp:1: the library prints");
    only("io/a.hpp", "std::printf(\"%d\", 1);\n", "io/a.hpp:1: the library prints");
    CHECK(violations("io/a.hpp", "std::snprintf(b, n, f);  // not printf\n").empty());
  }
  SECTION("macros") {
    only("kernel/a.hpp", "#define TWO 2\n", "kernel/a.hpp:1: a macro");
    only("cddrec.hpp", "#define TWO 2\n", "cddrec.hpp:1: a macro");
    CHECK(violations("cddrec.hpp", "#define CDDREC_VERSION_MAJOR 0\n").empty());
  }
  SECTION("length") {
    std::string text;
    for (int i = 0; i < longest_header; ++i) text += '\n';
    CHECK(violations("core/a.hpp", text).empty());
    only("core/a.hpp", text + '\n', "core/a.hpp:351: longer");
  }
}

}  // namespace cddrec::test
