// Kernels that treat each row as one vector: gather, L2 normalisation, dot products and distances of paired rows.
// The scatter-add of a gather's gradient sorts the tokens by row, so two threads never meet and the order is the tokens' own.
#pragma once

#include <cmath>
#include <functional>
#include <limits>
#include <span>

#include "cddrec/core/parallel.hpp"
#include "cddrec/core/simd.hpp"

namespace cddrec::kernel {

using core::index;

namespace detail {
inline constexpr index rows_grain = 64;
}

/// out[i] = table[ids[i]]. table [V, d], out [N, d].
template <class T, class Id>
void gather_forward(core::in<T> table, std::span<const Id> ids, core::view<T> out, core::execution how) {
  core::parallel_for(how, out.rows(), detail::rows_grain, [&](index begin, index end) {
    for (index i = begin; i < end; ++i) {
      const index id = static_cast<index>(ids[static_cast<std::size_t>(i)]);
      CDDREC_ASSERT(id < table.rows());
      std::copy_n(table.row(id), out.cols(), out.row(i));
    }
  });
}

/// Values of workspace that `gather_backward` needs for N ids.
inline index gather_workspace(index N) { return N; }

/// dtable[ids[i]] += dout[i], for each row of the table in the order of the tokens i. dout [N, d], dtable [V, d]; ids and N below
/// 2^32. Costs O(N d + N log N), whatever V.
template <class T, class Id>
void gather_backward(core::in<T> dout, std::span<const Id> ids, core::view<T> dtable, std::span<std::uint64_t> workspace,
                     core::execution how) {
  const index N = dout.rows();
  CDDREC_ASSERT(static_cast<index>(ids.size()) == N && static_cast<index>(workspace.size()) >= gather_workspace(N));
  const std::span<std::uint64_t> order = workspace.first(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) order[i] = static_cast<std::uint64_t>(ids[i]) << 32 | i;
  std::sort(order.begin(), order.end());
  const auto row = [&](index k) { return static_cast<index>(order[static_cast<std::size_t>(k)] >> 32); };
  const auto token = [&](index k) { return static_cast<index>(order[static_cast<std::size_t>(k)] & 0xFFFFFFFFu); };
  // A block adds up the rows whose first token it holds, to their last.
  core::parallel_for(how, N, detail::rows_grain, [&](index begin, index end) {
    index k = begin;
    while (k > 0 && k < end && row(k) == row(k - 1)) ++k;
    while (k < end) {
      const index id = row(k);
      for (; k < N && row(k) == id; ++k) core::simd::add_scaled(dtable.row(id), T(1), dout.row(token(k)), dout.cols());
    }
  });
}

/// out = x / |x| row by row; reciprocal [N, 1] keeps 1 / |x|. A row shorter than 1e-12 has no direction: out and reciprocal are 0, and
/// so is its gradient. (Divided by 1e-12 as elsewhere, one prediction that dropout left empty would send a gradient of 1e12 into the biases
/// before it, and Adam's second moment would hold them still for thousands of steps.) A row whose squared length overflows T becomes
/// NaN.
template <class T>
void normalize_forward(core::in<T> x, core::view<T> out, core::view<T> reciprocal, core::execution how) {
  core::parallel_for(how, x.rows(), detail::rows_grain, [&](index begin, index end) {
    for (index i = begin; i < end; ++i) {
      const T* row = x.row(i);
      const T length = std::sqrt(core::simd::dot(row, row, x.cols()));
      T r = length < T(1e-12) ? T(0) : T(1) / length;
      if (length > std::numeric_limits<T>::max()) r = std::numeric_limits<T>::quiet_NaN();
      reciprocal(i, 0) = r;
      core::simd::transform<T>(x.cols(), out.row(i), [&](index j, index n) { return core::simd::load_upto(row + j, n) * r; });
    }
  });
}

/// forward: out = x r with r = 1 / |x|;  dx += r (dout - out (out . dout))
template <class T>
void normalize_backward(core::in<T> dout, core::in<T> out, core::in<T> reciprocal, core::view<T> dx, core::execution how) {
  core::parallel_for(how, dx.rows(), detail::rows_grain, [&](index begin, index end) {
    for (index i = begin; i < end; ++i) {
      const T along = core::simd::dot(out.row(i), dout.row(i), dx.cols()), r = reciprocal(i, 0);
      core::simd::transform<T>(dx.cols(), dx.row(i), [&](index j, index n) {
        using core::simd::load_upto;
        return load_upto(dx.row(i) + j, n) + r * (load_upto(dout.row(i) + j, n) - load_upto(out.row(i) + j, n) * along);
      });
    }
  });
}

/// out[i] = a[i] . b[i]. a, b [N, d]; out [N, 1].
template <class T>
void row_dot_forward(core::in<T> a, core::in<T> b, core::view<T> out, core::execution how) {
  CDDREC_ASSERT(core::same_shape<T>(a, b));
  core::parallel_for(how, a.rows(), detail::rows_grain, [&](index begin, index end) {
    for (index i = begin; i < end; ++i) out(i, 0) = core::simd::dot(a.row(i), b.row(i), a.cols());
  });
}

/// da[i] += dout[i] b[i]. By symmetry the same kernel gives db.
template <class T>
void row_dot_backward(core::in<T> dout, core::in<T> b, core::view<T> da, core::execution how) {
  core::parallel_for(how, da.rows(), detail::rows_grain, [&](index begin, index end) {
    for (index i = begin; i < end; ++i) core::simd::add_scaled(da.row(i), dout(i, 0), b.row(i), da.cols());
  });
}

/// out[i] = |scale a[i] - b[i]|^2. a, b [N, d]; out [N, 1].
template <class T>
void squared_distance_forward(core::in<T> a, core::in<T> b, std::type_identity_t<T> scale, core::view<T> out, core::execution how) {
  namespace simd = core::simd;
  CDDREC_ASSERT(core::same_shape<T>(a, b));
  core::parallel_for(how, a.rows(), detail::rows_grain, [&](index begin, index end) {
    for (index i = begin; i < end; ++i) {
      simd::vec<T> total{};
      for (index j = 0; j < a.cols(); j += simd::lanes<T>) {
        const index n = std::min(simd::lanes<T>, a.cols() - j);
        const simd::vec<T> difference = scale * simd::load_upto(a.row(i) + j, n) - simd::load_upto(b.row(i) + j, n);
        total += difference * difference;
      }
      out(i, 0) = simd::sum<T>(total);
    }
  });
}

/// da[i] += 2 scale dout[i] (scale a[i] - b[i]);  db[i] -= 2 dout[i] (scale a[i] - b[i]). Either may be empty. Where they share rows, da is
/// done before db begins: a row may be another thread's in the other.
template <class T>
void squared_distance_backward(core::in<T> dout, core::in<T> a, core::in<T> b, std::type_identity_t<T> scale, core::view<T> da,
                               std::type_identity_t<core::view<T>> db, core::execution how) {
  namespace simd = core::simd;
  const auto add = [&](core::view<T> to_a, core::view<T> to_b) {
    core::parallel_for(how, a.rows(), detail::rows_grain, [&](index begin, index end) {
      for (index i = begin; i < end; ++i) {
        const T up = T(2) * dout(i, 0);
        for (index j = 0; j < a.cols(); j += simd::lanes<T>) {
          const index n = std::min(simd::lanes<T>, a.cols() - j);
          const simd::vec<T> step = up * (scale * simd::load_upto(a.row(i) + j, n) - simd::load_upto(b.row(i) + j, n));
          if (!to_a.empty()) simd::store_upto<T>(to_a.row(i) + j, simd::load_upto(to_a.row(i) + j, n) + scale * step, n);
          if (!to_b.empty()) simd::store_upto<T>(to_b.row(i) + j, simd::load_upto(to_b.row(i) + j, n) - step, n);
        }
      }
    });
  };
  const std::less<const T*> before;
  if (!before(da.data(), db.data() + db.size()) || !before(db.data(), da.data() + da.size())) return add(da, db);
  add(da, {});
  add({}, db);
}

}  // namespace cddrec::kernel
