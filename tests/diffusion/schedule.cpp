#include "cddrec/diffusion/schedule.hpp"

#include "cddrec/diffusion/process.hpp"
#include "test.hpp"

namespace cddrec::test {

TEST_CASE("the linear schedule goes from first to last in equal increments") {
  const diffusion::linear_schedule s{.first = 1e-4, .last = 0.04};
  CHECK(s.beta(0, 20) == 1e-4);
  CHECK(s.beta(19, 20) == 0.04);
  for (index t = 0; t < 20; ++t) CHECK(std::abs(s.beta(t, 20) - (1e-4 + double(t) * (0.04 - 1e-4) / 19)) < 1e-16);
  CHECK(s.beta(0, 1) == 0.04);
  CHECK(s.beta(0, 2) == 1e-4);
}

namespace {
// alpha_bar after each step but the last of T is f(time) / f(0).
template <class Schedule, class F>
void check_product(const Schedule& s, index T, F&& f) {
  double alpha_bar = 1;
  for (index t = 0; t < T - 1; ++t) {
    alpha_bar *= 1 - s.beta(t, T);
    CHECK(std::abs(alpha_bar - f(double(t + 1) / double(T)) / f(0.0)) < 1e-14);
  }
}
}  // namespace

TEST_CASE("the cosine schedule's product is a squared cosine until it is cut") {
  const diffusion::cosine_schedule s{.offset = 0.008, .largest = 0.999};
  const double half_turn = std::acos(-1.0);
  check_product(s, 50, [&](double time) { return std::pow(std::cos((time + 0.008) / 1.008 * half_turn / 2), 2); });
  CHECK(s.beta(49, 50) == 0.999);
  CHECK(s.beta(0, 1) == 0.999);
  const diffusion::cosine_schedule low{.largest = 0.5};
  CHECK(low.beta(49, 50) == 0.5);
  CHECK(low.beta(0, 50) == s.beta(0, 50));
}

TEST_CASE("the root schedule's product is one less the root of the time until it is cut") {
  const diffusion::sqrt_schedule s;
  check_product(s, 30, [](double time) { return 1 - std::sqrt(time + 1e-4); });
  CHECK(s.beta(29, 30) == 0.999);
  CHECK(s.beta(0, 1) == 0.999);
  // What is already below 0 stays cut: many steps, or much at the beginning.
  CHECK(s.beta(10000, 10001) == 0.999);
  const diffusion::sqrt_schedule early{.offset = 0.2};
  for (index t = 24; t < 30; ++t) CHECK(early.beta(t, 30) == 0.999);
  CHECK(diffusion::process<float>(early, 30).steps() == 30);
}

TEST_CASE("the truncated linear schedule stretches a thousand steps, and ends lower where there are few") {
  const diffusion::truncated_linear_schedule s;
  CHECK(s.beta(0, 2000) == Approx(0.5e-4 + 0.01));
  CHECK(s.beta(1999, 2000) == Approx(0.01 + 0.01));
  CHECK(s.beta(0, 20) == Approx(50 * 1e-4 + 0.01));  // 50 * 0.02 + 0.01 would be above 1
  CHECK(s.beta(19, 20) == Approx(50 * 1e-3 + 0.01));
  for (index t = 1; t < 20; ++t) CHECK(s.beta(t, 20) - s.beta(t - 1, 20) == Approx(50 * 9e-4 / 19));
  CHECK(s.beta(0, 1) == 0.999);
}

namespace {
struct without_beta {};
struct with_wrong_arguments {
  double beta(const char* step, index steps) const;
};
struct from_a_stranger {
  float beta(int t, int steps) const { return 0.5f * float(t + 1) / float(steps); }
};
}  // namespace

TEST_CASE("a schedule is whatever has a beta") {
  CHECK(diffusion::noise_schedule<diffusion::linear_schedule>);
  CHECK(diffusion::noise_schedule<diffusion::cosine_schedule>);
  CHECK(diffusion::noise_schedule<diffusion::sqrt_schedule>);
  CHECK(diffusion::noise_schedule<diffusion::truncated_linear_schedule>);
  CHECK(diffusion::noise_schedule<from_a_stranger>);
  CHECK_FALSE(diffusion::noise_schedule<without_beta>);
  CHECK_FALSE(diffusion::noise_schedule<with_wrong_arguments>);
}

}  // namespace cddrec::test
