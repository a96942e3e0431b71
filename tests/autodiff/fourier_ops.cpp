#include "cddrec/autodiff/fourier_ops.hpp"

#include "cddrec/autodiff/gradcheck.hpp"
#include "test.hpp"

namespace cddrec::test {

namespace ad = cddrec::autodiff;

TEST_CASE("gradients of InfoNCE by features") {
  const core::random draw(core::seed{4});
  for (index pairs : {2, 40}) {
    const std::vector<core::matrix<double>> x{normal_matrix<double>(pairs, 5, 1), normal_matrix<double>(pairs, 5, 2)};
    index clamped = -1;
    CHECK(ad::gradient_error(x, [&](auto&, auto& v) {
            const auto estimate = ad::fourier_info_nce<double>(ad::normalize(v[0]), ad::normalize(v[1]), 0.5, 40, draw);
            clamped = estimate.clamped;
            return estimate.loss;
          }) < 1e-6);
    CHECK(clamped >= 0);
    CHECK(clamped < 2 * pairs);  // or nothing has been differentiated
  }
}

TEST_CASE("one pair apart from all others has the smallest denominator there is, and is counted when its estimate falls short") {
  // At a small temperature two opposite rows are all but unrelated: the estimate is a mean of cosines of any phase, and often negative.
  core::matrix<double> a(1, 3), b(1, 3);
  a << 1, 0, 0;
  b << -1, 0, 0;
  index clamped = 0;
  for (std::uint64_t name = 0; name < 20; ++name) {
    core::arena memory;
    ad::tape<double> t(memory, {1}, ad::mode::training, true);
    ad::parameter<double> leaf;
    leaf.value = a, leaf.gradient = core::matrix<double>::Zero(1, 3);
    const auto estimate = ad::fourier_info_nce<double>(t.leaf(leaf), t.constant(b), 0.05, 8, core::random(core::seed{name}));
    CHECK((estimate.clamped == 0 || estimate.clamped == 2));  // both anchors see the same
    t.backward(estimate.loss);
    CHECK((estimate.clamped == 2) == (estimate.loss.scalar() == 0));
    CHECK((estimate.clamped == 2) == leaf.gradient.isZero(0));
    clamped += estimate.clamped;
  }
  CHECK(clamped > 0);
  CHECK(clamped < 40);
}

}  // namespace cddrec::test
