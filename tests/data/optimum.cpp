#include "cddrec/data/optimum.hpp"

#include <map>

#include "test.hpp"

namespace cddrec::test {

using data::item;
using data::synthetic_log;

namespace {

struct measured {
  double recall = 0, ndcg = 0, mrr = 0;                    // Recall@10, NDCG@10, MRR on the targets that were drawn
  double recall_error = 0, ndcg_error = 0, mrr_error = 0;  // their standard errors
};

double standard_error(double mean, double mean_of_squares, double count) { return std::sqrt((mean_of_squares - mean * mean) / count); }

// Ranks all items but the history by score(history), ties by item.
template <class Score>
measured measure(const data::cases& which, Score score) {
  measured m;
  double ndcg_squares = 0, mrr_squares = 0;
  const double count = static_cast<double>(which.size());
  for (index i = 0; i < which.size(); ++i) {
    const item target = which.target(i);
    std::vector<double> s = score(which.history(i));
    for (item v : which.history(i)) s[static_cast<std::size_t>(v)] = -1;
    const double own = s[static_cast<std::size_t>(target)];
    double rank = 1;
    for (item v = 0; v < static_cast<item>(s.size()); ++v) {
      const double other = s[static_cast<std::size_t>(v)];
      rank += other > own || (other == own && v < target);
    }
    const double gain = rank <= 10 ? 1 / std::log2(rank + 1) : 0;
    m.recall += (rank <= 10) / count;
    m.ndcg += gain / count;
    m.mrr += 1 / rank / count;
    ndcg_squares += gain * gain / count;
    mrr_squares += 1 / (rank * rank) / count;
  }
  m.recall_error = standard_error(m.recall, m.recall, count);
  m.ndcg_error = standard_error(m.ndcg, ndcg_squares, count);
  m.mrr_error = standard_error(m.mrr, mrr_squares, count);
  return m;
}

}  // namespace

TEST_CASE("the expected metrics are those of the probabilities in order") {
  // One cluster; a history in the validation has 2 items, so 6 are left to rank.
  const synthetic_log log({.users = 40, .items = 8, .cluster_size = 5, .min_length = 4, .max_length = 4}, core::seed{1});
  REQUIRE(log.log().items.size() == 8);
  const auto split = data::leave_one_out(log.log());
  double recall_1 = 0, recall_5 = 0, ndcg_5 = 0, ndcg_10 = 0, mrr = 0;
  for (index i = 0; i < 40; ++i) {
    auto p = log.next_item_probabilities(split.validation().history(i));
    std::sort(p.rbegin(), p.rend());
    recall_1 += p[0] / 40;
    recall_5 += (p[0] + p[1] + p[2] + p[3] + p[4]) / 40;
    const double five = p[0] + p[1] / std::log2(3.0) + p[2] / 2 + p[3] / std::log2(5.0) + p[4] / std::log2(6.0);
    ndcg_5 += five / 40;
    ndcg_10 += (five + p[5] / std::log2(7.0)) / 40;
    mrr += (p[0] + p[1] / 2 + p[2] / 3 + p[3] / 4 + p[4] / 5 + p[5] / 6) / 40;
  }
  const auto best = data::optimum(log, split.validation());
  CHECK(best.recall[0] == Approx(recall_1).epsilon(1e-12));
  CHECK(best.recall[1] == Approx(recall_5).epsilon(1e-12));
  CHECK(best.recall[2] == Approx(1).epsilon(1e-12));
  CHECK(best.recall[3] == Approx(1).epsilon(1e-12));
  CHECK(best.ndcg[0] == Approx(ndcg_5).epsilon(1e-12));
  CHECK(best.ndcg[1] == Approx(ndcg_10).epsilon(1e-12));
  CHECK(best.ndcg[2] == best.ndcg[1]);
  CHECK(best.mrr == Approx(mrr).epsilon(1e-12));
}

TEST_CASE("each expected metric ends at its own cut-off") {
  const synthetic_log log({.users = 40, .items = 60, .cluster_size = 30}, core::seed{7});
  const auto split = data::leave_one_out(log.log());
  std::array<double, 4> recall{};
  std::array<double, 3> ndcg{};
  for (index i = 0; i < split.test().size(); ++i) {
    auto p = log.next_item_probabilities(split.test().history(i));
    std::sort(p.rbegin(), p.rend());
    REQUIRE(p[20] > 0);  // more are left than any metric looks at
    const auto sum = [&](std::size_t first, bool discounted) {
      double total = 0;
      for (std::size_t r = 0; r < first; ++r) total += p[r] / (discounted ? std::log2(static_cast<double>(r + 2)) : 1) / 40;
      return total;
    };
    recall[0] += sum(1, false), recall[1] += sum(5, false), recall[2] += sum(10, false), recall[3] += sum(20, false);
    ndcg[0] += sum(5, true), ndcg[1] += sum(10, true), ndcg[2] += sum(20, true);
  }
  const auto best = data::optimum(log, split.test());
  for (std::size_t k = 0; k < 4; ++k) CHECK(best.recall[k] == Approx(recall[k]).epsilon(1e-12));
  for (std::size_t k = 0; k < 3; ++k) CHECK(best.ndcg[k] == Approx(ndcg[k]).epsilon(1e-12));
}

TEST_CASE("the optimum does not depend on the number of threads") {
  const synthetic_log log({.users = 300}, core::seed{6});
  const auto split = data::leave_one_out(log.log());
  const auto one = data::optimum(log, split.test(), {1}), four = data::optimum(log, split.test(), {4});
  CHECK(one.recall == four.recall);
  CHECK(one.ndcg == four.ndcg);
  CHECK(one.mrr == four.mrr);
}

TEST_CASE("on the default log the truth meets its optimum, and popularity and Markov stay far below it") {
  const synthetic_log log({}, core::seed{42});
  const auto split = data::leave_one_out(log.log());
  const std::size_t items = static_cast<std::size_t>(split.items());
  REQUIRE(items >= 1990);

  const auto truth = [&](std::span<const item> history) { return log.next_item_probabilities(history); };
  for (const auto& cases : {split.validation(), split.test()}) {
    const auto best = data::optimum(log, cases, {2});
    const measured m = measure(cases, truth);
    CHECK(std::abs(m.recall - best.recall[2]) < 4 * m.recall_error);
    CHECK(std::abs(m.ndcg - best.ndcg[1]) < 4 * m.ndcg_error);
    CHECK(std::abs(m.mrr - best.mrr) < 4 * m.mrr_error);
  }

  std::vector<double> count(items, 0);
  std::vector<std::map<item, double>> follows(items);
  for (index i = 0; i < split.training_users(); ++i) {
    const auto sequence = split.training(i);
    for (std::size_t n = 0; n < sequence.size(); ++n) {
      ++count[static_cast<std::size_t>(sequence[n])];
      if (n > 0) ++follows[static_cast<std::size_t>(sequence[n - 1])][sequence[n]];
    }
  }
  const measured popularity = measure(split.test(), [&](auto) { return count; });
  const measured markov = measure(split.test(), [&](auto history) {
    std::vector<double> score = count;
    for (double& s : score) s *= 1e-6;  // popularity only where no transition was counted, and between equal counts
    for (const auto& [v, n] : follows[static_cast<std::size_t>(history.back())]) score[static_cast<std::size_t>(v)] += n;
    return score;
  });
  const double best = data::optimum(log, split.test(), {2}).recall[2];
  CHECK(best > 0.25);
  CHECK(popularity.recall < 0.25 * best);
  CHECK(markov.recall < 0.60 * best);
  CHECK(markov.recall > 2 * popularity.recall);  // order matters
}

}  // namespace cddrec::test
