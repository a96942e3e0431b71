#include "cddrec/autodiff/tape.hpp"

#include "cddrec/autodiff/gradcheck.hpp"
#include "test.hpp"

namespace cddrec::test {

namespace ad = cddrec::autodiff;
using parameter = ad::parameter<double>;
using variable = ad::variable<double>;
using tape = ad::tape<double>;

namespace {
// An op of a user's own: x^2, elementwise.
template <class T>
ad::variable<T> square(const ad::variable<T>& x) {
  auto [y, out] = x.owner().make(x.rows(), x.cols(), x.needs_grad());
  for (index i = 0; i < out.size(); ++i) out.data()[i] = x.value().data()[i] * x.value().data()[i];
  x.owner().record([x, y = y] {
    if (!x.needs_grad()) return;
    for (index i = 0; i < y.grad().size(); ++i) x.grad().data()[i] += 2 * x.value().data()[i] * y.grad().data()[i];
  });
  return y;
}

// A parameter of one column.
parameter column(std::initializer_list<double> values) {
  parameter p(static_cast<index>(values.size()), 1, 0.0);
  std::copy(values.begin(), values.end(), p.value.data());
  return p;
}

// Counts the copies of itself that are alive.
struct counted {
  int* alive;
  explicit counted(int& n) : alive(&n) { ++*alive; }
  counted(const counted& other) : alive(other.alive) { ++*alive; }
  ~counted() { --*alive; }
};
}  // namespace

TEST_CASE("an op of a user's own takes a dozen lines") {
  CHECK(ad::gradient_error({normal_matrix<double>(5, 3, 1)}, [](auto&, auto& v) { return square(v[0]); }) < 1e-6);
}

TEST_CASE("backward accumulates: over uses, over tapes, and by the weight of the loss") {
  const auto p = column({1, -2, 3});
  core::arena memory;
  for (int round = 1; round <= 2; ++round) {
    tape t(memory, {1});
    const variable x = t.leaf(p);
    t.backward(ad::mean(ad::add(square(x), x)), 3.0);  // d/dx = (2 x + 1) 3 / 3
    CHECK(p.gradient(0, 0) == Approx(3.0 * round));
    CHECK(p.gradient(1, 0) == Approx(-3.0 * round));
    CHECK(p.gradient(2, 0) == Approx(7.0 * round));
  }
}

TEST_CASE("middle rows share value and gradient") {
  const auto p = column({1, 2, 3, 4});
  core::arena memory;
  tape t(memory, {1});
  const variable x = t.leaf(p), middle = x.middle_rows(1, 2);
  CHECK(middle.value().data() == x.value().data() + 1);
  CHECK(middle.grad().data() == x.grad().data() + 1);
  t.backward(ad::mean(square(middle)));
  CHECK(p.gradient == (core::matrix<double>(4, 1) << 0, 2, 3, 0).finished());
  CHECK_FALSE(t.constant(p.value).middle_rows(1, 2).needs_grad());
}

TEST_CASE("scopes give their memory back, so that many steps take no more than one") {
  const parameter p(50, 20, 1.0, core::random(core::seed{1}));
  core::arena memory(1024);
  const auto train = [&](int steps) {
    tape t(memory, {1});
    const variable x = square(t.leaf(p));
    for (int s = 0; s < steps; ++s) {
      const auto before = t.memory().mark();
      {
        tape::scope step(t);
        step.backward(ad::mean(ad::row_dot(square(x), x)));
        CHECK((t.memory().mark().block != before.block || t.memory().mark().used != before.used));
      }
      REQUIRE((t.memory().mark().block == before.block && t.memory().mark().used == before.used));
    }
    t.backward();
  };
  train(1);
  const std::size_t reserved = memory.capacity();
  train(100);
  CHECK(memory.capacity() == reserved);
  CHECK((memory.mark().block == 0 && memory.mark().used == 0));
}

TEST_CASE("losses in scopes leave the gradients of one tape that holds them all") {
  const parameter p(6, 4, 1.0, core::random(core::seed{1})), q(6, 4, 1.0, core::random(core::seed{1}));
  core::arena memory;
  const auto loss = [](const variable& x, int s) { return ad::mean(ad::row_dot(square(x), ad::affine(x, 1.0 + s, 0.5))); };
  {
    tape t(memory, {1});
    const variable x = square(t.leaf(p));
    for (int s = 0; s < 3; ++s) {
      tape::scope step(t);
      step.backward(loss(x, s), 0.5);
    }
    CHECK(p.gradient.isZero(0));  // what was recorded before the scopes has not run yet
    t.backward();
  }
  {
    tape t(memory, {1});
    const variable x = square(t.leaf(q));
    variable sum = loss(x, 0);
    for (int s = 1; s < 3; ++s) sum = ad::add(sum, loss(x, s));
    t.backward(sum, 0.5);
  }
  CHECK(p.gradient.cwiseAbs().maxCoeff() > 1);
  CHECK((p.gradient - q.gradient).cwiseAbs().maxCoeff() < 1e-12);
}

TEST_CASE("a closure that owns something is destroyed exactly once") {
  int alive = 0, runs = 0;
  core::arena memory;
  {
    tape t(memory, {1});
    t.record([&runs, c = counted(alive)] { ++runs; });
    CHECK(alive == 1);
    {
      tape::scope inner(t);
      t.record([&runs, c = counted(alive)] { runs += 10; });
      t.record([&runs, c = counted(alive)] { runs += 100; });
      CHECK(alive == 3);
      inner.backward({});
      CHECK(runs == 110);  // of the scope alone
    }
    CHECK(alive == 1);
    t.backward();
    CHECK(runs == 111);
    CHECK(alive == 1);  // running is not destroying
    t.reset();
    CHECK(alive == 0);
    t.backward();
    CHECK(runs == 111);
    t.record([c = counted(alive)] {});
  }
  CHECK(alive == 0);
}

TEST_CASE("inference records nothing and makes no gradient") {
  int alive = 0;
  const parameter p(3, 2, 1.0);
  core::arena memory;
  tape t(memory, {1}, ad::mode::inference);
  CHECK_FALSE(t.recording());
  const variable x = t.leaf(p), y = square(x);
  CHECK_FALSE(x.needs_grad());
  CHECK_FALSE(y.needs_grad());
  CHECK(p.gradient.size() == 0);
  t.record([c = counted(alive)] {});
  CHECK(alive == 0);
  CHECK(y.value().matrix_map().isOnes());
}

TEST_CASE("fresh gradients are zero, and a poisoned tape fills fresh values with NaN") {
  core::arena memory;
  {
    tape t(memory, {1}, ad::mode::training, true);
    auto [v, value] = t.make(4, 3, true);
    CHECK(value.matrix_map().array().isNaN().all());
    v.grad().matrix_map().setConstant(5);
  }
  tape t(memory, {1});
  CHECK(t.make(4, 3, true).variable.grad().matrix_map().isZero(0));
  CHECK_FALSE(t.make(4, 3, false).variable.needs_grad());
}

}  // namespace cddrec::test
