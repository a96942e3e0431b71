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

// How far the estimate is off: means over 20 draws of 900 pairs of width 128, whose cosine is 0 or about .7. Gradients count along the
// sphere, since rows are normalised.
void error(benchmark::State& state) {
  using matrix = core::matrix<float>;
  const index N = 900, d = 128, m = state.range(0) * d / 2, draws = 20;
  const double temperature = static_cast<double>(state.range(1)) / 100;
  const float tau = static_cast<float>(temperature), cosine = static_cast<float>(state.range(2)) / 10;
  core::arena memory;
  const matrix a = unit_rows(memory, N, d, 1).matrix_map(), other = unit_rows(memory, N, d, 2).matrix_map();
  const matrix b = (cosine * a + std::sqrt(1 - cosine * cosine) * other).rowwise().normalized();
  const auto along_sphere = [](const matrix& g, const matrix& z) {
    return matrix(g - (g.cwiseProduct(z).rowwise().sum().asDiagonal() * z).eval());
  };
  const auto dot = [](const std::pair<matrix, matrix>& x, const std::pair<matrix, matrix>& y) {
    return static_cast<double>(x.first.cwiseProduct(y.first).sum() + x.second.cwiseProduct(y.second).sum());
  };
  const auto gradient = [&](auto&& backward) {
    matrix da = matrix::Zero(N, d), db = da;
    backward(core::view<float>(da), core::view<float>(db));
    return std::pair{along_sphere(da, a), along_sphere(db, b)};
  };
  matrix sums(2 * N, 1), w(m, d);
  const auto kept = memory.array<float>(kernel::info_nce_kept<float>(N, d)),
             space = memory.array<float>(kernel::info_nce_workspace<float>(N, d));
  const double exact = static_cast<double>(kernel::info_nce_forward<float, std::int32_t>(a, b, {}, tau, sums, kept, {1}));
  const auto truth =
      gradient([&](auto da, auto db) { kernel::info_nce_backward<float, std::int32_t>(1.0f, d, {}, tau, sums, kept, da, db, space, {1}); });
  const auto kept2 = memory.array<float>(kernel::fourier_info_nce_kept<float>(N, d, m));
  const auto space2 = memory.array<float>(kernel::fourier_info_nce_workspace<float>(N, d, m, {1}));
  double off = 0, alike = 0, clamped = 0;
  for (auto unused : state)
    for (index k = 0; k < draws; ++k) {
      kernel::draw_frequencies<float>(core::random(core::seed{50}).child(static_cast<std::uint64_t>(k)), tau, w, {1});
      const auto got = kernel::fourier_info_nce_forward<float>(a, b, w, tau, kept2, space2, {1});
      const auto g =
          gradient([&](auto da, auto db) { kernel::fourier_info_nce_backward<float>(1.0f, a, b, w, tau, kept2, da, db, space2, {1}); });
      off += std::abs(static_cast<double>(got.value) - exact) / exact / draws;
      alike += dot(g, truth) / std::sqrt(dot(g, g) * dot(truth, truth)) / draws;
      clamped += static_cast<double>(got.clamped) / static_cast<double>(2 * N * draws);
    }
  state.counters["relative_error"] = off;
  state.counters["gradient_cosine"] = alike;
  state.counters["clamped"] = clamped;
}
BENCHMARK(error)
    ->Name("fourier_info_nce/error")
    ->ArgNames({"features_over_d", "temperature_x100", "cosine_x10"})
    ->ArgsProduct({{8, 64}, {50, 20, 10, 7}, {0, 7}})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

[[maybe_unused]] const bool added =
    add({{"fourier_info_nce/forward", forward}, {"fourier_info_nce/backward", backward}}, {"N", "d"},
        {{900, 128}, {1800, 128}, {20000, 128}}, {.unit = benchmark::kMillisecond}) &&
    add({{"fourier_info_nce/step", estimated_step}, {"fourier_info_nce/exact_step", exact_step}}, {"N", "d"}, {{900, 128}, {1800, 128}},
        {.unit = benchmark::kMillisecond}) &&
    add({{"fourier_info_nce/large/step", estimated_step}, {"fourier_info_nce/large/exact_step", exact_step}}, {"N", "d"}, {{20000, 128}},
        {.unit = benchmark::kMillisecond, .repetitions = 1});

}  // namespace
}  // namespace cddrec::bench
