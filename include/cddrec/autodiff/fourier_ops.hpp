// Differentiable InfoNCE with random Fourier features, linear in the tokens where the exact one is quadratic.
// Each call draws its own frequencies, so that errors of single steps do not add up.
#pragma once

#include "cddrec/autodiff/ops.hpp"
#include "cddrec/kernel/fourier_info_nce.hpp"

namespace cddrec::autodiff {

/// A loss [1, 1], and how many of its anchors were clamped.
template <class T>
struct estimated_loss {
  variable<T> loss;
  index clamped;
};

/// InfoNCE of paired unit rows a, b [N, d] at a temperature -> [1, 1], with its denominators estimated from an even number of features:
/// a cosine and a sine of each frequency, which `draw` alone decides. Before clamping, a denominator's mean over draws is exact; its
/// logarithm's mean is not: it is below the exact one, the more so the smaller the temperature. Clamping raises it.
template <class T>
estimated_loss<T> fourier_info_nce(const variable<T>& a, const variable<T>& b, std::type_identity_t<T> temperature, index features,
                                   const core::random& draw) {
  CDDREC_ASSERT(features > 0 && features % 2 == 0);
  tape<T>& t = a.owner();
  const index m = features / 2;
  auto [y, out] = t.make(1, 1, a.needs_grad() || b.needs_grad());
  const core::view<T> frequencies = t.memory().template matrix<T>(m, a.cols());
  const std::span<T> kept = t.memory().template array<T>(kernel::fourier_info_nce_kept<T>(a.rows(), a.cols(), m));
  kernel::draw_frequencies<T>(draw, temperature, frequencies, t.how());
  index clamped = 0;
  {
    detail::workspace<T> space(t, kernel::fourier_info_nce_workspace<T>(a.rows(), a.cols(), m, t.how()));
    const auto got = kernel::fourier_info_nce_forward<T>(a.value(), b.value(), frequencies, temperature, kept, space, t.how());
    out(0, 0) = got.value;
    clamped = got.clamped;
  }
  t.record(y, [=, y = y] {
    tape<T>& u = y.owner();
    detail::workspace<T> space(u, kernel::fourier_info_nce_workspace<T>(a.rows(), a.cols(), m, u.how()));
    kernel::fourier_info_nce_backward<T>(y.grad()(0, 0), a.value(), b.value(), frequencies, temperature, kept, a.grad(), b.grad(), space,
                                         u.how());
  });
  return {y, clamped};
}

}  // namespace cddrec::autodiff
