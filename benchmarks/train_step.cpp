// One training step as train::fit takes it: build the batch, choose the steps, accumulate the gradient, let Adam step.
// Batches come from a drawn log, or from the log whose path is in CDDREC_BENCH_LOG (a line a user: `user item item …`);
// those of `train_step/large/` are drawn over catalogues of different size.
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

// Steps on batches of so many users; `sequence(b, i)` is the training sequence of the i-th user of batch b.
template <class Sequence>
void take_steps(benchmark::State& state, const cli::run_settings& s, index items, index users, Sequence&& sequence, core::execution how) {
  cli::network net = cli::make_network("cddrec", s, items);
  const auto objective = cli::make_objective("cddrec", s);
  const loss::needs what = objective.needs();
  std::vector<autodiff::parameter<float>*> parameters;
  net.visit([&](const std::string&, autodiff::parameter<float>& p) { parameters.push_back(&p); });
  optim::adam<float> adam(parameters, {.learning_rate = s.learning_rate, .rows = cli::make_fit_settings(s, 0, {}).adam_rows});

  std::optional<optim::weight_average<float>> average;
  if (s.ema_decay > 0) average.emplace(parameters, s.ema_decay);
  const train::negatives against{.per_target = s.negatives_per_target, .candidates = s.candidates};

  core::arena memory(std::size_t{16} << 20);
  train::views batch, of_shortest;
  std::vector<train::weighted_step> steps;
  index steps_of_shortest = 0;
  std::vector<double> parts(objective.names().size(), 0);
  const core::random draw(core::seed{42});
  std::uint64_t count = 0;
  double tokens = 0, chosen = 0, flops = 0, seconds = 0, shortest = std::numeric_limits<double>::infinity();
  const auto step = [&] {
    const core::random own = draw.child(count);
    batch.build(
        users, [&](index i) { return sequence(static_cast<index>(count), i); }, s.max_length, items, what, {}, own.child(0), against);
    ++count;
    train::choose_steps(s.steps, s.sampled_steps, own.child(1), steps);
    train::accumulate_gradient(net, objective, batch, steps, own.child(2), memory, how, parts);
    adam.step(how);
    if (average) average->update(adam.steps, how);
  };
  step();  // the arena grows once
  for (auto _ : state) {
    const double run = seconds_of(step);
    state.SetIterationTime(run);
    seconds += run;
    if (run < shortest) shortest = run, of_shortest = batch, steps_of_shortest = static_cast<index>(steps.size());
    tokens += static_cast<double>(batch.inputs.size());
    chosen += static_cast<double>(steps.size());
    flops += gradient_flops(s, batch, items, static_cast<index>(steps.size()));
  }
  report_flops(state, flops, seconds, how);  // batches differ, so the rate is the mean's
  using benchmark::Counter;
  state.counters["fastest_ms"] = 1e3 * shortest;
  state.counters["tokens"] = Counter(tokens, Counter::kAvgIterations);  // of both views
  state.counters["steps"] = Counter(chosen, Counter::kAvgIterations);
  report_memory(state);
  state.counters["products_ms"] = product_milliseconds(s, of_shortest, items, steps_of_shortest, how);  // batches differ
}

void train_step(benchmark::State& state, const cli::run_settings& s) {
  const data::split& split = training_log();
  const index users = std::min(s.batch_users, split.training_users());
  // Users from all over the log, since a real one may be sorted.
  const auto sequence = [&](index, index i) { return split.training(i * split.training_users() / users); };
  take_steps(state, s, split.items(), users, sequence, on(state.range(0)));
}

// A step whose negatives are sampled, over catalogues of different size. Users are new in every batch and their items are drawn evenly, so
// that a large catalogue's rows are in no cache when a step asks for them; a real log, whose items are not equally popular, is kinder.
void catalogue(benchmark::State& state, cli::run_settings s) {
  const index items = state.range(0), length = 9;  // eight pairs a user
  const std::vector<data::item> drawn = numbers(length * s.batch_users * 400, items, 3);
  const auto sequence = [&](index batch, index i) {
    const auto first = static_cast<std::size_t>((batch * s.batch_users + i) * length) % drawn.size();
    return std::span<const data::item>(drawn).subspan(first, static_cast<std::size_t>(length));
  };
  take_steps(state, s, items, s.batch_users, sequence, on(state.range(1)));
}

// Draws of the same step are merged, so fewer than the 4 may be left.
cli::run_settings office_sampled_4() {
  cli::run_settings s = cli::preset("office");
  s.sampled_steps = 4;
  return s;
}

// A process of four steps: four distinct ones are finished, as when four of more are drawn and none twice.
cli::run_settings office_distinct_4() {
  cli::run_settings s = cli::preset("office");
  s.steps = 4;
  return s;
}

// What keeps all of the step's work in the batch: no softmax over the items, one diffusion step.
cli::run_settings sampled_negatives(double lambda, const char* optimizer) {
  cli::run_settings s = cli::preset("office");
  s.sampled_steps = 1, s.lambda = lambda, s.optimizer = optimizer;
  return s;
}

void shapes(benchmark::internal::Benchmark* b) {
  b->ArgName("threads")->ArgsProduct({thread_counts()})->UseManualTime()->Unit(benchmark::kMillisecond)->MinTime(2);
}
BENCHMARK_CAPTURE(train_step, own_settings, cli::defaults())->Apply(shapes);
BENCHMARK_CAPTURE(train_step, office_sampled_4, office_sampled_4())->Apply(shapes);
BENCHMARK_CAPTURE(train_step, office_distinct_4, office_distinct_4())->Apply(shapes);
BENCHMARK_CAPTURE(train_step, office, cli::preset("office"))->Apply(shapes);

// With touched rows the second catalogue should cost what the first does. The number of steps is fixed, since the network is made anew for
// every trial; a million items take 2 GB.
void catalogues(benchmark::internal::Benchmark* b) {
  b->ArgNames({"V", "threads"})->ArgsProduct({{10'000, 1'000'000}, thread_counts()});
  b->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(100);
}
BENCHMARK_CAPTURE(catalogue, adam_rows, sampled_negatives(0.3, "adam_rows"))->Name("train_step/large/adam_rows")->Apply(catalogues);
BENCHMARK_CAPTURE(catalogue, adam, sampled_negatives(0.3, "adam"))->Name("train_step/large/adam")->Apply(catalogues);
// Without the contrastive terms, which take half of the time and have nothing to do with the catalogue.
BENCHMARK_CAPTURE(catalogue, no_contrast, sampled_negatives(0, "adam_rows"))
    ->Name("train_step/large/no_contrast/adam_rows")
    ->Apply(catalogues);
BENCHMARK_CAPTURE(catalogue, no_contrast, sampled_negatives(0, "adam"))->Name("train_step/large/no_contrast/adam")->Apply(catalogues);

}  // namespace
}  // namespace cddrec::bench
