// GELU, dropout and Gaussian noise over N rows.
// Each is one pass over memory, the ceiling; what a share falls short of 1 is spent on arithmetic or random bits.
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
      : rows(state.range(0)), d(state.range(1)), how(on(state.range(2))), x(normal(memory, rows, d, 1)), out(normal(memory, rows, d, 2)) {}

  void report(benchmark::State& state, const char* what, const traffic& t, double seconds) const {
    report_bytes(state, t, seconds, how);
    state.counters[what] = static_cast<double>(rows * d) / seconds * 1e-9;
  }
  index bytes() const { return floats(rows * d); }
};

void gelu_forward(benchmark::State& state) {
  const values_of v(state);
  const double seconds = timed(state, [&] { kernel::gelu_forward<float>(v.x, v.out, v.how); });
  v.report(state, "Gvalues/s", {.read = v.bytes(), .assigned = v.bytes()}, seconds);  // x; out
}
void gelu_backward(benchmark::State& state) {
  values_of v(state);
  const auto dout = normal(v.memory, v.rows, v.d, 4);
  const double seconds = timed(state, [&] { kernel::gelu_backward<float>(dout, v.x, v.out, v.how); });
  v.report(state, "Gvalues/s", {.read = 2 * v.bytes(), .updated = v.bytes()}, seconds);  // dout, x; dx
}

void dropout_forward(benchmark::State& state) {
  const values_of v(state);
  const double seconds = timed(state, [&] { kernel::dropout_forward<float>(v.x, 0.4, v.draw, v.out, v.how); });
  v.report(state, "Gvalues/s", {.read = v.bytes(), .assigned = v.bytes()}, seconds);  // x; out
}
void dropout_backward(benchmark::State& state) {
  const values_of v(state);
  const double seconds = timed(state, [&] { kernel::dropout_backward<float>(v.x, 0.4, v.draw, v.out, v.how); });
  v.report(state, "Gvalues/s", {.read = v.bytes(), .updated = v.bytes()}, seconds);  // dout; dx
}

void add_noise(benchmark::State& state) {
  const values_of v(state);
  const double seconds = timed(state, [&] { kernel::add_noise<float>(v.x, 0.9, 0.1, v.draw, v.out, v.how); });
  v.report(state, "Gnormals/s", {.read = v.bytes(), .assigned = v.bytes()}, seconds);  // x; out
}

// GELU stands inside the feed-forward layer, four times as wide. The last shapes are out of every cache.
[[maybe_unused]] const bool added =
    add({{"gelu/forward", gelu_forward}, {"gelu/backward", gelu_backward}}, {"N", "d"}, {{500, 512}, {2000, 512}, {50000, 512}}) &&
    add({{"dropout/forward", dropout_forward}, {"dropout/backward", dropout_backward}, {"add_noise", add_noise}}, {"N", "d"},
        {{500, 128}, {2000, 128}, {20000, 128}, {200000, 128}});

}  // namespace
}  // namespace cddrec::bench
