// Layer normalisation of N rows.
// Little is computed on a value, so memory is the ceiling.
#include "cddrec/kernel/layer_norm.hpp"

#include "bench.hpp"

namespace cddrec::bench {
namespace {

struct rows_of {
  index rows, d;
  core::execution how;
  core::arena memory;
  core::view<float> x, gain, bias, out, statistics;

  explicit rows_of(const benchmark::State& state)
      : rows(state.range(0)), d(state.range(1)), how(on(state.range(2))), x(normal(memory, rows, d, 1)), gain(normal(memory, 1, d, 2)),
        bias(normal(memory, 1, d, 3)), out(normal(memory, rows, d, 4)), statistics(memory.matrix<float>(rows, 2)) {}
  void forward() { kernel::layer_norm_forward<float>(x, gain, bias, 1e-5, out, statistics, how); }
};

void forward(benchmark::State& state) {
  rows_of r(state);
  const double seconds = timed(state, [&] { r.forward(); });
  const traffic t{.read = floats(r.rows * r.d), .assigned = floats(r.rows * (r.d + 2))};  // x; out, two statistics a row
  report_bytes(state, t, seconds, r.how);
}

void backward(benchmark::State& state) {
  rows_of r(state);
  r.forward();
  const auto dout = normal(r.memory, r.rows, r.d, 5), dx = normal(r.memory, r.rows, r.d, 6);
  const auto dgain = normal(r.memory, 1, r.d, 7), dbias = normal(r.memory, 1, r.d, 8);
  const auto partial = r.memory.array<float>(kernel::layer_norm_workspace(r.rows, r.d));
  const double seconds =
      timed(state, [&] { kernel::layer_norm_backward<float>(dout, r.x, r.gain, r.statistics, dx, dgain, dbias, partial, r.how); });
  const traffic t{.read = floats(r.rows * (2 * r.d + 2)), .updated = floats(r.rows * r.d)};  // x, dout, statistics; dx
  report_bytes(state, t, seconds, r.how);
}

// The last is out of every cache.
[[maybe_unused]] const bool added = add({{"layer_norm/forward", forward}, {"layer_norm/backward", backward}}, {"N", "d"},
                                        {{500, 128}, {2000, 64}, {2000, 128}, {2000, 256}, {20000, 128}, {200000, 128}});

}  // namespace
}  // namespace cddrec::bench
