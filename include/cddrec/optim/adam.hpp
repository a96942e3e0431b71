// Adam (Kingma and Ba, 2015) over a list of parameters.
// One fused pass a parameter: moments, bias correction, step and the zeroing of the gradient.
#pragma once

#include <cmath>
#include <span>
#include <vector>

#include "cddrec/autodiff/parameter.hpp"

namespace cddrec::optim {

using autodiff::parameter;
using core::index;

struct adam_settings {
  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
};

/// First and second moments of every parameter and the number of steps taken: all that a later run needs to go on.
template <class T>
class adam {
 public:
  /// The parameters must stay where they are.
  adam(std::vector<parameter<T>*> parameters, adam_settings settings) : settings(settings), parameters_(std::move(parameters)) {
    for (const parameter<T>* p : parameters_) {
      first_.push_back(core::matrix<T>::Zero(p->value.rows(), p->value.cols()));
      second_.push_back(first_.back());
      p->grad().matrix_map().setZero();
    }
  }

  /// Takes one step along the accumulated gradients and zeroes them.
  void step(core::execution how) {
    namespace simd = core::simd;
    ++steps;
    const double count = static_cast<double>(steps);
    const T rate = static_cast<T>(settings.learning_rate / (1 - std::pow(settings.beta1, count)));
    const T correction = static_cast<T>(1 / (1 - std::pow(settings.beta2, count)));
    const T b1 = static_cast<T>(settings.beta1), b2 = static_cast<T>(settings.beta2), epsilon = static_cast<T>(settings.epsilon);
    for (std::size_t k = 0; k < parameters_.size(); ++k) {
      T *value = parameters_[k]->value.data(), *gradient = parameters_[k]->grad().data();
      T *m = first_[k].data(), *v = second_[k].data();
      core::parallel_for(how, parameters_[k]->value.size(), 1 << 14, [&](index begin, index end) {
        for (index i = begin; i < end; i += simd::lanes<T>) {
          const index n = std::min(simd::lanes<T>, end - i);
          const simd::vec<T> g = simd::load_upto(gradient + i, n);
          const simd::vec<T> m1 = b1 * simd::load_upto(m + i, n) + (T(1) - b1) * g;
          const simd::vec<T> v1 = b2 * simd::load_upto(v + i, n) + (T(1) - b2) * g * g;
          simd::store_upto<T>(m + i, m1, n);
          simd::store_upto<T>(v + i, v1, n);
          simd::store_upto<T>(value + i, simd::load_upto(value + i, n) - rate * m1 / (simd::sqrt<T>(v1 * correction) + epsilon), n);
          simd::store_upto<T>(gradient + i, simd::vec<T>{}, n);
        }
      });
    }
  }

  std::vector<core::matrix<T>>& first_moments() { return first_; }
  std::vector<core::matrix<T>>& second_moments() { return second_; }

  adam_settings settings;
  index steps = 0;

 private:
  std::vector<parameter<T>*> parameters_;
  std::vector<core::matrix<T>> first_, second_;
};

}  // namespace cddrec::optim
