#include "cddrec/serve/recommender.hpp"

#include <latch>
#include <thread>

#include "serve/models.hpp"

namespace cddrec::test {

namespace {

bool same(const serve::recommendations& a, const serve::recommendations& b) {
  return a.unknown == b.unknown && std::equal(a.items.begin(), a.items.end(), b.items.begin(), b.items.end(),
                                              [](const auto& x, const auto& y) { return x.item == y.item && x.score == y.score; });
}

tokens items_of(const serve::recommendations& r) {
  tokens all;
  for (const auto& one : r.items) all.push_back(one.item);
  return all;
}

bool holds(const tokens& all, const std::string& one) { return std::find(all.begin(), all.end(), one) != all.end(); }

}  // namespace

TEST_CASE("eight threads that ask one const model get what one gets, whatever the kind") {
  const auto histories = small_histories(96);
  for (const std::string& kind : all_kinds()) {
    INFO(kind);
    const serve::recommender model = small_model(kind);
    std::vector<serve::recommendations> alone;
    for (const auto& history : histories) alone.push_back(model.recommend(history));
    // All begin together, each somewhere else, so that they do meet.
    std::vector<std::vector<serve::recommendations>> by_thread(8, std::vector<serve::recommendations>(histories.size()));
    std::latch begin(8);
    std::vector<std::thread> threads;
    for (std::size_t k = 0; k < 8; ++k)
      threads.emplace_back([&, k] {
        begin.arrive_and_wait();
        for (std::size_t n = 0; n < histories.size(); ++n) {
          const std::size_t u = (n + 12 * k) % histories.size();
          by_thread[k][u] = model.recommend(histories[u]);
        }
      });
    for (auto& t : threads) t.join();
    by_thread.push_back(model.recommend(histories, {}, {4}));  // and all at once
    for (const auto& answers : by_thread)
      for (std::size_t u = 0; u < histories.size(); ++u) {
        const bool as_alone = alone[u].items.size() == 10 && same(alone[u], answers[u]);
        CHECK(as_alone);
      }
  }
}

TEST_CASE("users in another order and items of other names change nothing") {
  const auto histories = small_histories(40);
  const auto other = [](const std::string& item) { return "\u00fc " + item.substr(1) + "#"; };  // a name with a space, not ASCII
  for (const std::string& kind : all_kinds()) {
    INFO(kind);
    const serve::recommender model = small_model(kind);
    serve::stored_model stored = serve::read_model(model_file(kind, model.items().size(), small_settings()), kind);
    data::id_map renamed;
    for (index i = 0; i < stored.ids.size(); ++i) renamed.add(other(stored.ids.name(static_cast<data::item>(i))));
    stored.ids = renamed;
    const serve::recommender model_renamed(std::move(stored));

    const auto lists = model.recommend(histories);
    std::vector<tokens> backwards(histories.rbegin(), histories.rend()), in_other_names;
    for (const auto& history : histories)
      std::transform(history.begin(), history.end(), std::back_inserter(in_other_names.emplace_back()), other);
    const auto reversed = model.recommend(backwards), other_lists = model_renamed.recommend(in_other_names);
    for (std::size_t u = 0; u < histories.size(); ++u) {
      auto expected = lists[u];
      const bool as_reversed = same(expected, reversed[histories.size() - 1 - u]);
      for (auto& one : expected.items) one.item = other(one.item);
      const bool as_renamed = same(expected, other_lists[u]);
      CHECK(as_reversed);
      CHECK(as_renamed);
    }
  }
}

TEST_CASE("a list is that of eval::recommend, in tokens") {
  const auto settings = small_settings();
  const auto net = serve::make_network("cddrec", settings, 90, core::seed{7});
  const std::vector<data::item> history{3, 1, 4, 15, 9};
  const auto expected = net.recommend(history, 7);
  const auto found = small_model("cddrec").recommend(tokens{"t3", "t1", "t4", "t15", "t9"}, {.top = 7});
  REQUIRE(found.items.size() == 7);
  CHECK(found.unknown == 0);
  for (std::size_t i = 0; i < 7; ++i) {
    CHECK(found.items[i].item == token(expected[i].item));
    CHECK(found.items[i].score == static_cast<double>(expected[i].score));
  }
}

TEST_CASE("items are kept out by name, or all others are") {
  const serve::recommender model = small_model("cddrec");
  const tokens history{"t3", "t1"};
  const tokens all = items_of(model.recommend(history, {.top = 90}));
  CHECK(all.size() == 88);
  CHECK_FALSE(holds(all, "t3"));
  tokens expected(all.begin() + 2, all.begin() + 12);
  CHECK(items_of(model.recommend(history, {.exclude = {all[0], all[1], "no such item"}})) == expected);
  expected = {all[5], all[40]};
  CHECK(items_of(model.recommend(history, {.only = tokens{all[40], "t3", all[5], "no such item"}})) == expected);
  expected = {all[40]};
  CHECK(items_of(model.recommend(history, {.exclude = {all[5]}, .only = tokens{all[40], all[5]}})) == expected);
  for (const serve::wishes& w :
       {serve::wishes{.only = tokens{}}, {.only = tokens{"no such item"}}, {.exclude = {"t8"}, .only = tokens{"t8"}}})
    CHECK_THAT(message_of<input_error>([&] { model.recommend(history, w); }), ContainsSubstring("no item"));
  CHECK(model.recommend(history, {.top = 0}).items.empty());
  for (const data::item wrong : {-1, 90, INT32_MIN, INT32_MAX}) {
    const std::vector<data::item> one{wrong};
    const std::string message = "serve::recommender: item " + std::to_string(wrong) + " is not one of the model's 90";
    CHECK_THAT(message_of<input_error>([&] { model.excluded(one, std::nullopt); }), ContainsSubstring(message));
    CHECK_THAT(message_of<input_error>([&] { model.excluded({}, one); }), ContainsSubstring(message));
  }
  CHECK_THAT(message_of<input_error>([&] { model.recommend(history, {.top = -1}); }), ContainsSubstring("-1"));
}

TEST_CASE("an item that the model does not know is dropped and counted, or an error") {
  const serve::recommender model = small_model("sasrec");
  const auto with = model.recommend(tokens{"x", "t3", "y", "t1"}), without = model.recommend(tokens{"t3", "t1"});
  CHECK(with.unknown == 2);
  CHECK(items_of(with) == items_of(without));
  const auto none = model.recommend(tokens{"x"});
  CHECK(none.unknown == 1);
  CHECK(none.items.empty());
  CHECK(model.recommend(tokens{}).items.empty());
  const std::vector<tokens> several{{"x"}, {"t3", "t1"}, {}};
  const auto answers = model.recommend(several);
  REQUIRE(answers.size() == 3);
  CHECK(answers[0].items.empty());
  CHECK(items_of(answers[1]) == items_of(without));
  CHECK(answers[2].items.empty());
  const auto refused = [&](const tokens& history, serve::wishes w) {
    w.refuse_unknown = true;
    CHECK_THAT(message_of<input_error>([&] { model.recommend(history, w); }), ContainsSubstring("does not know the item 'x'"));
  };
  refused({"t1", "x"}, {});
  refused({"t1"}, {.exclude = {"x"}});
  refused({"t1"}, {.only = tokens{"x"}});
  // Whoever reads the error is sent nothing that a terminal obeys, and not all of a long one.
  const auto told = [&](const std::string& item) {
    return message_of<input_error>([&] { model.recommend(tokens{item}, {.refuse_unknown = true}); });
  };
  CHECK(told("a\x1B[2J\n'") == "the model does not know the item 'a\\x1B[2J\\x0A\\''; leave it out");
  CHECK(told(std::string(100'000, 'x')) == "the model does not know the item '" + std::string(60, 'x') + "'…; leave it out");
}

TEST_CASE("several draws take turns where lists are to be diverse") {
  const tokens history{"t3", "t1", "t4"};
  const model::generation several{.kind = model::way::ancestral, .stop = 3, .draws = 4};
  const serve::recommender model = small_model("cddrec", 90, several);
  const tokens diverse = items_of(model.recommend(history, {.diverse = true}));
  CHECK(diverse.size() == 10);
  CHECK(diverse != items_of(model.recommend(history)));
  CHECK_THAT(message_of<input_error>([&] { small_model("cddrec").recommend(history, {.diverse = true}); }), ContainsSubstring("draws"));
  CHECK_THAT(message_of<input_error>([&] { small_model("markov").recommend(history, {.diverse = true}); }), ContainsSubstring("draws"));
  CHECK_THAT(message_of<input_error>([&] { small_model("sasrec", 90, several); }), ContainsSubstring("has no diffusion"));
}

TEST_CASE("scores have a spread over several draws, item by item of a list") {
  const std::vector<data::item> first{3, 1, 4}, none, third{7};
  const std::vector<std::span<const data::item>> histories{first, none, third};
  const serve::recommender model = small_model("cddrec", 90, {.kind = model::way::ancestral, .stop = 3, .draws = 4});
  for (const bool diverse : {false, true}) {
    const auto lists = model.lists(histories, 5, {}, diverse);
    const auto spread = model.spread(histories, lists);
    CHECK(spread == model.spread(histories, lists, {2}));
    CHECK(spread[1].empty());
    for (const std::size_t u : {std::size_t{0}, std::size_t{2}}) {
      REQUIRE(spread[u].size() == 5);
      // A mean of cosines is the cosine with the mean times its length: one factor for all items of a history.
      const double factor = spread[u][0].score / lists[u][0].score;
      CHECK(factor <= 1 + 1e-6);
      for (std::size_t k = 0; k < 5; ++k) {
        CHECK(spread[u][k].item == lists[u][k].item);
        CHECK(spread[u][k].score == Approx(factor * lists[u][k].score).margin(1e-5));
        CHECK(spread[u][k].deviation > 0);
      }
    }
  }
  CHECK_THAT(message_of<input_error>([&] { model.spread(histories, {}); }), ContainsSubstring("0 lists for 3 histories"));
  const serve::recommender one = small_model("cddrec");
  CHECK_THAT(message_of<input_error>([&] { one.spread(histories, one.lists(histories, 5)); }), ContainsSubstring("this model makes one"));
}

TEST_CASE("a recommender may be moved, and opens a directory") {
  const scratch directory;
  model_file("cddrec", 90, small_settings()).save(serve::model_path(directory / ""));
  const auto expected = small_model("cddrec").recommend(tokens{"t1"});
  serve::recommender first(directory / "");
  const serve::recommender second = std::move(first);
  CHECK(second.kind() == "cddrec");
  CHECK(second.items().size() == 90);
  CHECK(same(second.recommend(tokens{"t1"}), expected));
  CHECK_THAT(message_of<input_error>([&] { serve::recommender(directory / "nothing"); }), ContainsSubstring("holds no model"));
}

}  // namespace cddrec::test
