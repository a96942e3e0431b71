// The decoder's linear-time attention: one scan forward and one back over sequences of realistic lengths.
// A value meets some five operations forward and thirteen back, so memory is the ceiling.
#include "cddrec/kernel/prefix_attention.hpp"

#include "bench.hpp"

namespace cddrec::bench {
namespace {

struct packed {
  index rows, d, heads;
  core::execution how;
  std::vector<index> ends;
  core::ragged layout;
  core::arena memory;
  core::view<float> q, k, v, factor, out, state;

  explicit packed(const benchmark::State& s)
      : rows(s.range(0)), d(s.range(1)), heads(s.range(2)), how(on(s.range(3))), ends(offsets(rows)), layout(ends),
        q(normal(memory, 1, d, 1)), k(normal(memory, rows, d, 2)), v(normal(memory, rows, d, 3)), factor(memory.matrix<float>(rows, heads)),
        out(memory.matrix<float>(rows, d)), state(memory.matrix<float>(rows, 3 * heads)) {
    for (index i = 0; i < factor.size(); ++i) factor.data()[i] = i % 5 == 0 ? 0.0f : 1.25f;  // attention dropout of 0.2
  }
  void forward() { kernel::prefix_attention_forward<float>(q, k, v, factor, layout, out, state, how); }
};

void forward(benchmark::State& state) {
  packed p(state);
  const double seconds = timed(state, [&] { p.forward(); });
  // k, v, a factor a head; out, three statistics a head
  const traffic t{.read = floats(p.rows * (2 * p.d + p.heads)), .assigned = floats(p.rows * (p.d + 3 * p.heads))};
  report_bytes(state, t, seconds, p.how);
}

void backward(benchmark::State& state) {
  packed p(state);
  p.forward();
  const auto dout = normal(p.memory, p.rows, p.d, 4), dq = normal(p.memory, 1, p.d, 5);
  const auto dk = normal(p.memory, p.rows, p.d, 6), dv = normal(p.memory, p.rows, p.d, 7);
  const auto workspace = p.memory.array<float>(kernel::prefix_attention_workspace(p.layout, p.d));
  const double seconds = timed(state, [&] {
    kernel::prefix_attention_backward<float>(dout, p.q, p.k, p.v, p.factor, p.layout, p.out, p.state, dq, dk, dv, workspace, p.how);
  });
  // dout, out, k, v, factor, statistics; dk, dv
  const traffic t{.read = floats(p.rows * (4 * p.d + 4 * p.heads)), .updated = floats(p.rows * 2 * p.d)};
  report_bytes(state, t, seconds, p.how);
}

void shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"N", "d", "heads", "threads"})->UseManualTime();
  b->ArgsProduct({{500, 20000}, {128}, {4}, thread_counts()});
  b->ArgsProduct({{2000}, {64, 128, 256}, {1, 4}, thread_counts()});
}
BENCHMARK(forward)->Name("prefix_attention/forward")->Apply(shapes);
BENCHMARK(backward)->Name("prefix_attention/backward")->Apply(shapes);

}  // namespace
}  // namespace cddrec::bench
