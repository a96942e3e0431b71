// Principal components: the few directions in which vectors differ most, to draw hundreds of dimensions on paper.
// Eigenvectors of the covariance, each turned so that its largest entry is positive: the same vectors give the same picture.
#pragma once

#include <Eigen/Eigenvalues>
#include <string>
#include <vector>

#include "cddrec/kernel/product.hpp"

namespace cddrec::eval {

using core::index;

struct principal_components {
  core::matrix<double> mean;        // [1, d]
  core::matrix<double> directions;  // [k, d], of length 1, the one of most variance first
  std::vector<double> shares;       // of the whole variance, [k]

  /// Coordinates of other vectors along the directions, seen from the mean. [N, d] -> [N, k]. input_error for another width.
  template <class T>
  core::matrix<double> project(core::in<T> x) const {
    require(x.cols() == mean.cols(), "eval::principal_components", "the width", x.cols(), to_text(mean.cols()));
    core::matrix<double> centred = x.matrix_map().template cast<double>();
    centred.rowwise() -= mean.row(0);
    return kernel::product(kernel::plain(core::view<const double>(centred)), kernel::transposed(core::view<const double>(directions)));
  }
};

/// The first k components of x [N, d]. O(N d^2 + d^3). input_error unless there is a row and k is 1 … d.
template <class T>
principal_components principal_components_of(core::in<T> x, index k) {
  if (x.rows() < 1 || k < 1 || k > x.cols())
    throw input_error("eval::principal_components_of: " + std::to_string(k) + " components of [" + std::to_string(x.rows()) + ", " +
                      std::to_string(x.cols()) + "]; give it rows, and ask for at least 1 component and at most one per column");
  principal_components p;
  core::matrix<double> centred = x.matrix_map().template cast<double>();
  p.mean = centred.colwise().mean();
  centred.rowwise() -= p.mean.row(0);
  const core::view<const double> from_mean(centred);
  const core::matrix<double> covariance = kernel::product(kernel::transposed(from_mean), kernel::plain(from_mean));
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(covariance);
  const double total = covariance.trace();
  p.directions.resize(k, x.cols());
  for (index c = 0; c < k; ++c) {
    const index column = x.cols() - 1 - c;  // eigenvalues rise
    p.directions.row(c) = solver.eigenvectors().col(column).transpose();
    index largest = 0;
    p.directions.row(c).cwiseAbs().maxCoeff(&largest);
    if (p.directions(c, largest) < 0) p.directions.row(c) *= -1;
    p.shares.push_back(total == 0 ? 0.0 : std::max(solver.eigenvalues()(column), 0.0) / total);
  }
  return p;
}

}  // namespace cddrec::eval
