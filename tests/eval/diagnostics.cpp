#include "cddrec/eval/diagnostics.hpp"

#include <Eigen/SVD>

#include "cddrec/eval/principal.hpp"
#include "test.hpp"

namespace cddrec::test {

TEST_CASE("vectors that are all alike have collapsed, orthogonal ones have not") {
  core::matrix<double> same = core::matrix<double>::Zero(6, 4), apart = core::matrix<double>::Zero(4, 4);
  for (index i = 0; i < 6; ++i) same.row(i) << 1.0 + double(i), 2.0 + 2.0 * double(i), 0, 0;
  for (index i = 0; i < 4; ++i) apart(i, i) = 2;
  CHECK(eval::mean_cosine<double>(same) == Approx(1));
  CHECK(eval::mean_cosine<double>(apart) == Approx(0).margin(1e-15));
  const auto one = eval::singular_spectrum<double>(same), four = eval::singular_spectrum<double>(apart);
  CHECK(one.effective_rank == Approx(1).epsilon(1e-5));
  CHECK(one.top_share == Approx(1).epsilon(1e-6));
  CHECK(four.effective_rank == Approx(4));
  CHECK(four.top_share == Approx(0.25));
  CHECK(eval::uniformity<double>(same) == Approx(0).margin(1e-12));
  CHECK(eval::uniformity<double>(apart) == Approx(-4));  // every distance squared is 2
  CHECK(eval::alignment<double>(same, core::matrix<double>(3 * same)) == Approx(0).margin(1e-15));
  CHECK(eval::alignment<double>(apart, core::matrix<double>(-apart)) == Approx(4));
}

TEST_CASE("a row of zeros is at right angles to every other, and 1 away from a unit row") {
  core::matrix<double> zeros = core::matrix<double>::Zero(2, 2), one = zeros;
  one(1, 0) = 1;
  CHECK(eval::mean_cosine<double>(zeros) == 0);
  CHECK(eval::mean_cosine<double>(one) == 0);
  CHECK(eval::uniformity<double>(zeros) == Approx(0).margin(1e-12));
  CHECK(eval::uniformity<double>(one) == Approx(-2));
  CHECK(eval::alignment<double>(zeros, one) == Approx(0.5));  // 0 and 1
}

TEST_CASE("a row that is not a number is not taken for one of zeros") {
  core::matrix<double> x = normal_matrix<double>(5, 3, 1);
  x(2, 1) = std::numeric_limits<double>::quiet_NaN();
  CHECK(std::isnan(eval::mean_cosine<double>(x)));
  CHECK(std::isnan(eval::uniformity<double>(x)));
  CHECK(std::isnan(eval::alignment<double>(x, x)));
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    x(2, 1) = bad;
    const eval::spectrum s = eval::singular_spectrum<double>(x);
    CHECK(std::isnan(s.effective_rank));
    CHECK(std::isnan(s.top_share));
  }
}

TEMPLATE_TEST_CASE("diagnostics are what their definitions say, pair by pair", "", float, double) {
  using T = TestType;
  const index n = 300, d = 7;
  core::matrix<T> x = (normal_matrix<T>(n, d, 1).array() + T(0.5)).matrix();
  x.row(7).setZero();
  const core::matrix<T> y = normal_matrix<T>(n, d, 2);
  core::matrix<double> u = x.template cast<double>().rowwise().normalized(), v = y.template cast<double>().rowwise().normalized();
  u.row(7).setZero();
  double cosine = 0, potential = 0, aligned = 0;
  for (index i = 0; i < n; ++i) {
    aligned += (u.row(i) - v.row(i)).squaredNorm() / double(n);
    for (index j = 0; j < n; ++j) {
      if (i == j) continue;
      cosine += u.row(i).dot(u.row(j)) / double(n * (n - 1));
      potential += std::exp(-2 * (u.row(i) - u.row(j)).squaredNorm()) / double(n * (n - 1));
    }
  }
  CHECK(eval::mean_cosine<T>(x) == Approx(cosine).epsilon(1e-9));
  CHECK(eval::alignment<T>(x, y) == Approx(aligned).epsilon(1e-9));
  CHECK(eval::uniformity<T>(x) == Approx(std::log(potential)).epsilon(1e-9));

  const Eigen::JacobiSVD<Eigen::MatrixXd> svd(Eigen::MatrixXd(x.template cast<double>()));
  const auto s = eval::singular_spectrum<T>(x);
  double entropy = 0;
  REQUIRE(s.singular_values.size() == 7);
  for (index k = 0; k < 7; ++k) {
    const double share = svd.singularValues()(k) / svd.singularValues().sum();
    CHECK(s.singular_values[static_cast<std::size_t>(k)] == Approx(svd.singularValues()(k)).epsilon(1e-9));
    entropy -= share * std::log(share);
  }
  CHECK(s.effective_rank == Approx(std::exp(entropy)).epsilon(1e-9));
  CHECK(s.top_share == Approx(svd.singularValues()(0) / svd.singularValues().sum()).epsilon(1e-9));
}

