// cddrec recommend: the best unseen items for one history, or for a file of them.
#pragma once

#include "../retrieval.hpp"
#include "display.hpp"
#include "report.hpp"
#include "settings_file.hpp"

namespace cddrec::cli {

struct recommend_options {
  std::string model, history, input;
  std::string unknown = "drop";  // or "error"
  std::string exclude, only;     // files of items
  index top = 10;
  bool diverse = false, spread = false, as_json = false;
  retrieval_options retrieval = {};
};

/// input_error if more than one of the inputs of a command is "-".
inline void one_standard_input(const std::string& command, std::initializer_list<std::string> inputs) {
  if (std::count(inputs.begin(), inputs.end(), "-") > 1)
    throw input_error(command + ": standard input can be read for one thing only; name a file for the other");
}

/// Histories as the model numbers them; what it does not know is dropped and counted, or an error.
class known_items {
 public:
  known_items(const data::id_map& ids, bool drop) : ids_(ids), drop_(drop) {}

  /// Items are parted by blanks; on a line with a tab by tabs alone, so that their ids may hold blanks.
  std::vector<data::item> operator()(std::string_view line, const std::string& where) {
    std::vector<data::item> known;
    const auto add = [&](std::string_view token) {
      const auto number = ids_.find(token);
      if (number) return known.push_back(*number);
      if (!drop_) throw input_error(where + ": the model does not know the item '" + std::string(token) + "'; leave it out");
      if (dropped_++ == 0) first_ = where, first_token_ = token;
    };
    const auto tokens = io::split_tokens(line, where);
    if (line.find('\t') == line.npos) {
      for (const auto token : tokens) add(token);
      return known;
    }
    for (std::size_t begin = 0; begin <= line.size();) {
      const std::size_t end = std::min(line.find('\t', begin), line.size());
      const std::string_view field = detail::trimmed(line.substr(begin, end - begin));
      begin = end + 1;
      // If blanks and tabs are mixed, a field that is no item but contains one is split at its blanks.
      const auto parts = io::split_tokens(field, where);
      const bool mixed = !ids_.find(field) && std::any_of(parts.begin(), parts.end(), [&](auto part) { return ids_.find(part); });
      if (mixed)
        for (const auto part : parts) add(part);
      else if (!field.empty())
        add(field);
    }
    return known;
  }
  /// The first that was dropped since tell(); nothing if none was.
  const std::string& first_dropped() const { return first_token_; }
  /// Reports how many were dropped since the last call.
  void tell() {
    if (dropped_ > 0)
      std::cerr << "cddrec: " << first_ << ": " << dropped_ << " unknown items dropped" << (dropped_ > 1 ? " from here on" : "") << '\n';
    dropped_ = 0, first_token_.clear();
  }

