// What all benchmarks share: ceilings measured in the same process, rates beside them, and inputs like the model's own.
// A rate says little by itself; `share` sets it beside what the same threads reach when they do nothing else.
#pragma once

#include <benchmark/benchmark.h>

#include <chrono>
#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "cddrec/core/arena.hpp"
#include "cddrec/core/parallel.hpp"
#include "cddrec/core/ragged.hpp"
#include "cddrec/core/random.hpp"

namespace cddrec::bench {

using core::index;

/// Every benchmark runs on one thread and on all there are.
inline std::vector<std::int64_t> thread_counts() {
  const int all = core::available_threads();
  return all > 1 ? std::vector<std::int64_t>{1, all} : std::vector<std::int64_t>{1};
}
inline core::execution on(std::int64_t threads) { return {static_cast<int>(threads)}; }

// --- Time -------------------------------------------------------------------------------------------------------------

template <class F>
double seconds_of(F&& f) {
  using clock = std::chrono::steady_clock;
  const auto start = clock::now();
  f();
  benchmark::ClobberMemory();
  return std::chrono::duration<double>(clock::now() - start).count();
}

inline double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Runs `work` for as long as the library asks and returns the seconds of the median run, on which the rates are based:
/// other processes disturb it less than the mean, which is the time in the table. `before` runs untimed ahead of each.
template <class Work, class Before>
double timed(benchmark::State& state, Work&& work, Before&& before) {
  std::vector<double> runs;
  for (auto _ : state) {
    before();
    runs.push_back(seconds_of(work));
    state.SetIterationTime(runs.back());
  }
  return median(std::move(runs));
}
template <class Work>
double timed(benchmark::State& state, Work&& work) {
  return timed(state, work, [] {});
}

// --- Ceilings ---------------------------------------------------------------------------------------------------------

/// Fused multiply-adds of the widest vectors, as many as can be in flight; returns how many operations, two each.
inline double multiply_add(core::execution how) {
  // Enough independent chains to hide the latency of two units, few enough for sixteen registers.
  constexpr index chains = 12, count = 20'000;
  using vec = core::simd::vec<float>;
  const index blocks = 16 * how.threads;
  core::parallel_for(how, blocks, 1, [&](index, index) {
    float factor = 0.999f, term = 0.001f;  // the chains tend to 1
    benchmark::DoNotOptimize(factor);
    benchmark::DoNotOptimize(term);
    const vec x = core::simd::broadcast(factor), y = core::simd::broadcast(term);
    vec chain[chains] = {};
    [&]<index... C>(std::integer_sequence<index, C...>) {
      for (index i = 0; i < count; ++i) ((chain[C] = chain[C] * x + y), ...);
    }
    (std::make_integer_sequence<index, chains>{});
    vec total{};
    for (const vec& c : chain) total += c;
    float sum = core::simd::sum<float>(total);
    benchmark::DoNotOptimize(sum);
  });
  return 2.0 * static_cast<double>(chains * core::simd::lanes<float> * count * blocks);
}

/// A copy that reads and writes `bytes` together.
class copy {
 public:
  explicit copy(index bytes) : from_(static_cast<std::size_t>(bytes) / 2 / sizeof(float), 1.0f), to_(from_) {}
  void operator()(core::execution how) {
    core::parallel_for(how, static_cast<index>(to_.size()), 1 << 14, [&](index begin, index end) {
      core::simd::transform<float>(end - begin, to_.data() + begin,
                                   [&](index i, index n) { return core::simd::load_upto(from_.data() + begin + i, n); });
    });
    benchmark::DoNotOptimize(to_.data());
  }

