// The progress of long work, reported to the caller, who may show it or stop the work. The library itself prints nothing.
#pragma once

#include <functional>
#include <mutex>

#include "cddrec/core/tensor.hpp"

namespace cddrec::core {

/// Called with how much is done and how much there is in all, from any thread but one call at a time. Return false to stop: the work then
/// throws `stopped`. May be empty.
using progress = std::function<bool(index done, index all)>;

/// Adds up what the blocks of a parallel loop have done and reports it to `tell`, which must outlive this object.
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
