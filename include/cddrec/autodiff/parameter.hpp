// A trained matrix: its value and the gradient that a tape accumulates beside it.
// The gradient is scratch of training, not part of the network's value, so a const network can be differentiated.
#pragma once

#include "cddrec/core/parallel.hpp"
#include "cddrec/core/random.hpp"

namespace cddrec::autodiff {

using core::index;

template <class T>
struct parameter {
  core::matrix<T> value;
  mutable core::matrix<T> gradient;  // empty until the first recording tape reads the parameter

  parameter() = default;
  /// All entries equal.
  parameter(index rows, index cols, T fill) : value(core::matrix<T>::Constant(rows, cols, fill)) {}
  /// Normal entries of the given deviation.
  parameter(index rows, index cols, double deviation, const core::random& draw) : value(rows, cols) {
    draw.normal<T>(0, std::span<T>(value.data(), static_cast<std::size_t>(value.size())));
    value *= static_cast<T>(deviation);
  }

  /// The gradient, made and zeroed at the first use.
  core::view<T> grad() const {
    if (gradient.size() != value.size()) gradient.setZero(value.rows(), value.cols());
    return gradient;
  }
};

}  // namespace cddrec::autodiff
