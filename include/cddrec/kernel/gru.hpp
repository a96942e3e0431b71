// The recurrence of a gated recurrent unit over packed sequences; the products with its inputs are made before, all rows at once.
// Sequences run side by side, longest first: those still running at any time are the first of their block, so a step is one product
// of as many rows, and none is computed on padding.
#pragma once

#include <algorithm>
#include <span>

#include "cddrec/core/ragged.hpp"
#include "cddrec/kernel/elementwise.hpp"
#include "cddrec/kernel/matmul.hpp"

namespace cddrec::kernel {

namespace detail {

/// Sequences of a block, which one thread takes from their first step to their last: 24, whole tiles of every register blocking, or fewer
/// where threads are many. The longest sequences make the first block the longest, so a thread has several.
inline index gru_grain(core::ragged layout, core::execution how) {
  return std::clamp<index>(layout.size() / (4 * std::max(how.threads, 1)), 4, 24);
}

/// 1 / (1 + e^-x). Float: relative error below 5e-7.
template <class T>
inline core::simd::vec<T> logistic(core::simd::vec<T> x) {
  return T(1) / (T(1) + core::simd::exp<T>(-x));
}

/// tanh x. Float: relative error below 3e-7.
template <class T>
inline core::simd::vec<T> hyperbolic_tangent(core::simd::vec<T> x) {
  if constexpr (std::is_same_v<T, float>) {
    using vec = core::simd::vec<float>;
    // Where 1 - 2 / (e^2x + 1) would cancel, x + x^3 p(x^2), fitted to the least relative error.
    const vec square = x * x, magnitude = x < 0.0f ? -x : x;
    vec p = core::simd::broadcast(-5.155118004e-3f);
    p = p * square + 2.011166364e-2f;
    p = p * square - 5.356699127e-2f;
    p = p * square + 1.332924315e-1f;
    p = p * square - 3.333319662e-1f;
    const vec near = x + x * square * p, far = 1.0f - 2.0f / (core::simd::exp<float>(2.0f * magnitude) + 1.0f);
    return magnitude >= 0.7f ? (x < 0.0f ? -far : far) : near;
  } else {
    for (index l = 0; l < core::simd::lanes<T>; ++l) x[l] = std::tanh(x[l]);
    return x;
  }
}

inline index gru_workers(core::ragged layout, core::execution how) {
  return std::max<index>(1, std::min<index>(how.threads, core::block_count(layout.size(), gru_grain(layout, how))));
}

}  // namespace detail

/// Writes the numbers of the sequences to `order` [sequences]: the longest first, those of equal length as they lie.
inline void longest_first(core::ragged layout, std::span<index> order) {
  for (index s = 0; s < layout.size(); ++s) order[static_cast<std::size_t>(s)] = s;
  std::sort(order.begin(), order.end(),
            [&](index a, index b) { return layout.length(a) != layout.length(b) ? layout.length(a) > layout.length(b) : a < b; });
}

/// Values of workspace that `gru_forward` needs.
inline index gru_workspace(core::ragged layout, index width, core::execution how) {
  // Of every worker: hidden states (or their gradients) and gates of a block.
  return detail::gru_workers(layout, how) * detail::gru_grain(layout, how) * 4 * width;
}

/// h = n + z (h' - n) with r = s(x_r + g_r), z = s(x_z + g_z), n = tanh(x_n + r g_n) and g = weight h' + bias, where h' is the row
/// before, 0 at the first of a sequence. x [N, 3 d] is the inputs' part of r, z and n with its bias; `panels` is the pack() of
/// weight^T [d, 3 d]; bias [1, 3 d]; out [N, d]. state [N, 4 d] keeps r, z, n and g_n for the backward pass; empty where none follows.
/// `order` is longest_first(layout).
template <class T>
void gru_forward(core::in<T> x, const std::type_identity_t<T>* panels, core::in<T> bias, core::ragged layout, std::span<const index> order,
                 core::view<T> out, core::view<T> state, std::span<std::type_identity_t<T>> workspace, core::execution how) {
  namespace simd = core::simd;
  using simd::load_upto, simd::store_upto;
  const index d = out.cols();
  CDDREC_ASSERT(x.cols() == 3 * d && std::ssize(order) == layout.size() && std::ssize(workspace) >= gru_workspace(layout, d, how));
  const index grain = detail::gru_grain(layout, how);
  core::parallel_for(how, layout.size(), grain, [&](index first, index last, int worker) {
    T* const hidden = workspace.data() + worker * grain * 4 * d;
    T* const gates = hidden + grain * d;
    std::fill_n(hidden, grain * 4 * d, T(0));
    const index* const sequence = order.data() + first;
    index active = last - first;
    for (index step = 0;; ++step) {
      while (active > 0 && layout.length(sequence[active - 1]) <= step) --active;
      if (active == 0) break;
      if (step > 0)
        detail::multiply_packed<T>(plain(core::view<const T>(hidden, active, d)), 0, active, panels, 3 * d, gates, 3 * d, write::assign);
      for (index k = 0; k < active; ++k) {
        const index row = layout.begin(sequence[k]) + step;
        const T *given = x.row(row), *fed_back = gates + k * 3 * d, *shift = bias.data();
        T *h = hidden + k * d, *kept = state.empty() ? nullptr : state.row(row);
        simd::transform<T>(d, h, [&](index j, index m) {
          const auto input = [&](index gate) { return load_upto(given + gate * d + j, m); };
          const auto g = [&](index gate) { return load_upto(fed_back + gate * d + j, m) + load_upto(shift + gate * d + j, m); };
          const simd::vec<T> g_n = g(2), r = detail::logistic<T>(input(0) + g(0)), z = detail::logistic<T>(input(1) + g(1));
          const simd::vec<T> n = detail::hyperbolic_tangent<T>(input(2) + r * g_n);
          if (kept) {
            store_upto(kept + j, r, m);
            store_upto(kept + d + j, z, m);
            store_upto(kept + 2 * d + j, n, m);
            store_upto(kept + 3 * d + j, g_n, m);
          }
          return n + z * (load_upto(h + j, m) - n);
        });
        std::copy_n(h, d, out.row(row));
      }
    }
  });
}

/// Values of workspace that `gru_backward` needs.
template <class T>
index gru_backward_workspace(core::ragged layout, index width, core::execution how) {
  const index rows = layout.rows(), gates = 3 * width, before = std::max<index>(0, rows - 1);
  const operand<T> dg{nullptr, gates, before, 1, gates}, hidden{nullptr, before, width, width, 1};
  const index recurrence = packed_size<T>(gates, width) + gru_workspace(layout, width, how);
  return rows * gates + std::max({recurrence, core::block_count(rows, 64) * gates, matmul_workspace<T>(dg, hidden, how)});
}

/// Adds to dx [N, 3 d], dweight [3 d, d] and dbias [1, 3 d]; an empty one is not wanted. `out` is the forward pass's.
/// forward: h = n + z (h' - n); n = tanh(x_n + r g_n); r, z = s(x + g); g = weight h' + bias. Running back, dh gains from the step
/// after z dh + weight^T dg; the dg of all rows are kept, for the weight's gradient is one product over them.
template <class T>
void gru_backward(core::in<T> dout, core::in<T> weight, core::ragged layout, std::span<const index> order, core::in<T> out,
                  core::in<T> state, core::view<T> dx, core::view<T> dweight, core::view<T> dbias,
                  std::span<std::type_identity_t<T>> workspace, core::execution how) {
  namespace simd = core::simd;
  using simd::load_upto, simd::store_upto;
  const index d = out.cols(), rows = layout.rows();
  CDDREC_ASSERT(std::ssize(order) == layout.size() && std::ssize(workspace) >= gru_backward_workspace<T>(layout, d, how));
  const core::view<T> dg(workspace.data(), rows, 3 * d);
  T* const panels = workspace.data() + dg.size();
  T* const blocks = panels + packed_size<T>(3 * d, d);
  pack<T>(plain(weight), panels, how);
  const index grain = detail::gru_grain(layout, how);
  core::parallel_for(how, layout.size(), grain, [&](index first, index last, int worker) {
    T* const carried = blocks + worker * grain * 4 * d;  // what dh gains from the step after
    T* const gates = carried + grain * d;                // dg of the step
    std::fill_n(carried, grain * d, T(0));
    const index* const sequence = order.data() + first;
    index active = 0;
    for (index step = layout.length(sequence[0]) - 1; step >= 0; --step) {
      while (active < last - first && layout.length(sequence[active]) > step) ++active;
      for (index k = 0; k < active; ++k) {
        const index row = layout.begin(sequence[k]) + step;
        const T *up = dout.row(row), *kept = state.row(row), *before = step > 0 ? out.row(row - 1) : nullptr;
        T *own = carried + k * d, *to = gates + k * 3 * d, *given = dx.empty() ? nullptr : dx.row(row);
        simd::transform<T>(d, own, [&](index j, index m) {
          const simd::vec<T> r = load_upto(kept + j, m), z = load_upto(kept + d + j, m), n = load_upto(kept + 2 * d + j, m);
          const simd::vec<T> g_n = load_upto(kept + 3 * d + j, m), h = before ? load_upto(before + j, m) : simd::vec<T>{};
          const simd::vec<T> dh = load_upto(own + j, m) + load_upto(up + j, m);
          const simd::vec<T> dn = dh * (T(1) - z) * (T(1) - n * n), dz = dh * (h - n) * z * (T(1) - z), dr = dn * g_n * r * (T(1) - r);
          const simd::vec<T> by_gate[3] = {dr, dz, dn};
          for (index gate = 0; gate < 3; ++gate) {
            store_upto(to + gate * d + j, gate < 2 ? by_gate[gate] : dn * r, m);
            if (given) store_upto(given + gate * d + j, load_upto(given + gate * d + j, m) + by_gate[gate], m);
          }
          return z * dh;
        });
        std::copy_n(to, 3 * d, dg.row(row));
      }
      if (step > 0)
        detail::multiply_packed<T>(plain(core::view<const T>(gates, active, 3 * d)), 0, active, panels, d, carried, d, write::add);
    }
  });
  const std::span<T> rest = workspace.subspan(static_cast<std::size_t>(dg.size()));
  if (!dbias.empty()) add_bias_backward<T>(dg, dbias, rest, how);
  if (dweight.empty() || rows < 2) return;
  // weight multiplies the row before: a sequence's first row has none and adds nothing; what lies before it in memory is another sequence.
  for (index s = 0; s < layout.size(); ++s)
    if (layout.length(s) > 0) std::fill_n(dg.row(layout.begin(s)), 3 * d, T(0));
  matmul<T>(transposed(dg.middle_rows(1, rows - 1)), plain(out.middle_rows(0, rows - 1)), write::add, dweight, rest, how);
}

}  // namespace cddrec::kernel
