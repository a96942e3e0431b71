#include "cddrec/kernel/layer_norm.hpp"

#include "compare.hpp"
#include "test.hpp"

namespace cddrec::test {

namespace {
constexpr double epsilon = 1e-5;

template <class T>
struct normalised {
  core::matrix<T> out, statistics, dx, dgain, dbias;
};

// Forward into NaN, backward onto noise.
template <class T>
normalised<T> run(const core::matrix<T>& x, const core::matrix<T>& gain, const core::matrix<T>& bias, const core::matrix<T>& up,
                  int threads = 1) {
  const index n = x.rows(), d = x.cols();
  normalised<T> r{not_a_number<T>(n, d), not_a_number<T>(n, 2), normal_matrix<T>(n, d, 11), normal_matrix<T>(1, d, 12),
                  normal_matrix<T>(1, d, 13)};
  kernel::layer_norm_forward<T>(x, gain, bias, epsilon, r.out, r.statistics, {threads});
  workspace<T> partial(kernel::layer_norm_workspace(n, d));
  kernel::layer_norm_backward<T>(up, x, gain, r.statistics, r.dx, r.dgain, r.dbias, partial, {threads});
  return r;
}
}  // namespace

TEMPLATE_TEST_CASE("layer normalisation and its gradients", "", float, double) {
  using T = TestType;
  for (index n : {1, 3, 70, 300})
    for (index d : {1, 4, 11, 16, 33}) {
      // So far from zero that a variance from sums of squares would not survive it.
      const core::matrix<T> x = normal_matrix<T>(n, d, 1).array() + T(100);
      const auto gain = normal_matrix<T>(1, d, 2), bias = normal_matrix<T>(1, d, 3), up = normal_matrix<T>(n, d, 4);
      core::matrix<double> out(n, d), dx = normal_matrix<T>(n, d, 11).template cast<double>(),
                                      dgain = normal_matrix<T>(1, d, 12).template cast<double>(),
                                      dbias = normal_matrix<T>(1, d, 13).template cast<double>();
      for (index i = 0; i < n; ++i) {
        const core::matrix<double> row = x.row(i).template cast<double>();
        const double mean = row.mean(), deviation = std::sqrt((row.array() - mean).square().mean() + epsilon);
        const core::matrix<double> hat = (row.array() - mean) / deviation;
        const core::matrix<double> u = up.row(i).template cast<double>();
        const core::matrix<double> g = u.array() * gain.template cast<double>().array();
        out.row(i) = hat.array() * gain.template cast<double>().array() + bias.template cast<double>().array();
        dx.row(i).array() += (g.array() - g.mean() - hat.array() * (g.array() * hat.array()).mean()) / deviation;
        dgain.array() += u.array() * hat.array();
        dbias += u;
      }
      const auto got = run(x, gain, bias, up);
      const double bound = d == 1 ? 300 * tolerance<T> : 10 * tolerance<T>;  // one value alone is divided by sqrt(epsilon)
      CHECK(error_of(got.out, out) < bound);
      CHECK(error_of(got.dx, dx) < bound);
      CHECK(error_of(got.dgain, dgain) < bound);
      CHECK(error_of(got.dbias, dbias) < bound);
    }
}

TEST_CASE("layer normalisation gives the same bits for any threads and any neighbours") {
  const auto x = normal_matrix<float>(150, 21, 1), gain = normal_matrix<float>(1, 21, 2), bias = normal_matrix<float>(1, 21, 3),
             up = normal_matrix<float>(150, 21, 4);
  const auto one = run(x, gain, bias, up);
  for (int threads : {2, 4}) {
    const auto many = run(x, gain, bias, up, threads);
    CHECK(same_bits(many.out, one.out));
    CHECK(same_bits(many.dx, one.dx));
    CHECK(same_bits(many.dgain, one.dgain));
    CHECK(same_bits(many.dbias, one.dbias));
  }
  for (index i : {0, 31, 32, 149}) CHECK(same_bits<float>(run<float>(x.row(i), gain, bias, up.row(i)).out, one.out.row(i)));
}

TEST_CASE("layer normalisation leaves out a gradient that nobody wants") {
  const auto x = normal_matrix<float>(5, 7, 1), gain = normal_matrix<float>(1, 7, 2), bias = normal_matrix<float>(1, 7, 3),
             up = normal_matrix<float>(5, 7, 4);
  const auto all = run(x, gain, bias, up);
  auto dgain = normal_matrix<float>(1, 7, 12), dbias = normal_matrix<float>(1, 7, 13);
  workspace<float> partial(kernel::layer_norm_workspace(5, 7));
  kernel::layer_norm_backward<float>(up, x, gain, all.statistics, core::view<float>(), dgain, dbias, partial, {1});
  CHECK(same_bits(dgain, all.dgain));
  CHECK(same_bits(dbias, all.dbias));
}

TEST_CASE("a row whose variance is too large for its numbers becomes NaN, not the bias") {
  auto x = normal_matrix<float>(3, 21, 1);
  const auto gain = normal_matrix<float>(1, 21, 2), bias = normal_matrix<float>(1, 21, 3), up = normal_matrix<float>(3, 21, 4);
  const auto expected = run(x, gain, bias, up);
  x(1, 4) = 2e19f;  // its square is infinite
  const auto got = run(x, gain, bias, up);
  CHECK(got.out.row(1).array().isNaN().all());
  CHECK(got.dx.row(1).array().isNaN().all());
  for (index i : {0, 2}) CHECK(same_bits<float>(got.out.row(i), expected.out.row(i)));
}

}  // namespace cddrec::test
