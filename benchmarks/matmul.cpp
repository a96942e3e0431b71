// The matrix product in the three forms of a linear layer with weight [out, in], packing included, and Eigen's beside it.
// One form reads the weight transposed, one as it lies, and one reads the activations transposed: N is its depth.
#include "cddrec/kernel/matmul.hpp"

#include "bench.hpp"

namespace cddrec::bench {
namespace {

using kernel::plain, kernel::transposed, kernel::write;

// The operands of a linear layer: N rows, `in` wide before and `out` wide after.
struct layer {
  index rows, in, out;
  core::execution how;
  core::arena memory;
  core::view<float> x, weight, y, dx, dweight, dy;
  std::span<float> workspace;

  explicit layer(const benchmark::State& state)
      : rows(state.range(0)), in(state.range(1)), out(state.range(2)), how(on(state.range(3))), x(normal(memory, rows, in, 1)),
        weight(normal(memory, out, in, 2, 0.02f)), y(normal(memory, rows, out, 3)), dx(normal(memory, rows, in, 4)),
        dweight(normal(memory, out, in, 5)), dy(normal(memory, rows, out, 6, 1e-3f)),
        workspace(memory.array<float>(
            std::max({kernel::matmul_workspace(plain(x), transposed(weight)), kernel::matmul_workspace(plain(dy), plain(weight)),
                      kernel::matmul_workspace(transposed(dy), plain(x))}))) {
    Eigen::setNbThreads(how.threads);  // ours takes the number as an argument
  }
  // rows x in x out multiply-adds in each of the forms
  double flops() const { return 2.0 * static_cast<double>(rows * in * out); }
};

void forward(benchmark::State& state) {
  layer l(state);
  const double seconds =
      timed(state, [&] { kernel::matmul<float>(plain(l.x), transposed(l.weight), write::assign, l.y, l.workspace, l.how); });
  report_flops(state, l.flops(), seconds, l.how);
}
void forward_eigen(benchmark::State& state) {
  layer l(state);
  auto y = l.y.matrix_map();
  const auto x = l.x.matrix_map(), weight = l.weight.matrix_map();
  const double seconds = timed(state, [&] { y.noalias() = x * weight.transpose(); });
  report_flops(state, l.flops(), seconds, l.how);
}

void backward_input(benchmark::State& state) {
  layer l(state);
  const double seconds = timed(state, [&] { kernel::matmul<float>(plain(l.dy), plain(l.weight), write::add, l.dx, l.workspace, l.how); });
  report_flops(state, l.flops(), seconds, l.how);
}
void backward_input_eigen(benchmark::State& state) {
  layer l(state);
  auto dx = l.dx.matrix_map();
  const auto dy = l.dy.matrix_map(), weight = l.weight.matrix_map();
  const double seconds = timed(state, [&] { dx.noalias() += dy * weight; });
  report_flops(state, l.flops(), seconds, l.how);
}

void backward_weight(benchmark::State& state) {
  layer l(state);
  const double seconds =
      timed(state, [&] { kernel::matmul<float>(transposed(l.dy), plain(l.x), write::add, l.dweight, l.workspace, l.how); });
  report_flops(state, l.flops(), seconds, l.how);
}
void backward_weight_eigen(benchmark::State& state) {
  layer l(state);
  auto dweight = l.dweight.matrix_map();
  const auto dy = l.dy.matrix_map(), x = l.x.matrix_map();
  const double seconds = timed(state, [&] { dweight.noalias() += dy.transpose() * x; });
  report_flops(state, l.flops(), seconds, l.how);
}

// Projections at three widths, the feed-forward layer's two, and few and many rows.
void shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"N", "in", "out", "threads"})->UseManualTime();
  constexpr std::int64_t sizes[][3] = {{2000, 64, 64},   {2000, 128, 128}, {2000, 256, 256}, {2000, 128, 512},
                                       {2000, 512, 128}, {500, 128, 128},  {20000, 128, 128}};
  for (const auto& [rows, in, out] : sizes)
    for (const std::int64_t threads : thread_counts()) b->Args({rows, in, out, threads});
}
BENCHMARK(forward)->Name("matmul/forward")->Apply(shapes);
BENCHMARK(forward_eigen)->Name("matmul/forward/eigen")->Apply(shapes);
BENCHMARK(backward_input)->Name("matmul/backward_input")->Apply(shapes);
BENCHMARK(backward_input_eigen)->Name("matmul/backward_input/eigen")->Apply(shapes);
BENCHMARK(backward_weight)->Name("matmul/backward_weight")->Apply(shapes);
BENCHMARK(backward_weight_eigen)->Name("matmul/backward_weight/eigen")->Apply(shapes);

}  // namespace
}  // namespace cddrec::bench
