// Runs the benchmarks: `cddrec_benchmarks --benchmark_filter=attention`; without a filter, all but those named `large`.
// The ceilings stand among them, so that a table shows what its shares are shares of. Beside other load, set OMP_PROC_BIND=true:
// threads that share a processor wait for each other a time slice long. Not for `openblas`: its threads would all be on the first one's.
#include <iostream>

#include "bench.hpp"

namespace cddrec::bench {
namespace {

void ceiling_multiply_add(benchmark::State& state) {
  const core::execution how = on(state.range(0));
  double operations = 0;
  const double seconds = timed(state, [&] { operations = multiply_add(how); });
  report_flops(state, operations, seconds, how);
}

template <bool Adds>
void ceiling_stream(benchmark::State& state) {
  const core::execution how = on(state.range(1));
  const index half = state.range(0) << 9;
  stream pass({.read = half, .assigned = Adds ? 0 : half, .updated = Adds ? half : 0});
  report_bytes(state, pass.bytes(), timed(state, [&] { pass(how); }), how);
}
// Streams go from what a second-level cache holds to what no cache does.
[[maybe_unused]] const bool added = add({{"ceiling/multiply_add", ceiling_multiply_add}}, {}, {{}}) &&
                                    add({{"ceiling/copy", ceiling_stream<false>}, {"ceiling/add", ceiling_stream<true>}}, {"KiB"},
                                        {{256}, {4 << 10}, {32 << 10}, {256 << 10}});

}  // namespace
}  // namespace cddrec::bench

int main(int argc, char** argv) try {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  if (benchmark::GetBenchmarkFilter().empty()) benchmark::SetBenchmarkFilter("-large");
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
} catch (const cddrec::error& e) {  // a log that cannot be read
  std::cerr << "cddrec_benchmarks: " << e.what() << '\n';
  return 1;
}
