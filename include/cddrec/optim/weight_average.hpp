// Exponential moving average of weights: training goes on with the weights, what is validated and served is their average.
// It takes out most of the noise that the last batches left in the weights, which a falling learning rate would do as well.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "cddrec/autodiff/parameter.hpp"

namespace cddrec::optim {

/// average = k average + (1 - k) value after every step t = 1, 2, …, with k = min(decay, (1 + t) / (10 + t)): the first steps, which have
/// the least to say about the end, are soon forgotten. In float the average of a constant value stops a relative 2^-25 / (1 - decay)
/// short of it: with a decay above .9999 it stops too early.
template <class T>
class weight_average {
 public:
  /// Begins with the parameters' present values. The parameters must stay where they are. input_error for a decay outside [0, 1).
  weight_average(std::vector<autodiff::parameter<T>*> parameters, double decay) : parameters_(std::move(parameters)), decay_(decay) {
    require(decay >= 0 && decay < 1, "optim::weight_average", "decay", decay, "in [0, 1)");
    for (const auto* p : parameters_) average_.push_back(p->value);
  }

  /// Takes in the values after step number `steps`, from 1. All rows count, O(V d) for a table of V rows.
  void update(core::index steps, core::execution how) {
    namespace simd = core::simd;
    const double count = static_cast<double>(steps);
    const T share = static_cast<T>(1 - std::min(decay_, (1 + count) / (10 + count)));
    for (std::size_t k = 0; k < parameters_.size(); ++k) {
      const T* value = parameters_[k]->value.data();
      T* average = average_[k].data();
      core::parallel_for(how, average_[k].size(), 1 << 14, [&](core::index begin, core::index end) {
        for (core::index i = begin; i < end; i += simd::lanes<T>) {
          const core::index n = std::min(simd::lanes<T>, end - i);
          const simd::vec<T> a = simd::load_upto(average + i, n);
          simd::store_upto<T>(average + i, a + share * (simd::load_upto(value + i, n) - a), n);
        }
      });
    }
  }

  /// Exchanges the parameters' values with what is held here: the averages, or on every second call the weights.
  void swap() {
    for (std::size_t k = 0; k < parameters_.size(); ++k) parameters_[k]->value.swap(average_[k]);
  }
  /// In the order of the parameters.
  std::vector<core::matrix<T>>& held() { return average_; }

 private:
  std::vector<autodiff::parameter<T>*> parameters_;
  std::vector<core::matrix<T>> average_;
  double decay_;
};

}  // namespace cddrec::optim
