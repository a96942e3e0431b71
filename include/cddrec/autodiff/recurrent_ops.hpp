// Differentiable recurrences over packed sequences.
// What does not wait for the step before is left to other ops: they see all rows at once.
#pragma once

#include "cddrec/autodiff/ops.hpp"
#include "cddrec/kernel/gru.hpp"

namespace cddrec::autodiff {

/// Hidden states of a gated recurrent unit that starts every sequence at 0: [N, d]. x [N, 3 d] is the inputs' part of the gates
/// r, z and n with its bias, weight [3 d, d] and bias [1, 3 d] are the hidden state's, stacked as PyTorch has them. What `layout` views
/// must outlive the tape.
template <class T>
variable<T> gru(const variable<T>& x, const variable<T>& weight, const variable<T>& bias, core::ragged layout) {
  tape<T>& t = x.owner();
  const index d = weight.cols();
  auto [y, out] = t.make(x.rows(), d, x.needs_grad() || weight.needs_grad() || bias.needs_grad());
  const core::view<T> state = t.recording() ? t.memory().template matrix<T>(x.rows(), 4 * d) : core::view<T>{};
  const std::span<index> order = t.memory().template array<index>(layout.size());
  kernel::longest_first(layout, order);
  {
    const T* panels = t.packed(weight.value());
    detail::workspace<T> own(t, panels ? 0 : kernel::packed_size<T>(d, 3 * d)), space(t, kernel::gru_workspace(layout, d, t.how()));
    if (!panels) {
      const std::span<T> fresh = own;
      kernel::pack<T>(kernel::transposed(weight.value()), fresh.data(), t.how());
      panels = fresh.data();
    }
    kernel::gru_forward<T>(x.value(), panels, bias.value(), layout, order, out, state, space, t.how());
  }
  t.record(y, [=, y = y] {
    tape<T>& u = y.owner();
    detail::workspace<T> space(u, kernel::gru_backward_workspace<T>(layout, d, u.how()));
    kernel::gru_backward<T>(y.grad(), weight.value(), layout, order, y.value(), state, x.grad(), weight.grad(), bias.grad(), space,
                            u.how());
  });
  return y;
}

}  // namespace cddrec::autodiff
