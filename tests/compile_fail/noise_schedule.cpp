// concept: noise_schedule
// missing: schedule.beta(t, steps)
#include "cddrec/diffusion/process.hpp"

struct wrong {
  double last = 0.02;
};

const cddrec::diffusion::process<float> process(wrong{}, 10);
