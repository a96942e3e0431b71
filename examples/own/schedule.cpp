// A noise schedule of your own: any type that says how much variance step t of T adds.
#include <cmath>
#include <cstdio>

#include "cddrec/cddrec.hpp"

using namespace cddrec;

/// From `first` to `last` by equal factors: most steps add little, the last ones nearly everything.
struct geometric_schedule {
  double first = 1e-4;
  double last = 0.5;

  double beta(core::index t, core::index steps) const {
    return steps == 1 ? last : first * std::pow(last / first, static_cast<double>(t) / static_cast<double>(steps - 1));
  }
};

int main() {
  const core::index steps = 20;
  const diffusion::process<float> own(geometric_schedule{}, steps), linear(diffusion::linear_schedule{.last = 0.5}, steps);
  std::printf("the share of the clean vector's power that is left\nstep  geometric  linear\n");
  for (core::index t = 0; t < steps; t += 4) std::printf("%4td  %9.4f  %6.4f\n", t, own.alpha_bar(t), linear.alpha_bar(t));

  // The process tabulates beta once and refuses what is no variance.
  try {
    const diffusion::process<float> wrong(geometric_schedule{.last = 1.5}, steps);
  } catch (const input_error& refused) {
    std::printf("%s\n", refused.what());
  }
}
