// One training step as train::fit takes it: build the batch, choose the steps, accumulate the gradient, let Adam step.
// Batches come from a drawn log, or from the log whose path is in CDDREC_BENCH_LOG (a line a user: `user item item …`).
#include <sys/resource.h>

#include <cstdlib>

#include "cddrec/io/interactions.hpp"
#include "network.hpp"

namespace cddrec::bench {
namespace {

const data::split& training_log() {
  static const data::interactions log = [] {
    const char* path = std::getenv("CDDREC_BENCH_LOG");
    return path ? io::read_interactions(path) : drawn_log(4905, 2420);
  }();
  static const data::split split = data::leave_one_out(log);
  return split;
}

// Of the whole process: for one setting's own figure, run it alone.
double peak_megabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;  // kilobytes on Linux
}

void train_step(benchmark::State& state, const cli::run_settings& s) {
  const core::execution how = on(state.range(0));
  const data::split& split = training_log();
  cli::network net = cli::make_network(s, split.items());
  const auto objective = cli::make_objective(s);
  const loss::needs what = objective.needs();
  std::vector<autodiff::parameter<float>*> parameters;
  net.visit([&](const std::string&, autodiff::parameter<float>& p) { parameters.push_back(&p); });
  optim::adam<float> adam(parameters, {.learning_rate = s.learning_rate});

  core::arena memory(std::size_t{16} << 20);
  train::views batch;
  std::vector<train::weighted_step> steps;
  std::vector<double> parts(objective.names().size(), 0);
  const index users = std::min(s.batch_users, split.training_users());
  const core::random draw(core::seed{42});
  std::uint64_t count = 0;
  double tokens = 0, chosen = 0, flops = 0, seconds = 0;
  const auto step = [&] {
    const core::random own = draw.child(count++);
    // Users from all over the log, since a real one may be sorted.
    batch.build(
        users, [&](index i) { return split.training(i * split.training_users() / users); }, s.max_length, split.items(), what, {},
        own.child(0));
    train::choose_steps(s.steps, s.sampled_steps, own.child(1), steps);
    train::accumulate_gradient(net, objective, batch, steps, own.child(2), memory, how, parts);
    adam.step(how);
  };
  step();  // the arena grows once
  for (auto _ : state) {
    const double run = seconds_of(step);
    state.SetIterationTime(run);
    seconds += run;
    tokens += static_cast<double>(batch.inputs.size());
    chosen += static_cast<double>(steps.size());
    flops += gradient_flops(s, batch, split.items(), static_cast<index>(steps.size()));
  }
  report_flops(state, flops, seconds, how);  // batches differ, so the rate is the mean's
  using benchmark::Counter;
  state.counters["tokens"] = Counter(tokens, Counter::kAvgIterations);  // of both views
  state.counters["steps"] = Counter(chosen, Counter::kAvgIterations);
  state.counters["peak_MB"] = peak_megabytes();
}

// Draws of the same step are merged, so fewer than the 4 may be left.
cli::run_settings office_sampled_4() {
  cli::run_settings s = cli::preset("office");
  s.sampled_steps = 4;
  return s;
}

void shapes(benchmark::internal::Benchmark* b) {
  b->ArgName("threads")->ArgsProduct({thread_counts()})->UseManualTime()->Unit(benchmark::kMillisecond);
}
BENCHMARK_CAPTURE(train_step, own_settings, cli::run_settings{})->Apply(shapes);
BENCHMARK_CAPTURE(train_step, office_sampled_4, office_sampled_4())->Apply(shapes);
BENCHMARK_CAPTURE(train_step, office, cli::preset("office"))->Apply(shapes);

}  // namespace
}  // namespace cddrec::bench
