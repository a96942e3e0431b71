// Counter-based random numbers: Philox4x32-10 (Salmon et al., SC 2011).
// Element i of a stream is a function of (seed, i) alone, so no draw depends on threads or on order.
#pragma once

#include <algorithm>
#include <array>
#include <span>

#include "cddrec/core/simd.hpp"

namespace cddrec::core {

/// What a run's randomness starts from.
struct seed {
  std::uint64_t value = 0;
};

/// One Philox4x32-10 block.
inline std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53u} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key = {key[0] + 0x9E3779B9u, key[1] + 0xBB67AE85u};
  }
  return counter;
}

/// A stream of random numbers addressed by element. Copy it freely: it has no state.
class random {
 public:
  random() = default;
  explicit random(seed s) : key_{static_cast<std::uint32_t>(s.value), static_cast<std::uint32_t>(s.value >> 32)} {}

  /// An independent stream, named by a number: random.child(epoch).child(batch).child(layer).
  random child(std::uint64_t name) const {
    const auto block = philox({static_cast<std::uint32_t>(name), static_cast<std::uint32_t>(name >> 32), 0, 1}, key_);
    random derived;
    derived.key_ = {block[0], block[1]};
    return derived;
  }

  /// 32 random bits, element i.
  std::uint32_t bits(index i) const { return four(i / 4)[static_cast<std::size_t>(i % 4)]; }

  /// Uniform in [0, 1), element i, on 24 bits.
  float uniform(index i) const { return static_cast<float>(bits(i) >> 8) * 0x1p-24f; }

  /// Uniform integer in [0, count), element i; count below 2^31. The bias is below count / 2^32.
  index below(index i, index count) const {
    return static_cast<index>((std::uint64_t{bits(i)} * static_cast<std::uint64_t>(count)) >> 32);
  }

  /// Four elements at once: those of indices 4 i … 4 i + 3.
  std::array<std::uint32_t, 4> four(index i) const {
    return philox({static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(static_cast<std::uint64_t>(i) >> 32), 0, 0}, key_);
  }

  /// Standard normals for elements [first, first + out.size()) by Box-Muller; `first` is a multiple of normal_block.
  template <class T>
  void normal(index first, std::span<T> out) const;

  /// Elements that `normal` makes together.
  static constexpr index normal_block = 64;

 private:
  std::array<std::uint32_t, 2> key_{0, 0};
};

template <class T>
void random::normal(index first, std::span<T> out) const {
  CDDREC_ASSERT(first % normal_block == 0);
  constexpr index wide = normal_block / 4;  // Philox blocks, each giving four words
  const index count = static_cast<index>(out.size());
  for (index begin = 0; begin < count; begin += normal_block) {
    std::uint32_t word[4][wide];
    const std::uint64_t base = static_cast<std::uint64_t>((first + begin) / 4);
    std::uint32_t k0 = key_[0], k1 = key_[1];
    for (index l = 0; l < wide; ++l) {
      word[0][l] = static_cast<std::uint32_t>(base + static_cast<std::uint64_t>(l));
      word[1][l] = static_cast<std::uint32_t>((base + static_cast<std::uint64_t>(l)) >> 32);
      word[2][l] = word[3][l] = 0;
    }
    for (int round = 0; round < 10; ++round) {
      for (index l = 0; l < wide; ++l) {
        const std::uint64_t a = std::uint64_t{0xD2511F53u} * word[0][l];
        const std::uint64_t b = std::uint64_t{0xCD9E8D57u} * word[2][l];
        word[0][l] = static_cast<std::uint32_t>(b >> 32) ^ word[1][l] ^ k0;
        word[2][l] = static_cast<std::uint32_t>(a >> 32) ^ word[3][l] ^ k1;
        word[1][l] = static_cast<std::uint32_t>(b);
        word[3][l] = static_cast<std::uint32_t>(a);
      }
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    T value[normal_block];
    for (index half = 0; half < 2; ++half) {
      T u[wide], v[wide];
      for (index l = 0; l < wide; ++l) {
        u[l] = (static_cast<T>(word[2 * half][l] >> 8) + T(1)) * T(0x1p-24);  // in (0, 1]: its logarithm is finite
        v[l] = static_cast<T>(word[2 * half + 1][l] >> 8) * T(0x1p-24);
      }
      for (index l = 0; l < wide; l += simd::lanes<T>) {
        const simd::vec<T> radius = simd::sqrt<T>(T(-2) * simd::log<T>(simd::load(u + l)));
        simd::vec<T> cosine, sine;
        simd::cos_sin_turn<T>(simd::load(v + l), cosine, sine);
        simd::store<T>(value + 2 * half * wide + l, radius * cosine);
        simd::store<T>(value + (2 * half + 1) * wide + l, radius * sine);
      }
    }
    const index n = std::min(normal_block, count - begin);
    std::copy(value, value + n, out.begin() + begin);
  }
}

}  // namespace cddrec::core
