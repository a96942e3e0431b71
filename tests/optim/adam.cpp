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

TEST_CASE("a parameter's own factor of the learning rate is a learning rate of its own") {
  const auto run = [](double rate, std::vector<double> factors) {
    std::vector<autodiff::parameter<float>> p{named<float>(3, 5, 1), named<float>(4, 2, 2)};
    adam<float> optimiser({&p[0], &p[1]}, {.learning_rate = rate});
    CHECK(optimiser.rate_factors == std::vector<double>{1, 1});
    optimiser.rate_factors = std::move(factors);
    for (int step = 0; step < 3; ++step) {
      for (std::size_t k = 0; k < 2; ++k) p[k].gradient += normal_matrix<float>(p[k].value.rows(), p[k].value.cols(), 7 + k);
      optimiser.step({1});
    }
    return std::pair(p[0].value, p[1].value);
  };
  const auto apart = run(0.5, {1, 0.25}), fast = run(0.5, {1, 1}), slow = run(0.125, {1, 1});
  CHECK(apart.first == fast.first);
  CHECK(apart.second == slow.second);
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

TEST_CASE("betas whose distance to 1 float does not know, an epsilon of 0 and rates that lead nowhere are refused") {
  auto p = named<float>(2, 3, 1);
  const auto make = [&](optim::adam_settings s) { adam<float>({&p}, s); };
  CHECK_THROWS_WITH(make({.beta2 = 0.99999999}), "optim::adam: beta2 must be in [0, 0.99999], not 0.99999999");
  CHECK_THROWS_WITH(make({.beta1 = 1}), ContainsSubstring("beta1 must be in"));
  CHECK_THROWS_WITH(make({.beta1 = -0.1}), ContainsSubstring("not -0.1"));
  CHECK_THROWS_WITH(make({.beta2 = std::numeric_limits<double>::quiet_NaN()}), ContainsSubstring("beta2"));
  for (const double epsilon : {0.0, -1e-8, 1e-60, std::numeric_limits<double>::quiet_NaN()})
    CHECK_THROWS_WITH(make({.epsilon = epsilon}), ContainsSubstring("optim::adam: epsilon must be above 0"));
  for (const double rate : {-0.1, 0.0, std::numeric_limits<double>::infinity(), std::nan("")})
    CHECK_THROWS_WITH(make({.learning_rate = rate}), "optim::adam: learning_rate must be positive, not " + to_text(rate));
  // The largest: one step is still the learning rate long.
  adam<float> slow({&p}, {.beta1 = 0.99999, .beta2 = 0.99999});
  const core::matrix<float> before = p.value;
  p.gradient.setConstant(0.01f);
  CHECK(slow.step({1}) < 0);
  for (index i = 0; i < p.value.size(); ++i) CHECK(before.data()[i] - p.value.data()[i] == Approx(1e-3).epsilon(0.01));
}

TEST_CASE("a new optimiser starts from a gradient of zero") {
  auto p = named<float>(2, 3, 1);
  p.grad().matrix_map().setConstant(7);
  adam<float> optimiser({&p}, {});
  CHECK(p.gradient.isZero(0));
  CHECK_FALSE(p.touched.all());
}

namespace {
/// A table of 200 rows and its optimiser; step() adds a gradient to some rows, or to the whole, and steps.
template <class T>
struct table_and_adam {
  autodiff::parameter<T> table = named<T>(200, 19, 1);
  adam<T> optimiser;
  explicit table_and_adam(optim::adam_rows rows) : optimiser({&table}, {.learning_rate = 0.05, .rows = rows}) {}

  void step(const std::vector<index>& rows, std::uint64_t name, int threads = 1, bool whole = false) {
    const auto g = normal_matrix<T>(200, 19, name);
    const auto gradient = whole ? table.grad() : table.grad_of_rows(std::span<const index>(rows));
    for (const index row : rows) gradient.matrix_map().row(row) += g.row(row);
    optimiser.step({threads});
  }
  bool same_as(table_and_adam& other) {
    return same_bits(table.value, other.table.value) && same_bits(optimiser.first_moments()[0], other.optimiser.first_moments()[0]) &&
           same_bits(optimiser.second_moments()[0], other.optimiser.second_moments()[0]);
  }
};
std::vector<index> every_row() {
  std::vector<index> rows(200);
  std::iota(rows.rbegin(), rows.rend(), index{0});  // the order is not the table's
  return rows;
}
}  // namespace

TEMPLATE_TEST_CASE("Adam of touched rows is Adam, to the bit, when every row is touched", "", float, double) {
  using T = TestType;
  for (int threads : {1, 2, 8}) {
    table_and_adam<T> dense(optim::adam_rows::all), by_row(optim::adam_rows::touched);
    for (std::uint64_t s = 1; s <= 4; ++s) dense.step(every_row(), s), by_row.step(every_row(), s, threads);
    CHECK(by_row.same_as(dense));
    dense.step({3, 5}, 9), by_row.step({3, 5}, 9, threads);
    CHECK_FALSE(by_row.same_as(dense));  // the others go on along their momentum in one, and stay in the other
  }
}

TEST_CASE("Adam of touched rows is Adam, to the bit, when the whole gradient was given out") {
  table_and_adam<float> dense(optim::adam_rows::all), whole(optim::adam_rows::touched);
  for (std::uint64_t s = 1; s <= 4; ++s) dense.step({3, 5, 199}, s), whole.step({3, 5, 199}, s, 2, true);
  CHECK(whole.same_as(dense));
}

TEMPLATE_TEST_CASE("Adam of touched rows leaves the others to the bit, and counts every step", "", float, double) {
  using T = TestType;
  for (int threads : {1, 2, 8}) {
    table_and_adam<T> by_row(optim::adam_rows::touched);
    by_row.step(every_row(), 1, threads);  // so that all rows have momentum
    const core::matrix<T> value = by_row.table.value, m = by_row.optimiser.first_moments()[0], v = by_row.optimiser.second_moments()[0];
    by_row.step({150, 3}, 2, threads);
    by_row.step({3}, 3, threads);
    CHECK(by_row.table.gradient.isZero(0));
    CHECK(by_row.table.touched.rows().empty());
    for (index row = 0; row < 200; ++row) {
      if (row == 3 || row == 150) continue;
      REQUIRE(same_bits<T>(by_row.table.value.row(row), value.row(row)));
      REQUIRE(same_bits<T>(by_row.optimiser.first_moments()[0].row(row), m.row(row)));
      REQUIRE(same_bits<T>(by_row.optimiser.second_moments()[0].row(row), v.row(row)));
    }
    // The touched ones are entries of plain Adam whose clock runs on while they rest.
    const optim::adam_settings& s = by_row.optimiser.settings;
    double worst = 0;
    for (index col = 0; col < 19; ++col) {
      const auto g = [&](index row, std::uint64_t name) { return static_cast<double>(normal_matrix<T>(200, 19, name)(row, col)); };
      const core::matrix<T> start = named<T>(200, 19, 1).value;
      plain_adam third{static_cast<double>(start(3, col))}, one_fifty{static_cast<double>(start(150, col))};
      third.step(g(3, 1), 1, s), third.step(g(3, 2), 2, s), third.step(g(3, 3), 3, s);
      one_fifty.step(g(150, 1), 1, s), one_fifty.step(g(150, 2), 2, s);
      worst = std::max(worst, std::abs(static_cast<double>(by_row.table.value(3, col)) - third.value));
      worst = std::max(worst, std::abs(static_cast<double>(by_row.table.value(150, col)) - one_fifty.value));
    }
    CHECK(worst < (std::is_same_v<T, float> ? 2e-6 : 1e-13));
  }
}

TEST_CASE("Adam of touched rows: a row that rested takes the step of its own count of gradients, corrected for all steps") {
  table_and_adam<double> by_row(optim::adam_rows::touched);
  for (std::uint64_t s = 1; s <= 6; ++s) by_row.step({s == 1 || s == 6 ? index{4} : index{9}}, s);
  for (index col = 0; col < 19; ++col) {
    plain_adam entry{named<double>(200, 19, 1).value(4, col)};
    for (int s : {1, 6}) entry.step(normal_matrix<double>(200, 19, static_cast<std::uint64_t>(s))(4, col), s, by_row.optimiser.settings);
    CHECK(by_row.table.value(4, col) == Approx(entry.value).epsilon(1e-13));
  }
}

TEST_CASE("the length of a gradient is that of what a step takes, the same for any threads; a step may be scaled or left out") {
  autodiff::parameter<float> p = named<float>(300, 70, 1), q = p;
  for (const auto rows : {optim::adam_rows::all, optim::adam_rows::touched}) {
    adam<float> one({&p}, {.rows = rows}), two({&q}, {.rows = rows});
    core::matrix<float> g = normal_matrix<float>(300, 70, 2);
    const std::vector<index> touched{5, 299, 0, 17};
    if (rows == optim::adam_rows::touched) {
      core::matrix<float> kept = core::matrix<float>::Zero(300, 70);
      for (const index row : touched) kept.row(row) = g.row(row);
      g = kept;
    }
    const auto add = [&](autodiff::parameter<float>& to, float scale) {
      const core::view<float> grad = rows == optim::adam_rows::all ? to.grad() : to.grad_of_rows<index>(std::span<const index>(touched));
      grad.matrix_map() += scale * g;
    };
    add(p, 1), add(q, 0.25f);
    const double norm = one.gradient_norm(0, {1});
    CHECK(norm == Approx(g.cast<double>().norm()).epsilon(1e-5));
    CHECK(one.gradient_norm(0, {4}) == norm);
    CHECK(one.step({1}, 0.25) == -1);
    CHECK(two.step({1}) == -1);
    CHECK(p.value == q.value);
    add(p, 1);
    const core::matrix<float> before = p.value;
    one.drop({2});
    CHECK(p.gradient.isZero(0));
    CHECK((p.touched.rows().empty() && !p.touched.all()));
    CHECK(p.value == before);
    CHECK(one.steps == 1);
    add(p, 1);
    p.gradient(17, 3) = 1e30f;  // whose square no float holds
    CHECK(one.gradient_norm(0, {2}) == Approx(1e30));
    p.gradient(17, 3) = std::numeric_limits<float>::infinity();
    CHECK_FALSE(std::isfinite(one.gradient_norm(0, {1})));
    p.gradient(17, 3) = std::numeric_limits<float>::quiet_NaN();
    CHECK_FALSE(std::isfinite(one.gradient_norm(0, {1})));
    CHECK(one.step({2}) == 0);
    p.value = q.value = before;
  }
}

TEST_CASE("a step that leaves the finite numbers names the first parameter that did") {
  autodiff::parameter<float> p = named<float>(3, 3, 1), q = named<float>(40, 40, 2);
  adam<float> optimiser({&p, &q}, {.learning_rate = 1e30});
  for (auto* each : {&p, &q}) each->grad().matrix_map().setOnes();
  CHECK(optimiser.step({2}) == -1);
  p.value(1, 1) = 1, q.value(39, 39) = -std::numeric_limits<float>::max();
  optimiser.settings.learning_rate = 1e37;
  for (auto* each : {&p, &q}) each->grad().matrix_map().setOnes();
  q.grad().matrix_map().setConstant(1e3f);
  CHECK(optimiser.step({2}) == 1);
}

TEMPLATE_TEST_CASE("a gradient too large to be squared is told of, though the value that it leaves is finite", "", float, double) {
  using T = TestType;
  const T root = std::sqrt(std::numeric_limits<T>::max());
  for (const auto rows : {optim::adam_rows::all, optim::adam_rows::touched})
    for (const T large : {root / 2, root * 2, root * 1000}) {
      auto p = named<T>(3, 3, 1), q = named<T>(40, 19, 2);
      adam<T> optimiser({&p, &q}, {.rows = rows});
      const std::vector<index> touched{5, 39};
      q.grad_of_rows(std::span<const index>(touched)).matrix_map()(39, 18) = -large;
      if (std::is_same_v<T, float>) CHECK(optimiser.gradient_norm(1, {1}) == Approx(large));  // a double holds it
      CHECK(optimiser.step({2}) == (large < root ? -1 : 1));
      CHECK(q.value.allFinite());
      CHECK(q.gradient.isZero(0));
      // Once there, it is there at every later step, whatever the gradient.
      if (large > 100 * root && rows == optim::adam_rows::all) CHECK(optimiser.step({1}) == 1);
    }
}

TEST_CASE("what is not finite in a row that rests is told of when the row is touched") {
  for (const auto rows : {optim::adam_rows::all, optim::adam_rows::touched}) {
    table_and_adam<float> one(rows);
    one.table.value(7, 3) = std::numeric_limits<float>::quiet_NaN();
    const auto touch = [&](index row) {
      const std::vector<index> touched{row};
      one.table.grad_of_rows(std::span<const index>(touched)).matrix_map().row(row).setOnes();
      return one.optimiser.step({1});
    };
    CHECK(touch(8) == (rows == optim::adam_rows::all ? 0 : -1));
    CHECK(touch(7) == 0);
  }
}

}  // namespace cddrec::test
