// Whole files, in one go: read into memory, or written so that a reader finds the old bytes or the new ones, never a mixture.
// New bytes go to a temporary file in the same directory, reach the disk, and only then take the name. POSIX only.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include "cddrec/core/check.hpp"

namespace cddrec::io {

namespace detail {

// A file descriptor that closes itself; -1 when opening failed.
class descriptor {
 public:
  explicit descriptor(int number) : number_(number) {}
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  ~descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int number() const { return number_; }
  bool is_open() const { return number_ >= 0; }

 private:
  int number_;
};

// What the last system call says went wrong, or what a number of its kind says.
inline std::string reason(int number = errno) { return std::generic_category().message(number); }

// A temporary file in a directory: removed at the end of the scope unless it is kept.
struct passing_file {
  int directory;
  const char* name;
  bool kept = false;

  ~passing_file() {
    if (!kept) ::unlinkat(directory, name, 0);
  }
};

inline bool write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    errno = EIO;  // for a file that takes nothing and does not say why
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written > 0)
      bytes.remove_prefix(static_cast<std::size_t>(written));
    else if (errno != EINTR)
      return false;
  }
  return true;
}

// Everything that can be read from an open file; `name` is for errors.
inline std::string read_all(int file, const std::string& name) {
  const auto refuse = [&] { throw input_error(name + ": cannot be read: " + reason()); };
  struct stat status;
  if (::fstat(file, &status) != 0) refuse();
  if (S_ISDIR(status.st_mode)) throw input_error(name + ": is a directory; name a file");

  // The size is a hint only: a pipe has none. The byte more finds the end of a plain file without growing.
  std::string bytes(S_ISREG(status.st_mode) ? static_cast<std::size_t>(status.st_size) + 1 : 0, '\0');
  std::size_t used = 0;
  for (;;) {
    if (used == bytes.size()) bytes.resize(2 * used + 65536);
    const ssize_t count = ::read(file, bytes.data() + used, bytes.size() - used);
    if (count == 0) break;
    if (count > 0)
      used += static_cast<std::size_t>(count);
    else if (errno != EINTR)
      refuse();
  }
  bytes.resize(used);
  return bytes;
}

}  // namespace detail

/// Whether there is anything of this name. Throws input_error `FILE: cannot be examined: reason` where that cannot be known.
inline bool is_there(const std::filesystem::path& path) {
  std::error_code failed;
  const bool there = std::filesystem::exists(path, failed);
  if (failed) throw input_error(path.string() + ": cannot be examined: " + failed.message());
  return there;
}

/// Everything in a file, or in whatever else can be read. Throws input_error `FILE: cannot be opened: reason`.
inline std::string read_file(const std::filesystem::path& path) {
  const detail::descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) throw input_error(path.string() + ": cannot be opened: " + detail::reason());
  return detail::read_all(file.number(), path.string());
}

/// Makes `parts`, one after the other, the content of a file, all or nothing; a symbolic link is followed. A file that is
/// replaced leaves its permissions to the new one.
/// Throws error `FILE: cannot be written: reason`; then the old file is as it was, and nothing new lies beside it. Or, once it has been
/// replaced, error `FILE: is written, but may not survive a power cut: reason`.
inline void write_atomically(const std::filesystem::path& path, std::span<const std::string_view> parts) {
  const auto refuse = [&](const std::string& why) { throw error(path.string() + ": cannot be written: " + why); };
  std::error_code failed;
  const bool link = std::filesystem::is_symlink(path, failed);
  const std::filesystem::path target = link ? std::filesystem::canonical(path, failed) : path;
  if (link && failed) refuse(failed.message());
  // Renaming over a device or a pipe would put a plain file in its place.
  if (std::filesystem::is_other(target, failed)) refuse("it is not a plain file");

  const std::filesystem::path parent = target.has_parent_path() ? target.parent_path() : ".";
  const detail::descriptor directory(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.is_open()) refuse(detail::reason() + ": directory " + parent.string());

  // From the moment that there is a temporary file on, nothing may fail for want of memory and leave it.
  const std::filesystem::path last = target.filename();
  // Whoever else writes here has another process number or, in this process, finds the name taken.
  std::string name;
  int number = -1;
  for (int attempt = 0; number < 0 && attempt < 1000; ++attempt) {
    name = ".cddrec-" + std::to_string(::getpid()) + "-" + std::to_string(attempt) + ".tmp";
    number = ::openat(directory.number(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (number < 0 && errno != EEXIST) break;
  }
  const detail::descriptor file(number);
  if (!file.is_open()) refuse(detail::reason());

  detail::passing_file temporary{directory.number(), name.c_str()};
  struct stat old;
  bool good = ::fstatat(directory.number(), last.c_str(), &old, 0) != 0 || ::fchmod(number, old.st_mode & 0777) == 0;
  for (const std::string_view part : parts) good = good && detail::write_all(number, part);
  temporary.kept = good && ::fsync(number) == 0 && ::renameat(directory.number(), name.c_str(), directory.number(), last.c_str()) == 0;
  if (!temporary.kept) {
    const int why = errno;
    refuse(detail::reason(why));
  }
  // The name must survive a power cut too. File systems that cannot flush a directory answer EINVAL.
  if (::fsync(directory.number()) != 0 && errno != EINVAL)
    throw error(path.string() + ": is written, but may not survive a power cut: " + detail::reason());
}

/// The same for bytes that lie in one piece.
inline void write_atomically(const std::filesystem::path& path, std::string_view bytes) { write_atomically(path, std::span(&bytes, 1)); }

}  // namespace cddrec::io
