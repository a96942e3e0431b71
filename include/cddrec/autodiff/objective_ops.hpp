// Differentiable streaming objectives: exact InfoNCE over a batch, and cross-entropy against the whole catalogue.
// Both keep O(N d) values and some MiB of scores at most, whatever the number of pairs or items.
#pragma once

#include "cddrec/autodiff/ops.hpp"
#include "cddrec/kernel/info_nce.hpp"
#include "cddrec/kernel/softmax_over_items.hpp"

namespace cddrec::autodiff {

/// InfoNCE of paired unit rows a, b [N, d] at a temperature -> [1, 1] (Eq. 14, 15).
/// `ids`, the target of every pair [N], leaves out other tokens of the same target; empty: none. It must outlive the tape. In float the
/// temperature must be 0.023 or more, which is not checked: below, exp(-2 / temperature) is out of range and rows far apart count too much.
template <class T, class Id>
variable<T> info_nce(const variable<T>& a, const variable<T>& b, std::span<const Id> ids, std::type_identity_t<T> temperature) {
  tape<T>& t = a.owner();
  auto [y, out] = t.make(1, 1, a.needs_grad() || b.needs_grad());
  const core::view<T> sums = t.memory().template matrix<T>(2 * a.rows(), 1);
  const std::span<T> kept = t.memory().template array<T>(kernel::info_nce_kept<T>(a.rows(), a.cols()));
  out(0, 0) = kernel::info_nce_forward<T, Id>(a.value(), b.value(), ids, temperature, sums, kept, t.how());
  t.record(y, [=, y = y] {
    tape<T>& u = y.owner();
    detail::workspace<T> space(u, kernel::info_nce_workspace<T>(a.rows(), a.cols()));
    kernel::info_nce_backward<T, Id>(y.grad()(0, 0), a.cols(), ids, temperature, sums, kept, a.grad(), b.grad(), space, u.how());
  });
  return y;
}

/// -log softmax(scale (x items^T + bias))[target] row by row -> [N, 1]; without targets, log sum exp(scale (x items^T + bias)).
/// x [N, d], items [V, d], bias [V] or empty. `targets` and `bias`, which has no gradient, must outlive the tape.
template <class T, class Id>
variable<T> softmax_over_items(const variable<T>& x, const variable<T>& items, std::span<const Id> targets, std::type_identity_t<T> scale,
                               std::span<const std::type_identity_t<T>> bias = {}) {
  tape<T>& t = x.owner();
  auto [y, out] = t.make(x.rows(), 1, x.needs_grad() || items.needs_grad());
  const core::view<T> log_sum = t.memory().template matrix<T>(x.rows(), 1);
  const core::view<T> expected = t.recording() ? t.memory().template matrix<T>(x.rows(), x.cols()) : core::view<T>{};
  const index kept = t.recording() ? kernel::softmax_over_items_kept<T>(x.rows(), items.rows()) : 0;
  const std::span<T> scores = t.memory().template array<T>(kept);
  const index needed = kernel::softmax_over_items_workspace<T>(x.rows(), items.rows(), x.cols());
  {
    detail::workspace<T> space(t, needed);
    kernel::softmax_over_items_forward<T, Id>(x.value(), items.value(), bias, targets, scale, out, log_sum, expected, scores, space,
                                              t.how());
  }
  t.record(y, [=, y = y] {
    tape<T>& u = y.owner();
    detail::workspace<T> space(u, needed);
    kernel::softmax_over_items_backward<T, Id>(y.grad(), x.value(), items.value(), bias, targets, scale, log_sum, expected, scores,
                                               x.grad(), items.grad(), space, u.how());
  });
  return y;
}

/// log(1 + e^x) where `chosen` is not 0, x itself elsewhere. x [N, 1]; `chosen` [N] must outlive the tape.
template <class T>
variable<T> softplus_where(const variable<T>& x, std::span<const unsigned char> chosen) {
  tape<T>& t = x.owner();
  auto [y, out] = t.make(x.rows(), 1, x.needs_grad());
  kernel::softplus_forward<T>(x.value(), out);
  for (index i = 0; i < x.rows(); ++i)
    if (!chosen[static_cast<std::size_t>(i)]) out(i, 0) = x.value()(i, 0);
  t.record(y, [=, y = y] {
    for (index i = 0; i < x.rows(); ++i)
      x.grad()(i, 0) += y.grad()(i, 0) * (chosen[static_cast<std::size_t>(i)] ? kernel::sigmoid(x.value()(i, 0)) : T(1));
  });
  return y;
}

}  // namespace cddrec::autodiff
