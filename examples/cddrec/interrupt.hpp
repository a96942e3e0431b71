// Ctrl-C: while work goes on that can be stopped cleanly, SIGINT and SIGTERM are noted and the work asks. One that comes a second later or
// more ends it at once; before, it is the same wish: `timeout` and a service's stop reach a process both by itself and through its group.
// That note is the only global variable of this program: a signal handler can reach nothing else.
#pragma once

#include <time.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>

namespace cddrec::cli {

/// Exit status of what a signal stopped.
inline constexpr int stopped_status = 130;

inline std::atomic<std::int64_t> interrupted_at = 0;  // milliseconds of a clock that never goes back; 0: never
static_assert(std::atomic<std::int64_t>::is_always_lock_free, "a signal handler may write to it");

/// Whether nobody has asked to stop.
inline bool may_go_on() { return interrupted_at == 0; }

/// Notes signals while it lives, nested ones as one. What was ignored from the start, as in the background of a script, stays ignored.
class interruptible {
 public:
  interruptible() {
    struct sigaction note {};
    note.sa_handler = [](int number) {
      const int kept = errno;
      timespec now{};
      ::clock_gettime(CLOCK_MONOTONIC, &now);
      const std::int64_t moment = std::max<std::int64_t>(1, std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000);
      std::int64_t first = 0;
      if (!interrupted_at.compare_exchange_strong(first, moment) && moment - first >= 1000) ::signal(number, SIG_DFL), ::raise(number);
      errno = kept;
    };  // and no SA_RESTART: what waits for a child wakes up
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
