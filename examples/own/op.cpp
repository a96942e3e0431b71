// An op of your own: make() its output, compute it, and record() how the output's gradient adds to those of the inputs.
#include <cstdio>

#include "cddrec/cddrec.hpp"

using namespace cddrec;

/// x / (1 + |x|), elementwise. Its slope is (1 - |y|)^2, so backward needs nothing but y.
template <class T>
autodiff::variable<T> softsign(const autodiff::variable<T>& x) {
  autodiff::tape<T>& tape = x.owner();
  auto [y, out] = tape.make(x.rows(), x.cols(), x.needs_grad());
  const auto in = x.value().matrix_map().array();
  out.matrix_map() = in / (1 + in.abs());
  tape.record(y, [x, y = y] {
    x.grad().matrix_map().array() += y.grad().matrix_map().array() * (1 - y.value().matrix_map().array().abs()).square();
  });
  return y;
}

int main() {
  // The library proves its own ops like this: every entry by central differences, in double, on outputs that start as NaN.
  core::matrix<double> points(3, 4);
  points << -3, -2, -1, -.5, .25, .5, 1, 2, 3, 4, 5, 6;
  const double error = autodiff::gradient_error({points}, [](auto&, const auto& x) { return softsign(x[0]); });
  std::printf("the gradient is %s\n", error < 1e-6 ? "right" : "wrong");

  // On a tape of its own: the mean of softsign(W x) over the rows of x, and what moves it.
  core::arena memory;
  autodiff::tape<float> tape(memory, {});
  autodiff::parameter<float> weight(1, 2, 1.0f);
  core::matrix<float> rows(2, 2);
  rows << 1, 2, -3, 2;
  const auto y = autodiff::mean(softsign(autodiff::linear(tape.constant(rows), tape.leaf(weight))));
  tape.backward(y);
  std::printf("mean %.4f, gradient %.4f %.4f\n", y.scalar(), weight.gradient(0, 0), weight.gradient(0, 1));
}
