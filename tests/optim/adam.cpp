#include "cddrec/optim/adam.hpp"

#include "compare.hpp"
#include "test.hpp"

namespace cddrec::test {

using optim::adam;

namespace {
template <class T>
autodiff::parameter<T> named(index rows, index cols, std::uint64_t name) {
  return {rows, cols, 1.0, core::random(core::seed{name})};
}

/// One entry's Adam as the paper writes it.
struct plain_adam {
  double value, m = 0, v = 0;
  void step(double g, int t, const optim::adam_settings& s) {
    m = s.beta1 * m + (1 - s.beta1) * g;
    v = s.beta2 * v + (1 - s.beta2) * g * g;
    value -= s.learning_rate * (m / (1 - std::pow(s.beta1, t))) / (std::sqrt(v / (1 - std::pow(s.beta2, t))) + s.epsilon);
  }
};
}  // namespace

TEMPLATE_TEST_CASE("Adam is Adam, entry by entry, over several steps", "", float, double) {
  using T = TestType;
  std::vector<autodiff::parameter<T>> parameters{named<T>(3, 5, 1), named<T>(1, 1, 2), named<T>(130, 129, 3)};
  std::vector<std::vector<plain_adam>> expected;
  std::vector<autodiff::parameter<T>*> pointers;
  for (auto& p : parameters) {
    pointers.push_back(&p);
    expected.emplace_back();
    for (index i = 0; i < p.value.size(); ++i) expected.back().push_back({static_cast<double>(p.value.data()[i])});
  }
  adam<T> optimiser(pointers, {.learning_rate = 0.05, .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-6});
  for (int step = 1; step <= 5; ++step) {
    if (step == 4) optimiser.settings.learning_rate = 0.02;  // a schedule may change it
    for (std::size_t k = 0; k < parameters.size(); ++k) {
      auto& p = parameters[k];
      const core::matrix<T> g = normal_matrix<T>(p.value.rows(), p.value.cols(), 10 * static_cast<std::uint64_t>(step) + k, T(2));
      if (step != 3) p.gradient += g;  // at step 3 the gradient is zero, as the last step left it
      for (index i = 0; i < p.value.size(); ++i)
        expected[k][static_cast<std::size_t>(i)].step(step == 3 ? 0.0 : static_cast<double>(g.data()[i]), step, optimiser.settings);
    }
    optimiser.step({1});
    for (std::size_t k = 0; k < parameters.size(); ++k) {
      double worst = 0;
      for (index i = 0; i < parameters[k].value.size(); ++i)
        worst =
            std::max(worst, std::abs(static_cast<double>(parameters[k].value.data()[i]) - expected[k][static_cast<std::size_t>(i)].value));
      CHECK(worst < (std::is_same_v<T, float> ? 2e-6 : 1e-13));
      CHECK(parameters[k].gradient.isZero(0));
    }
  }
  CHECK(optimiser.steps == 5);
}

TEST_CASE("Adam takes the same step for any threads, and goes on from its saved state") {
  const auto run = [](int threads, bool restart) {
    auto p = named<float>(300, 200, 1);
    auto optimiser = std::make_unique<adam<float>>(std::vector<autodiff::parameter<float>*>{&p}, optim::adam_settings{});
    for (int step = 0; step < 4; ++step) {
      if (restart && step == 2) {
        auto fresh = std::make_unique<adam<float>>(std::vector<autodiff::parameter<float>*>{&p}, optim::adam_settings{});
        fresh->first_moments() = optimiser->first_moments();
        fresh->second_moments() = optimiser->second_moments();
        fresh->steps = optimiser->steps;
        optimiser = std::move(fresh);
      }
      p.gradient += normal_matrix<float>(300, 200, 5 + static_cast<std::uint64_t>(step));
      optimiser->step({threads});
    }
    return p.value;
  };
  const auto one = run(1, false);
  for (int threads : {2, 4}) CHECK(same_bits(run(threads, false), one));
  CHECK(same_bits(run(1, true), one));
}

TEST_CASE("a new optimiser starts from a gradient of zero") {
  auto p = named<float>(2, 3, 1);
  p.grad().matrix_map().setConstant(7);
  adam<float> optimiser({&p}, {});
  CHECK(p.gradient.isZero(0));
}

}  // namespace cddrec::test
