// Differentiable ops on packed matrices: each is one thin page over a kernel pair.
// An op assigns its output and, backward, adds to the gradients of those inputs that want one: a gradient that nobody wants is an
// empty view, which kernels skip.
#pragma once

#include "cddrec/autodiff/tape.hpp"
#include "cddrec/kernel/attention.hpp"
#include "cddrec/kernel/elementwise.hpp"
#include "cddrec/kernel/layer_norm.hpp"
#include "cddrec/kernel/matmul.hpp"
#include "cddrec/kernel/prefix_attention.hpp"
#include "cddrec/kernel/rows.hpp"

namespace cddrec::autodiff {

namespace detail {
/// Workspace for one kernel call, given back when it goes out of scope.
template <class T, class Value = T>
class workspace {
 public:
  workspace(tape<T>& t, index count) : scope_(t.memory()), values_(t.memory().template array<Value>(count)) {}
  operator std::span<Value>() const { return values_; }

 private:
  core::arena_scope scope_;
  std::span<Value> values_;
};

template <class T>
void multiply(tape<T>& t, kernel::operand<T> a, kernel::operand<T> b, kernel::write mode, core::view<T> out) {
  if (out.empty()) return;
  workspace<T> space(t, kernel::matmul_workspace<T>(a, b, t.how()));
  kernel::matmul<T>(a, b, mode, out, space, t.how());
}

template <class T>
void add_column_sums(const variable<T>& y, core::view<T> drow) {
  if (drow.empty()) return;
  tape<T>& u = y.owner();
  workspace<T> partial(u, core::block_count(y.rows(), 64) * y.cols());
  kernel::add_bias_backward<T>(y.grad(), drow, partial, u.how());
}

template <class T, class Id>
void scatter(const variable<T>& y, std::span<const Id> ids, core::view<T> dtable) {
  tape<T>& u = y.owner();
  workspace<T, std::uint64_t> space(u, kernel::gather_workspace(y.rows()));
  kernel::gather_backward<T, Id>(y.grad(), ids, dtable, space, u.how());
}
}  // namespace detail

/// x weight^T (+ bias). x [N, in], weight [out, in] as PyTorch keeps it, bias [1, out] or a default variable for none.
template <class T>
variable<T> linear(const variable<T>& x, const variable<T>& weight, const variable<T>& bias = {}) {
  using kernel::plain, kernel::transposed, kernel::write;
  CDDREC_ASSERT(x.cols() == weight.cols());
  tape<T>& t = x.owner();
  auto [y, out] = t.make(x.rows(), weight.rows(), x.needs_grad() || weight.needs_grad() || bias.needs_grad());
  if (const T* panels = t.packed(weight.value()))
    kernel::matmul_packed<T>(plain(x.value()), panels, 0, write::assign, out, t.how());
  else
    detail::multiply<T>(t, plain(x.value()), transposed(weight.value()), write::assign, out);
  if (bias.rows() > 0) kernel::add_bias<T>(bias.value(), out, t.how());
  t.record(y, [=, y = y] {
    tape<T>& u = y.owner();
    const core::view<const T> dy = y.grad();
    detail::multiply<T>(u, plain(dy), plain(weight.value()), write::add, x.grad());
    detail::multiply<T>(u, transposed(dy), plain(x.value()), write::add, weight.grad());
    detail::add_column_sums(y, bias.grad());
  });
  return y;
}

/// a x + b y, elementwise.
template <class T>
variable<T> linear_combination(T a, const variable<T>& x, T b, const variable<T>& y) {
  tape<T>& t = x.owner();
  auto [z, out] = t.make(x.rows(), x.cols(), x.needs_grad() || y.needs_grad());
  kernel::linear_combination<T>(a, x.value(), b, y.value(), out, t.how());
  t.record(z, [=, z = z] {
    kernel::add_scaled<T>(a, z.grad(), x.grad(), z.owner().how());
    kernel::add_scaled<T>(b, z.grad(), y.grad(), z.owner().how());
  });
  return z;
}

template <class T>
variable<T> add(const variable<T>& x, const variable<T>& y) {
  return linear_combination(T(1), x, T(1), y);
}

/// x + row, the same row [1, d] added to every row of x [N, d].
template <class T>
variable<T> add_row(const variable<T>& x, const variable<T>& row) {
  tape<T>& t = x.owner();
  auto [y, out] = t.make(x.rows(), x.cols(), x.needs_grad() || row.needs_grad());
  std::copy_n(x.value().data(), x.value().size(), out.data());
  kernel::add_bias<T>(row.value(), out, t.how());
  t.record(y, [=, y = y] {
    kernel::add_scaled<T>(T(1), y.grad(), x.grad(), y.owner().how());
    detail::add_column_sums(y, row.grad());
  });
  return y;
}

/// scale x + shift, elementwise.
template <class T>
variable<T> affine(const variable<T>& x, std::type_identity_t<T> scale, std::type_identity_t<T> shift) {
  tape<T>& t = x.owner();
  auto [y, out] = t.make(x.rows(), x.cols(), x.needs_grad());
  for (index i = 0; i < out.size(); ++i) out.data()[i] = scale * x.value().data()[i] + shift;
  t.record(y, [=, y = y] { kernel::add_scaled<T>(scale, y.grad(), x.grad(), y.owner().how()); });
  return y;
}

/// The exact GELU, x Phi(x).
template <class T>
variable<T> gelu(const variable<T>& x) {
  tape<T>& t = x.owner();
  auto [y, out] = t.make(x.rows(), x.cols(), x.needs_grad());
  kernel::gelu_forward<T>(x.value(), out, t.how());
  t.record(y, [=, y = y] { kernel::gelu_backward<T>(y.grad(), x.value(), x.grad(), y.owner().how()); });
  return y;
}

/// log(1 + e^x).
template <class T>
variable<T> softplus(const variable<T>& x) {
  tape<T>& t = x.owner();
  auto [y, out] = t.make(x.rows(), x.cols(), x.needs_grad());
  kernel::softplus_forward<T>(x.value(), out);
  t.record(y, [=, y = y] { kernel::softplus_backward<T>(y.grad(), x.value(), x.grad()); });
  return y;
}

/// Layer normalisation with gain and bias [1, d].
template <class T>
variable<T> layer_norm(const variable<T>& x, const variable<T>& gain, const variable<T>& bias, double epsilon = 1e-5) {
  tape<T>& t = x.owner();
  auto [y, out] = t.make(x.rows(), x.cols(), x.needs_grad() || gain.needs_grad() || bias.needs_grad());
  const core::view<T> statistics = t.memory().template matrix<T>(x.rows(), 2);
  kernel::layer_norm_forward<T>(x.value(), gain.value(), bias.value(), epsilon, out, statistics, t.how());
  t.record(y, [=, y = y] {
    tape<T>& u = y.owner();
    detail::workspace<T> partial(u, kernel::layer_norm_workspace(x.rows(), x.cols()));
    kernel::layer_norm_backward<T>(y.grad(), x.value(), gain.value(), statistics, x.grad(), gain.grad(), bias.grad(), partial, u.how());
  });
  return y;
}

/// Inverted dropout in training, `rate` below 1; in inference, or at rate 0, the variable itself.
template <class T>
variable<T> dropout(const variable<T>& x, double rate, const core::random& draw) {
  tape<T>& t = x.owner();
  if (rate == 0 || !t.recording()) return x;
  auto [y, out] = t.make(x.rows(), x.cols(), x.needs_grad());
  kernel::dropout_forward<T>(x.value(), rate, draw, out, t.how());
  t.record(y, [=, y = y] { kernel::dropout_backward<T>(y.grad(), rate, draw, x.grad(), y.owner().how()); });
  return y;
}

/// scale x + deviation * standard normals.
template <class T>
variable<T> add_noise(const variable<T>& x, double scale, double deviation, const core::random& draw) {
  tape<T>& t = x.owner();
  auto [y, out] = t.make(x.rows(), x.cols(), x.needs_grad());
  kernel::add_noise<T>(x.value(), scale, deviation, draw, out, t.how());
  t.record(y, [=, y = y] { kernel::add_scaled<T>(static_cast<T>(scale), y.grad(), x.grad(), y.owner().how()); });
  return y;
}

/// Rows of a table: [V, d] -> [ids, d]. `ids`, each from 0 to V - 1, must outlive the tape.
template <class T, class Id>
variable<T> gather(const variable<T>& table, std::span<const Id> ids) {
  tape<T>& t = table.owner();
  auto [y, out] = t.make(static_cast<index>(ids.size()), table.cols(), table.needs_grad());
  kernel::gather_forward<T, Id>(table.value(), ids, out, t.how());
  t.record(y, [=, y = y] { detail::scatter<T, Id>(y, ids, table.grad()); });
  return y;
}

/// The last row of every sequence, none of which is empty: [sequences, d].
template <class T>
variable<T> last_rows(const variable<T>& x, core::ragged layout) {
  const std::span<index> rows = x.owner().memory().template array<index>(layout.size());
  for (index s = 0; s < layout.size(); ++s) {
    CDDREC_ASSERT(layout.length(s) > 0);
    rows[static_cast<std::size_t>(s)] = layout.end(s) - 1;
  }
  return gather<T, index>(x, rows);
}

/// Rows of a parameter. They alone become touched: forward, backward and an optimiser of touched rows cost nothing for the others.
/// `ids` and the parameter must outlive the tape.
template <class T, class Id>
variable<T> gather(tape<T>& t, const parameter<T>& table, std::span<const Id> ids) {
  auto [y, out] = t.make(static_cast<index>(ids.size()), table.value.cols(), true);
  kernel::gather_forward<T, Id>(table.value, ids, out, t.how());
  t.record(y, [ids, &table, y = y] { detail::scatter<T, Id>(y, ids, table.grad_of_rows(ids)); });
  return y;
}

/// Rows divided by their Euclidean length; a row shorter than 1e-12 becomes 0.
template <class T>
variable<T> normalize(const variable<T>& x) {
  tape<T>& t = x.owner();
  auto [y, out] = t.make(x.rows(), x.cols(), x.needs_grad());
  const core::view<T> reciprocal = t.memory().template matrix<T>(x.rows(), 1);
  kernel::normalize_forward<T>(x.value(), out, reciprocal, t.how());
  t.record(y, [=, y = y] { kernel::normalize_backward<T>(y.grad(), y.value(), reciprocal, x.grad(), y.owner().how()); });
  return y;
}

/// Dot products of paired rows: [N, d] x [N, d] -> [N, 1].
template <class T>
variable<T> row_dot(const variable<T>& a, const variable<T>& b) {
  tape<T>& t = a.owner();
  auto [y, out] = t.make(a.rows(), 1, a.needs_grad() || b.needs_grad());
  kernel::row_dot_forward<T>(a.value(), b.value(), out, t.how());
  t.record(y, [=, y = y] {
    kernel::row_dot_backward<T>(y.grad(), b.value(), a.grad(), y.owner().how());
    kernel::row_dot_backward<T>(y.grad(), a.value(), b.grad(), y.owner().how());
  });
  return y;
}

/// |scale a_i - b_i|^2 of paired rows -> [N, 1].
template <class T>
variable<T> squared_distance(const variable<T>& a, const variable<T>& b, std::type_identity_t<T> scale = T(1)) {
  tape<T>& t = a.owner();
  auto [y, out] = t.make(a.rows(), 1, a.needs_grad() || b.needs_grad());
  kernel::squared_distance_forward<T>(a.value(), b.value(), scale, out, t.how());
  t.record(
      y, [=, y = y] { kernel::squared_distance_backward<T>(y.grad(), a.value(), b.value(), scale, a.grad(), b.grad(), y.owner().how()); });
  return y;
}

/// Mean of an [N, 1] column -> [1, 1], weighted by `weights` [N] (empty: all 1), which must outlive the tape. Rows of weight 0 are left
/// out, NaN too (whose gradient of 0 may become NaN again in the op that made it); if there are no others, it is 0.
template <class T>
variable<T> mean(const variable<T>& x, std::span<const std::type_identity_t<T>> weights = {}) {
  tape<T>& t = x.owner();
  auto [y, out] = t.make(1, 1, x.needs_grad());
  double total = 0, count = 0;  // float would count no further than 2^24 rows
  for (index i = 0; i < x.rows(); ++i) {
    const T w = weights.empty() ? T(1) : weights[static_cast<std::size_t>(i)];
    if (w == T(0)) continue;
    total += static_cast<double>(w) * static_cast<double>(x.value()(i, 0));
    count += static_cast<double>(w);
  }
  const T inverse = count > 0 ? T(1) / static_cast<T>(count) : T(0);
  out(0, 0) = count > 0 ? static_cast<T>(total / count) : T(0);
  t.record(y, [=, y = y] {
    const T up = y.grad()(0, 0) * inverse;
    for (index i = 0; i < x.rows(); ++i) x.grad()(i, 0) += weights.empty() ? up : up * weights[static_cast<std::size_t>(i)];
  });
  return y;
}

/// Multi-head self-attention inside each sequence. q, k, v [N, d]; `heads` divides d. What `layout` views must outlive the tape.
template <class T>
variable<T> attention(const variable<T>& q, const variable<T>& k, const variable<T>& v, core::ragged layout, index heads, bool causal,
                      kernel::attention_dropout dropped = {}) {
  CDDREC_ASSERT(heads > 0 && q.cols() % heads == 0);
  tape<T>& t = q.owner();
  auto [y, out] = t.make(q.rows(), q.cols(), q.needs_grad() || k.needs_grad() || v.needs_grad());
  if (!t.recording()) dropped.rate = 0;
  const core::view<T> log_sum = t.memory().template matrix<T>(q.rows(), heads);
  {
    detail::workspace<T> space(t, q.rows());
    kernel::attention_forward<T>(q.value(), k.value(), v.value(), layout, causal, dropped, out, log_sum, space, t.how());
  }
  t.record(y, [=, y = y] {
    tape<T>& u = y.owner();
    detail::workspace<T> space(u, 2 * q.rows());
    kernel::attention_backward<T>(y.grad(), q.value(), k.value(), v.value(), layout, causal, dropped, log_sum, q.grad(), k.grad(), v.grad(),
                                  space, u.how());
  });
  return y;
}

/// Causal cross-attention of one query [1, d] to keys and values [N, d], in linear time (Eq. 9).
/// Dropout draws one factor a key and head, applied to the numerator of every later position. `heads` divides d; what `layout` views must
/// outlive the tape.
template <class T>
variable<T> prefix_attention(const variable<T>& q, const variable<T>& k, const variable<T>& v, core::ragged layout, index heads,
                             kernel::attention_dropout dropped = {}) {
  CDDREC_ASSERT(heads > 0 && k.cols() % heads == 0);
  tape<T>& t = q.owner();
  auto [y, out] = t.make(k.rows(), k.cols(), q.needs_grad() || k.needs_grad() || v.needs_grad());
  const core::view<T> state = t.memory().template matrix<T>(k.rows(), 3 * heads);
  core::view<T> factor;
  if (t.recording() && dropped.rate > 0) {
    factor = t.memory().template matrix<T>(k.rows(), heads);
    std::fill_n(factor.data(), factor.size(), T(1));
    kernel::dropout_forward<T>(factor, dropped.rate, dropped.draw, factor, t.how());
  }
  kernel::prefix_attention_forward<T>(q.value(), k.value(), v.value(), factor, layout, out, state, t.how());
  t.record(y, [=, y = y] {
    tape<T>& u = y.owner();
    detail::workspace<T> space(u, kernel::prefix_attention_workspace(layout, k.cols()));
    kernel::prefix_attention_backward<T>(y.grad(), q.value(), k.value(), v.value(), factor, layout, y.value(), state, q.grad(), k.grad(),
                                         v.grad(), space, u.how());
  });
  return y;
}

}  // namespace cddrec::autodiff
