// What a backward must do whose two gradients are rows of one matrix.
#pragma once

#include "compare.hpp"
#include "test.hpp"

namespace cddrec::test {

/// Checks that gradients which share all rows but one are added one after the other, for any threads. `noise` [n + 1, d] is what stands in
/// the matrix before, `backward(to_a, to_b, threads)` adds to rows 0 … n - 1 and 1 … n of it.
template <class F>
void check_shared_rows(const core::matrix<float>& noise, F&& backward) {
  const auto added = [&](bool together, int threads) {
    core::matrix<float> sum = noise;
    const index n = sum.rows() - 1;
    const core::view<float> all(sum), da = all.middle_rows(0, n), db = all.middle_rows(1, n), none;
    if (together)
      backward(da, db, threads);
    else
      backward(da, none, threads), backward(none, db, threads);
    return sum;
  };
  const auto expected = added(false, 1);
  CHECK(same_bits(added(true, 1), expected));
  for (int round = 0; round < 50; ++round) REQUIRE(same_bits(added(true, 4), expected));
}

}  // namespace cddrec::test
