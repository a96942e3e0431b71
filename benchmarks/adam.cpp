// One Adam step over the embeddings of V items.
// The pass reads and writes four arrays: value, gradient and two moments.
#include "cddrec/optim/adam.hpp"

#include "bench.hpp"

namespace cddrec::bench {
namespace {

void step(benchmark::State& state) {
  const index items = state.range(0), d = state.range(1);
  const core::execution how = on(state.range(2));
  autodiff::parameter<float> table(items, d, 0.02, core::random(core::seed{1}));
  core::arena memory;
  const auto gradient = normal(memory, items, d, 2, 1e-3f);
  optim::adam<float> adam({&table}, {});
  // A step zeroes the gradient; on zeros the moments would fade until they are denormal.
  const double seconds = timed(
      state, [&] { adam.step(how); }, [&] { table.grad().matrix_map() = gradient.matrix_map(); });
  report_bytes(state, {.updated = floats(4 * items * d)}, seconds, how);  // value, gradient, two moments
}
// A projection's weight, the catalogues of the smallest and the largest of the four logs, and one out of every cache.
[[maybe_unused]] const bool added = add({{"adam", step}}, {"V", "d"}, {{128, 128}, {2420, 128}, {12101, 128}, {100000, 128}});

}  // namespace
}  // namespace cddrec::bench
