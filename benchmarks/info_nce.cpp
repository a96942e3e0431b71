// Exact InfoNCE over N pairs of unit rows, at the paper's temperature.
// Nearly all of the work is products of the 2 N rows with each other; the exponentials are not counted. No more than a few of their
// 4 N^2 scores are kept: run the large one alone (`--benchmark_filter=info_nce/large/backward`) for the memory it takes.
#include "cddrec/kernel/info_nce.hpp"

#include "network.hpp"

namespace cddrec::bench {
namespace {

struct pairs_of {
  index pairs, d;
  core::execution how;
  core::arena memory;
  core::view<float> a, b, sums;
  std::span<float> kept, workspace;

  explicit pairs_of(const benchmark::State& state)
      : pairs(state.range(0)), d(state.range(1)), how(on(state.range(2))), a(unit_rows(memory, pairs, d, 1)),
        b(unit_rows(memory, pairs, d, 2)), sums(memory.matrix<float>(2 * pairs, 1)),
        kept(memory.array<float>(kernel::info_nce_kept<float>(pairs, d))),
        workspace(memory.array<float>(kernel::info_nce_workspace<float>(pairs, d))) {}
  float forward() { return kernel::info_nce_forward<float, std::int32_t>(a, b, {}, 0.5f, sums, kept, how); }
  // N (2 N + 1) dot products of d values: a score is the same both ways
  double score_flops() const { return 2.0 * static_cast<double>(pairs * (2 * pairs + 1) * d); }
  // for each of 2 N rows a weighted sum of 2 N rows
  double sum_flops() const { return 2.0 * static_cast<double>(2 * pairs * 2 * pairs * d); }
};

void forward(benchmark::State& state) {
  pairs_of p(state);
  const double seconds = timed(state, [&] { benchmark::DoNotOptimize(p.forward()); });
  report_flops(state, p.score_flops(), seconds, p.how);
  report_memory(state);
}

void backward(benchmark::State& state) {
  pairs_of p(state);
  p.forward();
  const auto da = normal(p.memory, p.pairs, p.d, 3), db = normal(p.memory, p.pairs, p.d, 4);
  const double seconds = timed(state, [&] {
    kernel::info_nce_backward<float, std::int32_t>(1.0f, p.a.cols(), {}, 0.5f, p.sums, p.kept, da, db, p.workspace, p.how);
  });
  report_flops(state, (scores_made(p.pairs) - 1) * p.score_flops() + p.sum_flops(), seconds, p.how);
  report_memory(state);
}

[[maybe_unused]] const bool added = add({{"info_nce/forward", forward}, {"info_nce/backward", backward}}, {"N", "d"},
                                        {{500, 128}, {850, 128}, {850, 64}, {850, 256}, {2000, 128}}, {.unit = benchmark::kMillisecond}) &&
                                    add({{"info_nce/large/forward", forward}, {"info_nce/large/backward", backward}}, {"N", "d"},
                                        {{20000, 128}}, {.unit = benchmark::kMillisecond, .repetitions = 1});

}  // namespace
}  // namespace cddrec::bench
