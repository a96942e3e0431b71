#include "cddrec/core/progress.hpp"

#include "cddrec/core/parallel.hpp"
#include "test.hpp"

namespace cddrec::test {

TEST_CASE("progress counts what every thread has done, and ends at all of it") {
  for (const int threads : {1, 4}) {
    index last = 0;
    bool rises = true;
    const core::progress tell = [&](index done, index all) {
      rises = rises && done >= last && all == 100;
      last = done;
      return true;
    };
    core::progress_count count(tell, 100);
    core::parallel_for({threads}, 100, 7, [&](index begin, index end) { count.add(end - begin); });
    CHECK(last == 100);
    CHECK(rises);
  }
}

TEST_CASE("who says no is not asked again, and the work stops") {
  index asked = 0, worked = 0;
  const core::progress tell = [&](index done, index) { return ++asked, done < 10; };
  core::progress_count count(tell, 100);
  CHECK_THROWS_AS(core::parallel_for({1}, 100, 5,
                                     [&](index, index) {
                                       count.add(0);
                                       ++worked;
                                       count.add(5);
                                     }),
                  stopped);
  CHECK(worked == 2);
  CHECK(asked == 4);
  CHECK_THROWS_AS(count.add(0), stopped);
  CHECK(asked == 4);
  const core::progress nobody;
  core::progress_count(nobody, 3).add(3);
}

}  // namespace cddrec::test
