#include "cddrec/core/random.hpp"

#include "test.hpp"

namespace cddrec::test {

TEST_CASE("Philox gives its published vectors") {
  using words = std::array<std::uint32_t, 4>;
  CHECK(core::philox({0, 0, 0, 0}, {0, 0}) == words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(core::philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
        words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(core::philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("a draw depends on its element alone") {
  const core::random stream(core::seed{7});
  std::vector<float> all(640), part(100);
  stream.normal<float>(0, all);
  stream.normal<float>(128, part);
  for (std::size_t i = 0; i < part.size(); ++i) CHECK(part[i] == all[i + 128]);
  std::uint32_t word[core::random::block];
  stream.bits_block(3, word);
  for (index i = 0; i < core::random::block; ++i) CHECK(stream.bits(3 * core::random::block + i) == word[i]);
  CHECK(stream.child(1).bits(0) != stream.child(2).bits(0));
  CHECK(stream.child(1).bits(0) != stream.bits(0));
}

TEST_CASE("all 64 bits of a seed and of a name count") {
  const std::uint64_t low = 7, high = low + (std::uint64_t{1} << 32);
  const core::random stream(core::seed{low});
  CHECK(stream.bits(0) != core::random(core::seed{high}).bits(0));
  CHECK(stream.child(low).bits(0) != stream.child(high).bits(0));
  // An element beyond 2^34 has a counter beyond 2^32.
  const index far = core::random::block << 28;
  CHECK(stream.bits(0) != stream.bits(far));
  std::uint32_t word[core::random::block];
  stream.bits_block(far / core::random::block, word);
  for (index i = 0; i < core::random::block; ++i) CHECK(stream.bits(far + i) == word[i]);
}

TEMPLATE_TEST_CASE("normals have the moments of a normal", "", float, double) {
  const std::size_t count = 1 << 20;
  std::vector<TestType> x(count);
  core::random(core::seed{42}).normal<TestType>(0, x);
  double m1 = 0, m2 = 0, m3 = 0, m4 = 0, tail = 0;
  for (TestType v : x) {
    const double d = v;
    m1 += d, m2 += d * d, m3 += d * d * d, m4 += d * d * d * d, tail += std::abs(d) > 1.959964;
  }
  const double n = static_cast<double>(count);
  CHECK(std::abs(m1 / n) < 5 / std::sqrt(n));
  CHECK(std::abs(m2 / n - 1) < 5 * std::sqrt(2 / n));
  CHECK(std::abs(m3 / n) < 5 * std::sqrt(15 / n));
  CHECK(std::abs(m4 / n - 3) < 5 * std::sqrt(96 / n));
  CHECK(std::abs(tail / n - 0.05) < 5 * std::sqrt(0.0475 / n));
}

TEST_CASE("float and double normals are the same numbers") {
  std::vector<float> a(4096);
  std::vector<double> b(4096);
  core::random(core::seed{3}).normal<float>(0, a);
  core::random(core::seed{3}).normal<double>(0, b);
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(std::abs(double(a[i]) - b[i]) < 2e-5);
}

TEST_CASE("uniform draws fill their range") {
  const core::random stream(core::seed{1});
  double mean = 0;
  std::vector<int> seen(10);
  for (index i = 0; i < 10000; ++i) {
    const float u = stream.uniform(i);
    CHECK((u >= 0 && u < 1));
    mean += u;
    ++seen[static_cast<std::size_t>(stream.below(i, 10))];
  }
  CHECK(std::abs(mean / 10000 - 0.5) < 0.015);
  for (int count : seen) CHECK(std::abs(count - 1000) < 150);
}

}  // namespace cddrec::test
