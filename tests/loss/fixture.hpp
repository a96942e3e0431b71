// A diffusion step made of given matrices, for the tests of objectives.
// The leaves are differentiable; both views are the same, so that a two-view objective is twice the one-view one.
#pragma once

#include "cddrec/loss/combine.hpp"
#include "reference/reference.hpp"
#include "test.hpp"

namespace cddrec::test {

/// Two steps whose first has the given alpha_bar and posterior variance:
/// beta_0 = 1 - alpha_bar, and beta_1 solves v = beta_1 beta_0 / (beta_0 + alpha_bar beta_1).
struct schedule_for {
  double alpha_bar, variance;
  double beta(index t, index) const {
    const double first = 1 - alpha_bar;
    return t == 0 ? first : variance * first / (first - variance * alpha_bar);
  }
};

/// Runs `objective` on a step whose views hold inputs 0, 1 … as mean, x0, negative, x_hat, x_t (missing ones: the last given).
template <class Objective>
autodiff::variable<double> run_objective(const Objective& objective, const std::vector<autodiff::variable<double>>& v,
                                         const diffusion::process<double>& process, std::span<double> parts,
                                         std::span<const data::item> targets = {}, autodiff::variable<double> items = {}) {
  const auto at = [&](std::size_t i) { return v[std::min(i, v.size() - 1)]; };
  const autodiff::variable<double> negative = at(2);
  const loss::side<double> view{.mean = at(0), .x0 = at(1), .negatives = {&negative, 1}, .x_hat = at(3), .x_t = at(4), .targets = targets};
  static const std::vector<index> rows{0, 1, 2, 3, 4, 5};
  const std::span<const index> paired(rows.data(), static_cast<std::size_t>(std::min<index>(6, at(0).rows())));
  return objective(loss::step<double>{.process = process,
                                      .t = 0,
                                      .main = view,
                                      .augmented = view,
                                      .paired_main = paired,
                                      .paired_augmented = paired,
                                      .items = items,
                                      .draw = core::random(core::seed{9})},
                   parts);
}

/// Value and gradients of an objective on given matrices: value first, then a gradient for each.
template <class F>
std::pair<double, std::vector<core::matrix<double>>> value_and_gradients(const std::vector<core::matrix<double>>& inputs, F&& f) {
  core::arena memory;
  std::vector<autodiff::parameter<double>> leaves(inputs.size());
  autodiff::tape<double> t(memory, {1}, autodiff::mode::training, true);
  std::vector<autodiff::variable<double>> v;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    leaves[k].value = inputs[k];
    v.push_back(t.leaf(leaves[k]));
  }
  const auto loss = f(v);
  t.backward(loss);
  std::pair<double, std::vector<core::matrix<double>>> result{loss.scalar(), {}};
  for (const auto& leaf : leaves) result.second.push_back(leaf.gradient);
  return result;
}

inline double distance(const core::matrix<double>& a, const core::matrix<double>& b) { return (a - b).cwiseAbs().maxCoeff(); }

}  // namespace cddrec::test
