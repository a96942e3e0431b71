// All of OpenMP lives here. A sum is cut into blocks of a fixed size, never by the number of threads,
// so a result cannot depend on how many threads computed it.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <exception>
#include <memory>
#include <type_traits>

#include "cddrec/core/tensor.hpp"

#ifdef _OPENMP
#include <omp.h>
#endif

namespace cddrec::core {

/// How to run: passed down as an argument, there is no global setting.
struct execution {
  int threads = 1;
};

/// Processors this process may use; 1 without OpenMP.
inline int available_threads() {
#ifdef _OPENMP
  return std::max(1, omp_get_num_procs());
#else
  return 1;
#endif
}

/// Number of blocks of `grain` that cover `count`.
inline index block_count(index count, index grain) { return count / grain + (count % grain > 0); }

/// Calls body(begin, end) for every block [k * grain, min(count, (k + 1) * grain)), in any order and in parallel.
/// A body(begin, end, worker) also gets the number of the calling worker, below the smaller of threads and blocks: it may choose scratch
/// memory by it, but no result may depend on it. Inside a parallel region all blocks run on the calling thread, as worker 0.
/// Where blocks throw, the exception of the lowest is thrown again here.
template <class Body>
void parallel_for(execution how, index count, index grain, Body&& body) {
  const index blocks = block_count(count, grain);
  const auto call = [&](index k, [[maybe_unused]] int worker) {
    const index begin = k * grain, end = std::min(count, begin + grain);
    if constexpr (std::is_invocable_v<Body&, index, index, int>)
      body(begin, end, worker);
    else
      body(begin, end);
  };
#ifdef _OPENMP
  if (how.threads > 1 && blocks > 1 && !omp_in_parallel()) {
    std::exception_ptr failure;
    index failed_block = blocks;
    // Always the whole team, though some of it may find no block: libgomp ends the threads that a smaller one leaves over and makes them
    // anew for the next. So workers are numbered as they come.
    std::atomic<int> workers = 0;
#pragma omp parallel num_threads(how.threads)
    {
      int worker = -1;
#pragma omp for schedule(dynamic, 1) nowait
      for (index k = 0; k < blocks; ++k) {
        if (worker < 0) worker = workers++;
        try {
          call(k, worker);
        } catch (...) {
#pragma omp critical(cddrec_parallel_for)
          if (k < failed_block) {
            failed_block = k;
            failure = std::current_exception();
          }
        }
      }
    }
    if (failure) std::rethrow_exception(failure);
    return;
  }
#endif
  static_cast<void>(how);
  for (index k = 0; k < blocks; ++k) call(k, 0);
}

/// A call's turn among those of parallel_pairs() that have an index in common with it. Called, it waits until all earlier ones have ended;
/// at its end, the next may go on.
class pair_turn {
 public:
  using counter = std::atomic<index>;  // rounds a player is done with
  pair_turn(index tournament, index round, counter* one, counter* other) : tournament(tournament), round_(round), players_{one, other} {}
  pair_turn(const pair_turn&) = delete;
  pair_turn& operator=(const pair_turn&) = delete;
  ~pair_turn() {  // even if the call throws: others wait for this
    (*this)();
    for (counter* of : players_) {
      if (!of) continue;
      ++*of;
      of->notify_all();
    }
  }
  void operator()() const {
    for (counter* of : players_)
      for (index now = of ? of->load() : round_; now < round_; now = of->load()) of->wait(now);
  }

  const index tournament;

 private:
  index round_;
  std::array<counter*, 2> players_;
};

/// Calls body(i, j) once for every pair i <= j < count, in parallel. Calls that have an index in common never overlap and come in a fixed
/// order, so body may write to what belongs to i and to what belongs to j. A body(i, j, turn) overlaps with others until it calls turn(),
/// and is called for every pair of each of the `tournaments`, which don't wait for each other.
/// The circle method of round-robin tournaments: one player stays, the others move on by one chair a round. Rounds overlap: a pair
/// begins as soon as both have played their own earlier matches. Allocates above 512 players.
template <class Body>
void parallel_pairs(execution how, index count, Body&& body, index tournaments = 1) {
  using counter = pair_turn::counter;
  const index chairs = (count + count % 2) - 1;  // an odd count leaves one player of each round without a partner
  const index tables = (chairs + 1) / 2, matches = (count + chairs * tables) * tournaments, players = count * tournaments;
  std::array<counter, 512> few{};
  const std::unique_ptr<counter[]> many(players > std::ssize(few) ? new counter[static_cast<std::size_t>(players)]{} : nullptr);
  counter* const played = many ? many.get() : few.data();
  const auto play = [&](index tournament, index match) {
    const index round = match < count ? 0 : 1 + (match - count) / tables, k = (match - count) % tables;
    // Round 0 pairs every player with itself.
    const index i = round == 0 ? match : k == 0 ? chairs : (round - 1 + k) % chairs;
    const index j = round == 0 ? match : (round - 1 + chairs - k) % chairs;
    counter* const own = played + tournament * count;
    const pair_turn turn(tournament, round, i < count ? own + i : nullptr, j < count && i != j ? own + j : nullptr);
    if (std::max(i, j) >= count) return;
    if constexpr (std::is_invocable_v<Body&, index, index, const pair_turn&>) {
      body(std::min(i, j), std::max(i, j), turn);
    } else {
      turn();
      body(std::min(i, j), std::max(i, j));
    }
  };
  // Matches are taken in order, so whoever waits waits for one that is being played already: there is no deadlock.
  counter next = 0;
  parallel_for(how, std::min<index>(std::max(how.threads, 1), matches), 1, [&](index, index) {
    for (index match = next++; match < matches; match = next++) play(match % tournaments, match / tournaments);
  });
}

}  // namespace cddrec::core
