#include "cddrec/kernel/draw_items.hpp"

#include "compare.hpp"
#include "test.hpp"

namespace cddrec::test {

namespace {
template <class T>
std::vector<std::int32_t> draw(const core::matrix<T>& x, const core::matrix<T>& items, T scale, std::uint64_t name, int threads = 1) {
  std::vector<std::int32_t> drawn(static_cast<std::size_t>(x.rows()), -1);
  workspace<T> space(kernel::draw_items_workspace<T>(x.rows(), items.rows(), x.cols()));
  kernel::draw_items<T, std::int32_t>(x, items, scale, core::random(core::seed{name}), drawn, space, {threads});
  return drawn;
}

// Pearson's statistic of 20,000 rows that are all alike, with unlikely items thrown together, less its expectation in deviations.
template <class T>
double surprise(index V, T scale) {
  constexpr index rows = 20000, d = 3;
  const auto items = normal_matrix<T>(V, d, 2);
  const core::matrix<T> one = normal_matrix<T>(1, d, 1), x = one.replicate(rows, 1);
  std::vector<double> p(static_cast<std::size_t>(V));
  double total = 0;
  for (index v = 0; v < V; ++v)
    total += p[static_cast<std::size_t>(v)] = std::exp(static_cast<double>(scale * one.row(0).dot(items.row(v))));
  std::vector<index> times(static_cast<std::size_t>(V), 0);
  for (const std::int32_t v : draw<T>(x, items, scale, 7)) ++times[static_cast<std::size_t>(v)];
  double statistic = 0, expected = 0, cells = -1;
  index seen = 0;
  for (index v = 0; v < V; ++v) {
    expected += rows * p[static_cast<std::size_t>(v)] / total;
    seen += times[static_cast<std::size_t>(v)];
    if (expected < 10 && v + 1 < V) continue;
    statistic += (static_cast<double>(seen) - expected) * (static_cast<double>(seen) - expected) / std::max(expected, 1.0);
    cells += 1, expected = 0, seen = 0;
  }
  return (statistic - cells) / std::sqrt(2 * std::max(cells, 1.0));
}
}  // namespace

TEMPLATE_TEST_CASE("draws follow the softmax, within a block of items and across many", "", float, double) {
  for (index V : {2, 7, 256, 300, 700, 2600})
    for (double scale : {0.5, 2.0}) {
      INFO(V << " items, scale " << scale);
      CHECK(std::abs(surprise<TestType>(V, static_cast<TestType>(scale))) < 4);
    }
}

TEST_CASE("a row's draw is the same for any threads and in any company, and rows draw apart") {
  const auto x = normal_matrix<float>(130, 9, 1), items = normal_matrix<float>(2600, 9, 2);
  const auto one = draw<float>(x, items, 0.1f, 3);
  for (int threads : {2, 4}) CHECK(draw<float>(x, items, 0.1f, 3, threads) == one);
  for (index rows : {1, 48, 77}) {
    const auto few = draw<float>(core::matrix<float>(x.topRows(rows)), items, 0.1f, 3);
    CHECK(std::equal(few.begin(), few.end(), one.begin()));
  }
  auto others = normal_matrix<float>(130, 9, 5);
  others.row(60) = x.row(60);
  CHECK(draw<float>(others, items, 0.1f, 3)[60] == one[60]);
  CHECK(draw<float>(x, items, 0.1f, 4) != one);
  const core::matrix<float> same = x.row(0).replicate(130, 1);
  const auto alike = draw<float>(same, items, 0.1f, 3);
  CHECK(std::count(alike.begin(), alike.end(), alike[0]) < 10);
}

TEST_CASE("enormous scores draw the best item, and a single item draws itself") {
  const auto x = normal_matrix<float>(50, 4, 1, 100.0f), items = normal_matrix<float>(2600, 4, 2, 100.0f);
  const core::matrix<float> scores = x * items.transpose();
  const auto drawn = draw<float>(x, items, 1.0f, 3);
  for (index i = 0; i < 50; ++i) CHECK(scores(i, drawn[static_cast<std::size_t>(i)]) > scores.row(i).maxCoeff() - 20);
  for (const std::int32_t v : draw<float>(x, core::matrix<float>(items.topRows(1)), 1.0f, 3)) CHECK(v == 0);
}

TEST_CASE("what is not a number is not drawn") {
  auto x = normal_matrix<float>(130, 9, 1), items = normal_matrix<float>(700, 9, 2);
  const auto one = draw<float>(x, items, 0.1f, 3);
  // A row of NaN draws item 0 and leaves the others theirs.
  x(60, 3) = std::numeric_limits<float>::quiet_NaN();
  const auto but_one = draw<float>(x, items, 0.1f, 3);
  for (std::size_t i = 0; i < 130; ++i) CHECK(but_one[i] == (i == 60 ? 0 : one[i]));
  // An item of NaN spoils its block for every row, the second of 256 items here; the others are drawn as ever.
  x(60, 3) = 0, items(300, 2) = std::numeric_limits<float>::quiet_NaN();
  std::vector<index> drawn(3, 0);
  for (const std::int32_t v : draw<float>(x, items, 0.1f, 3)) ++drawn[static_cast<std::size_t>(v / 256)];
  CHECK((drawn[0] > 0 && drawn[1] == 0 && drawn[2] > 0));
}

}  // namespace cddrec::test
