#include "cddrec/autodiff/gaussian_ops.hpp"

#include "cddrec/autodiff/gradcheck.hpp"
#include "test.hpp"

namespace cddrec::test {

TEST_CASE("gradients of a Gaussian's draw and of its divergence") {
  const core::random draw(core::seed{3});
  for (index k : {1, 5, 70}) {
    const std::vector<core::matrix<double>> x{normal_matrix<double>(4, k, 1), normal_matrix<double>(4, k, 2)};
    CHECK(autodiff::gradient_error(x, [&](auto&, auto& v) { return autodiff::gaussian_sample(v[0], v[1], draw); }) < 1e-6);
    CHECK(autodiff::gradient_error(x, [&](auto&, auto& v) { return autodiff::gaussian_kl(v[0], v[1]); }) < 1e-6);
  }
  // More rows than a block has.
  const std::vector<core::matrix<double>> x{normal_matrix<double>(70, 2, 1), normal_matrix<double>(70, 2, 2)};
  CHECK(autodiff::gradient_error(x, [&](auto&, auto& v) { return autodiff::gaussian_sample(v[0], v[1], draw); }, {2}) < 1e-6);
  CHECK(autodiff::gradient_error(x, [&](auto&, auto& v) { return autodiff::gaussian_kl(v[0], v[1]); }, {2}) < 1e-6);
}

TEST_CASE("in inference a Gaussian's draw is its mean") {
  const core::matrix<double> mean = normal_matrix<double>(4, 3, 1), log_variance = normal_matrix<double>(4, 3, 2);
  core::arena memory;
  autodiff::tape<double> t(memory, {1}, autodiff::mode::inference);
  CHECK(autodiff::gaussian_sample(t.constant(mean), t.constant(log_variance), {}).value().data() == mean.data());
}

}  // namespace cddrec::test
