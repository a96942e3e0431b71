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

  /// Elements come in blocks of this many, made together.
  static constexpr index block = 64;

  /// Random bits of elements 64 b … 64 b + 63: word w of Philox counter 16 b + c is element 64 b + 16 w + c.
  void bits_block(index b, std::uint32_t (&word)[block]) const {
    static_assert(std::endian::native == std::endian::little,
                  "needs a little-endian machine: even counters are the lower halves of 64-bit lanes");
    // A product fills a 64-bit lane, so even and odd counters run in vectors of their own and are interleaved at the end.
    using lane = std::uint64_t;
    using wide = simd::vec<lane>;
    constexpr index counters = block / 4, pairs = std::min(counters / 2, simd::lanes<lane>);
    const lane base = static_cast<lane>(b) * counters;
    for (index first = 0; first < counters; first += 2 * pairs) {
      static constexpr lane even[] = {0, 2, 4, 6, 8, 10, 12, 14};
      wide x[4][2];
      for (index odd = 0; odd < 2; ++odd) {
        x[0][odd] = simd::load(even) + (base + static_cast<lane>(first + odd));
        x[1][odd] = x[0][odd] >> 32;
        x[2][odd] = x[3][odd] = wide{};
      }
      std::uint32_t k0 = key_[0], k1 = key_[1];
      for (int round = 0; round < 10; ++round) {
        for (index odd = 0; odd < 2; ++odd) {  // the upper halves hold what multiply_low_halves() does not read
          const wide p = simd::multiply_low_halves(simd::broadcast(lane{0xD2511F53u}), x[0][odd]);
          const wide q = simd::multiply_low_halves(simd::broadcast(lane{0xCD9E8D57u}), x[2][odd]);
          x[0][odd] = (q >> 32) ^ x[1][odd] ^ static_cast<lane>(k0);
          x[2][odd] = (p >> 32) ^ x[3][odd] ^ static_cast<lane>(k1);
          x[1][odd] = q;
          x[3][odd] = p;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
      }
      for (index w = 0; w < 4; ++w) {
        const wide both = (x[w][0] & lane{0xFFFFFFFFu}) | (x[w][1] << 32);
        std::memcpy(word + w * counters + first, &both, 2 * static_cast<std::size_t>(pairs) * sizeof word[0]);
      }
    }
  }

  /// 32 random bits, element i.
  std::uint32_t bits(index i) const {
    const std::uint64_t counter = static_cast<std::uint64_t>(i / block * (block / 4) + i % (block / 4));
    return philox({static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32), 0, 0},
                  key_)[static_cast<std::size_t>(i % block / (block / 4))];
  }

  /// Uniform in [0, 1), element i, on 24 bits.
  float uniform(index i) const { return static_cast<float>(bits(i) >> 8) * 0x1p-24f; }

  /// Uniform integer in [0, count), element i; count below 2^31. The bias is below count / 2^32.
  index below(index i, index count) const { return static_cast<index>((std::uint64_t{bits(i)} * static_cast<std::uint64_t>(count)) >> 32); }

  /// 64 standard normals, elements 64 b … 64 b + 63, by Box-Muller.
  template <class T>
  void normal_block(index b, T (&value)[block]) const;

  /// Standard normals for elements [first, first + out.size()); `first` is a multiple of 64.
  template <class T>
  void normal(index first, std::span<T> out) const {
    CDDREC_ASSERT(first % block == 0);
    T value[block];
    for (std::size_t begin = 0; begin < out.size(); begin += block) {
      normal_block<T>(first / block + static_cast<index>(begin / block), value);
      std::copy_n(value, std::min<std::size_t>(block, out.size() - begin), out.data() + begin);
    }
  }

 private:
  std::array<std::uint32_t, 2> key_{0, 0};
};

template <class T>
void random::normal_block(index b, T (&value)[block]) const {
  constexpr index quarter = block / 4;
  std::uint32_t word[block];
  bits_block(b, word);
  for (index half = 0; half < 2; ++half) {
    const std::uint32_t* radius_word = word + 2 * half * quarter;
    T u[quarter], v[quarter];
    for (index l = 0; l < quarter; ++l) {
      // 24 bits each; u in (0, 1], so that its logarithm is finite.
      u[l] = static_cast<T>(static_cast<std::int32_t>(radius_word[l] >> 8) + 1) * T(0x1p-24);
      v[l] = static_cast<T>(static_cast<std::int32_t>(radius_word[quarter + l] >> 8)) * T(0x1p-24);
    }
    for (index l = 0; l < quarter; l += simd::lanes<T>) {
      const simd::vec<T> radius = simd::sqrt<T>(T(-2) * simd::log<T>(simd::load(u + l)));
      simd::vec<T> cosine, sine;
      simd::cos_sin_turn<T>(simd::load(v + l), cosine, sine);
      simd::store<T>(value + 2 * half * quarter + l, radius * cosine);
      simd::store<T>(value + (2 * half + 1) * quarter + l, radius * sine);
    }
  }
}

}  // namespace cddrec::core
