#include "cddrec/eval/principal.hpp"

#include "test.hpp"

namespace cddrec::test {

TEST_CASE("principal components are the axes of a stretched cloud, seen from its mean") {
  // Deviations 3, 1 and 0.1 along axes of a turned frame.
  const index n = 4000;
  core::matrix<double> turned(3, 3), x = normal_matrix<double>(n, 3, 1);
  turned << 0.6, 0.8, 0, -0.8, 0.6, 0, 0, 0, 1;
  x.col(0) *= 3, x.col(2) *= 0.1;
  x = (x * turned).rowwise() + Eigen::RowVector3d(5, -2, 1);
  const auto p = eval::principal_components_of<double>(x, 2);
  CHECK(p.mean(0, 0) == Approx(5).margin(0.2));
  CHECK((p.directions.row(0) - turned.row(0)).norm() < 0.02);  // largest entry positive
  CHECK((p.directions.row(1) + turned.row(1)).norm() < 0.02);  // turned: its largest entry is negative
  CHECK(p.shares[0] == Approx(9 / 10.01).margin(0.01));
  CHECK(p.shares[1] == Approx(1 / 10.01).margin(0.01));
  const core::matrix<double> flat = p.project<double>(x);
  CHECK(std::abs(flat.col(0).mean()) < 1e-9);
  CHECK(flat.col(0).squaredNorm() / double(n) == Approx(9).epsilon(0.1));
  CHECK(std::abs(flat.col(0).dot(flat.col(1))) < 1e-6);
}

TEST_CASE("vectors that are all the same have no variance to share") {
  const core::matrix<float> same = core::matrix<float>::Constant(5, 4, 2.0f);
  const auto p = eval::principal_components_of<float>(same, 2);
  CHECK(p.shares == std::vector<double>{0, 0});
  CHECK(p.project<float>(same).norm() < 1e-12);
  core::matrix<float> unknown = same;
  unknown(1, 2) = std::numeric_limits<float>::quiet_NaN();
  CHECK(std::isnan(eval::principal_components_of<float>(unknown, 2).shares[0]));
  CHECK_THROWS_AS(eval::principal_components_of<float>(same, 5), input_error);
  CHECK_THROWS_AS(eval::principal_components_of<float>(core::matrix<float>(0, 4), 1), input_error);
}

TEST_CASE("no component, or fewer, and vectors of another width are refused") {
  const core::matrix<float> x = normal_matrix<float>(5, 4, 1);
  for (const index k : {0, -1}) CHECK_THROWS_AS(eval::principal_components_of<float>(x, k), input_error);
  const core::matrix<float> wider = normal_matrix<float>(5, 6, 1);
  CHECK_THROWS_WITH(eval::principal_components_of<float>(x, 2).project<float>(wider),
                    "eval::principal_components: the width must be 4, not 6");
}

}  // namespace cddrec::test
