// One writer at a time: a lock on a directory, or on a file that is made for it.
// The system releases the lock when the process ends, in whatever way, so nothing is left behind to clean up.
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>

#include "cddrec/core/check.hpp"

namespace cddrec::cli {

namespace fs = std::filesystem;

/// Held as long as it lives. On a file system without locks everybody gets it.
class write_lock {
 public:
  enum class kind { directory, own_file };

  /// Of a directory that is there, or of a file that nothing else uses: it is made, and taken away at the end. Throws input_error `taken`
  /// if another process holds it, error if it cannot be opened.
  write_lock(const fs::path& place, kind what, const std::string& taken) : place_(place), what_(what) {
    const int flags = what == kind::directory ? O_RDONLY | O_DIRECTORY : O_RDWR | O_CREAT;
    for (;;) {
      file_ = ::open(place.c_str(), flags | O_CLOEXEC, 0666);
      if (file_ < 0) throw error(place.string() + ": cannot be opened: " + std::strerror(errno));
      if (::flock(file_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        ::close(file_);
        throw input_error(taken);
      }
      struct stat held, there;
      if (what == kind::directory || (::fstat(file_, &held) == 0 && ::stat(place.c_str(), &there) == 0 && held.st_ino == there.st_ino))
        return;
      ::close(file_);  // the holder has just removed it: the locked file is no longer the one that others find there
    }
  }
  write_lock(const write_lock&) = delete;
  write_lock& operator=(const write_lock&) = delete;
  ~write_lock() {
    if (what_ == kind::own_file) ::unlink(place_.c_str());
    ::close(file_);
  }

 private:
  fs::path place_;
  kind what_;
  int file_ = -1;
};

}  // namespace cddrec::cli
