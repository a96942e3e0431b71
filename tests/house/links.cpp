// Pages lead where they say: every relative link to a file that is there, every anchor to a heading, every function to a header with it.
#include <regex>
#include <set>
#include <sstream>

#include "read.hpp"

namespace cddrec::test {
namespace {

namespace fs = std::filesystem;

/// The lines of a page outside its blocks of code, each with its number.
std::vector<std::pair<int, std::string>> prose(const std::string& markdown) {
  std::vector<std::pair<int, std::string>> lines;
  std::istringstream text(markdown);
  bool code = false;
  int number = 0;
  for (std::string line; std::getline(text, line);) {
    ++number;
    if (line.starts_with("```"))
      code = !code;
    else if (!code)
      lines.emplace_back(number, line);
  }
  return lines;
}

/// The anchor that GitHub gives a heading: small letters, digits, - and _, blanks as -.
std::string anchor(const std::string& heading) {
  std::string made;
  for (const char c : heading) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == ' ') made += '-';
    if (byte >= 0x80 || std::isalnum(byte) || c == '-' || c == '_') made += static_cast<char>(byte < 0x80 ? std::tolower(byte) : byte);
  }
  return made;
}

std::set<std::string> anchors(const std::string& markdown) {
  std::set<std::string> all;
  for (const auto& [number, line] : prose(markdown))
    if (line.starts_with('#')) all.insert(anchor(line.substr(std::min(line.size(), line.find_first_not_of("# ")))));
  return all;
}

/// What is wrong with the links of a page that lies at `place`, each as `line: what`. `read_page` gives the text of a file, "" for none.
template <class Read>
std::vector<std::string> broken(const fs::path& place, const std::string& markdown, Read&& read_page) {
  static const std::regex link(R"(\[([^\]]*)\]\(([^)\s]+)\))"), elsewhere("[a-z]+:.*");
  std::vector<std::string> found;
  for (const auto& [number, line] : prose(markdown))
    for (std::sregex_iterator at(line.begin(), line.end(), link), end; at != end; ++at) {
      const std::string text = (*at)[1], target = (*at)[2], file = target.substr(0, target.find('#'));
      if (std::regex_match(target, elsewhere)) continue;
      const auto report = [&, where = number](const std::string& what) { found.push_back(std::to_string(where) + ": " + what); };
      const std::string other = file.empty() ? markdown : read_page((place.parent_path() / file).lexically_normal());
      if (other.empty()) {
        report("there is no " + file);
        continue;
      }
      if (file.size() < target.size() && !anchors(other).contains(target.substr(file.size() + 1))) report("no heading is called " + target);
      if (!file.ends_with(".hpp") || !text.starts_with('`')) continue;
      // `kernel::name` and `type::name` are looked for as their last name.
      const std::string named = text.substr(1, text.rfind('`') - 1), name = named.substr(named.rfind(':') + 1);
      if (!name.ends_with(".hpp") && !std::regex_search(other, std::regex("\\b" + name + "\\b"))) report(file + " has no " + name);
    }
  return found;
}

std::vector<fs::path> pages() {
  const fs::path root = CDDREC_SOURCE_DIR;
  std::vector<fs::path> all;
  for (const fs::path& folder : {root, root / "docs", root / "docs" / "floors"})
    for (const auto& entry : fs::directory_iterator(folder))
      if (entry.path().extension() == ".md") all.push_back(entry.path().lexically_relative(root));
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace

TEST_CASE("every relative link of a page leads somewhere") {
  const fs::path root = CDDREC_SOURCE_DIR;
  CHECK(pages().size() > 30);
  for (const fs::path& page : pages()) {
    const auto text_of = [&](const fs::path& file) -> std::string {
      if (!fs::exists(root / file)) return "";
      return fs::is_regular_file(root / file) ? read(root / file) : "a folder";
    };
    for (const std::string& what : broken(page, read(root / page), text_of)) FAIL_CHECK(page.string() << ':' << what);
  }
}

TEST_CASE("docs/README.md leads to every page of docs/") {
  const std::string index = read(fs::path(CDDREC_SOURCE_DIR) / "docs" / "README.md");
  for (const fs::path& page : pages()) {
    const std::string name = page.lexically_relative("docs").generic_string();
    if (name.starts_with("..") || name == "README.md") continue;
    INFO(name);
    CHECK(index.find("](" + name + ")") != std::string::npos);
  }
}

TEST_CASE("the reader of links finds what it looks for, with its line") {
  const auto there = [](const fs::path& file) -> std::string {
    if (file == "include/a.hpp") return "void found_here();\n";
    return file == "docs/b.md" ? "# One\n```\n# no heading\n```\n## A `key`, and --more\n" : "";
  };
  const auto only = [&](const std::string& line, const std::string& expected) {
    const auto found = broken("docs/a.md", "# Title\n" + line + "\n", there);
    REQUIRE(found.size() == 1);
    CHECK(found[0] == expected);
  };
  only("see [c](c.md)", "2: there is no c.md");
  only("[b](b.md#two)", "2: no heading is called b.md#two");
  only("[b](b.md#no-heading)", "2: no heading is called b.md#no-heading");
  only("[here](#below)", "2: no heading is called #below");
  only("[`kernel::missing`](../include/a.hpp)", "2: ../include/a.hpp has no missing");
  only("[`found`](../include/a.hpp)", "2: ../include/a.hpp has no found");
  only("[a](b.md) and [`kernel::gone`](../include/a.hpp), [c](b.md)", "2: ../include/a.hpp has no gone");
  const std::string good =
      "# Title\n[`kernel::found_here`](../include/a.hpp) [b](b.md#a-key-and---more) [t](#title) [w](https://x.org/y)\n"
      "```\n[c](c.md)\n```\n";
  CHECK(broken("docs/a.md", good, there).empty());
}

}  // namespace cddrec::test
