#include "cddrec/core/parallel.hpp"

#include <chrono>
#include <thread>

#include "test.hpp"

namespace cddrec::test {
namespace {

std::atomic<int> threads_seen = 0;  // threads that ran a block of the test below
struct seen_thread {
  seen_thread() { ++threads_seen; }
};

}  // namespace

TEST_CASE("every index is visited once, in blocks that do not depend on the threads") {
  for (int threads : {1, 2, 4}) {
    std::vector<int> seen(1003, 0);
    std::vector<index> starts(8, -1);
    core::parallel_for({threads}, 1003, 128, [&](index begin, index end) {
      starts[static_cast<std::size_t>(begin / 128)] = begin;
      for (index i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
    });
    CHECK(std::all_of(seen.begin(), seen.end(), [](int n) { return n == 1; }));
    for (std::size_t k = 0; k < starts.size(); ++k) CHECK(starts[k] == index(k) * 128);
  }
  core::parallel_for({2}, 0, 16, [](index, index) { FAIL("nothing to do"); });
}

TEST_CASE("a worker is one of the team, and calls once at a time") {
  for (int threads : {1, 2, 4})
    for (index blocks : {1, 3, 50}) {
      std::vector<int> calls(static_cast<std::size_t>(std::min<index>(threads, blocks)), 0);  // a worker's own, so no race
      core::parallel_for({threads}, blocks, 1, [&](index, index, int worker) { ++calls.at(static_cast<std::size_t>(worker)); });
      CHECK(std::accumulate(calls.begin(), calls.end(), 0) == blocks);
    }
}

TEST_CASE("loops of few and of many blocks share a team, whose threads stay") {
  for (int run = 0; run < 20; ++run)
    for (index blocks : {2, 32})
      core::parallel_for({4}, blocks, 1, [](index, index) {
        static thread_local seen_thread once;
        static_cast<void>(&once);                                    // it is made at its first use
        std::this_thread::sleep_for(std::chrono::microseconds(50));  // every thread gets a block
      });
  CHECK(threads_seen <= 4);
}

TEST_CASE("an exception leaves the team, the lowest block's first") {
  for (int threads : {1, 4}) {
    try {
      core::parallel_for({threads}, 100, 1, [](index begin, index) {
        if (begin >= 10) throw input_error(std::to_string(begin));
      });
      FAIL("should have thrown");
    } catch (const input_error& e) {
      CHECK(std::string(e.what()) == "10");
    }
  }
}

TEST_CASE("every pair is visited once, and what shares a number follows in the same order for any threads") {
  for (index count : {0, 1, 2, 5, 8, 600}) {
    std::vector<std::vector<index>> first;
    for (int threads : {1, 2, 4}) {
      std::vector<std::vector<index>> partners(static_cast<std::size_t>(count));  // in the order of the calls
      core::parallel_pairs({threads}, count, [&](index i, index j) {
        partners[static_cast<std::size_t>(i)].push_back(i <= j ? j : -1);  // Catch2's checks are not for many threads
        if (i != j) partners[static_cast<std::size_t>(j)].push_back(i);
      });
      if (threads == 1) first = partners;
      CHECK(partners == first);
    }
    for (auto& of_one : first) {
      std::sort(of_one.begin(), of_one.end());
      REQUIRE(of_one.size() == static_cast<std::size_t>(count));
      for (index i = 0; i < count; ++i) REQUIRE(of_one[static_cast<std::size_t>(i)] == i);
    }
  }
}

TEST_CASE("a pair that asks for its turn gets it in the same order for any threads, in every tournament") {
  constexpr index count = 7, tournaments = 3;
  std::vector<std::vector<index>> first;
  for (int threads : {1, 2, 8}) {
    std::vector<std::vector<index>> partners(count * tournaments);
    const auto body = [&](index i, index j, const core::pair_turn& turn) {
      if ((i + j) % 3 == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));  // others overtake it
      if (j == 6) return;                                                                 // who doesn't ask holds nobody up
      turn();
      const auto of = [&](index player) -> auto& { return partners[static_cast<std::size_t>(turn.tournament * count + player)]; };
      of(i).push_back(j);
      if (i != j) of(j).push_back(i);
    };
    core::parallel_pairs({threads}, count, body, tournaments);
    if (threads == 1) first = partners;
    CHECK(partners == first);
  }
  for (index player = 0; player < count * tournaments; ++player) {
    auto& met = first[static_cast<std::size_t>(player)];
    std::sort(met.begin(), met.end());
    CHECK(met == (player % count == 6 ? std::vector<index>{} : std::vector<index>{0, 1, 2, 3, 4, 5}));
  }
}

TEST_CASE("a pair that fails stops nobody else, and its exception arrives") {
  for (int threads : {1, 4}) {
    std::atomic<int> calls = 0;
    const auto body = [&](index i, index j) {
      ++calls;
      if (i == 2 && j == 3) throw input_error("2 and 3");
    };
    CHECK_THROWS_AS(core::parallel_pairs({threads}, 7, body), input_error);
    if (threads > 1) CHECK(calls == 28);
  }
}

TEST_CASE("blocks of any size cover what there is") {
  for (const auto& [count, grain, blocks] : {std::array<index, 3>{0, 4, 0}, {1, 4, 1}, {4, 4, 1}, {5, 4, 2}, {8, 1, 8}})
    CHECK(core::block_count(count, grain) == blocks);
  const index most = std::numeric_limits<index>::max();
  CHECK(core::block_count(5, most) == 1);
  CHECK(core::block_count(most, most) == 1);
  CHECK(core::block_count(most, most - 1) == 2);
}

}  // namespace cddrec::test
