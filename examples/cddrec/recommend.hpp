// cddrec recommend: the best unseen items for one history, or for a file of them.
#pragma once

#include "model_file.hpp"
#include "report.hpp"

namespace cddrec::cli {

inline std::vector<data::item> known_items(std::string_view line, const data::id_map& ids, const std::string& where) {
  std::vector<data::item> history;
  const auto tokens = io::split_tokens(line, where);
  for (const auto token : tokens)
    if (const auto known = ids.find(token)) history.push_back(*known);
  if (history.empty()) throw input_error(where + ": the history holds no item that the model knows");
  if (history.size() < tokens.size())
    std::cerr << "cddrec: " << where << ": " << tokens.size() - history.size() << " unknown items dropped\n";
  return history;
}

inline void run_recommend(const std::string& directory, const std::string& history, const std::string& input, index top,
                          const model::generation& made, bool diverse, bool as_json, core::execution how) {
  const loaded_model m = load_model(directory);
  std::vector<std::vector<data::item>> known;
  if (input.empty()) {
    known.push_back(known_items(history, m.ids, "--history"));
  } else {
    std::istringstream lines(io::read_file(input));
    std::string line;
    for (index number = 1; std::getline(lines, line); ++number)
      known.push_back(known_items(line, m.ids, input + ":" + std::to_string(number)));
    if (known.empty()) throw input_error(input + ": is empty; give one history a line");
  }
  if (top > m.ids.size()) std::cerr << "cddrec: --top " << top << " is more than the " << m.ids.size() << " items there are\n";
  const std::vector<std::span<const data::item>> histories(known.begin(), known.end());
  const auto print = [&](const auto& lists) {
    for (std::size_t u = 0; u < lists.size(); ++u) {
      json all = json::array();
      if (!as_json && !input.empty()) std::cout << "history " << u + 1 << '\n';
      for (const auto& [item, score] : lists[u]) {
        if (as_json)
          all.push_back({{"item", m.ids.name(item)}, {"score", score}});
        else
          std::cout << std::fixed << std::setprecision(4) << std::setw(10) << score << "  " << m.ids.name(item) << '\n';
      }
      if (as_json) std::cout << json{{"recommendations", std::move(all)}}.dump() << '\n';
    }
  };
  if (diverse && made.draws < 2) throw input_error("recommend: --diverse lets several draws take turns; give them with --draws");
  with_scorer(m, how, made, [&](const auto& scorer) {
    if constexpr (requires { scorer.draws(); })
      if (diverse) return print(model::diversified(scorer, histories, top, how));
    print(eval::recommend(scorer, histories, top, how));
  });
}

}  // namespace cddrec::cli
