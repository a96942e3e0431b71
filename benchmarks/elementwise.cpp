// GELU, dropout and Gaussian noise over N rows.
// Each is one pass over memory with some arithmetic or random bits a value: a copy of as many bytes is the ceiling, the rest is
// theirs.
#include "cddrec/kernel/elementwise.hpp"

#include "bench.hpp"

namespace cddrec::bench {
namespace {

struct values_of {
  index rows, d;
  core::execution how;
  core::arena memory;
  core::view<float> x, out;
  core::random draw{core::seed{3}};

  explicit values_of(const benchmark::State& state)
      : rows(state.range(0)),
        d(state.range(1)),
        how(on(state.range(2))),
        x(normal(memory, rows, d, 1)),
        out(normal(memory, rows, d, 2)) {}

  // `passes` arrays are read or written
  void report(benchmark::State& state, index passes, double seconds) const {
    report_bytes(state, 4 * passes * rows * d, seconds, how);
  }
};

void gelu_forward(benchmark::State& state) {
  const values_of v(state);
  v.report(state, 2, timed(state, [&] { kernel::gelu_forward<float>(v.x, v.out, v.how); }));  // x, out
}
void gelu_backward(benchmark::State& state) {
  values_of v(state);
  const auto dout = normal(v.memory, v.rows, v.d, 4);
  v.report(state, 4, timed(state, [&] { kernel::gelu_backward<float>(dout, v.x, v.out, v.how); }));  // dout, x, dx twice
}

void dropout_forward(benchmark::State& state) {
  const values_of v(state);
  v.report(state, 2, timed(state, [&] { kernel::dropout_forward<float>(v.x, 0.4, v.draw, v.out, v.how); }));  // x, out
}
void dropout_backward(benchmark::State& state) {
  const values_of v(state);
  v.report(state, 3, timed(state, [&] { kernel::dropout_backward<float>(v.x, 0.4, v.draw, v.out, v.how); }));  // dout, dx twice
}

void add_noise(benchmark::State& state) {
  const values_of v(state);
  const double seconds = timed(state, [&] { kernel::add_noise<float>(v.x, 0.9, 0.1, v.draw, v.out, v.how); });
  v.report(state, 2, seconds);  // x, out
  state.counters["Mnormals/s"] = static_cast<double>(v.rows * v.d) / seconds * 1e-6;
}

void wide(benchmark::internal::Benchmark* b) {  // inside the feed-forward layer: four times the width
  b->ArgNames({"N", "d", "threads"})->ArgsProduct({{500, 2000, 20000}, {256, 512}, thread_counts()})->UseManualTime();
}
void narrow(benchmark::internal::Benchmark* b) {
  b->ArgNames({"N", "d", "threads"})->ArgsProduct({{500, 2000, 20000}, {64, 128, 256}, thread_counts()})->UseManualTime();
}
BENCHMARK(gelu_forward)->Name("gelu/forward")->Apply(wide);
BENCHMARK(gelu_backward)->Name("gelu/backward")->Apply(wide);
BENCHMARK(dropout_forward)->Name("dropout/forward")->Apply(narrow);
BENCHMARK(dropout_backward)->Name("dropout/backward")->Apply(narrow);
BENCHMARK(add_noise)->Name("add_noise")->Apply(narrow);

}  // namespace
}  // namespace cddrec::bench