TEST_CASE("the spectrum is that of all rows, of many, too") {
  core::matrix<double> x = core::matrix<double>::Zero(5000, 2);
  x.topRows(4096).col(0).setOnes();
  x.bottomRows(904).col(1).setConstant(2);
  const auto s = eval::singular_spectrum<double>(x);
  CHECK(s.singular_values[0] == Approx(std::sqrt(4096.0)));
  CHECK(s.singular_values[1] == Approx(2 * std::sqrt(904.0)));
}

TEST_CASE("no figure depends on the threads that Eigen may take") {
  const auto x = normal_matrix<float>(1500, 130, 3);
  const auto figures = [&](int threads) {
    Eigen::setNbThreads(threads);
    auto all = eval::singular_spectrum<float>(x).singular_values;
    all.push_back(eval::uniformity<float>(x));
    const auto p = eval::principal_components_of<float>(x, 3);
    const auto flat = p.project<float>(x);
    for (const auto* m : {&p.directions, &flat}) all.insert(all.end(), m->data(), m->data() + m->size());
    Eigen::setNbThreads(0);
    return all;
  };
  CHECK(figures(2) == figures(1));
  CHECK(figures(4) == figures(1));
}

TEST_CASE("positions are compared within their own sequence") {
  core::matrix<double> x(5, 2);
  x << 1, 0, 2, 0, 0, 1, 1, 0, 0, 3;  // alike; alone; at right angles
  const std::vector<index> offsets{0, 2, 3, 5};
  CHECK(eval::mean_cosine_within<double>(x, core::ragged(offsets)) == Approx(0.5));
  CHECK(eval::mean_cosine_within<double>(core::matrix<double>(0, 2), core::ragged(std::span(offsets).first(1))) == 0);
}

TEST_CASE("a latent dimension that ignores its input is not active") {
  const index n = 400;
  core::matrix<double> mean = core::matrix<double>::Zero(n, 5), log_variance = core::matrix<double>::Zero(n, 5);
  for (index i = 0; i < n; ++i) {
    mean(i, 1) = 5;                    // far from the prior, but the same for all
    mean(i, 2) = i % 2 == 0 ? 1 : -1;  // varies
    log_variance(i, 2) = std::log(0.25);
    mean(i, 3) = std::sqrt(i % 2 == 0 ? 0.08 : 0.0);  // a variance of 0.02 is enough
    mean(i, 4) = i % 2 == 0 ? 0.07 : -0.07;           // one of 0.0049 is not
  }
  const auto use = eval::latent_dimensions<double>(mean, log_variance);
  CHECK(use.kl[0] == Approx(0).margin(1e-15));
  CHECK(use.kl[1] == Approx(12.5));
  CHECK(use.kl[2] == Approx(0.5 * (1 + 0.25 - 1 - std::log(0.25))));
  CHECK(use.kl[3] == Approx(0.5 * 0.04));
  CHECK(use.kl[4] == Approx(0.5 * 0.0049));
  CHECK(use.total_kl == Approx(use.kl[1] + use.kl[2] + use.kl[3] + use.kl[4]));
  CHECK(use.active == 2);
}

TEST_CASE("pairs of different shapes are refused") {
  const auto a = normal_matrix<float>(3, 4, 1), more = normal_matrix<float>(4, 4, 2), wider = normal_matrix<float>(3, 5, 3);
  CHECK_THROWS_WITH(eval::alignment<float>(a, more), "eval::alignment: a is [3, 4] but b [4, 4]; give both the same shape");
  CHECK_THROWS_AS(eval::alignment<float>(wider, a), input_error);
  CHECK_THROWS_AS(eval::latent_dimensions<float>(more, a), input_error);
}

TEST_CASE("the tops of ranked lists: gaps and distinct firsts") {
  std::vector<std::vector<kernel::scored<float>>> lists(4);
  for (std::int32_t k = 0; k < 10; ++k) {
    lists[0].push_back({k, 1.0f - 0.05f * float(k)});
    lists[1].push_back({k, 2.0f - 0.25f * float(k)});
  }
  lists[2].push_back({7, 9.0f});  // shorter: left out
  lists[3] = lists[1];
  lists[3][0].item = 11;  // another first, and the same second
  lists[1][1].item = 12;  // the same first, and another second
  lists[0][1].item = 13;
  const auto d = eval::top_of_lists(lists);
  CHECK(d.lists == 3);
  CHECK(d.distinct_first == 2);
  CHECK(d.gap_to_second == Approx((0.05 + 0.25 + 0.25) / 3));
  CHECK(d.gap_to_tenth == Approx((0.45 + 2.25 + 2.25) / 3));
  CHECK(eval::top_of_lists(std::vector<std::vector<kernel::scored<float>>>{}).lists == 0);
}

}  // namespace cddrec::test
