#include "cddrec/serve/hnsw.hpp"

#include <latch>
#include <thread>

#define CDDREC_HNSW  // as the programs have it where they find hnswlib
#include "../../examples/retrieval.hpp"
#include "serve/models.hpp"

namespace cddrec::test {

namespace {

constexpr index width = 32;

/// A model whose items lie in clusters of a hundred, as those of a trained one do; with `twins`, items 2 i and 2 i + 1 are the same.
serve::stored_model catalogue(index items, const std::string& score = "cosine", bool twins = false) {
  auto net = serve::make_network("sasrec", {.width = width, .heads = 2, .max_length = 10, .score = score}, items, core::seed{7});
  net.visit([&](const std::string& name, auto& p) {
    if (name != "item_embedding.weight") return;
    for (index i = 0; i < items; ++i) {
      const auto row = static_cast<std::uint64_t>(twins ? i / 2 : i);
      const core::random centre = core::random(core::seed{1}).child(row % static_cast<std::uint64_t>(1 + items / 100));
      const core::random own = core::random(core::seed{2}).child(row);
      const float length = score == "cosine" ? 1.0f : std::exp(2.8f * own.uniform(1000) - 1.4f);
      float middle[width], apart[width];
      centre.normal<float>(0, middle), own.normal<float>(0, apart);
      for (index j = 0; j < width; ++j) p.value(i, j) = length * (middle[j] + 0.7f * apart[j]);
    }
  });
  return {"sasrec", names(items), std::move(net)};
}

std::vector<std::vector<data::item>> clustered_histories(index users, index items) {
  std::vector<std::vector<data::item>> all(static_cast<std::size_t>(users));
  for (index u = 0; u < users; ++u) {
    const core::random draw = core::random(core::seed{9}).child(static_cast<std::uint64_t>(u));
    for (index k = 0; k < 3; ++k) all[static_cast<std::size_t>(u)].push_back(static_cast<data::item>(draw.below(k, items)));
  }
  return all;
}

using list = serve::recommender::list;

struct asked {
  std::vector<std::vector<data::item>> histories;
  std::vector<std::span<const data::item>> views;
  asked(index users, index items) : histories(clustered_histories(users, items)), views(histories.begin(), histories.end()) {}
};

bool holds(const auto& all, data::item one) { return std::find(all.begin(), all.end(), one) != all.end(); }

constexpr index items = 4000;

const serve::recommender& by_graph() {
  static const serve::recommender model(catalogue(items), {}, {}, serve::hnsw{{.ef = 100}});
  return model;
}

}  // namespace

TEST_CASE("the graph finds nearly all of the best items, with their proper scores and in order") {
  const asked who(200, items);
  for (const std::string score : {"cosine", "dot_product", "twins"}) {
    INFO(score);
    const bool twins = score == "twins";
    const serve::recommender model(catalogue(items, twins ? "cosine" : score, twins), {}, {}, serve::hnsw{{.ef = 100}});
    const auto found = model.lists(who.views, 10), exact = model.exact_lists(who.views, 10);
    const double recall = serve::recall_against(found, exact);
    CHECK(recall >= 0.95);
    // What a graph may miss it does miss somewhere: otherwise nothing but exact was tried.
    const serve::recommender hasty(catalogue(items, twins ? "cosine" : score, twins), {}, {},
                                   serve::hnsw{{.m = 2, .ef_construction = 2, .ef = 1}});
    CHECK(serve::recall_against(hasty.lists(who.views, 10), exact) < 0.999);
    const auto all = model.exact_lists(who.views, items);
    for (std::size_t u = 0; u < found.size(); ++u) {
      REQUIRE(found[u].size() == 10);
      CHECK(std::is_sorted(found[u].begin(), found[u].end(), kernel::better<double>));
      for (const auto& one : found[u]) CHECK(std::find(all[u].begin(), all[u].end(), one) != all[u].end());
    }
  }
}

TEST_CASE("what is seen or kept out never appears, and there are as many answers as exact has") {
  const asked who(40, items);
  const auto& model = by_graph();
  const auto best = model.exact_lists(who.views, 60);
  std::vector<data::item> near, every, far;
  for (const auto& one : best)
    for (const auto& [item, score] : one) near.push_back(item);
  std::sort(near.begin(), near.end());
  near.erase(std::unique(near.begin(), near.end()), near.end());
  for (data::item i = 0; i < items; ++i) {
    if (i % 3 != 0) every.push_back(i);            // two in three, spread over all
    if (i % 41 != 5 || i > 300) far.push_back(i);  // all but a cluster, which is far from most: --only
  }
  const std::vector<std::vector<data::item>> kept_out{{}, near, every, far, {near.rbegin(), near.rend()}};
  for (const auto& out : kept_out)
    for (const index k : {index{1}, index{10}, index{150}, index{3999}, std::numeric_limits<index>::max()}) {
      INFO(out.size() << " kept out, top " << k);
      const auto found = model.lists(who.views, k, out), exact = model.exact_lists(who.views, k, out);
      CHECK(serve::recall_against(found, exact) >= 0.95);
      for (std::size_t u = 0; u < found.size(); ++u) {
        CHECK(found[u].size() == exact[u].size());
        index bad = 0;
        for (const auto& [item, score] : found[u]) bad += holds(who.histories[u], item) || holds(out, item) ? 1 : 0;
        CHECK(bad == 0);
      }
    }
  // All that is near is kept out, more than a first search finds: by the list, by the history.
  std::vector<data::item> nearest;
  const auto first = model.exact_lists(std::span(who.views).first(1), 250);
  for (const auto& [item, score] : first[0]) nearest.push_back(item);
  std::vector<data::item> long_history = nearest;
  long_history.insert(long_history.end(), who.histories[0].begin(), who.histories[0].end());
  const std::vector<std::span<const data::item>> same{who.views[0]}, longer{long_history};
  for (const auto& [histories, out] : {std::pair(same, nearest), std::pair(longer, std::vector<data::item>())}) {
    const auto found = model.lists(histories, 10, out), exact = model.exact_lists(histories, 10, out);
    REQUIRE(found[0].size() == 10);
    for (const auto& [item, score] : found[0]) CHECK_FALSE(holds(nearest, item));
    CHECK(serve::recall_against(found, exact) >= 0.9);
  }
}

TEST_CASE("in a small catalogue every item is looked at") {
  for (const index few : {index{1}, index{2}, index{7}, index{399}}) {
    const asked who(20, few);
    index told = 0;
    const serve::recommender model(catalogue(few), {}, {}, serve::hnsw{{.ef = 100}, [&](index, index) { return ++told > 0; }});
    CHECK(told == 0);  // no graph was made
    CHECK(model.lists(who.views, 10) == model.exact_lists(who.views, 10));
  }
  const asked nobody(0, items);
  CHECK(by_graph().lists(nobody.views, 10).empty());
  const std::vector<std::span<const data::item>> nothing(3);
  CHECK(by_graph().lists(nothing, 10) == std::vector<list>(3));
  const asked who(3, items);
  CHECK(by_graph().lists(who.views, 0) == std::vector<list>(3));
  CHECK_THAT(message_of<input_error>([&] { by_graph().lists(who.views, -1); }), ContainsSubstring("-1"));
}

TEST_CASE("eight threads that search one graph get what one gets") {
  const asked who(96, items);
  const auto& model = by_graph();
  const auto together = model.lists(who.views, 10);
  std::vector<std::vector<list>> by_thread(8, std::vector<list>(who.views.size()));
  std::latch begin(8);
  std::vector<std::thread> threads;
  for (std::size_t k = 0; k < 8; ++k)
    threads.emplace_back([&, k] {
      begin.arrive_and_wait();
      for (std::size_t n = 0; n < who.views.size(); ++n) {
        const std::size_t u = (n + 12 * k) % who.views.size();
        by_thread[k][u] = model.lists(std::span(who.views).subspan(u, 1), 10).front();
      }
    });
  for (auto& t : threads) t.join();
  for (const auto& lists : by_thread) CHECK(lists == together);
  CHECK(model.lists(who.views, 10, {}, false, {4}) == together);
}

TEST_CASE("links are many for a large m, however few are the candidates") {
  constexpr index few = 900;
  const asked who(60, few);
  const auto recall = [&](index m, index ef_construction) {
    const serve::recommender model(catalogue(few), {}, {}, serve::hnsw{{.m = m, .ef_construction = ef_construction, .ef = 10}});
    return serve::recall_against(model.lists(who.views, 10), model.exact_lists(who.views, 10));
  };
  CHECK(recall(2, 200) < recall(200, 2) - 0.1);
}

TEST_CASE("items that only rounding tells apart are in the exact order") {
  // Clusters of a hundred items that differ in their last bits.
  auto alike = catalogue(items);
  std::get<serve::network>(alike.model).visit([&](const std::string& name, auto& p) {
    if (name != "item_embedding.weight") return;
    for (index i = 0; i < items; ++i)
      for (index j = 0; j < width; ++j) p.value(i, j) = p.value(i % 40, j) * (1 + 1e-7f * static_cast<float>((i / 40 + j) % 5));
  });
  const asked who(60, items);
  const serve::recommender model(std::move(alike), {}, {}, serve::hnsw{{.ef = 500}});
  // The graph may miss some of so many that are alike; without the margin for rounding half of all places are wrong.
  CHECK(serve::recall_against(model.lists(who.views, 10), model.exact_lists(who.views, 10)) > 0.7);
}

TEST_CASE("the options of the programs are the settings that they are called after") {
  const scratch directory;
  const std::string path = (directory / "").string();
  model_file("sasrec", 900, small_settings()).save(serve::model_path(path));
  const asked who(60, 900);
  const auto lists = cli::open_model(path, {}, {}, {.kind = "hnsw", .m = 2, .ef_construction = 7, .ef = 30}).lists(who.views, 10);
  const auto by = [&](index m, index ef_construction, index ef) {
    return serve::recommender(path, {}, {}, serve::hnsw{{.m = m, .ef_construction = ef_construction, .ef = ef}}).lists(who.views, 10);
  };
  CHECK(lists == by(2, 7, 30));
  CHECK(lists != by(2, 2, 30));
  CHECK(lists != by(2, 200, 30));
  CHECK(lists != by(7, 7, 30));
  CHECK(lists != by(2, 7, 7));
}

TEST_CASE("the same vectors and settings give the same graph") {
  const asked who(100, items);
  const serve::hnsw rough{{.m = 3, .ef_construction = 5, .ef = 10}};
  auto other = rough;
  other.settings.seed = 43;
  const serve::recommender one(catalogue(items), {}, {}, rough), again(catalogue(items), {}, {4}, rough),
      differing(catalogue(items), {}, {}, other);
  CHECK(one.lists(who.views, 10) == again.lists(who.views, 10));
  CHECK(one.lists(who.views, 10) != differing.lists(who.views, 10));
}

TEST_CASE("a graph is refused where there can be none, and stops when it is told to") {
  for (const std::string kind : {"popularity", "markov", "item_knn"})
    CHECK_THAT(message_of<input_error>(
                   [&] { serve::recommender(serve::read_model(model_file(kind, 90, small_settings()), kind), {}, {}, serve::hnsw{}); }),
               ContainsSubstring("counts has no vectors"));
  const auto refused = [](const serve::hnsw_settings& s, const std::string& what) {
    CHECK_THAT(message_of<input_error>([&] { serve::recommender(catalogue(900), {}, {}, serve::hnsw{s}); }), ContainsSubstring(what));
  };
  refused({.m = 1}, "m must be from 2 to 512, not 1");
  refused({.m = 513}, "m must be from 2 to 512, not 513");
  refused({.ef_construction = 0}, "ef_construction must be 1 or more, not 0");
  refused({.ef = 0}, "ef must be 1 or more, not 0");
  index heard = 0;
  const serve::hnsw stops{{}, [&](index done, index all) { return heard = done, all == 900 && done < 300; }};
  CHECK_THAT(message_of<stopped>([&] { serve::recommender(catalogue(900), {}, {}, stops); }), ContainsSubstring("512 of 900"));
  auto diverged = catalogue(900);
  std::get<serve::network>(diverged.model).visit([&](const std::string& name, auto& p) {
    if (name == "item_embedding.weight") p.value(700, 3) = std::numeric_limits<float>::infinity();
  });
  CHECK_THAT(message_of<numeric_error>([&] { serve::recommender(std::move(diverged), {}, {}, serve::hnsw{}); }),
             ContainsSubstring("the vector of item 700 is not finite"));
  auto astray = catalogue(900);
  std::get<serve::network>(astray.model).visit([&](const std::string& name, auto& p) {
    if (name == "position_embedding.weight") p.value(9, 3) = std::numeric_limits<float>::quiet_NaN();
  });
  const serve::recommender lost(std::move(astray), {}, {}, serve::hnsw{});
  CHECK_THAT(message_of<numeric_error>([&] { lost.recommend(tokens{"t1"}); }), ContainsSubstring("the model has diverged"));
}

}  // namespace cddrec::test
