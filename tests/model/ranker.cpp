#include "cddrec/model/ranker.hpp"

#include <thread>

#include "model/small_network.hpp"
#include "test.hpp"

namespace cddrec::test {

TEST_CASE("a ranker is a scorer with rough scores") { STATIC_REQUIRE(eval::rough_scorer<model::ranker<network>>); }

TEST_CASE("a user's prediction has the same bits alone and among 2000, for any threads") {
  const auto net = make();
  const auto users = histories(2000);  // more than are encoded together
  const auto together = predictions(net, users);
  CHECK(together.allFinite());
  for (int threads : {2, 4}) CHECK(same_bits(predictions(net, users, threads), together));
  for (std::size_t u = 0; u < users.size(); u += 101)
    CHECK(same_bits<float>(predictions(net, {users[u]}), together.row(static_cast<index>(u))));
}

TEST_CASE("no user's prediction changes when another user changes") {
  const auto net = make();
  auto users = histories(20);
  const auto before = predictions(net, users);
  users[7] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  const auto after = predictions(net, users);
  for (index u = 0; u < 20; ++u) CHECK(same_bits<float>(after.row(u), before.row(u)) == (u != 7));
}

TEST_CASE("an item's score is its cosine, with the same bits in any block and alone") {
  const auto net = make();
  const model::ranker<network> ranker(net);
  const auto users = histories(15);
  const auto views = spans(users);
  const auto q = ranker.encode(views, {1});
  core::matrix<float> all(15, catalogue), items;
  ranker.score(q, 0, all, {1});
  net.visit([&](const std::string& name, const auto& p) {
    if (name == "item_embedding.weight") items = p.value.topRows(catalogue);
  });
  const core::matrix<double> unit = items.cast<double>().rowwise().normalized();
  for (index u = 0; u < 15; ++u)
    for (index i = 0; i < catalogue; ++i) {
      double cosine = 0;
      for (index c = 0; c < 12; ++c) cosine += unit(i, c) * static_cast<double>(q.unit[static_cast<std::size_t>(u * 12 + c)]);
      REQUIRE(std::abs(cosine - static_cast<double>(all(u, i))) < 1e-6);
      REQUIRE(ranker.score_item(q, u, static_cast<item>(i)) == all(u, i));
    }
  for (index first : {1, 16, 32, 64, 100, 149})
    for (int threads : {1, 4}) {
      core::matrix<float> block(15, catalogue - first);
      ranker.score(q, first, block, {threads});
      CHECK(same_bits<float>(block, all.rightCols(catalogue - first)));
    }
}

TEST_CASE("of a long history the newest items are read, in their order") {
  const auto net = make();
  std::vector<item> history;
  for (item i = 0; i < 33; ++i) history.push_back((7 * i) % static_cast<item>(catalogue));
  const std::vector<item> newest(history.end() - 20, history.end());
  CHECK(same_bits(predictions(net, {history}), predictions(net, {newest})));
  auto changed = history;
  changed[12] = 149;  // the newest that is not read
  CHECK(same_bits(predictions(net, {changed}), predictions(net, {history})));
  changed[13] = 149;  // the oldest that is
  CHECK_FALSE(same_bits(predictions(net, {changed}), predictions(net, {history})));
  std::swap(history[31], history[32]);
  CHECK_FALSE(same_bits(predictions(net, {history}), predictions(net, {newest})));
}

TEST_CASE("an item that the network does not know is refused") {
  const network net = make();
  for (const item unknown : {item(-1), item(catalogue)})
    CHECK_THROWS_WITH(net.recommend(std::vector<item>{1, unknown}, 3), ContainsSubstring("item " + std::to_string(unknown)));
}

TEST_CASE("some items' scores have the bits they have among all") {
  const auto net = make();
  const model::ranker<network> ranker(net);
  const auto users = histories(4);
  const auto q = ranker.encode(spans(users), {});
  core::matrix<float> all(4, catalogue);
  ranker.score(q, 0, all, {});
  const std::vector<item> some{149, 3, 3, 77, 0, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28};
  std::vector<float> scores(some.size());
  ranker.score_items(q, 2, some, scores);
  for (std::size_t i = 0; i < some.size(); ++i) CHECK(scores[i] == all(2, some[i]));
}

TEST_CASE("rough scores are within their error, and not far within") {
  const auto net = make();
  const model::ranker<network> ranker(net);
  const auto users = histories(30);
  const auto q = ranker.encode(spans(users), {});
  core::matrix<float> proper(30, catalogue), rough(30, catalogue);
  ranker.score(q, 0, proper, {});
  ranker.score_roughly(q, 0, rough, {});
  CHECK_FALSE(same_bits<float>(rough, proper));
  for (index u = 0; u < 30; ++u) {
    const float off = (rough.row(u) - proper.row(u)).cwiseAbs().maxCoeff();
    CHECK(off <= ranker.rough_error(q, u));
    CHECK(ranker.rough_error(q, u) < 20 * off);
  }
  for (index first : {0, 1, 16, 64, 149})
    for (int threads : {1, 4}) {
      core::matrix<float> block(30, catalogue - first);
      ranker.score_roughly(q, first, block, {threads});
      CHECK(same_bits<float>(block, rough.rightCols(catalogue - first)));
    }
}

TEST_CASE("rankings and recommendations are those of the proper scores, to the bit") {
  const auto net = make();
  const auto users = histories(70);
  const auto views = spans(users);
  const model::ranker<network> fast(net), proper(net, {1}, 0);
  CHECK_FALSE(std::isfinite(proper.rough_error(proper.encode(views, {}), 0)));
  data::sequences log;
  std::vector<data::prefix> before_last;
  for (std::size_t u = 0; u < users.size(); ++u) {
    auto sequence = users[u];
    sequence.push_back(static_cast<item>((u * 31) % catalogue));
    log.push_back(sequence);
    before_last.push_back({static_cast<std::int32_t>(u), static_cast<std::int32_t>(users[u].size())});
  }
  const data::cases cases(log, before_last);
  for (int threads : {1, 4})
    for (const eval::block_sizes blocks : {eval::block_sizes{}, {7, 10}, {1, 64}, {60, 48}, {100, 1}}) {
      CHECK(eval::rank(fast, cases, {threads}, blocks) == eval::rank(proper, cases, {1}));
      for (index k : {1, 7, 150})
        CHECK(eval::recommend(fast, views, k, {threads}, {.blocks = blocks}) == eval::recommend(proper, views, k, {1}));
    }
}

TEST_CASE("of several blocks of items the worst rounded counts, and no result changes by a bit") {
  const index items = 600;
  auto net = make({.items = items, .width = 12, .layers = 2, .heads = 3, .max_length = 20});
  net.visit([&](const std::string& name, auto& p) {
    if (name != "item_embedding.weight") return;
    // Unit rows of the first two blocks of 256 have four halves, which fixed point holds; those of the third are all but the same.
    const auto noise = normal_matrix<float>(items, 12, 7, 1e-6f);
    p.value.topRows(512).setZero();
    for (index i = 0; i < 512; ++i)
      for (index k = 0; k < 4; ++k) p.value(i, (i + 2 * k) % 12) = (i >> k) % 2 == 0 ? 0.02f : -0.02f;
    for (index i = 513; i < items; ++i) p.value.row(i) = p.value.row(512) + noise.row(i);
  });
  const auto users = histories(70);
  const auto views = spans(users);
  const model::ranker<network> fast(net), proper(net, {1}, 0);
  const auto q = fast.encode(views, {});
  core::matrix<float> scores(70, items), rough(70, items), unit(items, 12);
  fast.score(q, 0, scores, {});
  fast.score_roughly(q, 0, rough, {});
  fast.item_vectors(0, unit);
  std::vector<kernel::fixed_pair> out(6);
  const auto rounding = [&](index i) { return kernel::to_fixed_point(unit.row(i).data(), 12, out.data()); };
  float early = 0, worst = 0;
  for (index i = 0; i < 512; ++i) early = std::max(early, rounding(i));
  for (index i = 512; i < items; ++i) worst = std::max(worst, rounding(i));
  REQUIRE(early < 0.1f * worst);
  for (index u = 0; u < 70; ++u) {
    CHECK(fast.rough_error(q, u) == kernel::fixed_point_error(q.error[static_cast<std::size_t>(u)], worst, 12));
    CHECK((rough.row(u) - scores.row(u)).cwiseAbs().maxCoeff() <= fast.rough_error(q, u));
  }
  for (const int threads : {1, 4})
    for (const index k : {1, 7, 100}) CHECK(eval::recommend(fast, views, k, {threads}) == eval::recommend(proper, views, k, {1}));
}

TEST_CASE("a network that diverged is named by its scores, rough or not") {
  // The length of the last is not finite.
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 2e19f}) {
    auto net = make();
    net.visit([&](const std::string& name, auto& p) {
      if (name == "item_embedding.weight") p.value(77, 3) = bad;
    });
    const lists users{{1, 2, 3}, {4, 77}};  // an item that is not finite, and a prediction
    CHECK_THROWS_WITH(eval::recommend(model::ranker<network>(net), spans({users[0]}), 3), ContainsSubstring("score of item 77"));
    CHECK_THROWS_WITH(eval::recommend(model::ranker<network>(net), spans({users[1]}), 3), ContainsSubstring("score of item 0"));
  }
}

