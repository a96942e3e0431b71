#include "cddrec/train/step_sampling.hpp"

#include "test.hpp"

namespace cddrec::test {

TEST_CASE("all steps weigh 1 / (t + 1)") {
  std::vector<train::weighted_step> steps;
  train::choose_steps(5, 0, core::random(core::seed{1}), steps);
  REQUIRE(steps.size() == 5);
  for (index t = 0; t < 5; ++t) {
    CHECK(steps[static_cast<std::size_t>(t)].t == t);
    CHECK(steps[static_cast<std::size_t>(t)].weight == 1.0 / double(t + 1));
  }
}

TEST_CASE("without rescaling every step weighs 1, and as much on average when drawn") {
  std::vector<train::weighted_step> steps;
  train::choose_steps(4, 0, {}, steps, train::step_law::by_weight, train::step_weight::equal);
  REQUIRE(steps.size() == 4);
  for (const auto& s : steps) CHECK(s.weight == 1);
  for (const auto law : {train::step_law::by_weight, train::step_law::uniform}) {
    train::choose_steps(4, 8, core::random(core::seed{2}), steps, law, train::step_weight::equal);
    double total = 0;
    for (const auto& s : steps) total += s.weight;
    CHECK(total == Approx(4));
  }
}

TEST_CASE("the expectation of K = 2 draws of T = 4 steps is the full sum") {
  // Enumerated: probability p_a p_b of every pair of draws, times the weight the estimator gives each step.
  const double harmonic = 1 + 1.0 / 2 + 1.0 / 3 + 1.0 / 4;
  const double loss[4] = {3.1, -0.7, 2.2, 5.9};
  double full = 0, expected = 0;
  for (int t = 0; t < 4; ++t) full += loss[t] / (t + 1);
  // Weights as choose_steps gives them, found for every pair by searching for a stream that draws it.
  int found = 0;
  bool seen[4][4] = {};
  std::vector<train::weighted_step> steps;
  for (std::uint64_t s = 0; found < 16 && s < 100000; ++s) {
    const core::random draw(core::seed{s});
    int drawn[2];
    for (int k = 0; k < 2; ++k) {
      double left = double(draw.uniform(k)) * harmonic;
      int t = 0;
      while (t < 3 && left >= 1.0 / (t + 1)) left -= 1.0 / ++t;
      drawn[k] = t;
    }
    if (seen[drawn[0]][drawn[1]]) continue;
    seen[drawn[0]][drawn[1]] = true;
    ++found;
    train::choose_steps(4, 2, draw, steps);
    double estimate = 0;
    for (const auto& step : steps) estimate += step.weight * loss[step.t];
    expected += estimate / (drawn[0] + 1) / (drawn[1] + 1) / harmonic / harmonic;
  }
  CHECK(found == 16);
  CHECK(std::abs(expected - full) < 1e-12);
}

TEST_CASE("sampled steps weigh as all of them do on average, by either law") {
  std::vector<train::weighted_step> steps;
  const int draws = 20000;
  for (const auto law : {train::step_law::by_weight, train::step_law::uniform}) {
    std::vector<double> mean(6, 0), times(6, 0);
    for (int s = 0; s < draws; ++s) {
      train::choose_steps(6, 2, core::random(core::seed{7}).child(static_cast<std::uint64_t>(s)), steps, law);
      REQUIRE((steps.size() == 1 || steps.size() == 2));
      for (const auto& step : steps) {
        mean[static_cast<std::size_t>(step.t)] += step.weight / draws;
        times[static_cast<std::size_t>(step.t)] += 1.0 / draws;
      }
    }
    for (std::size_t t = 0; t < mean.size(); ++t) CHECK(mean[t] == Approx(1.0 / double(t + 1)).margin(0.04));
    // drawn at least once in two: 1 - (5 / 6)^2 for every step by the even law, far less for the last by the other
    if (law == train::step_law::uniform)
      for (double often : times) CHECK(often == Approx(1 - 25.0 / 36).margin(0.02));
    else
      CHECK(times[5] < 0.2);
  }
}

TEST_CASE("no steps, and less than none of them, are refused") {
  std::vector<train::weighted_step> steps;
  CHECK_THROWS_WITH(train::choose_steps(0, 1, {}, steps), "train::choose_steps: steps must be 1 or more, not 0");
  CHECK_THROWS_WITH(train::choose_steps(4, -1, {}, steps), "train::choose_steps: count must be 0 (all) or more, not -1");
}

}  // namespace cddrec::test
