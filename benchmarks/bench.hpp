// What all benchmarks share: ceilings measured in the same process, rates beside them, and inputs like the model's own.
// A rate says little by itself; `share` sets it beside what the same threads reach when they do nothing else.
#pragma once

#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <tuple>
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

/// A benchmark's name and what it runs.
struct named {
  std::string name;
  void (*run)(benchmark::State&);
};

struct registration {
  benchmark::TimeUnit unit = benchmark::kMicrosecond;
  int repetitions = 0;     ///< as the command line says; 1 for what takes seconds
  bool one_thread = true;  ///< on one thread too, not only on all
};

/// Registers benchmarks for each shape, whose sizes bear these names; the number of threads is the last argument.
inline bool add(std::initializer_list<named> benchmarks, std::vector<std::string> names,
                const std::vector<std::vector<std::int64_t>>& shapes, const registration& how = {}) {
  names.emplace_back("threads");
  const std::vector<std::int64_t> counts = how.one_thread ? thread_counts() : std::vector<std::int64_t>{thread_counts().back()};
  for (const named& one : benchmarks) {
    benchmark::internal::Benchmark* b = benchmark::RegisterBenchmark(one.name.c_str(), one.run);
    b->ArgNames(names)->UseManualTime()->Unit(how.unit);
    if (how.repetitions > 0) b->Repetitions(how.repetitions);
    for (const std::int64_t threads : counts)
      for (std::vector<std::int64_t> sizes : shapes) {
        sizes.push_back(threads);
        b->Args(sizes);
      }
  }
  return true;
}

// --- Time -------------------------------------------------------------------------------------------------------------

template <class F>
double seconds_of(F&& f) {
  using clock = std::chrono::steady_clock;
  const auto start = clock::now();
  f();
  benchmark::ClobberMemory();
  return std::chrono::duration<double>(clock::now() - start).count();
}

/// Runs `work` for as long as the library asks and returns the seconds of the fastest run, on which the rates are based: other
/// processes can only slow a run down. The table's own time is the mean, and a counter has the fastest. `before` runs untimed
/// ahead of each.
template <class Work, class Before>
double timed(benchmark::State& state, Work&& work, Before&& before) {
  double fastest = std::numeric_limits<double>::infinity();
  for (auto _ : state) {
    before();
    const double run = seconds_of(work);
    state.SetIterationTime(run);
    fastest = std::min(fastest, run);
  }
  state.counters["fastest_ms"] = 1e3 * fastest;
  return fastest;
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
    // The chains tend to 1. What is volatile is unknown to the compiler; DoNotOptimize of a variable loses its value with g++.
    const volatile float factor = 0.999f, term = 0.001f;
    const vec x = core::simd::broadcast(float{factor}), y = core::simd::broadcast(float{term});
    vec chain[chains];
    [&]<index... C>(std::integer_sequence<index, C...>) {
      ((chain[C] = x * static_cast<float>(C)), ...);  // equal chains would be computed once
      for (index i = 0; i < count; ++i) ((chain[C] = chain[C] * x + y), ...);
    }
    (std::make_integer_sequence<index, chains>{});
    vec total{};
    for (const vec& c : chain) total += c;
    const float sum = core::simd::sum<float>(total);
    benchmark::DoNotOptimize(sum);
  });
  return 2.0 * static_cast<double>(chains * core::simd::lanes<float> * count * blocks);
}

/// What a kernel moves, in bytes: arrays that it only reads, that it overwrites, and that it adds to.
struct traffic {
  index read = 0, assigned = 0, updated = 0;
  index moved() const { return read + assigned + 2 * updated; }
  index touched() const { return read + assigned + updated; }
};

/// The plainest kernel that touches as many bytes: y = x, or y += x for one that updates.
class stream {
 public:
  explicit stream(const traffic& t) : adds_(t.updated > 0), x_(static_cast<std::size_t>(t.touched()) / 2 / sizeof(float), 1.0f), y_(x_) {}
  traffic bytes() const {
    const index half = static_cast<index>(x_.size() * sizeof(float));
    return {.read = half, .assigned = adds_ ? 0 : half, .updated = adds_ ? half : 0};
  }
  void operator()(core::execution how) {
    using core::simd::load_upto;
    core::parallel_for(how, static_cast<index>(x_.size()), 1 << 14, [&](index begin, index end) {
      const float* x = x_.data() + begin;
      float* y = y_.data() + begin;
      if (adds_)
        core::simd::transform<float>(end - begin, y, [&](index i, index n) { return load_upto(y + i, n) + load_upto(x + i, n); });
      else
        core::simd::transform<float>(end - begin, y, [&](index i, index n) { return load_upto(x + i, n); });
    });
    benchmark::DoNotOptimize(y_.data());
  }

 private:
  bool adds_;
  core::buffer<float> x_, y_;
};

/// Seconds of the fastest of many runs of `work`, so many at least and for so long.
template <class Work>
double fastest(Work&& work, int runs = 15, double least = 0.5) {
  double best = std::numeric_limits<double>::infinity(), total = 0;
  for (int run = 0; run < runs || total < least; ++run) {
    const double seconds = seconds_of(work);
    best = std::min(best, seconds);
    total += seconds;
  }
  return best;
}

/// Operations a second that so many threads reach with multiply_add(); measured once.
inline double multiply_add_ceiling(core::execution how) {
  static std::map<int, double> known;
  double& rate = known[how.threads];
  if (rate > 0) return rate;
  double operations = 0;
  const double seconds = fastest([&] { operations = multiply_add(how); });
  return rate = operations / seconds;
}

/// Bytes a second that so many threads move with a stream like `t`; measured once. A kernel stands beside the stream of its own
/// size and kind: what fits a cache moves several times as fast as what does not, and outside it an update needs no more
/// traffic than it counts while a copy fetches what it overwrites.
inline double stream_ceiling(core::execution how, const traffic& t) {
  static std::map<std::tuple<int, index, bool>, double> known;
  double& rate = known[{how.threads, t.touched(), t.updated > 0}];
  if (rate > 0) return rate;
  stream pass(t);
  return rate = static_cast<double>(pass.bytes().moved()) / fastest([&] { pass(how); });
}

// --- Rates ------------------------------------------------------------------------------------------------------------

/// GFLOP/s, and their share of the multiply-add ceiling.
inline void report_flops(benchmark::State& state, double flops, double seconds, core::execution how) {
  state.counters["GFLOP/s"] = flops / seconds * 1e-9;
  state.counters["share"] = flops / seconds / multiply_add_ceiling(how);
}

/// GB/s, and their share of what a plain stream of that size and kind reaches.
inline void report_bytes(benchmark::State& state, const traffic& t, double seconds, core::execution how) {
  const double rate = static_cast<double>(t.moved()) / seconds;
  state.counters["GB/s"] = rate * 1e-9;
  state.counters["share"] = rate / stream_ceiling(how, t);
}

/// Resident megabytes of the whole process at their peak: for one benchmark's own figure, run it alone.
inline void report_memory(benchmark::State& state) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  state.counters["peak_MB"] = static_cast<double>(usage.ru_maxrss) / 1024;  // kilobytes on Linux
}

/// Bytes of so many floats.
inline index floats(index count) { return count * static_cast<index>(sizeof(float)); }

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