 private:
  const data::id_map& ids_;
  bool drop_;
  index dropped_ = 0;
  std::string first_, first_token_;
};

/// The items of a file.
inline std::vector<data::item> items_in(const std::string& path, known_items& known) {
  std::vector<data::item> all;
  const std::string text = io::read_text(path);
  index number = 1;
  for (std::string_view rest = text; !rest.empty(); ++number)
    for (const data::item i : known(io::take_line(rest), io::name_of_input(path) + ":" + std::to_string(number))) all.push_back(i);
  return all;
}

/// The items to recommend to nobody: those of one file, and all but those of the other.
inline std::vector<data::item> excluded_items(const serve::recommender& m, const std::string& exclude, const std::string& only,
                                              known_items& known) {
  std::optional<std::vector<data::item>> alone;
  if (!only.empty()) alone = items_in(only, known);
  const std::vector<data::item> out = exclude.empty() ? std::vector<data::item>() : items_in(exclude, known);
  known.tell();
  return m.excluded(out, alone);
}

/// Calls f(first, lists) with the best unseen items of the histories first, first + 1, …; a history without items has none. Some are made
/// at a time, so that not all are in memory, and a bar on the terminal shows how many, unless f writes there, too.
template <class F>
void for_all_lists(const serve::recommender& m, eval::histories all, index top, std::span<const data::item> excluded, bool diverse,
                   core::execution how, F&& f) {
  constexpr std::size_t batch = 1024;
  std::optional<work_display> bar;
  if (all.size() > 1 && !terminal::of(STDOUT_FILENO).on) bar.emplace("recommending");
  const core::progress tell = bar ? bar->tell() : core::progress();
  core::progress_count done(tell, static_cast<index>(all.size()));
  for (std::size_t begin = 0; begin < all.size(); begin += batch) {
    done.add(0);
    const auto lists = m.lists(all.subspan(begin, std::min(batch, all.size() - begin)), top, excluded, diverse, how);
    f(begin, lists);
    done.add(static_cast<index>(lists.size()));
  }
}

/// Reports which share of the exact lists' items is in the lists found by the graph, and how long both take: on at most a thousand of the
/// histories, evenly spread.
inline void tell_recall(const serve::recommender& m, eval::histories all, index top, std::span<const data::item> excluded,
                        core::execution how, double graph_seconds) {
  constexpr std::size_t most = 1000;
  std::vector<std::span<const data::item>> answered, some;
  std::copy_if(all.begin(), all.end(), std::back_inserter(answered), [](const auto& history) { return !history.empty(); });
  for (std::size_t k = 0; k < std::min(most, answered.size()); ++k)
    some.push_back(answered[k * answered.size() / std::min(most, answered.size())]);
  if (some.empty()) return;
  const double each = 1000 / static_cast<double>(some.size());
  const stopwatch by_graph;
  const auto found = m.lists(some, top, excluded, false, how);
  const double found_ms = each * by_graph.seconds();
  const stopwatch exactly;
  const auto exact = m.exact_lists(some, top, excluded, how);
  const double exact_ms = each * exactly.seconds();
  std::cerr << std::fixed << std::setprecision(4) << "cddrec: hnsw: recall@" << top << ' ' << serve::recall_against(found, exact)
            << " against exact on " << some.size() << " of " << answered.size() << " histories; " << std::setprecision(3) << found_ms
            << " ms each, exact " << exact_ms << " ms; the graph took " << std::setprecision(1) << graph_seconds << " s\n";
}

inline void run_recommend(const recommend_options& o, const model::generation& made, core::execution how) {
  if (o.history.empty() && o.input.empty()) throw input_error("recommend: give a history with --history, or a file of them with --input");
  one_standard_input("recommend", {o.input, o.exclude, o.only});
  if (o.diverse && made.draws < 2) throw input_error("recommend: --diverse needs several draws that take turns; give --draws 2 or more");
  if (o.spread && made.draws < 2) throw input_error("recommend: --spread is that of several draws; give --draws 2 or more");
  if (o.diverse && o.retrieval.kind != "exact")
    throw input_error("recommend: --diverse lists are exact; leave out --retrieval " + o.retrieval.kind);
  std::optional<work_display> bar;
  if (o.retrieval.kind != "exact") bar.emplace("making the graph");
  std::optional<stopwatch> graph;  // from the first item on
  const serve::recommender m = open_model(o.model, made, how, o.retrieval, [&](index done, index items) {
    if (!graph) graph.emplace();
    return bar->tell()(done, items);
  });
  const double graph_seconds = graph ? graph->seconds() : 0;
  bar.reset();
  if (o.retrieval.kind != "exact" && !graph)
    std::cerr << "cddrec: --retrieval " << o.retrieval.kind << ": " << m.items().size()
              << " items are too few for a graph, so all are looked at; a graph needs four times --hnsw-ef\n";
  known_items known(m.items(), o.unknown == "drop");
  const std::vector<data::item> excluded = excluded_items(m, o.exclude, o.only, known);
  std::vector<std::vector<data::item>> all;
  if (o.input.empty()) {
    all.push_back(known(o.history, "--history"));
    if (const std::string& first = known.first_dropped(); all[0].empty())
      throw input_error("--history: holds no item that the model knows" +
                        (first.empty() ? "" : " (the first is " + io::quoted(first, '\'') + ")") +
                        "; separate ids by blanks, or by tabs if they hold blanks (after a single id, too)");
  } else {
    const std::string text = io::read_text(o.input), name = io::name_of_input(o.input);
    for (std::string_view rest = text; !rest.empty();) {
      const std::string_view line = io::take_line(rest);
      all.push_back(known(line, name + ":" + std::to_string(all.size() + 1)));
    }
    if (all.empty()) throw input_error(name + ": is empty; give one history per line");
  }
  known.tell();
  if (o.top > m.items().size()) std::cerr << "cddrec: --top " << o.top << " is more than the " << m.items().size() << " items there are\n";
  if (const auto none = std::count_if(all.begin(), all.end(), [](const auto& h) { return h.empty(); }); none > 0)
    std::cerr << "cddrec: " << none << " histories hold no item that the model knows: nothing is recommended for them\n";

  const auto print = [&](std::size_t number, const auto& list) {
    json items = json::array();
    if (!o.as_json && !o.input.empty()) std::cout << "history " << number << '\n';
    for (const auto& one : list) {
      constexpr bool spread = requires { one.deviation; };
      if (o.as_json) {
        items.push_back({{"item", m.items().name(one.item)}, {"score", one.score}});
        if constexpr (spread) items.back()["deviation"] = one.deviation;
      } else {
        std::cout << std::fixed << std::setprecision(4) << std::setw(10) << one.score;
        if constexpr (spread) std::cout << " ± " << one.deviation;
        std::cout << "  " << m.items().name(one.item) << '\n';
      }
    }
    if (o.as_json) std::cout << json{{"recommendations", std::move(items)}}.dump() << '\n';
  };
  const std::vector<std::span<const data::item>> histories(all.begin(), all.end());
  for_all_lists(m, histories, o.top, excluded, o.diverse, how, [&](std::size_t first, const auto& lists) {
    const auto print_all = [&](const auto& some) {
      for (std::size_t u = 0; u < some.size(); ++u) print(first + u + 1, some[u]);
    };
    o.spread ? print_all(m.spread(std::span(histories).subspan(first, lists.size()), lists, how)) : print_all(lists);
  });
  if (graph) tell_recall(m, histories, o.top, excluded, how, graph_seconds);
}

}  // namespace cddrec::cli
