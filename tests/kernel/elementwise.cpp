#include "cddrec/kernel/elementwise.hpp"

#include "compare.hpp"
#include "test.hpp"

namespace cddrec::test {

namespace {
// One value, an odd handful, and more than one block.
const std::vector<std::pair<index, index>> shapes{{1, 1}, {3, 5}, {1, 19}, {130, 67}};

// f value by value, in double.
template <class T, class F>
core::matrix<double> each(const core::matrix<T>& x, F f) {
  return x.template cast<double>().unaryExpr(f);
}

double phi(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }
double density(double x) { return std::exp(-0.5 * x * x) / std::sqrt(2 * 3.14159265358979323846); }
}  // namespace

TEMPLATE_TEST_CASE("sums with factors", "", float, double) {
  using T = TestType;
  for (auto [rows, cols] : shapes) {
    const auto x = normal_matrix<T>(rows, cols, 1), y = normal_matrix<T>(rows, cols, 2);
    const core::matrix<double> xd = x.template cast<double>(), yd = y.template cast<double>();
    core::matrix<T> out = y;
    kernel::add_scaled<T>(T(-1.5), x, out, {1});
    CHECK(error_of(out, yd - 1.5 * xd) < tolerance<T>);
    out = not_a_number<T>(rows, cols);
    kernel::linear_combination<T>(T(0.5), x, T(-2), y, out, {1});
    CHECK(error_of(out, 0.5 * xd - 2 * yd) < tolerance<T>);
  }
}

TEMPLATE_TEST_CASE("bias and its gradient", "", float, double) {
  using T = TestType;
  for (auto [rows, cols] : shapes) {
    const auto bias = normal_matrix<T>(1, cols, 1), x = normal_matrix<T>(rows, cols, 2);
    auto out = x;
    kernel::add_bias<T>(bias, out, {1});
    CHECK(error_of<T>(out, (x.rowwise() + bias.row(0)).template cast<double>()) < tolerance<T>);
    const core::matrix<double> expected = bias.template cast<double>() + x.template cast<double>().colwise().sum();
    for (int threads : {1, 2, 4}) {
      auto dbias = bias;
      workspace<T> partial(core::block_count(rows, 64) * cols);
      kernel::add_bias_backward<T>(x, dbias, partial, {threads});
      CHECK(error_of(dbias, expected) < 10 * tolerance<T>);
    }
  }
}

TEMPLATE_TEST_CASE("GELU and its gradient", "", float, double) {
  using T = TestType;
  for (auto [rows, cols] : shapes) {
    const auto x = normal_matrix<T>(rows, cols, 1, T(3)), up = normal_matrix<T>(rows, cols, 2), noise = normal_matrix<T>(rows, cols, 3);
    auto out = not_a_number<T>(rows, cols);
    kernel::gelu_forward<T>(x, out, {1});
    CHECK(error_of(out, each(x, [](double v) { return v * phi(v); })) < tolerance<T>);
    auto dx = noise;
    kernel::gelu_backward<T>(up, x, dx, {1});
    const auto slope = each(x, [](double v) { return phi(v) + v * density(v); });
    CHECK(error_of<T>(dx, noise.template cast<double>().array() + up.template cast<double>().array() * slope.array()) < tolerance<T>);
  }
}

TEMPLATE_TEST_CASE("softplus and its gradient, without overflow", "", float, double) {
  using T = TestType;
  core::matrix<T> x = normal_matrix<T>(3, 5, 1, T(5));
  x(0, 0) = T(1000), x(0, 1) = T(-1000);
  const auto up = normal_matrix<T>(3, 5, 2), noise = normal_matrix<T>(3, 5, 3);
  auto out = not_a_number<T>(3, 5);
  kernel::softplus_forward<T>(x, out);
  CHECK(out(0, 0) == T(1000));
  CHECK(out(0, 1) == T(0));
  CHECK(error_of(out, each(x, [](double v) { return v > 500 ? v : std::log1p(std::exp(v)); })) < tolerance<T>);
  auto dx = noise;
  kernel::softplus_backward<T>(up, x, dx);
  const auto slope = each(x, [](double v) { return 1 / (1 + std::exp(-v)); });
  CHECK(error_of<T>(dx, noise.template cast<double>().array() + up.template cast<double>().array() * slope.array()) < tolerance<T>);
}

TEMPLATE_TEST_CASE("dropout keeps or drops a value, forward and backward alike", "", float, double) {
  using T = TestType;
  const double rate = 0.25;
  const core::random draw(core::seed{7});
  for (auto [rows, cols] : shapes) {
    const core::matrix<T> ones = core::matrix<T>::Ones(rows, cols);
    const auto x = normal_matrix<T>(rows, cols, 1), noise = normal_matrix<T>(rows, cols, 2);
    auto factor = not_a_number<T>(rows, cols), out = factor;
    kernel::dropout_forward<T>(ones, rate, draw, factor, {1});
    index dropped = 0;
    for (index i = 0; i < factor.size(); ++i) {
      REQUIRE((factor.data()[i] == T(0) || factor.data()[i] == static_cast<T>(1 / (1 - rate))));
      dropped += factor.data()[i] == T(0);
      REQUIRE((factor.data()[i] == T(0)) == (draw.uniform(i) < static_cast<float>(rate)));
    }
    if (factor.size() > 1000) CHECK(std::abs(static_cast<double>(dropped) / static_cast<double>(factor.size()) - rate) < 0.02);
    for (int threads : {1, 2, 4}) {
      out = not_a_number<T>(rows, cols);
      kernel::dropout_forward<T>(x, rate, draw, out, {threads});
      CHECK(same_bits<T>(out, x.cwiseProduct(factor)));
      out = noise;
      kernel::dropout_backward<T>(x, rate, draw, out, {threads});
      CHECK(error_of<T>(out, (noise + x.cwiseProduct(factor)).template cast<double>()) < tolerance<T>);
    }
  }
}

TEMPLATE_TEST_CASE("noise is standard normal and a row's is its own", "", float, double) {
  using T = TestType;
  const core::random draw(core::seed{3});
  const auto noisy = [&](const core::matrix<T>& x, double scale, double deviation, int threads = 1) {
    auto out = not_a_number<T>(x.rows(), x.cols());
    kernel::add_noise<T>(x, scale, deviation, draw, out, {threads});
    return out;
  };
  for (index cols : {1, 64, 67, 130}) {
    const core::matrix<T> x = normal_matrix<T>(200, cols, 1);
    const auto noise = noisy(core::matrix<T>::Zero(200, cols), 0, 1);
    const core::matrix<T> out = noisy(x, 0.5, 2);
    CHECK(error_of<T>(out, 0.5 * x.template cast<double>() + 2 * noise.template cast<double>()) < tolerance<T>);
    for (int threads : {2, 4}) CHECK(same_bits(noisy(x, 0.5, 2, threads), out));
    CHECK(same_bits<T>(noisy(x.topRows(7), 0.5, 2), out.topRows(7)));
    core::matrix<T> in_place = x;
    kernel::add_noise<T>(in_place, 0.5, 2, draw, in_place, {1});
    CHECK(same_bits(in_place, out));
    for (index i = 1; i < 200; ++i) REQUIRE(noise(i, 0) != noise(i - 1, 0));
    const double count = static_cast<double>(noise.size());
    CHECK(std::abs(static_cast<double>(noise.sum()) / count) < 5 / std::sqrt(count));
    CHECK(std::abs(static_cast<double>(noise.squaredNorm()) / count - 1) < 8 / std::sqrt(count));
  }
}

TEST_CASE("elementwise kernels give the same bits for any threads and place") {
  const auto x = normal_matrix<float>(130, 67, 1), up = normal_matrix<float>(130, 67, 2);
  const auto run = [&](int threads) {
    core::matrix<float> out(130, 67), dx = up;
    kernel::gelu_forward<float>(x, out, {threads});
    kernel::gelu_backward<float>(up, x, dx, {threads});
    return core::matrix<float>(out + dx);
  };
  for (int threads : {2, 4}) CHECK(same_bits(run(threads), run(1)));
  core::matrix<float> whole(130, 67), row(1, 67);
  kernel::gelu_forward<float>(x, whole, {1});
  for (index i : {1, 77, 129}) {
    kernel::gelu_forward<float>(core::matrix<float>(x.row(i)), row, {1});
    CHECK(same_bits<float>(row, whole.row(i)));
  }
}

}  // namespace cddrec::test
