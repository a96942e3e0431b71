// The heap as tests of reliability see it: what lies there, how much at most, and an allocation that fails when it is asked to.
// Every allocation of the program is counted, Eigen's, zlib's and those of the standard library too.
#pragma once

#include <cstddef>

namespace cddrec::test::heap {

struct counts {
  long blocks = 0, bytes = 0, peak_bytes = 0;  // bytes as malloc rounds them up
};

/// False under a sanitizer, which has a heap of its own: then nothing is counted and nothing fails.
bool watched();
counts now();
/// Lets the peak begin at what lies there now.
void forget_peak();

/// From the n-th allocation of this thread from now on, from 0, allocations fail: that one, or with `for_good` all that follow too.
void fail_at(long n, bool for_good);
/// Lets allocations succeed again; says whether one has failed.
bool stop_failing();

}  // namespace cddrec::test::heap
