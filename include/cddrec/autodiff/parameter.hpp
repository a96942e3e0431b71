// A trained matrix: its value and the gradient that a tape accumulates beside it.
// The gradient is scratch of training, not part of the network's value, so a const network can be differentiated.
#pragma once

#include <string>

#include "cddrec/autodiff/row_set.hpp"
#include "cddrec/core/parallel.hpp"
#include "cddrec/core/random.hpp"

namespace cddrec::autodiff {

template <class T>
struct parameter {
  core::matrix<T> value;
  mutable core::matrix<T> gradient;  // empty until the first recording tape reads the parameter
  mutable row_set touched;           // rows of it that were given out to be written since an optimiser last zeroed them

  parameter() = default;
  /// All entries equal.
  parameter(index rows, index cols, T fill) : value(core::matrix<T>::Constant(rows, cols, fill)) {}
  /// Normal entries of the given deviation.
  parameter(index rows, index cols, double deviation, const core::random& draw) : value(rows, cols) {
    draw.normal<T>(0, std::span<T>(value.data(), static_cast<std::size_t>(value.size())));
    value *= static_cast<T>(deviation);
  }

  /// The gradient to write to, made and zeroed at the first use. From now on every row counts as touched: to read only, take
  /// `gradient`.
  core::view<T> grad() const {
    touched.insert_all();
    return made();
  }
  /// The gradient, of which only the rows `ids` will be written: no others become touched.
  template <class Id>
  core::view<T> grad_of_rows(std::span<const Id> ids) const {
    if (!touched.all())
      for (const Id id : ids) touched.insert(static_cast<index>(id), value.rows());
    return made();
  }

 private:
  core::view<T> made() const {
    if (gradient.size() != value.size()) gradient.setZero(value.rows(), value.cols());
    return gradient;
  }
};

/// What concepts call visit() with: takes a name and a parameter, and does nothing.
struct any_visitor {
  template <class Parameter>
  void operator()(const std::string&, Parameter&&) const {}
};

}  // namespace cddrec::autodiff
