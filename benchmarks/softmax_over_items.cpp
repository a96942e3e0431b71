// The softmax cross-entropy of N unit rows against a whole catalogue of V unit items.
// Nearly all of the work is products of [N, d] by [d, V]; the N V exponentials of a direction are not counted.
#include "cddrec/kernel/softmax_over_items.hpp"

#include "bench.hpp"
#include "cddrec/kernel/matmul.hpp"

namespace cddrec::bench {
namespace {

struct catalogue {
  static constexpr float scale = 1 / 0.07f;
  index rows, items, d;
  core::execution how;
  core::arena memory;
  core::view<float> x, table, loss, log_sum, expected;
  std::vector<std::int32_t> targets;
  std::span<float> scores, workspace;

  explicit catalogue(const benchmark::State& state)
      : rows(state.range(0)), items(state.range(1)), d(state.range(2)), how(on(state.range(3))), x(unit_rows(memory, rows, d, 1)),
        table(unit_rows(memory, items, d, 2)), loss(memory.matrix<float>(rows, 1)), log_sum(memory.matrix<float>(rows, 1)),
        expected(memory.matrix<float>(rows, d)), targets(numbers(rows, items, 3)),
        scores(memory.array<float>(kernel::softmax_over_items_kept<float>(rows, items))),
        workspace(memory.array<float>(kernel::softmax_over_items_workspace<float>(rows, items, d))) {}
  void forward() {
    kernel::softmax_over_items_forward<float, std::int32_t>(x, table, {}, targets, scale, loss, log_sum, expected, scores, workspace, how);
  }
  // one product of all rows with all items
  double product_flops() const { return 2.0 * static_cast<double>(rows * items * d); }
};

// Operations a second of a plain product of as many rows at the same depth, whose result stays in cache; measured once.
double product_rate(const catalogue& c) {
  static std::map<std::tuple<int, index, index>, double> known;
  double& rate = known[{c.how.threads, c.rows, c.d}];
  if (rate > 0) return rate;
  constexpr index columns = 512;
  core::arena memory;
  const auto table = core::view<const float>(c.table.data(), columns, c.d);
  const auto out = memory.matrix<float>(c.rows, columns);
  const auto workspace = memory.array<float>(kernel::matmul_workspace<float>(kernel::plain(c.x), kernel::transposed(table), c.how));
  const double seconds =
      fastest([&] { kernel::matmul<float>(kernel::plain(c.x), kernel::transposed(table), kernel::write::assign, out, workspace, c.how); });
  return rate = 2.0 * static_cast<double>(c.rows * columns * c.d) / seconds;
}
void report(benchmark::State& state, const catalogue& c, double products, double seconds) {
  const double flops = products * c.product_flops();
  report_flops(state, flops, seconds, c.how);
  state.counters["of_matmul"] = flops / seconds / product_rate(c);
}

void forward(benchmark::State& state) {
  catalogue c(state);
  c.forward();                                              // training writes to memory that it has written to before
  report(state, c, 2, timed(state, [&] { c.forward(); }));  // the scores and the expected item of each row
}

void backward(benchmark::State& state) {
  catalogue c(state);
  c.forward();
  const auto dloss = c.memory.matrix<float>(c.rows, 1);
  std::fill_n(dloss.data(), c.rows, 1 / static_cast<float>(c.rows));  // of a mean
  const auto dx = normal(c.memory, c.rows, c.d, 4), ditems = normal(c.memory, c.items, c.d, 5);
  const double seconds = timed(state, [&] {
    kernel::softmax_over_items_backward<float, std::int32_t>(dloss, c.x, c.table, {}, c.targets, c.scale, c.log_sum, c.expected, c.scores,
                                                             dx, ditems, c.workspace, c.how);
  });
  // The items' sums of rows, and scores that were not kept.
  report(state, c, 2 - static_cast<double>(c.scores.size()) / static_cast<double>(c.rows * c.items), seconds);
}

[[maybe_unused]] const bool added =
    add({{"softmax_over_items/forward", forward}, {"softmax_over_items/backward", backward}}, {"N", "V", "d"},
        {{1000, 12101, 64}, {1000, 12101, 128}, {1000, 12101, 256}}, {.unit = benchmark::kMillisecond}) &&
    add({{"softmax_over_items/forward", forward}, {"softmax_over_items/backward", backward}}, {"N", "V", "d"}, {{1000, 1'000'000, 128}},
        {.unit = benchmark::kMillisecond, .repetitions = 1, .one_thread = false});

}  // namespace
}  // namespace cddrec::bench
