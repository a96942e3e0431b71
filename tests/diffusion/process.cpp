#include "cddrec/diffusion/process.hpp"

#include "test.hpp"

namespace cddrec::test {

namespace {

struct constant_schedule {
  double value;
  double beta(index, index) const { return value; }
};

// Only its third step is as given.
struct wrong_third_step {
  double value;
  double beta(index t, index) const { return t == 2 ? value : 0.1; }
};

// Largest difference of two values of the same place.
template <class T>
double distance(const core::matrix<T>& a, const core::matrix<T>& b) {
  double worst = a.size() == b.size() ? 0 : HUGE_VAL;
  for (index i = 0; i < a.size(); ++i) {
    const double d = std::abs(double(a.data()[i]) - double(b.data()[i]));
    worst = std::isnan(d) ? HUGE_VAL : std::max(worst, d);
  }
  return worst;
}

struct moments {
  double mean = 0, variance = 0;
};
// Of x - scale * centre over all elements.
moments residual_moments(const core::matrix<float>& x, double scale, const core::matrix<float>& centre) {
  double sum = 0, squares = 0;
  for (index i = 0; i < x.size(); ++i) {
    const double r = double(x.data()[i]) - scale * double(centre.data()[i]);
    sum += r, squares += r * r;
  }
  const double mean = sum / double(x.size());
  return {mean, squares / double(x.size()) - mean * mean};
}

}  // namespace

TEST_CASE("the tables follow their definitions") {
  const diffusion::linear_schedule schedule{.first = 1e-4, .last = 0.04};
  const diffusion::process<double> p(schedule, 20);
  REQUIRE(p.steps() == 20);
  double product = 1;
  for (index t = 0; t < 20; ++t) {
    const double before = product;
    product *= 1 - schedule.beta(t, 20);
    CHECK(p.beta(t) == schedule.beta(t, 20));
    CHECK(p.alpha(t) == 1 - p.beta(t));
    CHECK(std::abs(p.alpha_bar(t) - product) < 1e-15);
    CHECK(std::abs(p.alpha_bar_previous(t) - before) < 1e-15);
    CHECK(std::abs(p.q_mean_variance(t).scale - std::sqrt(product)) < 1e-15);
    CHECK(std::abs(p.q_mean_variance(t).variance - (1 - product)) < 1e-15);
    if (t > 0) CHECK(std::abs(p.posterior_variance(t) / (p.beta(t) * (1 - before) / (1 - product)) - 1) < 1e-12);
  }
  CHECK(p.alpha_bar_previous(0) == 1);
}

TEST_CASE("a constant beta has a power for its product") {
  const diffusion::process<double> p(constant_schedule{0.3}, 12);
  for (index t = 0; t < 12; ++t) CHECK(std::abs(p.alpha_bar(t) / std::pow(0.7, double(t + 1)) - 1) < 1e-14);
}

TEST_CASE("the first step's posterior variance is the second's, a single step's its beta") {
  const diffusion::process<double> p(diffusion::linear_schedule{.first = 0.1, .last = 0.3}, 2);
  CHECK(p.posterior_variance(0) == p.posterior_variance(1));
  CHECK(std::abs(p.posterior_variance(0) - 0.3 * 0.1 / (1 - 0.9 * 0.7)) < 1e-15);
  const diffusion::process<double> one(diffusion::linear_schedule{.last = 0.3}, 1);
  CHECK(one.beta(0) == 0.3);
  CHECK(one.posterior_variance(0) == 0.3);
  CHECK(one.alpha_bar(0) == 0.7);
}

TEST_CASE("the posterior is Bayes' rule") {
  // q(x_{t-1} | x_t, x_0) ∝ q(x_t | x_{t-1}) q(x_{t-1} | x_0): precisions add, means are weighted by precision.
  const diffusion::cosine_schedule schedule;
  const diffusion::process<double> p(schedule, 30);
  const auto x0 = normal_matrix<double>(70, 5, 1), xt = normal_matrix<double>(70, 5, 2);
  core::matrix<double> mean(70, 5);
  double alpha_bar = 1 - schedule.beta(0, 30);  // of the step before
  for (index t = 1; t < 30; ++t) {
    const double beta = schedule.beta(t, 30);
    const double prior = 1 / (1 - alpha_bar), likelihood = (1 - beta) / beta;
    const double variance = 1 / (prior + likelihood);
    // x_t = √(1-β) x_{t-1} + √β ε says x_{t-1} is near x_t / √(1-β).
    const core::matrix<double> expected = variance * (prior * std::sqrt(alpha_bar) * x0 + likelihood / std::sqrt(1 - beta) * xt);
    mean.setConstant(std::nan(""));
    CHECK(std::abs(p.q_posterior_mean_variance(x0, xt, t, mean) - variance) < 1e-12);
    CHECK(distance(mean, expected) < 1e-12);
    alpha_bar *= 1 - beta;
  }
  p.q_posterior_mean_variance(x0, xt, 0, mean);
  CHECK(mean == x0);
}

TEST_CASE("draws have the mean and variance they should") {
  const diffusion::process<float> p(diffusion::linear_schedule{.first = 0.05, .last = 0.4}, 6);
  const index rows = 4000, cols = 50;
  const double n = double(rows * cols);
  const auto x0 = normal_matrix<float>(rows, cols, 3);
  core::matrix<float> x(rows, cols);
  for (index t : {0, 3, 5}) {
    double alpha_bar = 1;
    for (index s = 0; s <= t; ++s) alpha_bar *= 1 - (0.05 + 0.07 * double(s));
    p.q_sample(x0, t, core::random(core::seed{11}).child(std::uint64_t(t)), x);
    moments m = residual_moments(x, std::sqrt(alpha_bar), x0);
    CHECK(std::abs(m.mean) < 4 * std::sqrt((1 - alpha_bar) / n));
    CHECK(std::abs(m.variance / (1 - alpha_bar) - 1) < 4 * std::sqrt(2 / n));

    p.p_sample(x0, t, core::random(core::seed{12}).child(std::uint64_t(t)), x);
    m = residual_moments(x, 1, x0);
    const double variance = double(p.posterior_variance(t));
    CHECK(std::abs(m.mean) < 4 * std::sqrt(variance / n));
    CHECK(std::abs(m.variance / variance - 1) < 4 * std::sqrt(2 / n));
  }
}

TEST_CASE("one step after another has the distribution of all at once") {
  // The tables agree with the chain x_t = √α_t x_{t-1} + √β_t ε they come from.
  const diffusion::process<double> p(diffusion::cosine_schedule{}, 10);
  double scale = 1, variance = 0;
  for (index t = 0; t < 10; ++t) {
    scale *= std::sqrt(p.alpha(t));
    variance = p.alpha(t) * variance + p.beta(t);
    CHECK(std::abs(p.q_mean_variance(t).scale - scale) < 1e-14);
    CHECK(std::abs(p.q_mean_variance(t).variance - variance) < 1e-14);
  }
}

TEST_CASE("a row's noise depends on its number alone") {
  const diffusion::process<float> p(diffusion::linear_schedule{}, 8);
  const core::random noise(core::seed{5});
  for (index cols : {1, 64, 100}) {
    const auto x0 = normal_matrix<float>(150, cols, 4);
    core::matrix<float> one(150, cols), many(150, cols), few(7, cols);
    p.q_sample(x0, 6, noise, one);
    p.q_sample(x0.topRows(7), 6, noise, few);
    CHECK(few == one.topRows(7));
    for (int threads : {2, 4}) {
      many.setConstant(std::nanf(""));
      p.q_sample(x0, 6, noise, many, {threads});
      CHECK(many == one);
    }
    many = x0;
    p.q_sample(many, 6, noise, many);  // in place
    CHECK(many == one);

    // No two rows share noise, and the stream's elements are those of the doc comment.
    core::matrix<float> zero = core::matrix<float>::Zero(150, cols), epsilon(1, cols);
    p.p_sample(zero, 6, noise, one);
    CHECK(one.row(0) != one.row(1));
    noise.normal<float>(149 * ((cols + 63) / 64 * 64), std::span<float>(epsilon.data(), std::size_t(cols)));
    epsilon *= std::sqrt(p.posterior_variance(6));
    CHECK(distance<float>(one.row(149), epsilon) < 1e-7);
  }
}

TEST_CASE("threads do not change a posterior mean") {
  const diffusion::process<float> p(diffusion::linear_schedule{}, 8);
  const auto x0 = normal_matrix<float>(150, 9, 6), xt = normal_matrix<float>(150, 9, 7);
  core::matrix<float> one(150, 9), four(150, 9);
  p.q_posterior_mean_variance(x0, xt, 3, one);
  p.q_posterior_mean_variance(x0, xt, 3, four, {4});
  CHECK(four == one);
}

TEST_CASE("a wrong schedule is refused with the step and its value") {
  using process = diffusion::process<float>;
  CHECK_THROWS_WITH(process(diffusion::linear_schedule{}, 0), ContainsSubstring("0 steps; at least 1"));
  CHECK_THROWS_WITH(process(wrong_third_step{1.5}, 4), ContainsSubstring("beta of step 2 (of 0 … 3) is 1.5, not in (0, 1)"));
  CHECK_THROWS_WITH(process(wrong_third_step{-1e-9}, 4), ContainsSubstring("step 2 (of 0 … 3) is -1e-09"));
  for (double value : {0.0, 1.0, std::nan(""), HUGE_VAL}) CHECK_THROWS_AS(process(wrong_third_step{value}, 4), input_error);
  CHECK_NOTHROW(process(wrong_third_step{1.5}, 2));
  CHECK_THROWS_AS(process(diffusion::linear_schedule{.first = 0}, 4), input_error);
  CHECK_THROWS_AS(process(diffusion::cosine_schedule{.largest = 1}, 4), input_error);
}

TEST_CASE("betas may fall: what is left of the signal falls all the same") {
  const diffusion::process<double> p(diffusion::linear_schedule{.first = 0.5, .last = 0.1}, 5);
  CHECK(p.beta(0) == 0.5);
  CHECK(p.beta(4) == Approx(0.1));
  CHECK(p.alpha_bar(4) == Approx(0.5 * 0.6 * 0.7 * 0.8 * 0.9));
  for (index t = 1; t < 5; ++t) CHECK(p.alpha_bar(t) < p.alpha_bar(t - 1));
}

TEST_CASE("tiny betas keep their posterior") {
  // 1 - alpha_bar by subtraction would be 0 here, and the posterior variance 0 / 0.
  const diffusion::process<double> p(constant_schedule{1e-18}, 3);
  CHECK(std::abs(p.posterior_variance(2) / (1e-18 * 2 / 3) - 1) < 1e-12);
  CHECK(std::abs(p.q_mean_variance(2).variance / 3e-18 - 1) < 1e-12);
}

TEST_CASE("a step or a shape that does not fit is refused") {
  const diffusion::process<float> p(diffusion::linear_schedule{}, 8);
  core::matrix<float> x(3, 4), y(3, 5);
  CHECK_THROWS_WITH(p.beta(8), ContainsSubstring("step 8 is not in 0 … 7"));
  CHECK_THROWS_AS(p.beta(-1), input_error);
  CHECK_THROWS_AS(p.q_sample(x, 8, core::random(), x), input_error);
  CHECK_THROWS_WITH(p.q_sample(x, 0, core::random(), y),
                    ContainsSubstring("diffusion::process: the input is [3, 4] but the output [3, 5]; give both"));
  CHECK_THROWS_AS(p.p_sample(x, 0, core::random(), y), input_error);
  CHECK_THROWS_AS(p.q_posterior_mean_variance(x, y, 0, x), input_error);
  CHECK_THROWS_WITH(p.q_posterior_mean_variance(y, x, 0, x), ContainsSubstring("x0 is [3, 5] but mean [3, 4]"));
}

}  // namespace cddrec::test
