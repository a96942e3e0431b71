// InfoNCE by random Fourier features over N pairs of unit rows, 8 features a value, at the paper's temperature: what it costs beside
// the exact one of the same N (`--benchmark_filter=info_nce`), which is quadratic in N.
// Its work is products of the 2 N rows with the frequencies, and cosines and sines, which are not counted.
#include "cddrec/kernel/fourier_info_nce.hpp"

#include "bench.hpp"
#include "cddrec/kernel/info_nce.hpp"

namespace cddrec::bench {
namespace {

struct estimate_of {
  index pairs, d, m;
  core::execution how;
  core::arena memory;
  core::view<float> a, b, w;
  std::span<float> kept, workspace;

  explicit estimate_of(const benchmark::State& state)
      : pairs(state.range(0)), d(state.range(1)), m(4 * d), how(on(state.range(2))), a(unit_rows(memory, pairs, d, 1)),
        b(unit_rows(memory, pairs, d, 2)), w(memory.matrix<float>(m, d)),
        kept(memory.array<float>(kernel::fourier_info_nce_kept<float>(pairs, d, m))),
        workspace(memory.array<float>(kernel::fourier_info_nce_workspace<float>(pairs, d, m, how))) {}
  float forward() {
    kernel::draw_frequencies<float>(core::random(core::seed{3}), 0.5f, w, how);  // as each step does
    return kernel::fourier_info_nce_forward<float>(a, b, w, 0.5f, kept, workspace, how).value;
  }
  double product() const { return 2.0 * static_cast<double>(2 * pairs * m * d); }
  double remade() const {  // share of the features that are not kept
    const kernel::detail::fourier_pairs<float> all(a, b, m);
    return 1 - static_cast<double>(all.blocks_kept()) / static_cast<double>(all.blocks());
  }
};

void forward(benchmark::State& state) {
  estimate_of e(state);
  const double seconds = timed(state, [&] { benchmark::DoNotOptimize(e.forward()); });
  report_flops(state, (1 + e.remade()) * e.product(), seconds, e.how);
  report_memory(state);
}

void backward(benchmark::State& state) {
  estimate_of e(state);
  e.forward();
  const auto da = normal(e.memory, e.pairs, e.d, 3), db = normal(e.memory, e.pairs, e.d, 4);
  const double seconds =
      timed(state, [&] { kernel::fourier_info_nce_backward<float>(1.0f, e.a, e.b, e.w, 0.5f, e.kept, da, db, e.workspace, e.how); });
  report_flops(state, (1 + e.remade()) * e.product(), seconds, e.how);
  report_memory(state);
}

// The exact one at the same sizes; see info_nce.cpp for its share of the ceiling.
struct exact_of {
  index pairs, d;
  core::execution how;
  core::arena memory;
  core::view<float> a, b, sums;
  std::span<float> kept, workspace;

  explicit exact_of(const benchmark::State& state)
      : pairs(state.range(0)), d(state.range(1)), how(on(state.range(2))), a(unit_rows(memory, pairs, d, 1)),
        b(unit_rows(memory, pairs, d, 2)), sums(memory.matrix<float>(2 * pairs, 1)),
        kept(memory.array<float>(kernel::info_nce_kept<float>(pairs, d))),
        workspace(memory.array<float>(kernel::info_nce_workspace<float>(pairs, d))) {}
};

template <class Both>
void whole(benchmark::State& state, Both&& both) {
  timed(state, both);
  report_memory(state);
}

void estimated_step(benchmark::State& state) {
  estimate_of e(state);
  const auto da = normal(e.memory, e.pairs, e.d, 3), db = normal(e.memory, e.pairs, e.d, 4);
  whole(state, [&] {
    e.forward();
    kernel::fourier_info_nce_backward<float>(1.0f, e.a, e.b, e.w, 0.5f, e.kept, da, db, e.workspace, e.how);
  });
}

void exact_step(benchmark::State& state) {
  exact_of x(state);
  const auto da = normal(x.memory, x.pairs, x.d, 3), db = normal(x.memory, x.pairs, x.d, 4);
  whole(state, [&] {
    kernel::info_nce_forward<float, std::int32_t>(x.a, x.b, {}, 0.5f, x.sums, x.kept, x.how);
    kernel::info_nce_backward<float, std::int32_t>(1.0f, x.d, {}, 0.5f, x.sums, x.kept, da, db, x.workspace, x.how);
  });
}

[[maybe_unused]] const bool added =
    add({{"fourier_info_nce/forward", forward}, {"fourier_info_nce/backward", backward}}, {"N", "d"},
        {{900, 128}, {1800, 128}, {20000, 128}}, {.unit = benchmark::kMillisecond}) &&
    add({{"fourier_info_nce/step", estimated_step}, {"fourier_info_nce/exact_step", exact_step}}, {"N", "d"}, {{900, 128}, {1800, 128}},
        {.unit = benchmark::kMillisecond}) &&
    add({{"fourier_info_nce/large/step", estimated_step}, {"fourier_info_nce/large/exact_step", exact_step}}, {"N", "d"}, {{20000, 128}},
        {.unit = benchmark::kMillisecond, .repetitions = 1});

}  // namespace
}  // namespace cddrec::bench
