#include "cddrec/diffusion/sampler.hpp"

#include "compare.hpp"

namespace cddrec::test {
namespace {

using process = diffusion::process<double>;
using matrix = core::matrix<double>;

// Enough noise for every coefficient to matter.
process noisy(index steps = 6) { return process(diffusion::linear_schedule{.first = 0.05, .last = 0.4}, steps); }

// A prediction of its own at every step.
struct predictions {
  std::vector<matrix> of;
  std::vector<index> asked;
  predictions(index steps, index rows, index cols) {
    for (index t = 0; t < steps; ++t) of.push_back(normal_matrix<double>(rows, cols, 100 + static_cast<std::uint64_t>(t)));
  }
  core::view<const double> operator()(index t) {
    asked.push_back(t);
    return of[static_cast<std::size_t>(t)];
  }
};

// ε of a draw at the step that a move starts from, in every row.
matrix epsilon(const core::random& draw, index t, index rows, index cols) {
  matrix e(1, cols);
  draw.child(static_cast<std::uint64_t>(t)).normal<double>(0, std::span<double>(e.data(), static_cast<std::size_t>(cols)));
  return e.replicate(rows, 1);
}

double deviation(const process& p, index t) { return std::sqrt((1 - p.alpha_bar(t)) / p.alpha_bar(t)); }

double distance(const matrix& a, const matrix& b) { return (a - b).cwiseAbs().maxCoeff(); }

std::vector<index> visited(const diffusion::path& way) {
  std::vector<index> steps;
  for (const auto& m : way.moves) steps.push_back(m.from);
  return steps;
}

}  // namespace

TEST_CASE("ancestral generation is the chain of posteriors, one draw after the other") {
  const process p = noisy();
  const core::random draw(core::seed{3});
  for (index stop = -1; stop < 5; ++stop) {
    predictions predict(6, 7, 5);
    matrix x = epsilon(draw, 6, 7, 5);
    for (index t = 5; t > stop; --t) {
      const double variance = p.q_posterior_mean_variance(predict.of[static_cast<std::size_t>(t)], x, t, x);
      if (t > 0) x += std::sqrt(variance) * epsilon(draw, t, 7, 5);
    }
    if (stop >= 0) x /= std::sqrt(p.alpha_bar(stop));
    matrix got = not_a_number<double>(7, 5);
    diffusion::sample<double>(diffusion::ancestral(p, 0, stop), predict, draw, got);
    CHECK(distance(got, x) < 1e-12);
    CHECK(predict.asked.front() == 5);
    CHECK(predict.asked.back() == stop + 1);
  }
}

TEST_CASE("DDIM is its own naive loop over the steps it visits") {
  const process p = noisy(9);
  const core::random draw(core::seed{4});
  for (const std::vector<index>& steps : {std::vector<index>{8, 7, 6, 5, 4, 3, 2, 1, 0}, {8, 6, 4, 2, 0}, {8, 4, 0}, {8, 0}}) {
    predictions predict(9, 3, 70);
    matrix x = epsilon(draw, 9, 3, 70), end;
    for (std::size_t k = 0; k < steps.size(); ++k) {
      const matrix& x0 = predict.of[static_cast<std::size_t>(steps[k])];
      const double a = p.alpha_bar(steps[k]);
      const matrix eps = (x - std::sqrt(a) * x0) / std::sqrt(1 - a);
      if (k + 1 == steps.size()) {
        end = x0;  // alpha_bar of the clean vector is 1
      } else {
        const double b = p.alpha_bar(steps[k + 1]);
        x = std::sqrt(b) * x0 + std::sqrt(1 - b) * eps;
      }
    }
    const index count = static_cast<index>(steps.size());
    matrix got(3, 70);
    diffusion::sample<double>(diffusion::ddim(p, count), predict, draw, got);
    CHECK(distance(got, x / std::sqrt(p.alpha_bar(0))) < 1e-12);
    CHECK(predict.asked == std::vector<index>(steps.begin(), steps.end() - 1));
    diffusion::sample<double>(diffusion::ddim(p, count, -1), predict, draw, got);
    CHECK(got == end);
  }
}

TEST_CASE("the literal end is the prediction of step 0, to the bit and for every draw") {
  const process p = noisy();
  predictions predict(6, 4, 9);
  matrix got(4, 9);
  for (std::uint64_t draw : {1u, 2u})
    for (const auto& way : {diffusion::ancestral(p, 0, -1), diffusion::ancestral(p, 3, -1), diffusion::ddim(p, 0, -1)}) {
      diffusion::sample<double>(way, predict, core::random(core::seed{draw}), got);
      CHECK(got == predict.of[0]);
    }
}

TEST_CASE("predictions have the weights of the header") {
  const process p = noisy();
  for (int power : {1, 2})
    for (index stop : {0, 2}) {
      const auto way = power == 2 ? diffusion::ancestral(p, 0, stop) : diffusion::ddim(p, 0, stop);
      for (index t = 0; t < 6; ++t) {  // the weight of step t: what is left when every other prediction is zero
        matrix weight(1, 1);
        diffusion::follow<double>(
            way,
            [&](index s) -> core::view<const double> {
              static const double one = 1, zero = 0;
              return {s == t ? &one : &zero, 1, 1};
            },
            weight);
        const auto inverse = [&](index s) { return std::pow(deviation(p, s), -power); };
        CHECK(weight(0, 0) == Approx(t > stop ? (inverse(t - 1) - inverse(t)) / inverse(stop) : 0.0).margin(1e-14));
      }
    }
}

TEST_CASE("with one prediction for all steps, draws have its share for their mean and the header's variance") {
  const process p = noisy();
  const index d = 200000;  // coordinates are independent: each is a draw
  const matrix centre = matrix::Constant(1, d, 3.0);
  const auto predict = [&](index) -> core::view<const double> { return centre; };
  const double far = deviation(p, 5);
  for (int power : {1, 2})
    for (index stop : {0, 3}) {
      matrix x(1, d);
      diffusion::sample<double>(power == 2 ? diffusion::ancestral(p, 0, stop) : diffusion::ddim(p, 0, stop), predict,
                                core::random(core::seed{9}), x);
      const double near = deviation(p, stop), share = 1 - std::pow(near / far, power);
      const double variance = power == 2 ? near * near * (1 + near * near / std::pow(far, 4)) : near * near / (1 - p.alpha_bar(5));
      CHECK(std::abs(x.mean() - 3 * share) < 4 * std::sqrt(variance / double(d)));
      CHECK(std::abs((x.array() - x.mean()).square().mean() / variance - 1) < 4 * std::sqrt(2 / double(d)));
    }
}

TEST_CASE("steps are spread evenly, the last first and where generation stops last") {
  const process p = noisy(20);
  for (index stop : {-1, 0, 7})
    for (index steps = 2; steps <= 20 - std::max<index>(stop, 0); ++steps)
      for (const auto& way : {diffusion::ddim(p, steps, stop), diffusion::ancestral(p, steps, stop)}) {
        auto seen = visited(way);
        if (stop >= 0) seen.push_back(stop);
        REQUIRE(static_cast<index>(seen.size()) == steps);
        CHECK(seen.front() == 19);
        CHECK(seen.back() == std::max<index>(stop, 0));
        index widest = 0, narrowest = 20;
        for (std::size_t k = 1; k < seen.size(); ++k) {
          widest = std::max(widest, seen[k - 1] - seen[k]);
          narrowest = std::min(narrowest, seen[k - 1] - seen[k]);
        }
        CHECK(narrowest >= 1);
        CHECK(widest - narrowest <= 1);
      }
  CHECK(visited(diffusion::ddim(p)) == visited(diffusion::ancestral(p, 20)));
  CHECK(visited(diffusion::ddim(noisy(1), 0, -1)) == std::vector<index>{0});
}

TEST_CASE("a first step whose noise no float holds leaves a way of numbers") {
  const diffusion::process<float> p(diffusion::linear_schedule{.first = 1e-50}, 30);
  REQUIRE(p.q_mean_variance(0).variance == 0);
  for (const auto& way : {diffusion::ancestral(p, 0, -1), diffusion::ddim(p, 0, -1)})
    for (const auto& move : way.moves) CHECK((move.keep >= 0 && move.keep < 1 && move.noise >= 0));
}

TEST_CASE("a row has the same bits alone, among others and for any threads; a draw its own noise") {
  const diffusion::process<float> p(diffusion::linear_schedule{}, 8);
  const auto x0 = normal_matrix<float>(300, 70, 1);
  for (const auto& way : {diffusion::ancestral(p), diffusion::ddim(p, 3)}) {
    const auto draw = [&](std::uint64_t name, index first, index rows, int threads) {
      const core::matrix<float> some = x0.middleRows(first, rows);
      core::matrix<float> out = not_a_number<float>(rows, 70);
      diffusion::sample<float>(way, [&](index) -> core::view<const float> { return some; }, core::random(core::seed{name}), out, {threads});
      return out;
    };
    const auto all = draw(1, 0, 300, 1);
    CHECK(same_bits(draw(1, 0, 300, 4), all));
    for (index i : {0, 1, 150, 299}) CHECK(same_bits<float>(draw(1, i, 1, 2), all.row(i)));
    CHECK_FALSE(same_bits(draw(2, 0, 300, 1), all));
  }
}

TEST_CASE("a way back from where nothing of the signal is left is refused, and one from next to nothing is finite") {
  const diffusion::process<float> extreme(diffusion::linear_schedule{.last = 0.9}, 500);
  CHECK_FALSE(diffusion::has_way_back(extreme));
  CHECK_THROWS_AS(diffusion::ancestral(extreme), input_error);
  CHECK_THROWS_WITH(diffusion::ancestral(extreme), ContainsSubstring("nothing of the signal at step 499"));
  CHECK_THROWS_WITH(diffusion::ddim(extreme, 3, -1), ContainsSubstring("nothing of the signal at step 499"));
  CHECK_NOTHROW(diffusion::ancestral(process(diffusion::linear_schedule{.last = 0.9}, 500)));  // a double holds it
  // The longest of such processes that is not refused.
  for (index steps = 499;; --steps) {
    const diffusion::process<float> less(diffusion::linear_schedule{.last = 0.9}, steps);
    diffusion::path way;
    try {
      way = diffusion::ancestral(less);
    } catch (const input_error&) {
      CHECK_FALSE(diffusion::has_way_back(less));
      REQUIRE(steps > 100);
      continue;
    }
    const core::matrix<float> x0 = core::matrix<float>::Ones(1, 20000);
    core::matrix<float> out = not_a_number<float>(1, 20000);
    diffusion::sample<float>(
        way, [&](index) -> core::view<const float> { return x0; }, core::random(core::seed{1}), out);
    CHECK(out.allFinite());
    break;
  }
}

TEST_CASE("a way that leads nowhere is refused") {
  const process p = noisy(6);
  CHECK_THROWS_WITH(diffusion::ddim(p, 7), ContainsSubstring("steps must be 0 (all) or 2 … 6") && ContainsSubstring("not 7"));
  CHECK_THROWS_WITH(diffusion::ddim(p, 5, 2), ContainsSubstring("steps must be 0 (all) or 2 … 4"));
  for (index steps : {-1, 1}) CHECK_THROWS_AS(diffusion::ancestral(p, steps), input_error);
  for (index stop : {-2, 5, 6}) CHECK_THROWS_WITH(diffusion::ancestral(p, 0, stop), ContainsSubstring("stop must be -1 … 4"));
  CHECK_THROWS_AS(diffusion::ddim(noisy(1)), input_error);  // its one state is pure noise
  matrix out(2, 3), other(2, 4);
  CHECK_THROWS_WITH(diffusion::follow<double>(
                        diffusion::ddim(p), [&](index) -> core::view<const double> { return other; }, out),
                    ContainsSubstring("prediction of step 5 is [2, 4] but the output [2, 3]; give both the same shape"));
}

}  // namespace cddrec::test
