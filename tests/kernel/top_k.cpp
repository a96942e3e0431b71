#include "cddrec/kernel/top_k.hpp"
#include "test.hpp"

namespace cddrec::test {

namespace {
// Scores of few different values: ties everywhere.
template <class T>
std::vector<T> tied_scores(std::size_t count, std::uint64_t name) {
  std::vector<T> scores(count);
  const core::random stream(core::seed{name});
  for (std::size_t i = 0; i < count; ++i) scores[i] = static_cast<T>(stream.below(index(i), 50)) - T(25);
  return scores;
}

template <class T>
std::vector<kernel::scored<T>> sorted(const std::vector<T>& scores) {
  std::vector<kernel::scored<T>> all;
  for (std::size_t i = 0; i < scores.size(); ++i) all.push_back({static_cast<std::int32_t>(i), scores[i]});
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
  return all;
}
}  // namespace

TEMPLATE_TEST_CASE("the k best of any blocks are the first k of the sorted whole", "", float, double) {
  const std::size_t count = 1237;
  const auto scores = tied_scores<TestType>(count, 1);
  const auto expected = sorted(scores);
  for (index k : {0, 1, 7, 300, 1237, 5000})
    for (std::size_t block : {1u, 50u, 256u, 1000u, 2000u}) {
      std::vector<kernel::scored<TestType>> forwards, backwards;
      std::vector<std::size_t> begins;
      for (std::size_t b = 0; b < count; b += block) begins.push_back(b);
      const auto merge = [&](std::size_t b, auto& best) {
        kernel::top_k(std::span<const TestType>(scores).subspan(b, std::min(block, count - b)), index(b), k, best);
      };
      for (auto b = begins.begin(); b != begins.end(); ++b) merge(*b, forwards);
      for (auto b = begins.rbegin(); b != begins.rend(); ++b) merge(*b, backwards);
      kernel::sort_best(forwards);
      kernel::sort_best(backwards);
      CHECK(std::equal(forwards.begin(), forwards.end(), expected.begin()));
      CHECK(index(forwards.size()) == std::min<index>(k, index(count)));
      CHECK(forwards == backwards);
    }
}

TEST_CASE("with slack, everything that near to the k-th is kept, whatever the blocks") {
  const auto scores = tied_scores<float>(1237, 3);
  const auto all = sorted(scores);
  for (const float slack : {0.5f, 1.0f, 3.0f})
    for (index k : {1, 7, 300, 5000})
      for (std::size_t block : {1u, 100u, 2000u}) {
        std::vector<kernel::scored<float>> best;
        for (std::size_t b = 0; b < scores.size(); b += block)
          kernel::top_k(std::span<const float>(scores).subspan(b, std::min(block, scores.size() - b)), index(b), k, best, slack);
        kernel::sort_best(best);
        auto expected = all;
        if (k < index(all.size())) std::erase_if(expected, [&](const auto& s) { return s.score < all[std::size_t(k - 1)].score - slack; });
        CHECK(best == expected);
      }
}

TEMPLATE_TEST_CASE("scores are split into those above, those within the error, and the rest", "", float, double) {
  using T = TestType;
  auto scores = tied_scores<T>(333, 4);
  scores[9] = -std::numeric_limits<T>::infinity();
  for (const T pivot : {T(-30), T(0), T(3.5), T(24)})
    for (const T error : {T(0.25), T(2), T(100)})
      for (std::size_t size : {0u, 1u, 63u, 64u, 333u}) {
        index above = 0;
        std::vector<std::int32_t> open{-1}, expected{-1};
        for (std::size_t i = 0; i < size; ++i) {
          above += scores[i] > pivot + error ? 1 : 0;
          if (std::abs(scores[i] - pivot) <= error) expected.push_back(static_cast<std::int32_t>(i) + 1000);
        }
        CHECK(kernel::split_at<T>(std::span<const T>(scores).first(size), 1000, pivot, error, open) == above);
        CHECK(open == expected);
      }
}

TEST_CASE("minus infinity is never selected, the lowest finite score is") {
  const float lowest = std::numeric_limits<float>::lowest(), never = -std::numeric_limits<float>::infinity();
  const std::vector<float> scores{never, lowest, never, 2.0f};
  std::vector<kernel::scored<float>> best;
  kernel::top_k<float>(scores, 10, 4, best);
  kernel::sort_best(best);
  CHECK(best == std::vector<kernel::scored<float>>{{13, 2.0f}, {11, lowest}});
}

TEMPLATE_TEST_CASE("counting what is better gives the place in the sorted whole", "", float, double) {
  const std::size_t count = 333;  // no multiple of any vector
  const auto scores = tied_scores<TestType>(count, 2);
  const auto expected = sorted(scores);
  for (std::size_t place = 0; place < count; ++place)
    for (std::size_t block : {17u, 64u, 333u}) {
      index better = 0;
      for (std::size_t b = 0; b < count; b += block)
        better += kernel::count_better(std::span<const TestType>(scores).subspan(b, std::min(block, count - b)), index(b), expected[place]);
      REQUIRE(better == index(place));
    }
}

TEMPLATE_TEST_CASE("a score that is not finite is found wherever it stands", "", float, double) {
  std::vector<TestType> scores(70, std::numeric_limits<TestType>::max());
  CHECK(kernel::count_non_finite<TestType>(scores) == 0);
  const TestType infinity = std::numeric_limits<TestType>::infinity();
  for (TestType bad : {infinity, -infinity, std::numeric_limits<TestType>::quiet_NaN()})
    for (std::size_t i = 0; i < scores.size(); ++i) {
      auto spoilt = scores;
      spoilt[i] = bad;
      REQUIRE(kernel::count_non_finite<TestType>(spoilt) == 1);
    }
}

}  // namespace cddrec::test
