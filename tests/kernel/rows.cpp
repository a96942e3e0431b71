#include "cddrec/kernel/rows.hpp"

#include "compare.hpp"
#include "test.hpp"

namespace cddrec::test {

namespace {
const std::vector<std::pair<index, index>> shapes{{1, 1}, {3, 5}, {1, 19}, {130, 33}};

std::vector<std::int32_t> drawn_ids(index count, index below) {
  std::vector<std::int32_t> ids;
  for (index i = 0; i < count; ++i) ids.push_back(static_cast<std::int32_t>(core::random(core::seed{5}).below(i, below)));
  return ids;
}
}  // namespace

TEMPLATE_TEST_CASE("gather copies rows, and its gradient adds up those of a repeated row", "", float, double) {
  using T = TestType;
  // Every token the same row, many tokens a row, and few rows that are met twice.
  for (index table_rows : {1, 10, 2500}) {
    const auto table = normal_matrix<T>(table_rows, 7, 1), up = normal_matrix<T>(200, 7, 2), noise = normal_matrix<T>(table_rows, 7, 3);
    auto ids = drawn_ids(200, table_rows);
    ids[0] = static_cast<std::int32_t>(table_rows - 1);
    core::matrix<T> expected(200, 7), out = not_a_number<T>(200, 7);
    core::matrix<T> gradient = noise;
    for (index i = 0; i < 200; ++i) {
      expected.row(i) = table.row(ids[static_cast<std::size_t>(i)]);
      gradient.row(ids[static_cast<std::size_t>(i)]) += up.row(i);  // in the order of the tokens: rounding is part of the promise
    }
    kernel::gather_forward<T, std::int32_t>(table, ids, out, {2});
    CHECK(same_bits(out, expected));
    std::vector<std::uint64_t> space(static_cast<std::size_t>(kernel::gather_workspace(200)));
    for (int threads : {1, 2, 3, 4, 8}) {
      auto got = noise;
      kernel::gather_backward<T, std::int32_t>(up, ids, got, space, {threads});
      CHECK(same_bits(got, gradient));
    }
  }
}

TEST_CASE("the gradient of a gather finds its rows in any order of the ids, and leaves the others as they are") {
  // Rising, falling, one row across several blocks of tokens between two others, and none at all.
  std::vector<std::vector<index>> cases(4);
  for (index i = 0; i < 150; ++i) {
    cases[0].push_back(2 * i);
    cases[1].push_back(299 - 2 * i);
    cases[2].push_back(i == 0 ? 299 : i == 149 ? 0 : 7);
  }
  for (const auto& ids : cases) {
    const index count = static_cast<index>(ids.size());
    const auto up = normal_matrix<float>(count, 3, 2);
    const core::matrix<float> untouched = core::matrix<float>::Constant(300, 3, -0.0f);  // adding 0 would show
    core::matrix<float> expected = untouched, got = untouched;
    for (index i = 0; i < count; ++i) expected.row(ids[static_cast<std::size_t>(i)]) += up.row(i);
    std::vector<std::uint64_t> space(ids.size());
    kernel::gather_backward<float, index>(up, ids, got, space, {4});
    CHECK(same_bits(got, expected));
  }
}

TEMPLATE_TEST_CASE("rows divided by their length", "", float, double) {
  using T = TestType;
  for (auto [rows, cols] : shapes) {
    const auto x = normal_matrix<T>(rows, cols, 1), up = normal_matrix<T>(rows, cols, 2), noise = normal_matrix<T>(rows, cols, 3);
    core::matrix<double> unit(rows, cols), dx = noise.template cast<double>();
    for (index i = 0; i < rows; ++i) {
      const core::matrix<double> row = x.row(i).template cast<double>(), u = up.row(i).template cast<double>();
      unit.row(i) = row / row.norm();
      dx.row(i) += (u - unit.row(i) * unit.row(i).dot(u.row(0))) / row.norm();
    }
    auto out = not_a_number<T>(rows, cols), reciprocal = not_a_number<T>(rows, 1), got = noise;
    kernel::normalize_forward<T>(x, out, reciprocal, {2});
    CHECK(error_of(out, unit) < tolerance<T>);
    kernel::normalize_backward<T>(up, out, reciprocal, got, {2});
    CHECK(error_of(got, dx) < 10 * tolerance<T>);
  }
}

TEST_CASE("a row of zeros has no direction: it stays zero and has no gradient") {
  const core::matrix<float> x = core::matrix<float>::Zero(1, 5);
  auto out = not_a_number<float>(1, 5), reciprocal = not_a_number<float>(1, 1);
  kernel::normalize_forward<float>(x, out, reciprocal, {1});
  CHECK(same_bits(out, x));
  const core::matrix<float> before = normal_matrix<float>(1, 5, 1);
  core::matrix<float> dx = before;
  kernel::normalize_backward<float>(normal_matrix<float>(1, 5, 2), out, reciprocal, dx, {1});
  CHECK(same_bits(dx, before));
}

TEMPLATE_TEST_CASE("dot products and squared distances of paired rows", "", float, double) {
  using T = TestType;
  for (auto [rows, cols] : shapes) {
    const auto a = normal_matrix<T>(rows, cols, 1), b = normal_matrix<T>(rows, cols, 2), up = normal_matrix<T>(rows, 1, 3),
               noise = normal_matrix<T>(rows, cols, 4);
    const core::matrix<double> ad = a.template cast<double>(), bd = b.template cast<double>(), nd = noise.template cast<double>();
    const core::matrix<double> difference = 0.8 * ad - bd;
    const auto scaled = [&](const core::matrix<double>& m, double factor) {
      return core::matrix<double>(factor * (m.array().colwise() * up.template cast<double>().col(0).array()));
    };
    auto out = not_a_number<T>(rows, 1), da = noise, db = noise;
    kernel::row_dot_forward<T>(a, b, out, {2});
    CHECK(error_of<T>(out, ad.cwiseProduct(bd).rowwise().sum()) < tolerance<T>);
    kernel::row_dot_backward<T>(up, b, da, {2});
    CHECK(error_of<T>(da, nd + scaled(bd, 1)) < tolerance<T>);

    out = not_a_number<T>(rows, 1);
    kernel::squared_distance_forward<T>(a, b, T(0.8), out, {2});
    CHECK(error_of<T>(out, difference.cwiseAbs2().rowwise().sum()) < tolerance<T>);
    da = noise;
    kernel::squared_distance_backward<T>(up, a, b, T(0.8), da, db, {2});
    CHECK(error_of<T>(da, nd + scaled(difference, 1.6)) < tolerance<T>);
    CHECK(error_of<T>(db, nd - scaled(difference, 2)) < tolerance<T>);
    auto only_a = noise, only_b = noise;
    kernel::squared_distance_backward<T>(up, a, b, T(0.8), only_a, core::view<T>(), {1});
    kernel::squared_distance_backward<T>(up, a, b, T(0.8), core::view<T>(), only_b, {1});
    CHECK(same_bits(only_a, da));
    CHECK(same_bits(only_b, db));
  }
}

TEST_CASE("a row too long for its numbers becomes NaN, not a row without a direction") {
  core::matrix<float> x = normal_matrix<float>(3, 5, 1);
  auto expected = not_a_number<float>(3, 5), out = expected, reciprocal = not_a_number<float>(3, 1);
  kernel::normalize_forward<float>(x, expected, reciprocal, {1});
  x(1, 2) = 2e19f;  // its square is infinite
  kernel::normalize_forward<float>(x, out, reciprocal, {1});
  CHECK(out.row(1).array().isNaN().all());
  CHECK(std::isnan(reciprocal(1, 0)));
  for (index i : {0, 2}) CHECK(same_bits<float>(out.row(i), expected.row(i)));
}

TEMPLATE_TEST_CASE("gradients of a squared distance that share rows are added one after the other, for any threads", "", float, double) {
  using T = TestType;
  constexpr index n = 200, d = 19;
  const auto x = normal_matrix<T>(n + 1, d, 1), up = normal_matrix<T>(n, 1, 2), noise = normal_matrix<T>(n + 1, d, 3);
  const core::view<const T> rows(x), a = rows.middle_rows(0, n), b = rows.middle_rows(1, n);
  const auto added = [&](bool together, int threads) {
    core::matrix<T> sum = noise;
    const core::view<T> all(sum), da = all.middle_rows(0, n), db = all.middle_rows(1, n);
    if (together) {
      kernel::squared_distance_backward<T>(up, a, b, T(0.8), da, db, {threads});
    } else {
      kernel::squared_distance_backward<T>(up, a, b, T(0.8), da, core::view<T>(), {threads});
      kernel::squared_distance_backward<T>(up, a, b, T(0.8), core::view<T>(), db, {threads});
    }
    return sum;
  };
  for (int threads : {1, 4}) CHECK(same_bits(added(true, threads), added(false, 1)));
}

}  // namespace cddrec::test
