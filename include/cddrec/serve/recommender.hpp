// A model that serves: the tokens of a history in, the best other items with their scores out.
// It is read once and never changes after, so any number of threads may ask it at a time, and each gets what it would get alone.
#pragma once

#include <functional>
#include <memory>

#include "cddrec/model/draws.hpp"
#include "cddrec/serve/model_file.hpp"
#include "cddrec/serve/retrieval.hpp"

namespace cddrec::serve {

struct recommendation {
  std::string item;
  double score;  // see recommender
};

/// What one history gets, best first, and how many of its items the model does not know.
struct recommendations {
  std::vector<recommendation> items;
  index unknown = 0;
};

/// What is asked for.
struct wishes {
  index top = 10;
  std::vector<std::string> exclude = {};              // items that are not to be recommended; the history's own never are
  std::optional<std::vector<std::string>> only = {};  // if given, only these may be recommended
  bool diverse = false;                               // let several draws take turns, each with its best item
  bool refuse_unknown = false;                        // an item that the model does not know is an error
};

/// The scores are cosines, or dot products where the network was trained so (`score=dot_product`); of markov, item_knn and popularity, what
/// those say in baseline/. They order the items of one answer; only cosines can be compared between answers.
class recommender {
 public:
  /// Item numbers and scores, best first.
  using list = std::vector<kernel::scored<double>>;
  /// The same, each score as the mean over several draws, with its standard deviation.
  using spread_list = std::vector<model::spread_score<double>>;

  /// Reads a model directory, as `cddrec train` leaves it. input_error for one that is missing or damaged, and for a way of generation
  /// that the model does not have. `how` is for this alone. `found` is how the best items are found: any `retrieval`.
  template <class Retrieval = exact>
  explicit recommender(const std::filesystem::path& directory, const model::generation& made = {}, core::execution how = {},
                       const Retrieval& found = {})
      : recommender(read_model(load_file(directory), model_path(directory).string()), made, how, found) {}

  /// Serves a model that is in memory.
  template <class Retrieval = exact>
  explicit recommender(stored_model model, const model::generation& made = {}, core::execution how = {}, const Retrieval& found = {})
      : model_(std::make_unique<const stored_model>(std::move(model))) {
    with_scorer(*model_, how, made, [&](auto&& scorer) { keep(std::forward<decltype(scorer)>(scorer), found, how); });
  }

  const std::string& kind() const { return model_->kind; }
  /// Tokens of the items, by number.
  const data::id_map& items() const { return model_->ids; }

  /// For one history, oldest first. One that holds no item that the model knows gets nothing. input_error where `only` and `exclude` leave
  /// no item, `top` is negative, an unknown item is to be refused, or diverse lists are asked of a model with one draw; numeric_error for a
  /// model whose scores are not finite.
  recommendations recommend(std::span<const std::string> history, const wishes& w = {}, core::execution how = {}) const {
    const std::vector<std::string> one(history.begin(), history.end());
    return std::move(recommend({&one, 1}, w, how).front());
  }

  /// The same for several at once, which takes less time for each than one by one.
  std::vector<recommendations> recommend(std::span<const std::vector<std::string>> histories, const wishes& w = {},
                                         core::execution how = {}) const {
    std::vector<recommendations> all(histories.size());
    std::vector<std::vector<data::item>> known;
    for (std::size_t u = 0; u < histories.size(); ++u) known.push_back(numbers(histories[u], w.refuse_unknown, all[u].unknown));
    std::vector<data::item> keep_out;
    if (w.only || !w.exclude.empty()) {
      index unknown = 0;  // what is not there is not recommended, whoever asks
      std::optional<std::vector<data::item>> only;
      if (w.only) only = numbers(*w.only, w.refuse_unknown, unknown);
      keep_out = excluded(numbers(w.exclude, w.refuse_unknown, unknown), only);
    }
    const std::vector<std::span<const data::item>> views(known.begin(), known.end());
    const auto found = lists(views, w.top, keep_out, w.diverse, how);
    for (std::size_t u = 0; u < found.size(); ++u)
      for (const auto& [item, score] : found[u]) all[u].items.push_back({items().name(item), score});
    return all;
  }

  /// The same in item numbers, for those who look tokens up themselves. None of `keep_out` is recommended. Diverse lists are exact,
  /// whatever the retrieval.
  std::vector<list> lists(eval::histories histories, index top, std::span<const data::item> keep_out = {}, bool diverse = false,
                          core::execution how = {}) const {
    return ask(histories, top, keep_out, diverse ? way::diverse : way::retrieved, how);
  }

  /// The same by looking at every item, whatever the retrieval: what recall_against measures an approximate one by.
  std::vector<list> exact_lists(eval::histories histories, index top, std::span<const data::item> keep_out = {},
                                core::execution how = {}) const {
    return ask(histories, top, keep_out, way::exact, how);
  }

