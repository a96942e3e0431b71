// docs/policies.md says of every key what the command takes it for.
#include <sstream>

#include "cddrec/model/recommender.hpp"
#include "io/scratch.hpp"
#include "read.hpp"
#include "settings.hpp"

namespace cddrec::test {

namespace {

using row = std::vector<std::string>;

std::string plain(std::string cell) {
  std::erase(cell, '`');
  return cell;
}

/// The rows of the table of a page whose header begins with `header`, cell by cell.
std::vector<row> table_of(const std::string& page, const std::string& header) {
  const std::size_t begin = page.find("\n" + header);
  REQUIRE(begin != std::string::npos);
  std::istringstream lines(page.substr(begin + 1));
  std::vector<row> rows;
  std::string line;
  std::getline(lines, line), std::getline(lines, line);
  while (std::getline(lines, line) && line.starts_with("| ")) {
    row cells;
    for (std::size_t from = 2, to; (to = line.find(" |", from)) != std::string::npos; from = to + 3)
      cells.push_back(plain(line.substr(from, to - from)));
    rows.push_back(cells);
  }
  return rows;
}

/// Who reads a key, as the page calls them.
std::string readers(const std::string& key) {
  std::string list;
  bool all = true, networks = true;
  for (const std::string& kind : cli::kinds()) {
    const bool reads = cli::concerns(kind, key);
    all = all && reads, networks = networks && reads == cli::is_network(kind);
    if (reads) list += (list.empty() ? "" : ", ") + kind;
  }
  return all ? "all" : networks ? "networks" : list;
}

std::string default_of(const std::string& key) { return cli::setting_keys().at(key).get(cli::defaults()); }

std::string policies() { return read(std::filesystem::path(CDDREC_SOURCE_DIR) / "docs" / "policies.md"); }

}  // namespace

TEST_CASE("docs/policies.md has every key with its range, its default and who reads it") {
  std::map<std::string, row> shown;
  for (const row& cells : table_of(policies(), "| key | range | default |")) {
    REQUIRE(cells.size() == 5);
    INFO(cells[0]);
    CHECK(shown.emplace(cells[0], cells).second);
  }
  CHECK(shown.size() == cli::setting_keys().size());
  for (const auto& [key, access] : cli::setting_keys()) {
    INFO(key);
    REQUIRE(shown.contains(key));
    CHECK(shown[key][1] == access.range);
    CHECK(shown[key][2] == default_of(key));
    CHECK(shown[key][3] == readers(key));
    CHECK_FALSE(shown[key][4].empty());
  }
}

TEST_CASE("docs/policies.md has every preset with what it sets in the place of the defaults") {
  const auto set_all = [](cli::run_settings& s, const std::string& words) {
    std::istringstream in(words);
    for (std::string word; in >> word;) cli::set(s, word.substr(0, word.find('=')), word.substr(word.find('=') + 1));
  };
  const auto rows = table_of(policies(), "| preset |");
  REQUIRE(rows.size() == 5);
  CHECK(rows[0][0] == "each");
  for (std::size_t i = 1; i < rows.size(); ++i) {
    INFO(rows[i][0]);
    cli::run_settings s = cli::defaults();
    set_all(s, rows[0][1]);
    set_all(s, rows[i][1]);
    const cli::run_settings preset = cli::preset(rows[i][0]);
    for (const auto& [key, access] : cli::setting_keys()) {
      INFO(key);
      CHECK(access.get(s) == access.get(preset));
    }
  }
}

TEST_CASE("docs/policies.md has the command's defaults in C++") {
  const std::string page = policies(), recipe = page.substr(page.find("### The same in C++"));
  const auto says = [&](const std::string& before, const std::string& key, const std::string& after) {
    INFO(key);
    CHECK_THAT(recipe, ContainsSubstring(before + cli::setting_keys().at(key).get(cli::defaults()) + after));
  };
  says("linear_schedule{.last = ", "beta_last", "}, ");
  says("}, ", "steps", ");");
  says(".width = ", "width", ",");
  says(".dropout = ", "dropout", ",");
  says(".residual = ", "residual", ",");
  says(".feed_forward = ", "feed_forward", "}");
  says("core::seed{", "seed", "});");
  says("loss::cross_divergence<loss::", "divergence", "> divergence");
  says("divergence{.weight = ", "divergence_weight", "f}");
  says("loss::", "ranking", " ranking");
  says(".temperature = ", "softmax_temperature", "f");
  says(".augmented = ", "ranking_augmented", "}");
  for (const char* key : {"epochs", "sampled_steps", "candidates", "learning_rate", "ema_decay", "patience"})
    says("." + std::string(key) + " = ", key, ",");
  // What it does not name is as the structs have it.
  const cli::run_settings s = cli::defaults();
  const model::recommender_settings m;
  CHECK(s.layers == m.layers);
  CHECK(s.heads == m.heads);
  CHECK(s.max_length == m.max_length);
  CHECK(s.attention_dropout == m.attention_dropout);
  CHECK(s.beta_first == diffusion::linear_schedule{}.first);
  CHECK(s.lambda == 0);
  CHECK(s.softmax_weight == 1);
}

TEST_CASE("an unknown key is refused with the nearest that there is") {
  cli::run_settings s;
  const auto refusal = [&](const std::string& key) { return message_of<input_error>([&] { cli::set(s, key, "1"); }); };
  CHECK(refusal("widht").starts_with("unknown setting 'widht' (did you mean width?); the settings are:\nattention_dropout "));
  CHECK(refusal("learning-rate").starts_with("unknown setting 'learning-rate' (did you mean learning_rate?); "));
  CHECK(refusal("nonsense").starts_with("unknown setting 'nonsense'; the settings are:\n"));
  CHECK(cli::detail::edits("kitten", "sitting") == 3);
  CHECK(cli::detail::edits("", "abc") == 3);
}

}  // namespace cddrec::test
