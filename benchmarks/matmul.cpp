// The matrix product in the three forms of a linear layer with weight [out, in], packing included; Eigen's and OpenBLAS's beside it.
// One form reads the weight transposed, one as it lies, and one reads the activations transposed: N is its depth.
#include "cddrec/kernel/matmul.hpp"

#include <dlfcn.h>

#include "bench.hpp"

namespace cddrec::bench {
namespace {

using kernel::plain, kernel::transposed, kernel::write;

// OpenBLAS is looked for when the program runs, so that nobody needs it to build.
struct open_blas {
  using sgemm = void (*)(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float* a, int lda,
                         const float* b, int ldb, float beta, float* c, int ldc);
  sgemm product = nullptr;
  void (*set_threads)(int) = nullptr;

  open_blas() {
    void* library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!library) return;
    product = reinterpret_cast<sgemm>(dlsym(library, "cblas_sgemm"));
    set_threads = reinterpret_cast<void (*)(int)>(dlsym(library, "openblas_set_num_threads"));
  }
  bool found() const { return product && set_threads; }
  // c [m, n] = a b + beta c over row-major matrices; a matrix to transpose lies as [k, m] or [n, k].
  void operator()(core::in<float> a, bool transpose_a, core::in<float> b, bool transpose_b, float beta, core::view<float> c) const {
    constexpr int row_major = 101, as_it_lies = 111, transpose = 112;  // of cblas.h
    const auto size = [](index n) { return static_cast<int>(n); };
    product(row_major, transpose_a ? transpose : as_it_lies, transpose_b ? transpose : as_it_lies, size(c.rows()), size(c.cols()),
            size(transpose_a ? a.rows() : a.cols()), 1, a.data(), size(a.cols()), b.data(), size(b.cols()), beta, c.data(), size(c.cols()));
  }
};
const open_blas& blas() {
  static const open_blas library;
  return library;
}

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
            std::max({kernel::matmul_workspace(plain(x), transposed(weight), how), kernel::matmul_workspace(plain(dy), plain(weight), how),
                      kernel::matmul_workspace(transposed(dy), plain(x), how)}))) {
    Eigen::setNbThreads(how.threads);  // ours takes the number as an argument
    if (blas().found()) blas().set_threads(how.threads);
  }
  // rows x in x out multiply-adds in each of the forms
  double flops() const { return 2.0 * static_cast<double>(rows * in * out); }
};

void forward(layer& l) { kernel::matmul<float>(plain(l.x), transposed(l.weight), write::assign, l.y, l.workspace, l.how); }
void forward_eigen(layer& l) { l.y.matrix_map().noalias() = l.x.matrix_map() * l.weight.matrix_map().transpose(); }
void forward_openblas(layer& l) { blas()(l.x, false, l.weight, true, 0, l.y); }

void backward_input(layer& l) { kernel::matmul<float>(plain(l.dy), plain(l.weight), write::add, l.dx, l.workspace, l.how); }
void backward_input_eigen(layer& l) { l.dx.matrix_map().noalias() += l.dy.matrix_map() * l.weight.matrix_map(); }
void backward_input_openblas(layer& l) { blas()(l.dy, false, l.weight, false, 1, l.dx); }

void backward_weight(layer& l) { kernel::matmul<float>(transposed(l.dy), plain(l.x), write::add, l.dweight, l.workspace, l.how); }
void backward_weight_eigen(layer& l) { l.dweight.matrix_map().noalias() += l.dy.matrix_map().transpose() * l.x.matrix_map(); }
void backward_weight_openblas(layer& l) { blas()(l.dy, true, l.x, false, 1, l.dweight); }

template <void (*Product)(layer&)>
void run(benchmark::State& state) {
  layer l(state);
  report_flops(state, l.flops(), timed(state, [&] { Product(l); }), l.how);
}
void no_openblas(benchmark::State& state) { state.SkipWithError("libopenblas.so.0 is not installed"); }

const std::vector<std::string> sizes{"N", "in", "out"};
// Projections at three widths, the feed-forward layer's two, and few and many rows.
const std::vector<std::vector<std::int64_t>> shapes{{2000, 64, 64},   {2000, 128, 128}, {2000, 256, 256}, {2000, 128, 512},
                                                    {2000, 512, 128}, {500, 128, 128},  {20000, 128, 128}};
[[maybe_unused]] const bool added =
    add({{"matmul/forward", run<forward>},
         {"matmul/forward/eigen", run<forward_eigen>},
         {"matmul/backward_input", run<backward_input>},
         {"matmul/backward_input/eigen", run<backward_input_eigen>},
         {"matmul/backward_weight", run<backward_weight>},
         {"matmul/backward_weight/eigen", run<backward_weight_eigen>}},
        sizes, shapes) &&
    (blas().found() ? add({{"matmul/forward/openblas", run<forward_openblas>},
                           {"matmul/backward_input/openblas", run<backward_input_openblas>},
                           {"matmul/backward_weight/openblas", run<backward_weight_openblas>}},
                          sizes, shapes)
                    : add({{"matmul/openblas", no_openblas}}, {}, {{}}, {.repetitions = 1, .one_thread = false})) &&
    // the scores of 256 users, which ranking cannot do without
    add({{"matmul/scores", run<forward>}}, sizes, {{256, 128, 12101}}, {.unit = benchmark::kMillisecond});

}  // namespace
}  // namespace cddrec::bench
