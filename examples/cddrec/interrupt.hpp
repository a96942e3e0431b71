// Ctrl-C: while work goes on that can be stopped cleanly, SIGINT and SIGTERM are noted and the work asks; a second one ends it at once.
// That note is the only global variable of this program: a signal handler can reach nothing else.
#pragma once

#include <atomic>
#include <csignal>

namespace cddrec::cli {

/// Exit status of what a signal stopped.
inline constexpr int stopped_status = 130;

inline std::atomic<bool> was_interrupted = false;
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may write to it");

/// Whether nobody has asked to stop.
inline bool may_go_on() { return !was_interrupted; }

/// Notes signals while it lives, nested ones as one. What was ignored from the start, as in the background of a script, stays ignored.
class interruptible {
 public:
  interruptible() {
    struct sigaction note {};
    note.sa_handler = [](int) { was_interrupted = true; };
    note.sa_flags = static_cast<int>(SA_RESETHAND);  // and no SA_RESTART: what waits for a child wakes up
    for (int k = 0; k < 2; ++k) {
      ::sigaction(signals[k], nullptr, &before_[k]);
      if (before_[k].sa_handler == SIG_DFL && may_go_on()) ::sigaction(signals[k], &note, nullptr);
    }
  }
  interruptible(const interruptible&) = delete;
  interruptible& operator=(const interruptible&) = delete;
  ~interruptible() {
    for (int k = 0; k < 2; ++k) ::sigaction(signals[k], &before_[k], nullptr);
  }

 private:
  static constexpr int signals[2] = {SIGINT, SIGTERM};
  struct sigaction before_[2];
};

}  // namespace cddrec::cli
