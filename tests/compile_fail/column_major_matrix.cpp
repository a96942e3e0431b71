// says: cddrec reads row-major matrices: copy yours once with `core::matrix<float> copy = m;`
#include "cddrec/kernel/rows.hpp"

using namespace cddrec;

void use(const Eigen::MatrixXf& m, core::matrix<float>& out, core::matrix<float>& lengths) {
  kernel::normalize_forward<float>(m, out, lengths, {});
}
