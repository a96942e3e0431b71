#include "cddrec/serve/retrieval.hpp"

#include "serve/models.hpp"

namespace cddrec::test {

namespace {

/// A retrieval of a stranger's own: the first items that are neither seen nor kept out, whatever their scores.
struct first_come {
  template <eval::scorer S>
  auto prepare(const S& scorer, core::execution) const {
    return [&scorer](eval::histories users, index k, std::span<const data::item> excluded, core::execution) {
      const auto holds = [](const auto& all, data::item i) { return std::find(all.begin(), all.end(), i) != all.end(); };
      std::vector<std::vector<kernel::scored<typename S::scalar>>> lists(users.size());
      for (std::size_t u = 0; u < users.size(); ++u)
        for (data::item i = 0; i < scorer.items() && static_cast<index>(lists[u].size()) < k; ++i)
          if (!holds(users[u], i) && !holds(excluded, i)) lists[u].push_back({i, 0});
      return lists;
    };
  }
};

}  // namespace

TEST_CASE("a retrieval of one's own serves models of every kind, and exact lists stay exact") {
  for (const std::string& kind : all_kinds()) {
    INFO(kind);
    const auto model = [&] { return serve::read_model(model_file(kind, 90, small_settings()), kind); };
    const serve::recommender own(model(), {}, {}, first_come{}), usual(model());
    const auto found = own.recommend(tokens{"t0", "t2"}, {.top = 3, .exclude = {"t3"}}).items;
    REQUIRE(found.size() == 3);
    CHECK(found[0].item == "t1");
    CHECK(found[1].item == "t4");
    CHECK(found[2].item == "t5");
    const std::vector<data::item> history{0, 2};
    const std::vector<std::span<const data::item>> histories{history, {}};
    CHECK(own.exact_lists(histories, 5, history) == usual.lists(histories, 5, history));
    CHECK(own.lists(histories, 5)[1].empty());
  }
}

TEST_CASE("recall counts the items of the exact lists that are found") {
  using lists = std::vector<std::vector<kernel::scored<double>>>;
  const lists exact{{{1, 9.0}, {2, 8.0}}, {{3, 9.0}, {4, 8.0}}};
  CHECK(serve::recall_against(lists{{{2, 8.0}, {1, 9.0}}, {{4, 8.0}}}, exact) == 0.75);
  CHECK(serve::recall_against(exact, exact) == 1);
  CHECK(serve::recall_against(lists{{}}, lists{{}}) == 1);
  CHECK_THROWS_WITH(serve::recall_against(lists{}, exact), "serve::recall_against: 0 lists found, but 2 exact ones");
}

}  // namespace cddrec::test
