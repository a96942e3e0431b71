// The full ranking of every test user: encode, score all items, count those above the target.
// Catalogues are of the size of Office_Products and Beauty; the network is a fresh one, which changes no operation.
#include "network.hpp"

namespace cddrec::bench {
namespace {

void rank(benchmark::State& state) {
  const core::execution how = on(state.range(2));
  const cli::run_settings s;
  const data::split split = data::leave_one_out(drawn_log(state.range(0), state.range(1)));
  const cli::network net = cli::make_network(s, split.items());
  const data::cases cases = split.test();
  const double seconds =
      timed(state, [&] { benchmark::DoNotOptimize(eval::rank(model::ranker<cli::network>(net, how), cases, how).data()); });

  data::batch histories;
  for (index u = 0; u < cases.size(); ++u) histories.add_history(cases.history(u), s.max_length);
  const double scores = 2.0 * static_cast<double>(cases.size() * split.items() * s.width);
  report_flops(state, encode_flops(s, histories.layout()) + predict_flops(s, histories.tokens()) + scores, seconds, how);
  state.counters["users/s"] = static_cast<double>(cases.size()) / seconds;
}
void shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"users", "V", "threads"})->UseManualTime()->Unit(benchmark::kMillisecond);
  b->ArgsProduct({{4905}, {2420, 12101}, thread_counts()});
}
BENCHMARK(rank)->Apply(shapes);

}  // namespace
}  // namespace cddrec::bench
