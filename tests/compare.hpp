// How tests compare matrices, and what they poison outputs with.
// A kernel that assigns gets NaN to overwrite; one that adds gets noise, which must still be there.
#pragma once

#include <cstring>

#include "test.hpp"

namespace cddrec::test {

/// Equal to the last bit: NaN equals itself, 0 and -0 differ.
template <class T>
bool same_bits(const core::matrix<T>& a, const core::matrix<T>& b) {
  return a.rows() == b.rows() && a.cols() == b.cols() &&
         (a.size() == 0 || std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * sizeof(T)) == 0);
}

/// Largest |got - expected|, relative to the largest |expected| or 1; infinite where shapes differ or a value is NaN.
template <class T>
double error_of(const core::matrix<T>& got, const core::matrix<double>& expected) {
  if (got.rows() != expected.rows() || got.cols() != expected.cols()) return std::numeric_limits<double>::infinity();
  if (got.size() == 0) return 0;
  const double scale = std::max(1.0, expected.cwiseAbs().maxCoeff());
  double worst = 0;
  for (index i = 0; i < got.size(); ++i) {
    const double error = std::abs(static_cast<double>(got.data()[i]) - expected.data()[i]) / scale;
    if (!(error <= worst)) worst = std::isnan(error) ? std::numeric_limits<double>::infinity() : error;
  }
  return worst;
}

/// What rounding may cost.
template <class T>
constexpr double tolerance = std::is_same_v<T, float> ? 2e-5 : 1e-12;

template <class T>
core::matrix<T> not_a_number(index rows, index cols) {
  return core::matrix<T>::Constant(rows, cols, std::numeric_limits<T>::quiet_NaN());
}

/// Workspace of exactly `count` values, one value past any alignment, NaN at first.
template <class T>
class workspace {
 public:
  explicit workspace(index count) : values_(static_cast<std::size_t>(count) + 1, std::numeric_limits<T>::quiet_NaN()) {}
  operator std::span<T>() { return std::span<T>(values_).subspan(1); }

 private:
  std::vector<T> values_;
};

}  // namespace cddrec::test
