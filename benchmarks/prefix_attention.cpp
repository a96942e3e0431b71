// The decoder's linear-time attention: one scan forward and one back over sequences of realistic lengths.
// A value meets some five operations forward and thirteen back, so memory is the ceiling. All steps of a batch of long sequences
// stand beside the dense masked attention that the scan replaces, written with Eigen's products.
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

// All steps of a batch of sequences of one length, forward and backward. The sequences are few enough to stay in the same cache at
// both lengths, so that what one costs beside the other is the kernel's doing and not the memory's.
struct long_sequences {
  static constexpr index sequences = 4, steps = 20, d = 128, heads = 4, width = d / heads;
  index length;
  core::execution how;
  core::arena memory;
  core::view<float> q, k, v, out, dout, dq, dk, dv;

  explicit long_sequences(const benchmark::State& s)
      : length(s.range(0)), how(on(s.range(1))), q(normal(memory, 1, d, 1)), k(normal(memory, rows(), d, 2)),
        v(normal(memory, rows(), d, 3)), out(memory.matrix<float>(rows(), d)), dout(normal(memory, rows(), d, 4)),
        dq(normal(memory, 1, d, 5)), dk(normal(memory, rows(), d, 6)), dv(normal(memory, rows(), d, 7)) {}
  index rows() const { return sequences * length; }
};

void all_steps(benchmark::State& state) {
  long_sequences l(state);
  std::vector<index> ends;
  for (index s = 0; s <= l.sequences; ++s) ends.push_back(s * l.length);
  const core::ragged layout(ends);
  const auto statistics = l.memory.matrix<float>(l.rows(), 3 * l.heads);
  const auto workspace = l.memory.array<float>(kernel::prefix_attention_workspace(layout, l.d));
  timed(state, [&] {
    for (index step = 0; step < l.steps; ++step) {
      kernel::prefix_attention_forward<float>(l.q, l.k, l.v, {}, layout, l.out, statistics, l.how);
      kernel::prefix_attention_backward<float>(l.dout, l.q, l.k, l.v, {}, layout, l.out, statistics, l.dq, l.dk, l.dv, workspace, l.how);
    }
  });
}

// Every position asks with the step's query and sees the keys up to itself: scores of all pairs, masked, head by head.
void all_steps_dense(benchmark::State& state) {
  long_sequences l(state);
  Eigen::setNbThreads(1);  // a thread works on a sequence of its own
  using square = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  struct scratch {
    square p, dp, queries, dqueries;
  };
  std::vector<scratch> blocks(l.sequences);
  const square mask = square::Constant(l.length, l.length, -std::numeric_limits<float>::infinity()).triangularView<Eigen::StrictlyUpper>();
  const float scale = 1 / std::sqrt(static_cast<float>(l.width));
  const auto one = [&](index s) {
    auto& [p, dp, queries, dqueries] = blocks[static_cast<std::size_t>(s)];
    for (index h = 0; h < l.heads; ++h) {
      const auto part = [&](core::view<float> m) { return m.matrix_map().block(s * l.length, h * l.width, l.length, l.width); };
      queries = l.q.matrix_map().middleCols(h * l.width, l.width).replicate(l.length, 1);
      p.noalias() = queries * part(l.k).transpose();
      p = scale * p + mask;
      p = (p.colwise() - p.rowwise().maxCoeff().eval()).array().exp();
      p.array().colwise() /= p.rowwise().sum().eval().array();
      part(l.out).noalias() = p * part(l.v);
      dp.noalias() = part(l.dout) * part(l.v).transpose();
      part(l.dv).noalias() += p.transpose() * part(l.dout);
      dp = scale * (p.array() * (dp.colwise() - p.cwiseProduct(dp).rowwise().sum().eval()).array());
      dqueries.noalias() = dp * part(l.k);
      part(l.dk).noalias() += dp.transpose() * queries;
    }
  };
  timed(state, [&] {
    for (index step = 0; step < l.steps; ++step)
      core::parallel_for(l.how, l.sequences, 1, [&](index first, index last) {
        for (index s = first; s < last; ++s) one(s);
      });
  });
}

[[maybe_unused]] const bool added =
    add({{"prefix_attention/forward", forward}, {"prefix_attention/backward", backward}}, {"N", "d", "heads"},
        {{500, 128, 4}, {2000, 64, 4}, {2000, 128, 1}, {2000, 128, 4}, {2000, 256, 4}, {20000, 128, 4}, {200000, 128, 4}}) &&
    add({{"prefix_attention/all_steps", all_steps}}, {"length"}, {{200}, {400}}, {.unit = benchmark::kMillisecond}) &&
    add({{"prefix_attention/all_steps/dense", all_steps_dense}}, {"length"}, {{200}}, {.unit = benchmark::kMillisecond, .repetitions = 1});

}  // namespace
}  // namespace cddrec::bench
