#include "cddrec/kernel/gaussian.hpp"

#include "compare.hpp"

namespace cddrec::test {

TEMPLATE_TEST_CASE("a draw has the mean and the deviation asked for, and the same bits for any threads and neighbours", "", float, double) {
  using T = TestType;
  const index n = 200, k = 100;  // several blocks of rows, and of values
  const core::matrix<T> mean = normal_matrix<T>(n, k, 1), log_variance = normal_matrix<T>(n, k, 2);
  const core::random draw(core::seed{5});
  core::matrix<T> out = not_a_number<T>(n, k), again = not_a_number<T>(n, k), first = not_a_number<T>(3, k);
  kernel::gaussian_sample_forward<T>(mean, log_variance, draw, out, {1});
  kernel::gaussian_sample_forward<T>(mean, log_variance, draw, again, {3});
  CHECK(same_bits<T>(out, again));
  const core::matrix<T> few_mean = mean.topRows(3), few_variance = log_variance.topRows(3);
  kernel::gaussian_sample_forward<T>(few_mean, few_variance, draw, first, {1});
  CHECK(same_bits<T>(out.topRows(3), first));
  // A row's noise is of blocks of its own.
  const index blocks = core::block_count(k, core::random::block);
  core::matrix<T> noise(1, k);
  for (index i = 0; i < n; ++i) {
    draw.normal<T>(i * blocks * core::random::block, std::span<T>(noise.data(), static_cast<std::size_t>(k)));
    const Eigen::ArrayXXd drawn = mean.row(i).array().template cast<double>() +
                                  (log_variance.row(i).array().template cast<double>() * 0.5).exp() * noise.array().template cast<double>();
    REQUIRE(error_of<T>(out.row(i), drawn.matrix()) < tolerance<T>);
  }
  // Standardised, these are n k standard normals.
  const Eigen::ArrayXXd z = ((out - mean).array() / (log_variance.array() * T(0.5)).exp()).template cast<double>();
  CHECK(std::abs(z.mean()) < 4 / std::sqrt(double(n * k)));
  CHECK(z.square().mean() == Approx(1).epsilon(0.1));
  // The backward pass reads the noise off the draw.
  const core::matrix<T> dout = normal_matrix<T>(n, k, 6);
  core::matrix<T> dmean = normal_matrix<T>(n, k, 7), dlog = normal_matrix<T>(n, k, 8);
  const core::matrix<double> expected_mean = (dmean + dout).template cast<double>();
  const core::matrix<double> expected_log = (dlog.array() + T(0.5) * dout.array() * (out - mean).array()).matrix().template cast<double>();
  core::matrix<T> dmean_of_3 = dmean, dlog_of_3 = dlog;
  kernel::gaussian_sample_backward<T>(dout, mean, out, dmean, dlog, {1});
  CHECK(error_of<T>(dmean, expected_mean) < tolerance<T>);
  CHECK(error_of<T>(dlog, expected_log) < tolerance<T>);
  kernel::gaussian_sample_backward<T>(dout, mean, out, dmean_of_3, dlog_of_3, {3});
  CHECK(same_bits<T>(dmean_of_3, dmean));
  CHECK(same_bits<T>(dlog_of_3, dlog));
}

TEMPLATE_TEST_CASE("the divergence from the standard normal, in closed form", "", float, double) {
  using T = TestType;
  const index n = 200, k = 13;  // several blocks of rows
  core::matrix<T> mean = normal_matrix<T>(n, k, 1), log_variance = normal_matrix<T>(n, k, 2);
  mean.row(0).setZero();
  log_variance.row(0).setZero();
  core::matrix<T> kl = not_a_number<T>(n, 1), kl_of_3 = kl;
  kernel::gaussian_kl_forward<T>(mean, log_variance, kl, {1});
  kernel::gaussian_kl_forward<T>(mean, log_variance, kl_of_3, {3});
  CHECK(same_bits<T>(kl_of_3, kl));
  CHECK(kl(0, 0) == T(0));
  const core::matrix<double> m = mean.template cast<double>(), v = log_variance.template cast<double>();
  const core::matrix<double> expected = 0.5 * (v.array().exp() + m.array().square() - 1 - v.array()).rowwise().sum().matrix();
  CHECK(error_of<T>(kl, expected) < tolerance<T>);
  const core::matrix<T> up = normal_matrix<T>(n, 1, 3), noise_mean = normal_matrix<T>(n, k, 4), noise_log = normal_matrix<T>(n, k, 5);
  const core::matrix<double> u = up.template cast<double>().replicate(1, k);
  const core::matrix<double> expected_mean = noise_mean.template cast<double>() + u.cwiseProduct(m);
  const core::matrix<double> expected_log = noise_log.template cast<double>() + 0.5 * u.cwiseProduct((v.array().exp() - 1).matrix());
  core::matrix<T> dmean = noise_mean, dlog = noise_log, dmean_of_3 = noise_mean, dlog_of_3 = noise_log;
  kernel::gaussian_kl_backward<T>(up, mean, log_variance, dmean, dlog, {1});
  CHECK(error_of<T>(dmean, expected_mean) < tolerance<T>);
  CHECK(error_of<T>(dlog, expected_log) < tolerance<T>);
  kernel::gaussian_kl_backward<T>(up, mean, log_variance, dmean_of_3, dlog_of_3, {3});
  CHECK(same_bits<T>(dmean_of_3, dmean));
  CHECK(same_bits<T>(dlog_of_3, dlog));
  // either may be unwanted
  dmean = noise_mean, dlog = noise_log;
  kernel::gaussian_kl_backward<T>(up, mean, log_variance, dmean, core::view<T>(), {1});
  kernel::gaussian_kl_backward<T>(up, mean, log_variance, core::view<T>(), dlog, {1});
  CHECK(error_of<T>(dmean, expected_mean) < tolerance<T>);
  CHECK(error_of<T>(dlog, expected_log) < tolerance<T>);
}

}  // namespace cddrec::test
