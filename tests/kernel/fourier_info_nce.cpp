#include "cddrec/kernel/fourier_info_nce.hpp"

#include <numbers>

#include "compare.hpp"
#include "kernel/shared_rows.hpp"
#include "test.hpp"

namespace cddrec::test {

namespace {
template <class T>
struct estimated {
  core::matrix<T> loss, da, db;
  index clamped;
};

// Backward onto noise.
template <class T>
estimated<T> run(const core::matrix<T>& a, const core::matrix<T>& b, const core::matrix<T>& w, T temperature, T up, int threads = 1) {
  const index n = a.rows(), d = a.cols(), m = w.rows();
  estimated<T> r{not_a_number<T>(1, 1), normal_matrix<T>(n, d, 11), normal_matrix<T>(n, d, 12), 0};
  const index needed = kernel::fourier_info_nce_workspace<T>(n, d, m, {threads});
  workspace<T> kept(kernel::fourier_info_nce_kept<T>(n, d, m)), forward_space(needed), backward_space(needed);
  const auto got = kernel::fourier_info_nce_forward<T>(a, b, w, temperature, kept, forward_space, {threads});
  r.loss(0, 0) = got.value, r.clamped = got.clamped;
  kernel::fourier_info_nce_backward<T>(up, a, b, w, temperature, std::span<T>(kept), r.da, r.db, backward_space, {threads});
  return r;
}

template <class T>
core::matrix<T> unit_rows(index rows, index cols, std::uint64_t name) {
  return normal_matrix<T>(rows, cols, name).rowwise().normalized();
}

template <class T>
core::matrix<T> frequencies(index m, index d, double temperature, std::uint64_t name = 3) {
  core::matrix<T> w = not_a_number<T>(m, d);
  kernel::draw_frequencies<T>(core::random(core::seed{name}), static_cast<T>(temperature), w, {1});
  return w;
}

// The definition: pair by pair, with the same frequencies.
struct by_pairs {
  double loss = 0;
  core::matrix<double> dz;
  index clamped = 0;
  double nearest = 1;   // how close an estimate comes to being clamped
  double smallest = 1;  // estimate not clamped: its own rounding is relative to 1, and divides the gradient

