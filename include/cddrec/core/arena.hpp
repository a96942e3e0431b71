// A bump allocator that is rewound, never freed: after the first training step nothing touches the heap.
// Marks nest like a stack, so the memory of one diffusion step is reused by the next.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <new>
#include <span>
#include <vector>

#include "cddrec/core/tensor.hpp"

namespace cddrec::core {

class arena {
 public:
  /// A place to rewind to.
  struct marker {
    std::size_t block = 0;
    std::size_t used = 0;
  };

  /// `first_block` bytes are reserved at the first use.
  explicit arena(std::size_t first_block = std::size_t{1} << 20) : next_block_(round_up(first_block)) {}
  arena(const arena&) = delete;
  arena& operator=(const arena&) = delete;

  /// `bytes` of uninitialised memory, aligned to a cache line; valid until a rewind past it.
  void* allocate(std::size_t bytes) {
    bytes = round_up(bytes);
    while (position_.block < blocks_.size() && position_.used + bytes > blocks_[position_.block].size) position_ = {position_.block + 1, 0};
    if (position_.block == blocks_.size()) {
      const std::size_t size = bytes > next_block_ ? bytes : next_block_;
      blocks_.push_back({memory(static_cast<std::byte*>(::operator new (size, std::align_val_t{alignment}))), size});
      next_block_ *= 2;
    }
    std::byte* pointer = blocks_[position_.block].bytes.get() + position_.used;
    position_.used += bytes;
    return pointer;
  }

  /// `count` uninitialised values of a trivial type.
  template <class T>
  std::span<T> array(index count) {
    static_assert(std::is_trivially_destructible_v<T>);
    return {static_cast<T*>(allocate(static_cast<std::size_t>(count) * sizeof(T))), static_cast<std::size_t>(count)};
  }

  /// An uninitialised [rows, cols] matrix.
  template <class T>
  view<T> matrix(index rows, index cols) {
    return {array<T>(rows * cols).data(), rows, cols};
  }

  marker mark() const { return position_; }
  /// Gives back everything allocated since `place`; the memory stays reserved.
  void rewind(marker place) { position_ = place; }

  /// Whether an address lies in its memory, handed out or not.
  bool owns(const void* address) const {
    const auto* const at = static_cast<const std::byte*>(address);
    return std::any_of(blocks_.begin(), blocks_.end(),
                       [&](const block& b) { return !std::less<>()(at, b.bytes.get()) && std::less<>()(at, b.bytes.get() + b.size); });
  }

  /// Bytes reserved from the heap so far.
  std::size_t capacity() const {
    std::size_t total = 0;
    for (const block& b : blocks_) total += b.size;
    return total;
  }

 private:
  struct release {
    void operator()(std::byte* pointer) const { ::operator delete (pointer, std::align_val_t{alignment}); }
  };
  using memory = std::unique_ptr<std::byte, release>;
  struct block {
    memory bytes;
    std::size_t size;
  };
  static std::size_t round_up(std::size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

  std::vector<block> blocks_;
  marker position_;
  std::size_t next_block_;
};

/// Rewinds an arena to where it was when the scope began.
class arena_scope {
 public:
  explicit arena_scope(arena& a) : arena_(a), place_(a.mark()) {}
  ~arena_scope() { arena_.rewind(place_); }
  arena_scope(const arena_scope&) = delete;
  arena_scope& operator=(const arena_scope&) = delete;

 private:
  arena& arena_;
  arena::marker place_;
};

/// Arenas that calls on any thread borrow and give back, so that memory one call reserved serves the next. A thread finds its own again
/// without waiting for any other: calls are short and many.
class arena_pool {
 public:
  arena_pool() = default;
  arena_pool(const arena_pool&) = delete;
  arena_pool& operator=(const arena_pool&) = delete;
  ~arena_pool() {
    for (place& p : places_) delete p.idle.load();
  }

  /// An arena, rewound and given back at the end of the scope.
  class loan {
   public:
    explicit loan(arena_pool& pool) : pool_(pool), arena_(pool.take()) {}
    ~loan() {
      arena_->rewind({});
      pool_.give_back(std::move(arena_));
    }
    loan(const loan&) = delete;
    loan& operator=(const loan&) = delete;
    arena& operator*() const { return *arena_; }

   private:
    arena_pool& pool_;
    std::unique_ptr<arena> arena_;
  };

 private:
  // An idle arena, or none, in a cache line of its own.
  struct alignas(alignment) place {
    std::atomic<arena*> idle = nullptr;
  };
  static constexpr std::size_t count = 128, own = 2;  // places, and how many lie between those where two threads begin to look

  static std::size_t first() {
    static std::atomic<std::size_t> threads = 0;
    thread_local const std::size_t number = threads++;
    return number * own;
  }
  std::unique_ptr<arena> take() {
    const std::size_t begin = first();
    for (std::size_t k = begin; k < begin + count; ++k) {
      std::atomic<arena*>& idle = places_[k % count].idle;
      if (!idle.load(std::memory_order_relaxed)) continue;
      if (arena* const taken = idle.exchange(nullptr, std::memory_order_acquire)) return std::unique_ptr<arena>(taken);
    }
    return std::make_unique<arena>();
  }
  void give_back(std::unique_ptr<arena> given) {
    const std::size_t begin = first();
    for (std::size_t k = begin; k < begin + count; ++k) {
      arena* none = nullptr;
      if (!places_[k % count].idle.compare_exchange_strong(none, given.get(), std::memory_order_release)) continue;
      given.release();
      return;
    }  // where no place is free, it is not kept
  }

  std::array<place, count> places_;
};

}  // namespace cddrec::core
