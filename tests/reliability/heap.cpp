#include "reliability/heap.hpp"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CDDREC_TEST_OWN_HEAP
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
#define CDDREC_TEST_OWN_HEAP
#endif

#ifdef CDDREC_TEST_OWN_HEAP

namespace cddrec::test::heap {
bool watched() { return false; }
counts now() { return {}; }
void forget_peak() {}
void fail_at(long, bool) {}
bool stop_failing() { return false; }
}  // namespace cddrec::test::heap

#else

#include <malloc.h>

#include <atomic>
#include <cerrno>
#include <cstdint>

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);
}

namespace cddrec::test::heap {

namespace {

std::atomic<long> blocks{0}, bytes{0}, peak{0};
constexpr long never = -1;
thread_local long until_failure = never;
thread_local bool for_good_now = false, failed = false;

// Whether the allocation that begins now is to fail.
bool fails() {
  if (until_failure == never) return false;
  if (until_failure > 0) return --until_failure, false;
  if (!for_good_now) until_failure = never;
  failed = true;
  errno = ENOMEM;
  return true;
}

void* taken(void* pointer) {
  if (pointer == nullptr) return pointer;
  ++blocks;
  const long size = static_cast<long>(::malloc_usable_size(pointer));
  const long all = bytes += size;
  for (long seen = peak; seen < all && !peak.compare_exchange_weak(seen, all);) {
  }
  return pointer;
}

void given_back(void* pointer) {
  if (pointer == nullptr) return;
  --blocks;
  bytes -= static_cast<long>(::malloc_usable_size(pointer));
}

}  // namespace

bool watched() { return true; }
counts now() { return {blocks, bytes, peak}; }
void forget_peak() { peak = bytes.load(); }
void fail_at(long n, bool for_good) { for_good_now = for_good, failed = false, until_failure = n; }
bool stop_failing() {
  until_failure = never;
  return failed;
}

}  // namespace cddrec::test::heap

namespace heap = cddrec::test::heap;

// The names that every allocation of the program goes by; ours come before the C library's.
extern "C" {
void* malloc(std::size_t size) noexcept { return heap::fails() ? nullptr : heap::taken(__libc_malloc(size)); }
void* calloc(std::size_t count, std::size_t size) noexcept { return heap::fails() ? nullptr : heap::taken(__libc_calloc(count, size)); }
void* memalign(std::size_t alignment, std::size_t size) noexcept {
  return heap::fails() ? nullptr : heap::taken(__libc_memalign(alignment, size));
}
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept { return memalign(alignment, size); }
int posix_memalign(void** pointer, std::size_t alignment, std::size_t size) noexcept {
  void* const made = memalign(alignment, size);
  if (made == nullptr) return ENOMEM;
  *pointer = made;
  return 0;
}
void free(void* pointer) noexcept {
  heap::given_back(pointer);
  __libc_free(pointer);
}
void* realloc(void* old, std::size_t size) noexcept {
  if (heap::fails()) return nullptr;
  const long before = old == nullptr ? 0 : static_cast<long>(::malloc_usable_size(old));
  void* const made = __libc_realloc(old, size);
  if (made == nullptr && size > 0) return nullptr;
  if (old != nullptr) --heap::blocks, heap::bytes -= before;
  return heap::taken(made);
}
}

#endif
