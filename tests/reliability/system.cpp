#include "reliability/system.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>

namespace cddrec::test::system_calls {

namespace {

thread_local plan now;
thread_local bool failed = false;

bool fails(call which) {
  if (now.which != which) return false;
  if (now.n > 0) return --now.n, false;
  if (!now.for_good) now.which = call::none;
  failed = true;
  if (now.error != 0) errno = now.error;
  return true;
}

std::size_t piece(std::size_t size) { return now.short_pieces ? std::min<std::size_t>(size, 1) : size; }

}  // namespace

void begin(const plan& p) { now = p, failed = false; }
bool end() {
  now = {};
  return failed;
}

}  // namespace cddrec::test::system_calls

using cddrec::test::system_calls::call;
namespace calls = cddrec::test::system_calls;

extern "C" {
ssize_t write(int file, const void* bytes, std::size_t size) {
  if (calls::fails(call::write)) return calls::now.error == 0 ? 0 : -1;
  return ::syscall(SYS_write, file, bytes, calls::piece(size));
}
ssize_t read(int file, void* bytes, std::size_t size) {
  if (calls::fails(call::read)) return -1;
  return ::syscall(SYS_read, file, bytes, calls::piece(size));
}
int fsync(int file) { return calls::fails(call::flush) ? -1 : static_cast<int>(::syscall(SYS_fsync, file)); }
int renameat(int from_directory, const char* from, int to_directory, const char* to) noexcept {
  if (calls::fails(call::rename)) return -1;
  return static_cast<int>(::syscall(SYS_renameat2, from_directory, from, to_directory, to, 0));
}
int openat(int directory, const char* name, int flags, ...) {
  if (calls::fails(call::open)) return -1;
  std::va_list more;
  va_start(more, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0;
  va_end(more);
  return static_cast<int>(::syscall(SYS_openat, directory, name, flags, mode));
}
}
