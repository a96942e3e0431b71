#include "cddrec/core/simd.hpp"

#include "test.hpp"

namespace cddrec::test {

namespace simd = core::simd;

namespace {
// Largest error of f against the double function, relative to max(|exact|, floor); infinite where f is NaN.
template <class F, class G>
double worst(double first, double last, double floor, F f, G exact) {
  double worst = 0;
  const int steps = 200000;
  for (int i = 0; i < steps; i += int(simd::lanes<float>)) {
    float x[simd::lanes<float>], y[simd::lanes<float>];
    for (int l = 0; l < int(simd::lanes<float>); ++l) x[l] = float(first + (last - first) * (i + l) / steps);
    simd::store<float>(y, f(simd::load(x)));
    for (int l = 0; l < int(simd::lanes<float>); ++l) {
      const double e = exact(double(x[l]));
      const double error = std::abs(double(y[l]) - e) / std::max(std::abs(e), floor);
      if (!(error <= worst)) worst = std::isnan(error) ? std::numeric_limits<double>::infinity() : error;
    }
  }
  return worst;
}
}  // namespace

TEST_CASE("elementary functions are as exact as float allows") {
  CHECK(worst(
            -87, 88, 0, [](auto x) { return simd::exp<float>(x); }, [](double x) { return std::exp(x); }) < 2e-7);
  for (auto [first, last] : {std::pair{1e-6, 0.5}, {0.5, 2.0}, {0.99, 1.01}, {2.0, 10.0}, {10.0, 1e6}, {1e-37, 1e-30}, {1e6, 3e38}})
    CHECK(worst(
              first, last, 1e-30, [](auto x) { return simd::log<float>(x); }, [](double x) { return std::log(x); }) < 1e-7);
  for (double end : {0.1, 1.0, 6.0})  // where the error is largest, about .04, with the finest steps
    CHECK(worst(
              -end, end, 1, [](auto x) { return simd::erf<float>(x, x); }, [](double x) { return std::erf(x); }) < 7e-7);
  const double turn = 6.283185307179586;
  simd::vec<float> other;
  auto cosine = [&](auto u) {
    simd::vec<float> c;
    simd::cos_sin_turn<float>(u, c, other);
    return c;
  };
  auto sine = [&](auto u) {
    simd::vec<float> s;
    simd::cos_sin_turn<float>(u, other, s);
    return s;
  };
  CHECK(worst(0, 0.99999, 1, cosine, [&](double u) { return std::cos(turn * u); }) < 6e-7);
  CHECK(worst(0, 0.99999, 1, sine, [&](double u) { return std::sin(turn * u); }) < 6e-7);
  for (double far : {20.0, 1000.0, 1048575.0}) {
    CHECK(worst(-far, far, 1, cosine, [&](double u) { return std::cos(turn * (u - std::round(u))); }) < 6e-7);
    CHECK(worst(-far, far, 1, sine, [&](double u) { return std::sin(turn * (u - std::round(u))); }) < 6e-7);
  }
}

TEST_CASE("cosines and sines of doubles") {
  for (double first = -20; first < 20; first += 0.01) {
    double u[simd::lanes<double>], cosine[simd::lanes<double>], sine[simd::lanes<double>];
    for (int l = 0; l < int(simd::lanes<double>); ++l) u[l] = first + 0.001 * l;
    simd::vec<double> c, s;
    simd::cos_sin_turn<double>(simd::load(u), c, s);
    simd::store<double>(cosine, c), simd::store<double>(sine, s);
    for (int l = 0; l < int(simd::lanes<double>); ++l) {
      const long double angle = 6.283185307179586476925286766559L * static_cast<long double>(u[l]);
      CHECK(std::abs(cosine[l] - static_cast<double>(std::cos(angle))) < 1e-13);
      CHECK(std::abs(sine[l] - static_cast<double>(std::sin(angle))) < 1e-13);
    }
  }
}

TEST_CASE("exp stays finite outside its range") {
  float y[simd::lanes<float>];
  simd::store<float>(y, simd::exp<float>(simd::broadcast(-1e30f)));
  CHECK((y[0] >= 0 && y[0] < 2e-38f));
  simd::store<float>(y, simd::exp<float>(simd::broadcast(1e30f)));
  CHECK(std::isfinite(y[0]));
  for (const float far : {1000.0f, std::numeric_limits<float>::infinity()}) {
    simd::store<float>(y, simd::exp<float>(simd::broadcast(far)));
    CHECK((y[0] > 2e38f && std::isfinite(y[0])));
    simd::store<float>(y, simd::exp<float>(-simd::broadcast(far)));
    CHECK((y[0] >= 0 && y[0] <= 2e-38f));
  }
}

TEMPLATE_TEST_CASE("exp of what is not a number is not one, and that of its neighbours is", "", float, double) {
  using T = TestType;
  const T nothing = std::numeric_limits<T>::quiet_NaN();
  T y[simd::lanes<T>];
  for (T bad : {nothing, -nothing}) {
    simd::store<T>(y, simd::exp<T>(simd::broadcast(bad)));
    for (T value : y) CHECK(std::isnan(value));
    for (index l = 0; l < simd::lanes<T>; ++l) {
      T x[simd::lanes<T>] = {};
      x[l] = bad;
      simd::store<T>(y, simd::exp<T>(simd::load(x)));
      for (index k = 0; k < simd::lanes<T>; ++k) CHECK((k == l ? std::isnan(y[k]) : y[k] == T(1)));
    }
  }
}

TEST_CASE("partial vectors read and write no more than they are told") {
  std::vector<float> x{1, 2, 3}, y{9, 9, 9, 9};
  simd::store<float>(y.data(), simd::load(x.data(), 3), 3);
  CHECK(y == std::vector<float>{1, 2, 3, 9});
  CHECK(simd::dot(x.data(), x.data(), 3) == 14.0f);
  simd::add_scaled(y.data(), 2.0f, x.data(), 3);
  CHECK(y == std::vector<float>{3, 6, 9, 9});
}

}  // namespace cddrec::test
