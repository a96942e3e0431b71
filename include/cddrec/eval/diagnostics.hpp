// Collapse, measured: do vectors still point in different directions, and scores still tell items apart?
// Each figure says little by itself: set it beside that of Gaussian noise of the same shape, and beside accuracy.
#pragma once

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <unordered_set>
#include <vector>

#include "cddrec/core/ragged.hpp"
#include "cddrec/kernel/product.hpp"
#include "cddrec/kernel/top_k.hpp"

namespace cddrec::eval {

using core::index;

namespace detail {
/// Rows of length 1, in double; a row of zeros stays as it is, one that holds a NaN becomes NaN.
template <class T>
core::matrix<double> unit_rows(core::view<const T> x) {
  core::matrix<double> unit(x.rows(), x.cols());
  for (index i = 0; i < x.rows(); ++i) {
    double length = 0;
    for (index j = 0; j < x.cols(); ++j) length += static_cast<double>(x(i, j)) * static_cast<double>(x(i, j));
    for (index j = 0; j < x.cols(); ++j) unit(i, j) = length == 0 ? 0.0 : static_cast<double>(x(i, j)) / std::sqrt(length);
  }
  return unit;
}

}  // namespace detail

/// Mean cosine of two different rows of x [N, d]; 1 when all point the same way, 0 for fewer than two rows. A row of zeros points nowhere:
/// its cosine with any other is 0. O(N d).
template <class T>
double mean_cosine(core::in<T> x) {
  if (x.rows() < 2) return 0;
  const core::matrix<double> unit = detail::unit_rows<T>(x);
  const double N = static_cast<double>(x.rows());
  // |sum u|^2 = sum |u|^2 + the sum over all ordered pairs.
  return (unit.colwise().sum().squaredNorm() - unit.squaredNorm()) / (N * (N - 1));
}

/// The same between the positions of a sequence, mean over the sequences of two rows or more.
template <class T>
double mean_cosine_within(core::in<T> x, core::ragged layout) {
  double total = 0, sequences = 0;
  for (index s = 0; s < layout.size(); ++s) {
    const index rows = layout.end(s) - layout.begin(s);
    if (rows < 2) continue;
    total += mean_cosine<T>(x.middle_rows(layout.begin(s), rows));
    ++sequences;
  }
  return sequences > 0 ? total / sequences : 0;
}

struct spectrum {
  std::vector<double> singular_values;  // the largest first, min(N, d) of them
  double effective_rank = 0;            // exp of the entropy of their shares (Roy and Vetterli, 2007): 1 to min(N, d)
  double top_share = 0;                 // of the largest in their sum
};

/// Singular values of x [N, d] as it is, not centred: a mean that all rows share is collapse, too. O(N d^2 + d^3); values below 1e-8
/// of the largest are rounding. What is not finite makes the shares NaN.
template <class T>
spectrum singular_spectrum(core::in<T> x) {
  spectrum s;
  if (x.rows() == 0 || x.cols() == 0) return s;
  core::matrix<double> gram = core::matrix<double>::Zero(x.cols(), x.cols());
  for (index begin = 0; begin < x.rows(); begin += 4096) {
    const index count = std::min<index>(4096, x.rows() - begin);
    const core::matrix<double> part = x.middle_rows(begin, count).matrix_map().template cast<double>();
    gram += kernel::product(kernel::transposed(core::view<const double>(part)), kernel::plain(core::view<const double>(part)));
  }
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(gram, Eigen::EigenvaluesOnly);
  double total = 0;
  for (index k = 0; k < std::min(x.rows(), x.cols()); ++k) {
    s.singular_values.push_back(std::sqrt(std::max(solver.eigenvalues()(x.cols() - 1 - k), 0.0)));
    total += s.singular_values.back();
  }
  if (total == 0) return s;
  double entropy = 0;
  for (double value : s.singular_values)
    if (value != 0) entropy -= value / total * std::log(value / total);
  s.effective_rank = std::exp(entropy);
  s.top_share = s.singular_values.front() / total;
  return s;
}

/// Alignment (Wang and Isola, 2020): mean |u_i - v_i|^2 of paired rows made unit rows; 0 when every pair agrees, 2 for strangers. A row of
/// zeros stays one: it is 1 away from a unit row. input_error unless both have the same shape.
template <class T>
double alignment(core::in<T> a, core::in<T> b) {
  core::require_same_shape<T>("eval::alignment", "a", a, "b", b);
  if (a.rows() == 0) return 0;
  return (detail::unit_rows<T>(a) - detail::unit_rows<T>(b)).rowwise().squaredNorm().mean();
}

/// Uniformity (Wang and Isola, 2020): log of the mean of exp(-2 |u_i - u_j|^2) over pairs of different rows made unit rows; 0 when all
/// are one, about -4 when they fill the sphere. A row of zeros stays one, the centre of the sphere. O(N^2 d): give it some
/// thousands of rows.
template <class T>
double uniformity(core::in<T> x) {
  if (x.rows() < 2) return 0;
  const core::matrix<double> unit = detail::unit_rows<T>(x);
  const core::view<const double> all(unit);
  const Eigen::VectorXd squares = unit.rowwise().squaredNorm();
  double total = 0;
  for (index begin = 0; begin < unit.rows(); begin += 256) {
    const index count = std::min<index>(256, unit.rows() - begin);
    // |u - v|^2 = |u|^2 + |v|^2 - 2 u . v
    core::matrix<double> distances = -2 * kernel::product(kernel::plain(all.middle_rows(begin, count)), kernel::transposed(all));
    distances.colwise() += squares.segment(begin, count);
    distances.rowwise() += squares.transpose();
    total += (-2 * distances.array()).exp().sum();
    for (index i = 0; i < count; ++i) total -= std::exp(-2 * distances(i, begin + i));
  }
  const double N = static_cast<double>(x.rows());
  return std::log(total / (N * (N - 1)));
}

struct latent_use {
  std::vector<double> kl;  // mean KL(N(mean, variance) || N(0, 1)) of each dimension
  double total_kl = 0;
  index active = 0;  // dimensions whose mean has a variance over the data above 0.01 (Burda et al., 2016)
};

/// How much of its latent variables an encoder q(z | x) = N(mean, exp(log_variance)) uses; both [N, d], or input_error.
template <class T>
latent_use latent_dimensions(core::in<T> mean, core::in<T> log_variance) {
  core::require_same_shape<T>("eval::latent_dimensions", "mean", mean, "log_variance", log_variance);
  latent_use use;
  const double N = static_cast<double>(std::max<index>(1, mean.rows()));
  for (index j = 0; j < mean.cols(); ++j) {
    double kl = 0, sum = 0, squares = 0;
    for (index i = 0; i < mean.rows(); ++i) {
      const double m = static_cast<double>(mean(i, j)), log_v = static_cast<double>(log_variance(i, j));
      kl += 0.5 * (m * m + std::exp(log_v) - 1 - log_v) / N;
      sum += m / N;
    }
    for (index i = 0; i < mean.rows(); ++i) squares += std::pow(static_cast<double>(mean(i, j)) - sum, 2) / N;
    use.kl.push_back(kl);
    use.total_kl += kl;
    use.active += squares > 0.01 ? 1 : 0;
  }
  return use;
}

struct list_diagnostics {
  double gap_to_second = 0;  // mean of the first score less the second
  double gap_to_tenth = 0;
  index distinct_first = 0;  // items that are somebody's first
  index lists = 0;           // that were counted: those of ten items or more
};

/// What the tops of ranked lists say, as eval::recommend returns them.
template <class T>
list_diagnostics top_of_lists(const std::vector<std::vector<kernel::scored<T>>>& lists) {
  list_diagnostics d;
  std::unordered_set<std::int32_t> first;
  for (const auto& list : lists) {
    if (list.size() < 10) continue;
    const double top = static_cast<double>(list[0].score);
    d.gap_to_second += top - static_cast<double>(list[1].score);
    d.gap_to_tenth += top - static_cast<double>(list[9].score);
    first.insert(list[0].item);
    ++d.lists;
  }
  if (d.lists > 0) {
    d.gap_to_second /= static_cast<double>(d.lists);
    d.gap_to_tenth /= static_cast<double>(d.lists);
  }
  d.distinct_first = static_cast<index>(first.size());
  return d;
}

}  // namespace cddrec::eval
