// Threads that add to one number without asking: what clang's thread sanitizer must report, run with its OpenMP runtime and archer.
#include <cstdio>

#include "cddrec/core/parallel.hpp"

int main() {
  cddrec::core::index sum = 0;
  cddrec::core::parallel_for({2}, 100000, 1, [&](cddrec::core::index begin, cddrec::core::index end) {
    for (auto i = begin; i < end; ++i) sum += i;
  });
  std::printf("%lld\n", static_cast<long long>(sum));
}
