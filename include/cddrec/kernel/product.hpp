// A matrix product for what is not hot: it makes its result and its workspace itself.
#pragma once

#include <vector>

#include "cddrec/kernel/matmul.hpp"

namespace cddrec::kernel {

/// a [m, k] b [k, n] as a matrix of its own: the same bits on any number of threads.
template <class T>
core::matrix<T> product(operand<T> a, operand<T> b, core::execution how = {}) {
  core::matrix<T> out(a.rows, b.cols);
  std::vector<T> workspace(static_cast<std::size_t>(matmul_workspace(a, b, how)));
  matmul<T>(a, b, write::assign, out, workspace, how);
  return out;
}

}  // namespace cddrec::kernel
