// The full ranking of every test user: encode, score all items, count those above the target.
// Catalogues are of the size of Office_Products and Beauty, whether or not users know all of their items; the network is a fresh one, which
// changes no operation.
#include <unordered_map>

#include "network.hpp"

namespace cddrec::bench {
namespace {

void rank(benchmark::State& state) {
  const core::execution how = on(state.range(2));
  const cli::run_settings s;
  const data::split split = data::leave_one_out(drawn_log(state.range(0), state.range(1)));
  const cli::network net = cli::make_network("cddrec", s, state.range(1));
  const data::cases cases = split.test();
  const double seconds =
      timed(state, [&] { benchmark::DoNotOptimize(eval::rank(model::ranker<cli::network>(net, how), cases, how).data()); });

  data::batch histories;
  for (index u = 0; u < cases.size(); ++u) histories.add_history(cases.history(u), s.max_length);
  const double scores = 2.0 * static_cast<double>(cases.size() * state.range(1) * s.width);
  report_flops(state, encode_flops(s, histories.layout()) + predict_last_flops(s, histories.tokens(), histories.size()) + scores, seconds,
               how);
  state.counters["users/s"] = static_cast<double>(cases.size()) / seconds;
}
// A scorer whose users are encoded already: what ranking costs beside the encoder.
struct encoded {
  using scalar = float;
  using query = model::ranker<cli::network>::query;
  const model::ranker<cli::network>& ranker;
  std::unordered_map<const data::item*, index> row;  // by where a history lies
  query all;
  index width;

  encoded(const model::ranker<cli::network>& r, const data::cases& cases, index width, core::execution how) : ranker(r), width(width) {
    const std::vector<std::span<const data::item>> users = cases.histories();
    for (index u = 0; u < cases.size(); ++u) row[cases.history(u).data()] = u;
    all = r.encode(users, how);
  }
  index items() const { return ranker.items(); }
  query encode(eval::histories users, core::execution) const {
    query q;
    for (const auto& user : users) {
      const auto take = [r = row.at(user.data())](const auto& from, auto& to, index count) {
        to.insert(to.end(), from.begin() + r * count, from.begin() + (r + 1) * count);
      };
      take(all.unit, q.unit, width);
      if (all.fixed.empty()) continue;
      take(all.fixed, q.fixed, kernel::fixed_pairs(width));
      take(all.error, q.error, 1);
    }
    return q;
  }
  void score(const query& q, index first, core::view<float> out, core::execution how) const { ranker.score(q, first, out, how); }
  float score_item(const query& q, index r, data::item i) const { return ranker.score_item(q, r, i); }
  void score_items(const query& q, index r, std::span<const data::item> items, std::span<float> out) const {
    ranker.score_items(q, r, items, out);
  }
  void score_roughly(const query& q, index first, core::view<float> out, core::execution how) const {
    ranker.score_roughly(q, first, out, how);
  }
  float rough_error(const query& q, index r) const { return ranker.rough_error(q, r); }
};

void rank_encoded(benchmark::State& state) {
  const core::execution how = on(state.range(2));
  const cli::run_settings s;
  const data::split split = data::leave_one_out(drawn_log(state.range(0), state.range(1)));
  const cli::network net = cli::make_network("cddrec", s, state.range(1));
  const data::cases cases = split.test();
  const model::ranker<cli::network> ranker(net, how);
  const encoded scorer(ranker, cases, s.width, how);
  const double seconds = timed(state, [&] { benchmark::DoNotOptimize(eval::rank(scorer, cases, how).data()); });
  report_flops(state, 2.0 * static_cast<double>(cases.size() * state.range(1) * s.width), seconds, how);
}

// A million items, of which the users know few, which changes no operation: what ranking takes beside the weights.
void rank_large(benchmark::State& state) {
  const core::execution how = on(state.range(2));
  const cli::run_settings s;
  const data::split split = data::leave_one_out(drawn_log(state.range(0), state.range(1)));
  const cli::network net = cli::make_network("cddrec", s, state.range(1));
  const data::cases cases = split.test();
  const double seconds =
      timed(state, [&] { benchmark::DoNotOptimize(eval::rank(model::ranker<cli::network>(net, how), cases, how).data()); });
  report_flops(state, 2.0 * static_cast<double>(cases.size() * state.range(1) * s.width), seconds, how);
  report_memory(state);
  state.counters["weights_MB"] = static_cast<double>(floats((state.range(1) + 1) * s.width)) / (1 << 20);
}

void shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"users", "V", "threads"})->UseManualTime()->Unit(benchmark::kMillisecond)->MinTime(1);
  b->ArgsProduct({{4905}, {2420, 12101}, thread_counts()});
}
BENCHMARK(rank)->Apply(shapes);
BENCHMARK(rank_encoded)->Name("rank/encoded")->Apply(shapes);
BENCHMARK(rank_large)
    ->Name("rank/large")
    ->ArgNames({"users", "V", "threads"})
    ->ArgsProduct({{1000}, {1'000'000}, {thread_counts().back()}})
    ->UseManualTime()
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace cddrec::bench
