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
