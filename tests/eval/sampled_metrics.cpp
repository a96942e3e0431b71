#include "cddrec/eval/sampled_metrics.hpp"

#include "test.hpp"

namespace cddrec::test {

namespace {
// The mean over all samples, one by one: the subsets of `all` items, of which the first `better` come before the target.
eval::metrics over_all_samples(index better, index all, index n) {
  std::vector<index> ranks;
  for (unsigned subset = 0; subset < 1u << all; ++subset)
    if (__builtin_popcount(subset) == n) ranks.push_back(__builtin_popcount(subset & ((1u << better) - 1)));
  return eval::measure(ranks);
}
}  // namespace

TEST_CASE("sampled metrics are the mean over all samples") {
  for (index all = 1; all <= 12; ++all)
    for (index better = 0; better <= all; ++better)
      for (index n = 1; n <= all; ++n) {
        const std::vector<index> rank{better}, others{all};
        const auto expected = over_all_samples(better, all, n).values(), got = eval::sampled_metrics(rank, others, n).values();
        for (std::size_t f = 0; f < got.size(); ++f) CHECK(got[f].second == Approx(expected[f].second).epsilon(1e-12));
      }
}

TEST_CASE("a sample of everything is the full ranking, and a missed target stays missed") {
  const std::vector<index> ranks{0, 7, 30, eval::missed, 3}, others{50, 60, 40, 9, 3};
  const auto full = eval::measure(ranks).values(), all = eval::sampled_metrics(ranks, others, 1000).values();
  for (std::size_t f = 0; f < all.size(); ++f) CHECK(all[f].second == Approx(full[f].second).epsilon(1e-12));
  CHECK(eval::sampled_metrics(ranks, others, 10).target_in_history == 1);
  CHECK(eval::sampled_metrics(ranks, others, 10).users == 5);
}

TEST_CASE("large catalogues neither underflow nor overflow") {
  // P(no better item in the sample) is a product of n factors.
  for (const index better : {index{1}, index{1000}, index{990'000}, index{1'000'000}}) {
    const std::vector<index> rank{better}, others{1'000'000};
    double none = 1;
    for (index i = 0; i < 1000; ++i) none *= static_cast<double>(1'000'000 - better - i) / static_cast<double>(1'000'000 - i);
    const auto m = eval::sampled_metrics(rank, others, 1000);
    CHECK(m.recall_at_1 == Approx(std::max(none, 0.0)).epsilon(1e-6).margin(1e-300));
    CHECK(m.mrr > 0);
    CHECK(m.mrr <= 1);
  }
  // Seven better ones of ten million: no sample holds twenty of them.
  CHECK(eval::sampled_metrics(std::vector<index>{7}, std::vector<index>{10'000'000}, 1'000'000).recall_at_20 == Approx(1).epsilon(1e-12));
}

TEST_CASE("what is ranked among: neither the target nor the history, whose repeats count once") {
  data::interactions log;
  for (int i = 0; i < 9; ++i) log.items.add(std::to_string(i));
  for (const std::vector<data::item>& h : {std::vector<data::item>{0, 1, 2, 3}, {4, 4, 4, 4}, {8, 7, 8, 6, 8}}) {
    log.users.add(std::to_string(log.histories.size()));
    log.histories.push_back(h);
  }
  const auto s = data::leave_one_out(log);
  CHECK(eval::other_items(s.test(), 9) == std::vector<index>{5, 8, 6});
  CHECK_THROWS_WITH(eval::sampled_metrics(std::vector<index>{1}, std::vector<index>{2}, 0), ContainsSubstring("take 1 or more"));
  CHECK_THROWS_WITH(eval::sampled_metrics(std::vector<index>{1}, std::vector<index>{}, 1),
                    ContainsSubstring("1 ranks, but 0 counts of other items"));
  CHECK_THROWS_WITH(eval::sampled_metrics(std::vector<index>{1}, std::vector<index>{0}, 1),
                    ContainsSubstring("rank 1 of case 0 among 0 other items"));
  CHECK_THROWS_WITH(eval::other_items(s.test(), 8), ContainsSubstring("item 8 of case 2 is not among the 8"));
}

}  // namespace cddrec::test
