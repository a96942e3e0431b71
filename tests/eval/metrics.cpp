#include "cddrec/eval/metrics.hpp"
#include "test.hpp"

namespace cddrec::test {

TEST_CASE("metrics of hand-made ranks") {
  const std::vector<index> ranks{0, 4, 5, 9, 10, 19, 20, eval::missed};
  const eval::metrics m = eval::measure(ranks);
  const auto gain = [](double place) { return std::log(2.0) / std::log(place + 1); };  // place counts from 1
  CHECK(m.users == 8);
  CHECK(m.target_in_history == 1);
  CHECK(m.recall_at_1 == 1.0 / 8);
  CHECK(m.recall_at_5 == 2.0 / 8);
  CHECK(m.recall_at_10 == 4.0 / 8);
  CHECK(m.recall_at_20 == 6.0 / 8);
  CHECK(m.ndcg_at_5 == Approx((1 + gain(5)) / 8).epsilon(1e-14));
  CHECK(m.ndcg_at_10 == Approx((1 + gain(5) + gain(6) + gain(10)) / 8).epsilon(1e-14));
  CHECK(m.ndcg_at_20 == Approx((1 + gain(5) + gain(6) + gain(10) + gain(11) + gain(20)) / 8).epsilon(1e-14));
  CHECK(m.mrr == Approx((1 + 1.0 / 5 + 1.0 / 6 + 1.0 / 10 + 1.0 / 11 + 1.0 / 20 + 1.0 / 21) / 8).epsilon(1e-14));
}

TEST_CASE("metrics are, to 1e-12, what their definitions give for whole sorted lists") {
  const core::random draw(core::seed{12});
  const index users = 300, items = 60;
  std::vector<index> ranks;
  constexpr index cuts[] = {1, 5, 10, 20};
  double hits[4] = {}, gains[3] = {}, reciprocal = 0;  // at 1, 5, 10, 20; at 5, 10, 20
  for (index u = 0; u < users; ++u) {
    std::vector<std::pair<std::uint64_t, index>> list;  // by score, then by item; many scores are equal
    for (index i = 0; i < items; ++i) list.emplace_back(draw.child(static_cast<std::uint64_t>(u)).below(i, 17), i);
    std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.first != b.first ? a.first > b.first : a.second < b.second; });
    const index target = static_cast<index>(draw.below(u, items));
    index before = 0;
    for (index place = 1; place <= items; ++place) {
      if (list[static_cast<std::size_t>(place - 1)].second != target) continue;
      before = place - 1;
      // DCG over the cut-off list, by that of the best list, which has the target first.
      for (std::size_t k = 0; k < 3; ++k)
        if (place <= cuts[k + 1]) gains[k] += (1 / std::log2(1.0 + static_cast<double>(place))) / (1 / std::log2(2.0));
      for (std::size_t k = 0; k < 4; ++k) hits[k] += place <= cuts[k];
      reciprocal += 1 / static_cast<double>(place);
    }
    ranks.push_back(before);
  }
  const double expected[] = {hits[0], hits[1], hits[2], hits[3], gains[0], gains[1], gains[2], reciprocal};
  std::size_t k = 0;
  for (const auto& [name, value] : eval::measure(ranks).values()) {
    INFO(name);
    CHECK(std::abs(value - expected[k++] / static_cast<double>(users)) < 1e-12);
  }
}

TEST_CASE("perfect ranks score exactly one, missed ones exactly zero") {
  const eval::metrics best = eval::measure(std::vector<index>(7, 0));
  for (const auto& [name, value] : best.values()) CHECK(value == 1.0);
  const eval::metrics worst = eval::measure(std::vector<index>(7, eval::missed));
  for (const auto& [name, value] : worst.values()) CHECK(value == 0.0);
  CHECK(worst.target_in_history == 7);
}

TEST_CASE("no users: zeros, not NaN") {
  const eval::metrics m = eval::measure({});
  CHECK(m.users == 0);
  for (const auto& [name, value] : m.values()) CHECK(value == 0.0);
}

TEST_CASE("values are named as in every report, each by its own member") {
  const eval::metrics m{
      .recall_at_1 = 1, .recall_at_5 = 2, .recall_at_10 = 3, .recall_at_20 = 4, .ndcg_at_5 = 5, .ndcg_at_10 = 6, .ndcg_at_20 = 7, .mrr = 8};
  std::string text;
  for (const auto& [name, value] : m.values()) text += std::string(name) + "=" + std::to_string(int(value)) + " ";
  CHECK(text == "recall@1=1 recall@5=2 recall@10=3 recall@20=4 ndcg@5=5 ndcg@10=6 ndcg@20=7 mrr=8 ");
}

}  // namespace cddrec::test
