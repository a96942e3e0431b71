// The recurrence of a gated recurrent unit over packed sequences of realistic lengths; the products with its inputs are not part.
// The work is a product with the hidden states at every step, of as many rows as sequences still run.
#include "cddrec/kernel/gru.hpp"

#include "bench.hpp"

namespace cddrec::bench {
namespace {

struct recurrence {
  index rows, d;
  core::execution how;
  std::vector<index> ends;
  core::ragged layout;
  core::arena memory;
  core::view<float> x, weight, bias, out, kept;
  std::span<index> order;
  std::span<float> panels, workspace;

  explicit recurrence(const benchmark::State& state)
      : rows(state.range(0)), d(state.range(1)), how(on(state.range(2))), ends(offsets(rows)), layout(ends),
        x(normal(memory, rows, 3 * d, 1)), weight(normal(memory, 3 * d, d, 2, 0.05f)), bias(normal(memory, 1, 3 * d, 3, 0.1f)),
        out(memory.matrix<float>(rows, d)), kept(memory.matrix<float>(rows, 4 * d)), order(memory.array<index>(layout.size())),
        panels(memory.array<float>(kernel::packed_size<float>(d, 3 * d))),
        workspace(memory.array<float>(kernel::gru_backward_workspace<float>(layout, d, how))) {
    kernel::longest_first(layout, order);
  }
  void forward() {
    kernel::pack<float>(kernel::transposed(weight), panels.data(), how);
    kernel::gru_forward<float>(x, panels.data(), bias, layout, order, out, kept, workspace, how);
  }
  /// Operations of a product with the hidden states: every row meets weight but the first of a sequence.
  double product() const { return 6 * static_cast<double>((rows - layout.size()) * d * d); }
};

void forward(benchmark::State& state) {
  recurrence r(state);
  report_flops(state, r.product(), timed(state, [&] { r.forward(); }), r.how);
}

void backward(benchmark::State& state) {
  recurrence r(state);
  r.forward();
  const auto dout = normal(r.memory, r.rows, r.d, 4), dx = normal(r.memory, r.rows, 3 * r.d, 5);
  const auto dweight = normal(r.memory, 3 * r.d, r.d, 6), dbias = normal(r.memory, 1, 3 * r.d, 7);
  const double seconds = timed(state, [&] {
    kernel::gru_backward<float>(dout, r.weight, r.layout, r.order, r.out, r.kept, dx, dweight, dbias, r.workspace, r.how);
  });
  report_flops(state, 2 * r.product(), seconds, r.how);  // the hidden state's gradient and the weight's
}

[[maybe_unused]] const bool added = add({{"gru/forward", forward}, {"gru/backward", backward}}, {"N", "d"},
                                        {{500, 128}, {2000, 64}, {2000, 128}, {2000, 256}, {20000, 128}});

}  // namespace
}  // namespace cddrec::bench
