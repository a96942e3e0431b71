// How tests reach into layers: every parameter by name, filled, saved, and checked by central differences.
// Layers keep their parameters to themselves; visit() is the only door, as it is for optimisers and files.
#pragma once

#include <map>

#include "cddrec/autodiff/gradcheck.hpp"
#include "test.hpp"

namespace cddrec::test {

/// The parameters of a layer by name.
template <class Layer>
std::map<std::string, autodiff::parameter<double>*> parameters_of(Layer& layer, const std::string& name) {
  std::map<std::string, autodiff::parameter<double>*> all;
  Layer::visit(layer, name, [&](const std::string& n, autodiff::parameter<double>& p) { all[n] = &p; });
  return all;
}

/// Fresh weights are small and biases zero: too tame for a gradient check. This makes all of them normal.
inline void make_wild(const std::map<std::string, autodiff::parameter<double>*>& parameters) {
  std::uint64_t name = 100;
  for (const auto& [_, p] : parameters) p->value = normal_matrix<double>(p->value.rows(), p->value.cols(), ++name, 0.5);
}

/// autodiff::gradient_error of f(tape, x) -> variable, in the input x and in every parameter.
template <class F>
double layer_error(const std::map<std::string, autodiff::parameter<double>*>& parameters, const core::matrix<double>& x, F&& f,
                   double step = 1e-3) {
  std::vector<core::matrix<double>> inputs{x};
  for (const auto& [_, p] : parameters) inputs.push_back(p->value);
  const double error = autodiff::gradient_error(
      inputs,
      [&](auto& t, auto& v) {
        std::size_t k = 0;
        for (const auto& [_, p] : parameters) {
          p->value = v[++k].value().matrix_map();
          p->grad().matrix_map().setZero();
        }
        // Recorded first, so run last: hands the parameters' gradients to the leaves that stand for them.
        t.record([&parameters, v] {
          std::size_t n = 0;
          for (const auto& [_, p] : parameters) kernel::add_scaled<double>(1.0, p->grad(), v[++n].grad(), {1});
        });
        return f(t, v[0]);
      },
      {1}, step);
  std::size_t k = 0;
  for (const auto& [_, p] : parameters) p->value = inputs[++k];
  return error;
}

/// What f(variable) makes of x in training, dropout included.
template <class F>
core::matrix<double> in_training(const core::matrix<double>& x, F&& f) {
  core::arena memory;
  autodiff::tape<double> t(memory, {1});
  return f(t.constant(x)).value().matrix_map();
}

/// Whether every fresh weight has numbers of its own: two that were drawn from one stream begin alike. Those that start as constants,
/// gains and biases, are left out.
inline bool drawn_apart(const std::map<std::string, autodiff::parameter<double>*>& parameters) {
  std::vector<std::vector<double>> beginnings;
  for (const auto& [_, p] : parameters)
    if (p->value.minCoeff() < p->value.maxCoeff()) beginnings.emplace_back(p->value.data(), p->value.data() + 3);
  std::sort(beginnings.begin(), beginnings.end());
  return beginnings.size() > 1 && std::adjacent_find(beginnings.begin(), beginnings.end()) == beginnings.end();
}

}  // namespace cddrec::test
