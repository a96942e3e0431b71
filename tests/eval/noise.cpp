#include "cddrec/eval/noise.hpp"

#include "cddrec/eval/diagnostics.hpp"
#include "compare.hpp"
#include "test.hpp"

namespace cddrec::test {

namespace {
std::vector<std::vector<data::item>> some_histories(index users, index items) {
  const core::random draw(core::seed{4});
  std::vector<std::vector<data::item>> all(static_cast<std::size_t>(users));
  for (index u = 0; u < users; ++u)
    for (index k = 0; k <= u % 5; ++k) all[static_cast<std::size_t>(u)].push_back(static_cast<data::item>(draw.below(8 * u + k, items)));
  return all;
}
}  // namespace

TEST_CASE("noise is a scorer whose vectors have no direction in common") {
  static_assert(eval::scorer<eval::noise>);
  constexpr index items = 300, users = 700, d = 40;
  const eval::noise noise(items, d, core::seed{3});
  CHECK(noise.items() == items);
  const auto histories = some_histories(users, items);
  const std::vector<std::span<const data::item>> all(histories.begin(), histories.end());
  const core::matrix<float> x = noise.encode(all, {2});
  CHECK((x.rowwise().norm().array() - 1).abs().maxCoeff() < 1e-6f);
  CHECK(std::abs(eval::mean_cosine<float>(x)) < 0.01);
  CHECK(std::abs(eval::mean_cosine<float>(noise.item_vectors())) < 0.01);
  CHECK(eval::singular_spectrum<float>(x).effective_rank > 0.97 * d);

  core::matrix<float> scores(users, items);
  noise.score(x, 0, scores, {2});
  const core::matrix<float> expected = x * core::matrix<float>(noise.item_vectors().matrix_map()).transpose();
  CHECK((scores - expected).cwiseAbs().maxCoeff() < 1e-6f);
  for (const data::item i : {0, 63, 64, 299}) CHECK(noise.score_item(x, 5, i) == scores(5, i));
  const auto lists = eval::recommend(noise, all, 10, {2});
  CHECK(eval::top_of_lists(lists).distinct_first > 200);
}

TEST_CASE("what noise scores and recommends does not depend on blocks of users or items") {
  constexpr index items = 150, users = 50;
  const eval::noise noise(items, 24, core::seed{3});
  const auto histories = some_histories(users, items);
  const std::vector<std::span<const data::item>> all(histories.begin(), histories.end());
  const core::matrix<float> x = noise.encode(all, {1});
  core::matrix<float> scores(users, items);
  noise.score(x, 0, scores, {1});
  for (index first : {1, 7, 31, 32, 100, 149})
    for (int threads : {1, 2}) {
      core::matrix<float> block(users, items - first);
      noise.score(x, first, block, {threads});
      CHECK(same_bits<float>(block, scores.rightCols(items - first)));
    }
  const auto lists = eval::recommend(noise, all, 10, {1});
  for (const eval::block_sizes blocks : {eval::block_sizes{7, 10}, {48, 10}, {7, 100}, {48, 100}})
    CHECK(eval::recommend(noise, all, 10, {2}, {.blocks = blocks}) == lists);
}

TEST_CASE("noise depends on the history and the seed alone") {
  const eval::noise noise(50, 16, core::seed{3}), other(50, 16, core::seed{4});
  const std::vector<data::item> a{1, 2}, b{2, 1};
  const std::vector<std::span<const data::item>> both{a, b}, turned{b, a};
  const core::matrix<float> x = noise.encode(both, {}), y = noise.encode(turned, {});
  CHECK((x.row(0) == y.row(1) && x.row(1) == y.row(0)));
  CHECK(x.row(0) != x.row(1));
  CHECK(x.row(0) != other.encode(both, {}).row(0));
  CHECK_THROWS_WITH(eval::noise(0, 16, core::seed{3}), ContainsSubstring("eval::noise: items must be 1 or more, not 0"));
  CHECK_THROWS_WITH(eval::noise(5, 0, core::seed{3}), ContainsSubstring("dimensions must be 1 or more"));
}

}  // namespace cddrec::test
