// says: cddrec reads row-major tensors: copy yours once into an Eigen::Tensor<T, N, Eigen::RowMajor>
#include <unsupported/Eigen/CXX11/Tensor>

#include "cddrec/kernel/rows.hpp"

using namespace cddrec;

void use(const Eigen::Tensor<float, 3>& m, core::matrix<float>& out, core::matrix<float>& lengths) {
  kernel::normalize_forward<float>(m, out, lengths, {});
}