  /// The items of every history's list, in its order, each score as the mean over the draws and with its standard deviation
  /// (model::spread). input_error for other than one list a history, and for a model that makes one draw.
  std::vector<spread_list> spread(eval::histories histories, std::span<const list> lists, core::execution how = {}) const {
    if (!spread_) refuse_one_draw("scores have a spread where there are several draws");
    if (histories.size() != lists.size())
      throw input_error("serve::recommender: " + std::to_string(lists.size()) + " lists for " + std::to_string(histories.size()) +
                        " histories; give one each");
    std::vector<spread_list> all(histories.size());
    core::parallel_for(how, static_cast<index>(histories.size()), 1, [&](index u, index) {
      const std::size_t at = static_cast<std::size_t>(u);
      std::vector<data::item> items;
      for (const auto& [item, score] : lists[at]) items.push_back(item);
      if (!items.empty() && !histories[at].empty()) all[at] = spread_(histories[at], items);
    });
    return all;
  }

  /// What is to be kept out, in rising order: `exclude` and, if `only` is given, all that it does not hold. input_error if no item is left,
  /// or for one that is none of the model's.
  std::vector<data::item> excluded(std::span<const data::item> exclude, const std::optional<std::vector<data::item>>& only) const {
    if (only && only->empty()) throw input_error("recommend: `only` holds no item of the model");
    std::vector<bool> out(static_cast<std::size_t>(items().size()), only.has_value());
    const auto put = [&](std::span<const data::item> some, bool value) {
      for (const data::item i : some) {
        if (i < 0 || i >= items().size())
          throw input_error("serve::recommender: item " + std::to_string(i) + " is not one of the model's " +
                            std::to_string(items().size()));
        out[static_cast<std::size_t>(i)] = value;
      }
    };
    if (only) put(*only, false);
    put(exclude, true);
    std::vector<data::item> all;
    for (std::size_t i = 0; i < out.size(); ++i)
      if (out[i]) all.push_back(static_cast<data::item>(i));
    if (all.size() == out.size())
      throw input_error(only ? "recommend: `exclude` and `only` together leave no item" : "recommend: `exclude` leaves no item");
    return all;
  }

 private:
  enum class way { retrieved, exact, diverse };

  std::vector<list> ask(eval::histories histories, index top, std::span<const data::item> keep_out, way w, core::execution how) const {
    std::vector<std::span<const data::item>> some;
    for (const auto& history : histories)
      if (!history.empty()) some.push_back(history);
    std::vector<list> found = ask_(some, top, keep_out, w, how), all;
    for (auto next = found.begin(); const auto& history : histories) all.push_back(history.empty() ? list() : std::move(*next++));
    return all;
  }

  template <class Scorer, class Retrieval>
  void keep(Scorer&& scorer, const Retrieval& retrieval, core::execution how) {
    using S = std::remove_cvref_t<Scorer>;
    static_assert(serve::retrieval<Retrieval, S>);
    std::shared_ptr<const S> kept;
    if constexpr (std::is_lvalue_reference_v<Scorer>)
      kept = std::shared_ptr<const S>(std::shared_ptr<const S>(), &scorer);  // the model itself, which is ours already
    else
      kept = std::make_shared<const S>(std::move(scorer));
    ask_ = [kept, found = retrieval.prepare(*kept, how)](auto&&... asked) { return best(*kept, found, asked...); };
    if constexpr (requires { kept->draws(); })
      if (kept->draws() > 1)
        spread_ = [kept](std::span<const data::item> history, std::span<const data::item> items) {
          spread_list wide;
          const auto narrow = model::spread(*kept, {&history, 1}, items);
          for (const auto& [item, score, deviation] : narrow.front())
            wide.push_back({item, static_cast<double>(score), static_cast<double>(deviation)});
          return wide;
        };
  }

  template <class S, class Found>
  static std::vector<list> best(const S& scorer, const Found& found, eval::histories histories, index top,
                                std::span<const data::item> keep_out, way w, core::execution how) {
    const auto widened = [](const auto& narrow) {
      std::vector<list> wide;
      for (const auto& one : narrow) {
        wide.emplace_back();
        for (const auto& [item, score] : one) wide.back().push_back({item, static_cast<double>(score)});
      }
      return wide;
    };
    if (w == way::retrieved) return widened(found(histories, top, keep_out, how));
    if (w == way::exact) return widened(exact().prepare(scorer, how)(histories, top, keep_out, how));
    if constexpr (requires { scorer.draws(); })
      if (scorer.draws() > 1) return widened(model::diversified(scorer, histories, top, how, keep_out));
    refuse_one_draw("in diverse lists several draws take turns");
  }

  [[noreturn]] static void refuse_one_draw(const std::string& why) {
    throw input_error("serve::recommender: " + why + ", and this model makes one");
  }

  std::vector<data::item> numbers(std::span<const std::string> tokens, bool refuse_unknown, index& unknown) const {
    std::vector<data::item> known;
    for (const std::string& token : tokens) {
      const auto number = items().find(token);
      if (number)
        known.push_back(*number);
      else if (refuse_unknown)
        throw input_error("the model does not know the item " + io::quoted(token, '\'') + "; leave it out");
      else
        ++unknown;
    }
    return known;
  }

  std::unique_ptr<const stored_model> model_;  // at an address of its own: the scorer refers to it
  std::function<std::vector<list>(eval::histories, index, std::span<const data::item>, way, core::execution)> ask_;
  std::function<spread_list(std::span<const data::item>, std::span<const data::item>)> spread_;  // none where there is one draw
};

}  // namespace cddrec::serve