 private:
  core::buffer<float> from_, to_;
};

/// Operations a second that so many threads reach with multiply_add().
inline double multiply_add_ceiling(core::execution how) {
  static std::map<int, double> known;
  double& rate = known[how.threads];
  if (rate > 0) return rate;
  std::vector<double> runs;
  double operations = 0;
  for (int repetition = 0; repetition < 61; ++repetition) runs.push_back(seconds_of([&] { operations = multiply_add(how); }));
  return rate = operations / median(std::move(runs));
}

/// Bytes a second that so many threads copy, reading and writing counted. A kernel stands beside the copy of its own size, for
/// what fits a cache moves several times as fast as what does not.
inline double copy_ceiling(core::execution how, index bytes) {
  static std::map<std::pair<int, index>, double> known;
  double& rate = known[{how.threads, bytes}];
  if (rate > 0) return rate;
  copy pass(bytes);
  std::vector<double> runs;
  const index repetitions = std::clamp<index>((index{1} << 30) / bytes, 15, 301);
  for (index repetition = 0; repetition < repetitions; ++repetition) runs.push_back(seconds_of([&] { pass(how); }));
  return rate = static_cast<double>(bytes) / median(std::move(runs));
}

// --- Rates ------------------------------------------------------------------------------------------------------------

/// GFLOP/s, and their share of the multiply-add ceiling.
inline void report_flops(benchmark::State& state, double flops, double seconds, core::execution how) {
  state.counters["GFLOP/s"] = flops / seconds * 1e-9;
  state.counters["share"] = flops / seconds / multiply_add_ceiling(how);
}

/// GB/s, and their share of a copy of as many bytes.
inline void report_bytes(benchmark::State& state, index bytes, double seconds, core::execution how) {
  const double rate = static_cast<double>(bytes) / seconds;
  state.counters["GB/s"] = rate * 1e-9;
  state.counters["share"] = rate / copy_ceiling(how, bytes);
}

// --- Inputs -----------------------------------------------------------------------------------------------------------

/// Normal values of the given deviation.
inline core::view<float> normal(core::arena& memory, index rows, index cols, std::uint64_t name, float deviation = 1) {
  const auto m = memory.matrix<float>(rows, cols);
  core::random(core::seed{name}).normal<float>(0, std::span<float>(m.data(), static_cast<std::size_t>(m.size())));
  m.matrix_map() *= deviation;
  return m;
}

/// Rows of length 1 in random directions.
inline core::view<float> unit_rows(core::arena& memory, index rows, index cols, std::uint64_t name) {
  const auto m = normal(memory, rows, cols, name);
  m.matrix_map().rowwise().normalize();
  return m;
}

/// Numbers below `count`, evenly drawn.
inline std::vector<std::int32_t> numbers(index size, index count, std::uint64_t name) {
  std::vector<std::int32_t> drawn(static_cast<std::size_t>(size));
  for (index i = 0; i < size; ++i)
    drawn[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(core::random(core::seed{name}).below(i, count));
  return drawn;
}

/// Offsets of packed sequences of `rows` rows together. Lengths are min(20, 2 + floor(5 (u^-1/2 - 1))) for u even in (0, 1]:
/// P(length >= 2 + k) = (1 + k / 5)^-2 for k = 0 … 18. The mean is 5.5, 31 % have length 2 and 5 % length 20, close to what
/// leave-one-out leaves of the Amazon 5-core logs with histories cut at 20 (means 4.8 to 6.9, 26 to 35 %, 2 to 9 %).
inline std::vector<index> offsets(index rows) {
  const core::random draw(core::seed{7});
  std::vector<index> ends{0};
  for (index i = 0; ends.back() < rows; ++i) {
    const double u = 1 - static_cast<double>(draw.uniform(i));
    const index length = std::min<index>(20, 2 + static_cast<index>(5 * (1 / std::sqrt(u) - 1)));
    ends.push_back(std::min(rows, ends.back() + length));
  }
  return ends;
}

/// (row, row it may see) pairs of causal attention.
inline double causal_pairs(core::ragged layout) {
  double pairs = 0;
  for (index s = 0; s < layout.size(); ++s) pairs += 0.5 * static_cast<double>(layout.length(s) * (layout.length(s) + 1));
  return pairs;
}

}  // namespace cddrec::bench
