#include "cddrec/baseline/item_knn.hpp"

#include "test.hpp"

namespace cddrec::test {

namespace {
data::split three_users() {
  data::interactions log;
  for (const char* name : {"a", "b", "c", "d", "e"}) log.items.add(name);
  log.histories.push_back(std::vector<data::item>{0, 1, 2, 4, 4});     // trains on 0 1 2
  log.histories.push_back(std::vector<data::item>{0, 1, 3, 2, 0});     // trains on 0 1 3
  log.histories.push_back(std::vector<data::item>{3, 3, 1, 3, 2, 2});  // trains on 3 3 1 3
  return data::leave_one_out(log);
}

// Many users, so that every block of items and a cut row are met.
data::split drawn(index users, index items) {
  data::interactions log;
  const core::random draw(core::seed{3});
  for (index v = 0; v < items; ++v) log.items.add(std::to_string(v));
  for (index u = 0; u < users; ++u) {
    std::vector<data::item> own;
    for (index k = 0; k < 8; ++k) own.push_back(static_cast<data::item>(draw.child(static_cast<std::uint64_t>(u)).below(k, items)));
    log.histories.push_back(own);
  }
  return data::leave_one_out(log);
}
}  // namespace

TEST_CASE("neighbours share users, in proportion to the root of what both have") {
  const baseline::item_knn m(three_users(), {.shrinkage = 0.5});
  const auto& table = m.neighbours();
  // users of 0: 2, of 1: 3, of 2: 1, of 3: 2, however often they took it
  CHECK(table.offsets == std::vector<index>{0, 3, 6, 8, 10, 10});
  CHECK(table.items == std::vector<data::item>{1, 2, 3, 0, 2, 3, 0, 1, 0, 1});
  CHECK(table.values[0] == Approx(2 / (std::sqrt(6.0) + 0.5)).epsilon(1e-15));
  CHECK(table.values[1] == Approx(1 / (std::sqrt(2.0) + 0.5)).epsilon(1e-15));
  CHECK(table.values[2] == Approx(1 / (std::sqrt(4.0) + 0.5)).epsilon(1e-15));
  CHECK(table.values[3] == table.values[0]);
}

TEST_CASE("finding neighbours tells how many items are done, and stops when it is told to") {
  const data::split split = drawn(40, 150);
  for (const int threads : {1, 4}) {
    std::vector<index> heard;
    const auto listen = [&](index done, index all) {
      CHECK(all == 150);
      heard.push_back(done);
      return true;
    };
    const baseline::item_knn m(split, {}, {threads}, listen);
    CHECK(heard.size() == 6);  // before and after each of three blocks
    CHECK(heard.back() == 150);
    CHECK(m.neighbours().values == baseline::item_knn(split).neighbours().values);
    const auto stop = [](index, index) { return false; };
    CHECK_THROWS_AS(baseline::item_knn(split, {}, {threads}, stop), stopped);
    CHECK_THROWS_WITH(baseline::item_knn(split, {}, {threads}, stop), "stopped at 0 of 150");  // no thread goes on
  }
}

TEST_CASE("the newest items of a history count most, popularity orders the rest") {
  const baseline::item_knn m(three_users(), {.shrinkage = 0, .decay = 0.25});
  const std::vector<data::item> both{2, 3}, unknown{3, 99}, four{4};
  const std::vector<std::span<const data::item>> histories{both, unknown, four, {}};
  const auto lists = eval::recommend(m, histories, 5);
  const double near_two = 0.25 / std::sqrt(2.0), near_three = 1 / 2.0;  // of 0
  REQUIRE(lists[0].size() == 3);
  CHECK(lists[0][0].item == 1);
  CHECK(lists[0][0].score == Approx(0.25 / std::sqrt(3.0) + 2 / std::sqrt(6.0)));
  CHECK(lists[0][1].item == 0);
  CHECK(lists[0][1].score == Approx(near_two + near_three));
  CHECK(lists[0][2].item == 4);
  CHECK(lists[0][2].score < 1e-11);
  CHECK(lists[1][0].score == Approx(0.25 * 2 / std::sqrt(6.0)));  // what is unknown is older news still
  const auto order = [](const auto& list) {
    std::vector<data::item> items;
    for (const auto& s : list) items.push_back(s.item);
    return items;
  };
  CHECK(order(lists[2]) == std::vector<data::item>{3, 1, 0, 2});
  CHECK(order(lists[3]) == std::vector<data::item>{3, 1, 0, 2, 4});
}

TEST_CASE("item_knn against all pairs, for any threads and blocks") {
  const data::split split = drawn(150, 90);
  const baseline::item_knn_settings s{.neighbours = 7, .shrinkage = 2, .decay = 0.7};
  const baseline::item_knn m(split, s), again(split, s, {4}), copy(m.item_counts(), m.neighbours(), s);
  CHECK(m.neighbours().items == again.neighbours().items);
  CHECK(m.neighbours().values == again.neighbours().values);
  for (index v = 0; v < 90; ++v) {
    std::vector<std::pair<double, data::item>> all;
    for (index w = 0; w < 90; ++w) {
      double with_v = 0, with_w = 0, both = 0;
      for (index u = 0; u < split.training_users(); ++u) {
        const auto own = split.training(u);
        const bool v_in = std::find(own.begin(), own.end(), v) != own.end(), w_in = std::find(own.begin(), own.end(), w) != own.end();
        with_v += v_in, with_w += w_in, both += v_in && w_in;
      }
      if (w != v && both > 0) all.emplace_back(-both / (std::sqrt(with_v * with_w) + 2), static_cast<data::item>(w));
    }
    std::sort(all.begin(), all.end());
    all.resize(std::min<std::size_t>(all.size(), 7));
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    std::size_t k = 0;
    m.neighbours().for_each(static_cast<data::item>(v), 0, 90, [&](data::item w, double similarity) {
      REQUIRE(k < all.size());
      CHECK(w == all[k].second);
      CHECK(similarity == Approx(-all[k++].first).epsilon(1e-14));
    });
    CHECK(k == all.size());
  }
  const auto ranks = eval::rank(m, split.test());
  CHECK(eval::rank(copy, split.test(), {2}, {3, 7}) == ranks);
}

TEST_CASE("of a long sequence the newest items are read") {
  const baseline::item_knn m(three_users(), {.shrinkage = 0, .longest = 2});
  // of 0 1 2 is left 1 2; of 0 1 3, 1 3; of 3 3 1 3, 1 3
  CHECK(m.neighbours().items == std::vector<data::item>{2, 3, 1, 1});
  const std::vector<data::item> lengthy{2, 3, 4}, rest{3, 4};
  const std::vector<std::span<const data::item>> histories{lengthy, rest};
  const auto lists = eval::recommend(m, histories, 1);
  CHECK(lists[0] == lists[1]);
}

TEST_CASE("item_knn refuses settings out of range and damaged neighbours") {
  const data::split split = three_users();
  CHECK_THROWS_WITH(baseline::item_knn(split, {.neighbours = 0}), ContainsSubstring("neighbours must be 1 or more"));
  CHECK_THROWS_WITH(baseline::item_knn(split, {.shrinkage = -1}), ContainsSubstring("shrinkage must be 0 or more"));
  CHECK_THROWS_WITH(baseline::item_knn(split, {.longest = 0}), ContainsSubstring("longest must be 1 or more"));
  CHECK_THROWS_WITH(baseline::item_knn(split, {.decay = 0}), ContainsSubstring("decay must be in (0, 1]"));
  CHECK_THROWS_WITH(baseline::item_knn(split, {.decay = 1.5}), ContainsSubstring("decay must be in (0, 1]"));
  const baseline::popularity items(std::vector<index>{1, 1});
  CHECK_THROWS_WITH(baseline::item_knn(items, {{0, 1, 1}, {1}, {-0.5}}, {}), ContainsSubstring("row of item 0"));
  CHECK_THROWS_WITH(baseline::item_knn(items, {{0, 1, 1}, {1}, {INFINITY}}, {}), ContainsSubstring("row of item 0"));
  CHECK_THROWS_WITH(baseline::item_knn(items, {{0, 1}, {1}, {0.5}}, {}), ContainsSubstring("offsets do not ascend"));
}

TEST_CASE("an item that a history has twice counts twice, each time by its age") {
  data::interactions log;
  for (const char* name : {"a", "b", "c", "d", "e"}) log.items.add(name);
  log.histories.push_back(std::vector<data::item>{0, 1, 2, 4, 4});
  log.histories.push_back(std::vector<data::item>{0, 1, 3, 2, 0});
  const baseline::item_knn m(data::leave_one_out(log), {.shrinkage = 0, .decay = 0.5});
  const std::vector<data::item> twice{3, 2, 3}, once{2, 3};
  const std::vector<std::span<const data::item>> both{twice, once};
  const auto q = m.encode(both, {});
  // 3 is near 0 and 1, by 1 / sqrt(2): once more at age 2.
  for (const data::item v : {0, 1}) CHECK(m.score_item(q, 0, v) - m.score_item(q, 1, v) == Approx(0.25 / std::sqrt(2.0)).epsilon(1e-9));
}

}  // namespace cddrec::test
