// What every test includes: Catch2 in either version, and Eigen, precompiled once.
#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
using Catch::Matchers::ContainsSubstring;
#else
#include <catch2/catch.hpp>
using Catch::Matchers::Contains;
inline auto ContainsSubstring(const std::string& text) { return Contains(text); }
#endif

#include "cddrec/core/ragged.hpp"
#include "cddrec/core/random.hpp"
#include "cddrec/core/tensor.hpp"

namespace cddrec::test {

using core::index;

/// A matrix of standard normals, the same for the same name.
template <class T>
core::matrix<T> normal_matrix(index rows, index cols, std::uint64_t name, T scale = T(1)) {
  core::matrix<T> m(rows, cols);
  core::random(core::seed{name}).normal<T>(0, std::span<T>(m.data(), static_cast<std::size_t>(m.size())));
  return m * scale;
}

/// Offsets of sequences with the given lengths.
inline std::vector<index> offsets_of(const std::vector<index>& lengths) {
  std::vector<index> offsets{0};
  for (index length : lengths) offsets.push_back(offsets.back() + length);
  return offsets;
}

/// Lengths 1 to 20, ragged on purpose.
inline std::vector<index> ragged_lengths() { return {3, 1, 20, 7, 2, 13, 1, 5}; }

}  // namespace cddrec::test