TEST_CASE("serving predicts what training's prediction says of the last position") {
  for (const bool residual : {false, true}) {
    const auto net = make({.items = catalogue, .width = 12, .heads = 3, .residual = residual, .feed_forward = residual});
    const auto users = histories(40);
    data::batch batch;
    for (const auto& h : users) batch.add_history(h, 20);
    core::arena memory;
    autodiff::tape<float> t(memory, {1}, autodiff::mode::inference);
    const auto encoded = net.encode(t, batch.inputs, batch.layout(), {});
    const auto all = autodiff::normalize(net.predict(net.prepare(encoded, batch.layout(), {}), 0, {}));
    const auto served = predictions(net, users);
    for (index u = 0; u < 40; ++u) CHECK(same_bits<float>(served.row(u), all.value().matrix_map().row(batch.layout().end(u) - 1)));
  }
}

TEST_CASE("one ranker serves many threads, and they get what one gets") {
  const auto net = make();
  const model::ranker<network> ranker(net);
  const auto users = histories(64);
  const auto views = spans(users);
  const auto expected = eval::recommend(ranker, views, 5, {1});
  std::vector<std::vector<kernel::scored<float>>> lists(users.size());
  std::vector<std::thread> threads;
  for (std::size_t first = 0; first < 8; ++first)
    threads.emplace_back([&, first] {
      for (std::size_t u = first; u < users.size(); u += 8)
        lists[u] = eval::recommend(ranker, eval::histories(&views[u], 1), 5, {1}).front();
    });
  for (auto& t : threads) t.join();
  CHECK(lists == expected);
}

}  // namespace cddrec::test
