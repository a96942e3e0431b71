// Packed causal self-attention over sequences of realistic lengths, with and without dropout of its weights.
// The work is short dot products, one a pair of rows and head; the exponentials are not counted.
#include "cddrec/kernel/attention.hpp"

#include "bench.hpp"

namespace cddrec::bench {
namespace {

struct packed {
  index rows, d, heads;
  kernel::attention_dropout dropout;
  core::execution how;
  std::vector<index> ends;
  core::ragged layout;
  core::arena memory;
  core::view<float> q, k, v, out, log_sum;
  std::span<float> workspace;

  explicit packed(const benchmark::State& state)
      : rows(state.range(0)), d(state.range(1)),
        heads(state.range(2)), dropout{static_cast<double>(state.range(3)) / 100, core::random(core::seed{9})}, how(on(state.range(4))),
        ends(offsets(rows)), layout(ends), q(normal(memory, rows, d, 1)), k(normal(memory, rows, d, 2)), v(normal(memory, rows, d, 3)),
        out(memory.matrix<float>(rows, d)), log_sum(memory.matrix<float>(rows, heads)), workspace(memory.array<float>(2 * rows)) {}
  void forward() { kernel::attention_forward<float>(q, k, v, layout, true, dropout, out, log_sum, workspace, how); }
};

void forward(benchmark::State& state) {
  packed p(state);
  const double seconds = timed(state, [&] { p.forward(); });
  // a pair and head: q . k and p v, 2 d / heads each
  report_flops(state, 4 * causal_pairs(p.layout) * static_cast<double>(p.d), seconds, p.how);
}

void backward(benchmark::State& state) {
  packed p(state);
  p.forward();
  const auto dout = normal(p.memory, p.rows, p.d, 4);
  const auto dq = normal(p.memory, p.rows, p.d, 5), dk = normal(p.memory, p.rows, p.d, 6), dv = normal(p.memory, p.rows, p.d, 7);
  const double seconds = timed(state, [&] {
    kernel::attention_backward<float>(dout, p.q, p.k, p.v, p.layout, true, p.dropout, p.log_sum, dq, dk, dv, p.workspace, p.how);
  });
  // a pair and head: q . k again, dout . v, and what dq, dk and dv gain, 2 d / heads each
  report_flops(state, 10 * causal_pairs(p.layout) * static_cast<double>(p.d), seconds, p.how);
}

// Few and many rows and three widths with dropout as in training; one to four heads without, as the PyTorch peer has them.
[[maybe_unused]] const bool added =
    add({{"attention/forward", forward}, {"attention/backward", backward}}, {"N", "d", "heads", "dropout_%"},
        {{500, 128, 4, 20},
         {20000, 128, 4, 20},
         {2000, 64, 4, 20},
         {2000, 128, 4, 20},
         {2000, 256, 4, 20},
         {2000, 128, 1, 0},
         {2000, 128, 2, 0},
         {2000, 128, 4, 0}});

}  // namespace
}  // namespace cddrec::bench
