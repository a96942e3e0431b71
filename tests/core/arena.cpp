#include "cddrec/core/arena.hpp"

#include <memory>
#include <set>

#include "cddrec/core/parallel.hpp"
#include "test.hpp"

namespace cddrec::test {

TEST_CASE("an arena hands out aligned memory and takes it back") {
  core::arena a(256);
  auto x = a.array<float>(3);
  CHECK(reinterpret_cast<std::uintptr_t>(x.data()) % core::alignment == 0);
  const auto place = a.mark();
  auto y = a.matrix<double>(5, 7);
  CHECK(reinterpret_cast<std::uintptr_t>(y.data()) % core::alignment == 0);
  a.rewind(place);
  CHECK(a.matrix<double>(5, 7).data() == y.data());
  {
    core::arena_scope scope(a);
    a.array<char>(100000);
    a.array<char>(100);
  }
  const std::size_t reserved = a.capacity();
  for (int i = 0; i < 10; ++i) {
    core::arena_scope scope(a);
    a.array<char>(100000);
    a.array<char>(100);
  }
  CHECK(a.capacity() == reserved);
}

TEST_CASE("a request larger than every block still succeeds") {
  core::arena a(64);
  auto big = a.array<char>(1 << 20);
  big[(1 << 20) - 1] = 1;
  CHECK(a.capacity() >= (1 << 20));
}

TEST_CASE("a pool lends an arena again, empty and with its memory") {
  core::arena_pool pool;
  const void* first = nullptr;
  std::size_t reserved = 0;
  {
    const core::arena_pool::loan one(pool), two(pool);
    CHECK(&*one != &*two);
    (*two).array<char>(100);
  }
  {
    const core::arena_pool::loan one(pool);
    first = (*one).array<char>(5000000).data();
    reserved = (*one).capacity();
  }
  const core::arena_pool::loan again(pool);
  CHECK((*again).array<char>(5000000).data() == first);
  CHECK((*again).capacity() == reserved);
}

TEST_CASE("a pool lends no arena twice at a time, to many threads and many calls of one") {
  core::arena_pool pool;
  std::atomic<int> spoilt = 0;
  core::parallel_for({8}, 8, 1, [&](index thread, index) {
    for (int call = 0; call < 500; ++call) {
      const core::arena_pool::loan one(pool), two(pool);
      const auto first = (*one).array<index>(64), second = (*two).array<index>(64);
      std::fill(first.begin(), first.end(), thread);
      std::fill(second.begin(), second.end(), -thread);
      for (std::size_t i = 0; i < first.size(); ++i) spoilt += first[i] != thread || second[i] != -thread;
    }
  });
  CHECK(spoilt == 0);

  std::vector<std::unique_ptr<core::arena_pool::loan>> loans;  // more at a time than the pool keeps
  std::set<const core::arena*> distinct;
  for (int i = 0; i < 300; ++i) distinct.insert(&**loans.emplace_back(std::make_unique<core::arena_pool::loan>(pool)));
  CHECK(distinct.size() == 300);
}

TEST_CASE("an arena knows its own memory, also what it has taken back") {
  core::arena a(256), other(256);
  CHECK_FALSE(a.owns(nullptr));
  const auto x = a.array<char>(256), more = a.array<char>(10000), foreign = other.array<char>(256);
  for (const auto part : {x, more}) {
    CHECK(a.owns(part.data()));
    CHECK(a.owns(part.data() + part.size() - 1));
  }
  CHECK_FALSE(a.owns(foreign.data()));
  CHECK_FALSE(a.owns(&a));
  a.rewind({});
  CHECK(a.owns(more.data()));
}

}  // namespace cddrec::test
