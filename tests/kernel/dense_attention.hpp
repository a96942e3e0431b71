// Attention as the textbook writes it, in double: what the packed and the linear-time kernels must agree with.
// Scores row by row, softmax with the maximum taken off, and the gradient through every one of them.
#pragma once

#include "compare.hpp"

namespace cddrec::test {

struct dense_attention {
  core::matrix<double> out, dq, dk, dv;
};

/// q has one row a position, or one row for all. `factor` [N, heads], if not empty, scales the numerator of a key.
inline dense_attention attend(const core::matrix<double>& q, const core::matrix<double>& k, const core::matrix<double>& v,
                              const core::matrix<double>& factor, core::ragged layout, index heads, bool causal,
                              const core::matrix<double>& up) {
  const index d = k.cols(), width = d / heads;
  const double scale = 1 / std::sqrt(static_cast<double>(width));
  const auto zeros = [](const core::matrix<double>& like) { return core::matrix<double>::Zero(like.rows(), like.cols()).eval(); };
  dense_attention r{zeros(v), zeros(q), zeros(k), zeros(v)};
  for (index s = 0; s < layout.size(); ++s)
    for (index h = 0; h < heads; ++h)
      for (index n = layout.begin(s); n < layout.end(s); ++n) {
        const index first = layout.begin(s), keys = (causal ? n + 1 : layout.end(s)) - first;
        const index asker = q.rows() == 1 ? 0 : n;
        const auto own = [&](auto& m, index row) { return m.row(row).segment(h * width, width); };
        Eigen::VectorXd p(keys), dp(keys);
        for (index j = 0; j < keys; ++j) p[j] = scale * own(q, asker).dot(own(k, first + j));
        p = (p.array() - p.maxCoeff()).exp();
        p /= p.sum();
        const auto f = [&](index j) { return factor.size() ? factor(first + j, h) : 1.0; };
        for (index j = 0; j < keys; ++j) {
          own(r.out, n) += p[j] * f(j) * own(v, first + j);
          own(r.dv, first + j) += p[j] * f(j) * own(up, n);
          dp[j] = f(j) * own(up, n).dot(own(v, first + j));
        }
        const double along = p.dot(dp);
        for (index j = 0; j < keys; ++j) {
          own(r.dq, asker) += scale * p[j] * (dp[j] - along) * own(k, first + j);
          own(r.dk, first + j) += scale * p[j] * (dp[j] - along) * own(q, asker);
        }
      }
  return r;
}

}  // namespace cddrec::test
