// Gradients of a whole network, by central differences.
#pragma once

#include <vector>

#include "cddrec/core/random.hpp"
#include "test.hpp"

namespace cddrec::test {

/// Compares the gradients that `value()` accumulates into the parameters with differences of what it returns: of every parameter whose
/// name `looked_at` takes, the entry of the largest gradient and some others.
template <class Network, class Value, class LookedAt>
void check_gradients(Network& net, Value&& value, LookedAt&& looked_at, index samples = 6) {
  net.visit([](const std::string&, auto& p) { p.grad().matrix_map().setZero(); });
  value();
  std::vector<core::matrix<double>> gradients;
  net.visit([&](const std::string&, auto& p) { gradients.push_back(p.grad().matrix_map()); });
  std::size_t k = 0;
  const core::random which(core::seed{4});
  net.visit([&](const std::string& name, auto& p) {
    INFO(name);
    const core::matrix<double>& gradient = gradients[k];
    for (index sample = 0; sample < samples && looked_at(name); ++sample) {
      index i = which.child(k).below(sample, p.value.size());
      if (sample == 0) gradient.cwiseAbs().reshaped<Eigen::RowMajor>().maxCoeff(&i);
      const double kept = p.value.data()[i], h = 1e-5;
      p.value.data()[i] = kept + h;
      const double above = value();
      p.value.data()[i] = kept - h;
      const double below = value();
      p.value.data()[i] = kept;
      CHECK(gradient.data()[i] == Approx((above - below) / (2 * h)).epsilon(1e-6).margin(1e-7));
    }
    ++k;
  });
}

}  // namespace cddrec::test
