#include "cddrec/kernel/info_nce.hpp"

#include "compare.hpp"
#include "kernel/shared_rows.hpp"
#include "test.hpp"

namespace cddrec::test {

namespace {
using ids_type = std::span<const std::int32_t>;

template <class T>
struct contrasted {
  core::matrix<T> loss, da, db;
};

// Backward onto noise.
template <class T>
contrasted<T> run(const core::matrix<T>& a, const core::matrix<T>& b, ids_type ids, T temperature, T up, int threads = 1) {
  const index n = a.rows(), d = a.cols();
  contrasted<T> r{not_a_number<T>(1, 1), normal_matrix<T>(n, d, 11), normal_matrix<T>(n, d, 12)};
  auto sums = not_a_number<T>(2 * n, 1);
  workspace<T> kept(kernel::info_nce_kept<T>(n, d)), space(kernel::info_nce_workspace<T>(n, d));
  r.loss(0, 0) = kernel::info_nce_forward<T, std::int32_t>(a, b, ids, temperature, sums, kept, {threads});
  kernel::info_nce_backward<T, std::int32_t>(up, d, ids, temperature, sums, std::span<T>(kept), r.da, r.db, space, {threads});
  return r;
}

template <class T>
core::matrix<T> unit_rows(index rows, index cols, std::uint64_t name) {
  return normal_matrix<T>(rows, cols, name).rowwise().normalized();
}

std::vector<std::int32_t> few_ids(index count) {
  std::vector<std::int32_t> ids;
  for (index i = 0; i < count; ++i) ids.push_back(static_cast<std::int32_t>(core::random(core::seed{5}).below(i, 9)));
  return ids;
}
}  // namespace

TEMPLATE_TEST_CASE("InfoNCE and its gradients, with and without false negatives masked", "", float, double) {
  using T = TestType;
  for (index n : {1, 2, 40, 300, 1500})
    for (auto [d, temperature] : {std::pair<index, double>{1, 1.0}, {5, 0.5}, {33, 0.07}, {33, 0.025}})
      for (bool masked : {false, true}) {
        if (n > 1000 && !(temperature == 0.07 && masked)) continue;  // once is enough for more tiles than are kept
        const auto a = unit_rows<T>(n, d, 1), b = unit_rows<T>(n, d, 2);
        const auto ids = masked ? few_ids(n) : std::vector<std::int32_t>();
        const double up = 0.7;
        core::matrix<double> z(2 * n, d);
        z << a.template cast<double>(), b.template cast<double>();
        core::matrix<double> loss = core::matrix<double>::Zero(1, 1), dz(2 * n, d);
        dz << normal_matrix<T>(n, d, 11).template cast<double>(), normal_matrix<T>(n, d, 12).template cast<double>();
        for (index i = 0; i < 2 * n; ++i) {
          const index positive = (i + n) % (2 * n);
          const auto allowed = [&](index j) {
            return j == positive || (j != i && (!masked || ids[static_cast<std::size_t>(j % n)] != ids[static_cast<std::size_t>(i % n)]));
          };
          double total = 0;
          for (index j = 0; j < 2 * n; ++j)
            if (allowed(j)) total += std::exp(z.row(i).dot(z.row(j)) / temperature);
          loss(0, 0) += (std::log(total) - z.row(i).dot(z.row(positive)) / temperature) / static_cast<double>(2 * n);
          for (index j = 0; j < 2 * n; ++j) {
            if (!allowed(j)) continue;
            const double p = std::exp(z.row(i).dot(z.row(j)) / temperature) / total;
            const double slope = up * (p - (j == positive ? 1 : 0)) / (temperature * static_cast<double>(2 * n));
            dz.row(i) += slope * z.row(j);
            dz.row(j) += slope * z.row(i);
          }
        }
        const auto got = run<T>(a, b, ids, static_cast<T>(temperature), static_cast<T>(up));
        CHECK(error_of(got.loss, loss) < tolerance<T>);
        CHECK(error_of<T>(got.da, dz.topRows(n)) < tolerance<T>);
        CHECK(error_of<T>(got.db, dz.bottomRows(n)) < tolerance<T>);
      }
}

TEST_CASE("InfoNCE gives the same bits for any threads") {
  const auto a = unit_rows<float>(450, 70, 1), b = unit_rows<float>(450, 70, 2);
  const auto ids = few_ids(450);
  const auto one = run<float>(a, b, ids, 0.1f, 1.0f);
  for (int threads : {2, 4, 16}) {
    const auto many = run<float>(a, b, ids, 0.1f, 1.0f, threads);
    CHECK(same_bits(many.loss, one.loss));
    CHECK(same_bits(many.da, one.da));
    CHECK(same_bits(many.db, one.db));
  }
}

TEST_CASE("InfoNCE of nothing is nothing, and an unwanted gradient is left out") {
  auto sums = not_a_number<float>(6, 1);
  workspace<float> kept(kernel::info_nce_kept<float>(3, 4)), space(kernel::info_nce_workspace<float>(3, 4));
  const core::matrix<float> none(0, 4);
  CHECK(kernel::info_nce_forward<float, std::int32_t>(none, none, {}, 0.5f, sums, kept, {1}) == 0.0f);
  const auto a = unit_rows<float>(3, 4, 1), b = unit_rows<float>(3, 4, 2);
  const auto both = run<float>(a, b, {}, 0.5f, 1.0f);
  kernel::info_nce_forward<float, std::int32_t>(a, b, {}, 0.5f, sums, kept, {1});
  auto db = normal_matrix<float>(3, 4, 12);
  kernel::info_nce_backward<float, std::int32_t>(1.0f, 4, {}, 0.5f, sums, std::span<float>(kept), core::view<float>(), db, space, {1});
  CHECK(same_bits(db, both.db));
}

TEST_CASE("gradients of InfoNCE that share rows are added one after the other, for any threads") {
  constexpr index n = 192, d = 256;  // a block of each, so that threads begin with both
  const auto a = unit_rows<float>(n, d, 1), b = unit_rows<float>(n, d, 2), noise = normal_matrix<float>(n + 1, d, 3);
  auto sums = not_a_number<float>(2 * n, 1);
  workspace<float> kept(kernel::info_nce_kept<float>(n, d)), space(kernel::info_nce_workspace<float>(n, d));
  kernel::info_nce_forward<float, std::int32_t>(a, b, {}, 0.3f, sums, kept, {1});
  check_shared_rows(noise, [&](core::view<float> to_a, core::view<float> to_b, int threads) {
    kernel::info_nce_backward<float, std::int32_t>(1000.0f, d, {}, 0.3f, sums, std::span<float>(kept), to_a, to_b, space, {threads});
  });
}

}  // namespace cddrec::test
