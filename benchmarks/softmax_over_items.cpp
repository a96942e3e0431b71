// The softmax cross-entropy of N unit rows against a whole catalogue of V unit items.
// Nearly all of the work is products of [N, d] by [d, V]; the N V exponentials of a direction are not counted.
#include "cddrec/kernel/softmax_over_items.hpp"

#include "bench.hpp"

namespace cddrec::bench {
namespace {

struct catalogue {
  static constexpr float scale = 1 / 0.07f;
  index rows, items, d;
  core::execution how;
  core::arena memory;
  core::view<float> x, table, loss, log_sum, expected;
  std::vector<std::int32_t> targets;
  std::span<float> workspace;

  explicit catalogue(const benchmark::State& state)
      : rows(state.range(0)), items(state.range(1)), d(state.range(2)), how(on(state.range(3))), x(unit_rows(memory, rows, d, 1)),
        table(unit_rows(memory, items, d, 2)), loss(memory.matrix<float>(rows, 1)), log_sum(memory.matrix<float>(rows, 1)),
        expected(memory.matrix<float>(rows, d)), targets(numbers(rows, items, 3)),
        workspace(memory.array<float>(kernel::softmax_over_items_workspace<float>(rows, items, d))) {}
  void forward() {
    kernel::softmax_over_items_forward<float, std::int32_t>(x, table, targets, scale, loss, log_sum, expected, workspace, how);
  }
  // one product of all rows with all items
  double product_flops() const { return 2.0 * static_cast<double>(rows * items * d); }
};

void forward(benchmark::State& state) {
  catalogue c(state);
  const double seconds = timed(state, [&] { c.forward(); });
  report_flops(state, 2 * c.product_flops(), seconds, c.how);  // the scores and the expected item of each row
}

void backward(benchmark::State& state) {
  catalogue c(state);
  c.forward();
  const auto dloss = c.memory.matrix<float>(c.rows, 1);
  std::fill_n(dloss.data(), c.rows, 1 / static_cast<float>(c.rows));  // of a mean
  const auto dx = normal(c.memory, c.rows, c.d, 4), ditems = normal(c.memory, c.items, c.d, 5);
  const double seconds = timed(state, [&] {
    kernel::softmax_over_items_backward<float, std::int32_t>(dloss, c.x, c.table, c.targets, c.scale, c.log_sum, c.expected, dx, ditems,
                                                             c.workspace, c.how);
  });
  report_flops(state, 2 * c.product_flops(), seconds, c.how);  // the scores again, and the items' sums of rows
}

void shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"N", "V", "d", "threads"})->UseManualTime()->Unit(benchmark::kMillisecond);
  b->ArgsProduct({{1000}, {12101}, {64, 128, 256}, thread_counts()});
}
BENCHMARK(forward)->Name("softmax_over_items/forward")->Apply(shapes);
BENCHMARK(backward)->Name("softmax_over_items/backward")->Apply(shapes);

}  // namespace
}  // namespace cddrec::bench
