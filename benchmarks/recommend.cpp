// The ten best unseen items: for one history, which is latency, and for 300 at once, which is throughput.
// A history alone reads the whole catalogue for a product of one row, so for it memory is the ceiling, not arithmetic.
#include "network.hpp"

namespace cddrec::bench {
namespace {

struct served {
  cli::run_settings s;
  index items;
  core::execution how;
  data::split split;
  cli::network net;
  std::vector<std::span<const data::item>> histories;

  served(index users, index items, core::execution how)
      : items(items), how(how), split(data::leave_one_out(drawn_log(4905, items))), net(cli::make_network("cddrec", s, items)) {
    for (index u = 0; u < users; ++u) histories.push_back(split.training(u));
  }
};

// The ranker is kept, as a server would.
void recommend(benchmark::State& state) {
  const served m(state.range(0), state.range(1), on(state.range(2)));
  const model::ranker<cli::network> ranker(m.net, m.how);
  std::vector<double> runs;
  const auto serve = [&] { benchmark::DoNotOptimize(eval::recommend(ranker, m.histories, 10, m.how).data()); };
  for (auto _ : state) {
    runs.push_back(seconds_of(serve));
    state.SetIterationTime(runs.back());
  }
  std::sort(runs.begin(), runs.end());
  const double seconds = runs.front();
  const auto percentile = [&](double p) { return 1e6 * runs[static_cast<std::size_t>(p * static_cast<double>(runs.size() - 1))]; };
  if (m.histories.size() == 1) {
    state.counters["p50_us"] = percentile(0.5);
    state.counters["p99_us"] = percentile(0.99);
    report_bytes(state, {.read = floats(m.items * m.s.width)}, seconds, m.how);  // the item embeddings
  } else {
    data::batch batch;
    for (const auto& history : m.histories) batch.add_history(history, m.s.max_length);
    const double scores = 2.0 * static_cast<double>(batch.size() * m.items * m.s.width);
    report_flops(state, encode_flops(m.s, batch.layout()) + predict_last_flops(m.s, batch.tokens(), batch.size()) + scores, seconds, m.how);
  }
  state.counters["users/s"] = static_cast<double>(m.histories.size()) / seconds;
}
BENCHMARK(recommend)
    ->ArgNames({"histories", "V", "threads"})
    ->ArgsProduct({{1, 300}, {2420, 12101}, thread_counts()})
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);

// recommender::recommend makes a ranker of its own each time: every item is normalised and laid out anew.
void recommend_once(benchmark::State& state) {
  const served m(1, state.range(0), on(state.range(1)));
  const double seconds = timed(state, [&] { benchmark::DoNotOptimize(m.net.recommend(m.histories.front(), 10, m.how).data()); });
  // the item embeddings are read; their unit rows are written, read, laid out, and read
  const index table = floats(m.items * m.s.width);
  report_bytes(state, {.read = 3 * table, .assigned = 2 * table}, seconds, m.how);
}
BENCHMARK(recommend_once)
    ->Name("recommend/without_ranker")
    ->ArgNames({"V", "threads"})
    ->ArgsProduct({{2420, 12101}, thread_counts()})
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace cddrec::bench
