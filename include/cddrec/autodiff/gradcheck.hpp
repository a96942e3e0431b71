// Gradients proven by central differences: every entry of every input, on poisoned outputs.
// Values start as NaN (an op must assign), gradients start as noise (an op must add).
#pragma once

#include <cmath>
#include <limits>
#include <vector>

#include "cddrec/autodiff/ops.hpp"

namespace cddrec::autodiff {

/// Largest error of the gradients of f(tape, inputs) -> variable, relative to max(|difference quotient|, |gradient|, 1e-6 + 1e-3
/// of the largest entry of that input's gradient). The output's entries are weighted by fixed noise and summed, so every one counts.
/// A gradient or a value that is not a number gives infinity. f is called anew for each difference and must be deterministic.
template <class F>
double gradient_error(std::vector<core::matrix<double>> inputs, F&& f, core::execution how = {1}, double step = 1e-3) {
  core::arena memory;
  const core::random noise(core::seed{0x9e3779b97f4a7c15u});
  const auto weights = [&](index size) {
    std::vector<double> w(static_cast<std::size_t>(size));
    noise.child(1).normal<double>(0, w);
    return w;
  };
  const auto value_at = [&](const std::vector<core::matrix<double>>& at) {
    std::vector<parameter<double>> leaves(at.size());
    for (std::size_t k = 0; k < at.size(); ++k) leaves[k].value = at[k];
    tape<double> t(memory, how, mode::training, true);
    std::vector<variable<double>> x;
    for (const auto& leaf : leaves) x.push_back(t.leaf(leaf));
    const variable<double> y = f(t, x);
    const auto w = weights(y.value().size());
    double sum = 0;
    for (index i = 0; i < y.value().size(); ++i) sum += w[static_cast<std::size_t>(i)] * y.value().data()[i];
    return sum;
  };

  // The gradients as the tape accumulates them, on top of noise that is taken off again.
  std::vector<parameter<double>> leaves(inputs.size());
  std::vector<core::matrix<double>> before(inputs.size());
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    leaves[k].value = inputs[k];
    before[k] = core::matrix<double>(inputs[k].rows(), inputs[k].cols());
    noise.child(2 + k).normal<double>(0, std::span<double>(before[k].data(), static_cast<std::size_t>(before[k].size())));
    leaves[k].gradient = before[k];
  }
  {
    tape<double> t(memory, how, mode::training, true);
    std::vector<variable<double>> x;
    for (const auto& leaf : leaves) x.push_back(t.leaf(leaf));
    const variable<double> y = f(t, x);
    const auto w = weights(y.value().size());
    // A result that asks for no gradient gives its inputs none, and the differences show it.
    for (index i = 0; i < y.grad().size(); ++i) y.grad().data()[i] += w[static_cast<std::size_t>(i)];
    t.backward();
  }

  double worst = 0;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    if (inputs[k].size() == 0) continue;
    const core::matrix<double> gradient = leaves[k].gradient - before[k];
    const double floor = 1e-3 * gradient.cwiseAbs().maxCoeff() + 1e-6;
    for (index i = 0; i < inputs[k].size(); ++i) {
      double& entry = inputs[k].data()[i];
      const double kept = entry;
      // Four points: the error is of order step^4, so 1e-6 can be asked of every op.
      double point[4];
      const double offset[4] = {-2, -1, 1, 2};
      for (int p = 0; p < 4; ++p) {
        entry = kept + offset[p] * step;
        point[p] = value_at(inputs);
      }
      entry = kept;
      const double quotient = (point[0] - 8 * point[1] + 8 * point[2] - point[3]) / (12 * step);
      const double scale = std::max({std::abs(quotient), std::abs(gradient.data()[i]), floor});
      const double error = std::abs(quotient - gradient.data()[i]) / scale;
      // A NaN is the worst, and stays so: no later error is above infinity.
      if (!(error <= worst)) worst = std::isnan(error) ? std::numeric_limits<double>::infinity() : error;
    }
  }
  return worst;
}

}  // namespace cddrec::autodiff
