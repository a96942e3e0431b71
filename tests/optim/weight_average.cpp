#include "cddrec/optim/weight_average.hpp"

#include "test.hpp"

namespace cddrec::test {

TEMPLATE_TEST_CASE("the average of weights is the recurrence that defines it, whatever the threads", "", float, double) {
  using T = TestType;
  for (int threads : {1, 3}) {
    autodiff::parameter<T> large(130, 129, 1.0, core::random(core::seed{1})), small(1, 3, 1.0, core::random(core::seed{2}));
    optim::weight_average<T> average({&large, &small}, 0.5);
    core::matrix<double> expected = large.value.template cast<double>();
    double last = static_cast<double>(small.value(0, 2));
    for (index step = 1; step <= 12; ++step) {
      large.value *= T(1.25), small.value(0, 2) += T(2);
      average.update(step, {threads});
      const double k = step < 8 ? (1.0 + static_cast<double>(step)) / (10.0 + static_cast<double>(step)) : 0.5;  // 9 / 18 at the eighth
      expected = k * expected + (1 - k) * large.value.template cast<double>();
      last = k * last + (1 - k) * static_cast<double>(small.value(0, 2));
    }
    const double tolerance = std::is_same_v<T, float> ? 1e-5 : 1e-13;
    CHECK((average.held()[0].template cast<double>() - expected).norm() <= tolerance * expected.norm());
    CHECK(std::abs(static_cast<double>(average.held()[1](0, 2)) - last) <= tolerance * std::abs(last));
  }
}

TEST_CASE("the average changes places with the weights and back") {
  autodiff::parameter<double> p(2, 3, 1.0, core::random(core::seed{4}));
  const core::matrix<double> begun = p.value;
  optim::weight_average<double> average({&p}, 0.9);
  p.value *= 3;
  average.swap();
  CHECK(p.value == begun);
  CHECK(average.held()[0] == 3 * begun);
  average.swap();
  CHECK(p.value == 3 * begun);
}

TEST_CASE("a decay that does not average is refused") {
  autodiff::parameter<float> p(1, 1, 1.0, core::random(core::seed{5}));
  for (const double decay : {-3.0, 1.0, std::nan("")})
    CHECK_THROWS_WITH(optim::weight_average<float>({&p}, decay), "optim::weight_average: decay must be in [0, 1), not " + to_text(decay));
}

}  // namespace cddrec::test
