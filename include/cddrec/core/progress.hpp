// How far long work has come: told to the caller, who shows it or stops it. The library itself prints nothing and waits for nobody.
#pragma once

#include <functional>
#include <mutex>

#include "cddrec/core/tensor.hpp"

namespace cddrec::core {

/// Called with what is done of all there is to do, from any thread but one call at a time; false stops the work, which then throws
/// `stopped`. Empty: nobody wants to know.
using progress = std::function<bool(index done, index all)>;

/// Counts for a `progress` what the blocks of a parallel loop have done.
class progress_count {
 public:
  progress_count(const progress& tell, index all) : tell_(tell), all_(all) {}

  /// Notes that `count` more are done; 0 asks whether to go on. Throws `stopped` once the caller has said so.
  void add(index count) {
    if (!tell_) return;
    const std::lock_guard one_at_a_time(lock_);
    done_ += count;
    go_on_ = go_on_ && tell_(done_, all_);
    if (!go_on_) throw stopped("stopped at " + std::to_string(done_) + " of " + std::to_string(all_));
  }

 private:
  const progress& tell_;
  index all_, done_ = 0;
  bool go_on_ = true;
  std::mutex lock_;
};

}  // namespace cddrec::core