  by_pairs(const core::matrix<double>& z, const core::matrix<double>& w, double temperature, double up)
      : dz(core::matrix<double>::Zero(z.rows(), z.cols())) {
    const index rows = z.rows(), n = rows / 2, m = w.rows();
    const core::matrix<double> phase = 2 * std::numbers::pi * z * w.transpose();
    for (index i = 0; i < rows; ++i) {
      const index positive = (i + n) % rows;
      double total = 0;
      for (index j = 0; j < rows; ++j)
        if (j != i) total += (phase.row(i) - phase.row(j)).array().cos().mean();
      const double apart = (1 - z.row(i).dot(z.row(positive))) / temperature, least = std::exp(-apart);
      nearest = std::min(nearest, std::abs(total - least));
      if (total < least) {
        ++clamped;
        continue;
      }
      smallest = std::min(smallest, total);
      const double each = 1 / static_cast<double>(rows);
      loss += each * (std::log(total) + apart);
      for (index j = 0; j < rows; ++j) {
        if (j == i) continue;
        const core::matrix<double> slope =
            (phase.row(i) - phase.row(j)).array().sin().matrix() * w * (-2 * std::numbers::pi * up * each / total / static_cast<double>(m));
        dz.row(i) += slope;
        dz.row(j) -= slope;
      }
      dz.row(i) -= up * each / temperature * z.row(positive);
      dz.row(positive) -= up * each / temperature * z.row(i);
    }
  }
};
}  // namespace

TEMPLATE_TEST_CASE("InfoNCE by features and its gradients are those of the sums over pairs, anchors clamped or not", "", float, double) {
  using T = TestType;
  index most_clamped = 0;
  for (index n : {1, 2, 40, 130})
    for (auto [d, m, temperature] : {std::tuple<index, index, double>{1, 1, 1.0}, {5, 20, 0.5}, {33, 70, 0.5}, {33, 132, 0.1}}) {
      CAPTURE(n, d, m, temperature);
      const auto a = unit_rows<T>(n, d, 1), b = unit_rows<T>(n, d, 2);
      const auto w = frequencies<T>(m, d, temperature);
      const double up = 0.7;
      core::matrix<double> z(2 * n, d), dz(2 * n, d);
      z << a.template cast<double>(), b.template cast<double>();
      const by_pairs expected(z, w.template cast<double>(), temperature, up);
      dz << normal_matrix<T>(n, d, 11).template cast<double>(), normal_matrix<T>(n, d, 12).template cast<double>();
      dz += expected.dz;
      REQUIRE(expected.nearest > 1e-5);  // rounding must not decide who is clamped
      const auto got = run<T>(a, b, w, static_cast<T>(temperature), static_cast<T>(up));
      CHECK(got.clamped == expected.clamped);
      const double allowed = 2 * tolerance<T> / expected.smallest;
      CHECK(error_of(got.loss, core::matrix<double>::Constant(1, 1, expected.loss)) < allowed);
      CHECK(error_of<T>(got.da, dz.topRows(n)) < allowed);
      CHECK(error_of<T>(got.db, dz.bottomRows(n)) < allowed);
      most_clamped = std::max(most_clamped, got.clamped);
    }
  CHECK(most_clamped > 20);
}

TEST_CASE("features that are made again are those that were kept") {
  // More than are kept; doubles keep half as many, so that the seam lies elsewhere.
  constexpr index d = 3, m = 2100, n = 1500;
  REQUIRE(kernel::fourier_info_nce_kept<float>(n, d, m) < 2 * n * 2 * m);
  const auto a = unit_rows<float>(n, d, 1), b = unit_rows<float>(n, d, 2);
  const auto w = frequencies<float>(m, d, 0.5);
  const auto got = run<float>(a, b, w, 0.5f, 1000.0f), many = run<float>(a, b, w, 0.5f, 1000.0f, 3);
  const auto exact = run<double>(a.cast<double>(), b.cast<double>(), w.cast<double>(), 0.5, 1000.0);
  CHECK(got.clamped == 0);
  CHECK(error_of<float>(got.loss, exact.loss) < 1e-5);
  const core::matrix<double> da = exact.da - normal_matrix<double>(n, d, 11), db = exact.db - normal_matrix<double>(n, d, 12);
  CHECK(error_of<float>(got.da, da + normal_matrix<float>(n, d, 11).cast<double>()) < 1e-4);
  CHECK(error_of<float>(got.db, db + normal_matrix<float>(n, d, 12).cast<double>()) < 1e-4);
  CHECK(same_bits(many.loss, got.loss));
  CHECK(same_bits(many.da, got.da));
  CHECK(same_bits(many.db, got.db));
}

TEST_CASE("InfoNCE by features gives the same bits for any threads") {
  const auto a = unit_rows<float>(450, 21, 1), b = unit_rows<float>(450, 21, 2);
  const auto w = frequencies<float>(84, 21, 0.1);
  const auto one = run<float>(a, b, w, 0.1f, 1.0f);
  for (int threads : {2, 4}) {
    const auto many = run<float>(a, b, w, 0.1f, 1.0f, threads);
    CHECK(same_bits(many.loss, one.loss));
    CHECK(same_bits(many.da, one.da));
    CHECK(same_bits(many.db, one.db));
    CHECK(many.clamped == one.clamped);
    core::matrix<float> drawn = not_a_number<float>(84, 21);
    kernel::draw_frequencies<float>(core::random(core::seed{3}), 0.1f, drawn, {threads});
    CHECK(same_bits(drawn, w));
  }
}

TEST_CASE("InfoNCE by features of nothing is nothing, an unwanted gradient is left out, and no input's NaN is hidden") {
  const auto w = frequencies<float>(8, 4, 0.5);
  workspace<float> kept(kernel::fourier_info_nce_kept<float>(3, 4, 8)), space(kernel::fourier_info_nce_workspace<float>(3, 4, 8, {1}));
  const core::matrix<float> none(0, 4);
  CHECK(kernel::fourier_info_nce_kept<float>(0, 4, 8) >= 0);
  CHECK(kernel::fourier_info_nce_workspace<float>(0, 4, 8, {1}) >= 0);
  CHECK(kernel::fourier_info_nce_forward<float>(none, none, w, 0.5f, kept, space, {1}).value == 0.0f);
  auto a = unit_rows<float>(3, 4, 1);
  const auto b = unit_rows<float>(3, 4, 2);
  const auto both = run<float>(a, b, w, 0.5f, 1.0f);
  kernel::fourier_info_nce_forward<float>(a, b, w, 0.5f, kept, space, {1});
  auto db = normal_matrix<float>(3, 4, 12);
  kernel::fourier_info_nce_backward<float>(1.0f, a, b, w, 0.5f, std::span<float>(kept), core::view<float>(), db, space, {1});
  CHECK(same_bits(db, both.db));
  a(1, 2) = std::numeric_limits<float>::quiet_NaN();
  CHECK(std::isnan(run<float>(a, b, w, 0.5f, 1.0f).loss(0, 0)));
}

TEST_CASE("the mean of a denominator over draws is the exact one") {
  // Two rows u, v: the one other's kernel exp((u . v - 1) / t), and its estimate from the frequencies themselves.
  const double temperature = 0.3;
  const auto z = unit_rows<double>(2, 6, 1);
  double mean = 0;
  constexpr int draws = 400, m = 50;
  for (int k = 0; k < draws; ++k) {
    const auto w = frequencies<double>(m, 6, temperature, static_cast<std::uint64_t>(100 + k));
    mean += ((z.row(0) - z.row(1)) * w.transpose() * 2 * std::numbers::pi).array().cos().mean() / draws;
  }
  CHECK(mean == Approx(std::exp((z.row(0).dot(z.row(1)) - 1) / temperature)).margin(0.02));  // four deviations
}

TEST_CASE("gradients of InfoNCE by features that share rows are added one after the other, for any threads") {
  constexpr index n = 96, d = 256, m = 84;  // two blocks of each, so that threads begin with both
  const auto a = unit_rows<float>(n, d, 1), b = unit_rows<float>(n, d, 2), noise = normal_matrix<float>(n + 1, d, 3);
  const auto w = frequencies<float>(m, d, 0.5);
  const index needed = kernel::fourier_info_nce_workspace<float>(n, d, m, {4});
  workspace<float> kept(kernel::fourier_info_nce_kept<float>(n, d, m)), space(needed);
  kernel::fourier_info_nce_forward<float>(a, b, w, 0.5f, kept, space, {1});
  check_shared_rows(noise, [&](core::view<float> to_a, core::view<float> to_b, int threads) {
    kernel::fourier_info_nce_backward<float>(1000.0f, a, b, w, 0.5f, std::span<float>(kept), to_a, to_b, space, {threads});
  });
}

}  // namespace cddrec::test
