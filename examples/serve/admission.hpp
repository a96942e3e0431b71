// Who may come in: a fixed number of connections have a thread each, and few of their requests compute at a time.
// Requests wait for that in order, and only so many: one more is told at once that the service is busy.
#pragma once

#include "cddrec/serve.hpp"
// After Eigen: what it includes makes a macro of a name that Eigen uses.
#include <httplib.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <semaphore>
#include <thread>
#include <vector>

namespace cddrec::service {

/// At most `places` are inside and `queue` wait, in order of arrival.
class gate {
 public:
  gate(int places, int queue) : places_(places), queue_(queue) {}

  /// Waits for a place; false, at once, if too many wait already. Whoever is inside leaves again by leave().
  bool enter() {
    std::binary_semaphore called{0};
    {
      const std::lock_guard lock(mutex_);
      if (inside_ < places_) {
        ++inside_;
        return true;
      }
      if (std::ssize(waiting_) >= queue_) return false;
      waiting_.push_back(&called);
    }
    called.acquire();
    const std::lock_guard still_called(mutex_);  // leave() holds it until it no longer needs `called`
    return true;
  }
  /// Whoever has waited longest takes the place over.
  void leave() {
    const std::lock_guard lock(mutex_);
    if (waiting_.empty()) {
      --inside_;
      return;
    }
    std::binary_semaphore* const next = waiting_.front();
    waiting_.pop_front();
    next->release();
  }

  int inside() const {
    const std::lock_guard lock(mutex_);
    return inside_;
  }
  int waiting() const {
    const std::lock_guard lock(mutex_);
    return static_cast<int>(waiting_.size());
  }

 private:
  const int places_, queue_;
  mutable std::mutex mutex_;
  int inside_ = 0;
  std::deque<std::binary_semaphore*> waiting_;
};

/// A thread for each open connection, up to `most`; until one of them ends no other is accepted, and those who call wait outside.
class connections : public httplib::TaskQueue {
  // Older versions of the library return nothing here, newer ones whether the task was taken.
  using taken = decltype(std::declval<httplib::TaskQueue&>().enqueue({}));

 public:
  explicit connections(int most) {
    open_.reserve(static_cast<std::size_t>(most));  // so that accepting one never needs memory
    try {
      for (int k = 0; k < most; ++k) threads_.emplace_back([this] { serve(); });
    } catch (...) {
      shutdown();
      throw;
    }
    idle_ = most;
  }

  taken enqueue(std::function<void()> connection) override {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return idle_ > 0; });
      --idle_;
      open_.push_back(std::move(connection));
    }
    changed_.notify_all();
    return taken(true);
  }
  void shutdown() override {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    changed_.notify_all();
    for (auto& t : threads_) t.join();
  }

 private:
  void serve() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return over_ || !open_.empty(); });
      if (open_.empty()) return;
      const std::function<void()> connection = std::move(open_.back());
      open_.pop_back();
      lock.unlock();
      try {
        connection();
      } catch (...) {  // memory ran out where the library catches nothing: that ends this connection and no other
      }
      lock.lock();
      ++idle_;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  int idle_ = 0;
  bool over_ = false;
  std::vector<std::function<void()>> open_;  // taken up at once, as many as there are: each has an idle thread
  std::vector<std::thread> threads_;
};

}  // namespace cddrec::service
