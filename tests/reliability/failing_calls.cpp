// Every n-th system call of a save fails, once and for good: the old file is whole, nothing lies beside it, and the error says so.
#include <sys/mount.h>

#include <cerrno>
#include <cstring>

#include "reliability/models.hpp"
#include "reliability/system.hpp"

namespace cddrec::test {

using system_calls::call;
using names = std::vector<std::string>;

namespace {

/// What became of the file "a" that held "old" when it was saved under a plan.
struct outcome {
  bool reached, refused;
  std::string message, content;
};

outcome save_under(const scratch& directory, const std::string& content, const system_calls::plan& plan) {
  directory.write("a", "old");
  outcome o{};
  system_calls::begin(plan);
  try {
    io::write_atomically(directory / "a", content);
  } catch (const error& e) {
    o.refused = true;
    o.message = e.what();
  }
  o.reached = system_calls::end();
  o.content = directory.read("a");
  CHECK(directory.names() == names{"a"});
  return o;
}

}  // namespace

TEST_CASE("a save whose system calls fail leaves the old file and nothing beside it") {
  const scratch directory;
  const std::string file = small_model().serialise(), path = (directory / "a").string();
  index tried = 0;
  for (const call which : {call::open, call::write, call::flush, call::rename})
    for (const int number : {EIO, ENOSPC, EDQUOT, EROFS, EACCES, 0})
      for (const bool for_good : {false, true}) {
        if (number == 0 && which != call::write) continue;
        bool reached = true;
        for (long n = 0; reached; ++n) {
          const outcome o = save_under(directory, file, {.which = which, .n = n, .for_good = for_good, .error = number});
          INFO(static_cast<int>(which) << ' ' << n << ' ' << number << ' ' << o.message);
          reached = o.reached;
          if (!reached) {
            CHECK_FALSE(o.refused);
            CHECK((o.content == file));
            CHECK(n > 0);
            break;
          }
          ++tried;
          const std::string reason = std::strerror(number == 0 ? EIO : number);
          CHECK(o.refused);
          if (which == call::flush && n == 1) {  // the directory's: the new file has its name already
            CHECK((o.content == file));
            CHECK(o.message == path + ": is written, but may not survive a power cut: " + reason);
          } else {
            CHECK((o.content == "old"));
            CHECK(o.message == path + ": cannot be written: " + reason);
          }
        }
      }
  // A disk that fills up byte by byte.
  for (const bool for_good : {false, true})
    for (long n = 0; n < 40; ++n, ++tried) {
      const outcome o = save_under(directory, std::string(40, 'x'),
                                   {.which = call::write, .n = n, .for_good = for_good, .error = ENOSPC, .short_pieces = true});
      CHECK((o.reached && o.refused && o.content == "old"));
    }
  WARN(tried << " failed calls");
}

TEST_CASE("interrupted calls and short pieces are no failure") {
  const scratch directory;
  const std::string file(3000, 'x');
  CHECK(save_under(directory, file, {.which = call::write, .error = EINTR}).content == file);
  CHECK(save_under(directory, file, {.short_pieces = true}).content == file);
  system_calls::begin({.which = call::read, .error = EINTR, .short_pieces = true});
  const std::string read = io::read_file(directory / "a");
  CHECK(system_calls::end());
  CHECK(read == file);
}

TEST_CASE("a file that cannot be read to its end is refused, not taken for shorter") {
  const scratch directory;
  directory.write("a", std::string(100, 'x'));
  for (const long n : {0, 1, 50}) {
    system_calls::begin({.which = call::read, .n = n, .error = EIO, .short_pieces = true});
    std::string message;
    try {
      io::read_file(directory / "a");
    } catch (const input_error& e) {
      message = e.what();
    }
    CHECK(system_calls::end());
    CHECK(message == (directory / "a").string() + ": cannot be read: Input/output error");
  }
}

// For who may mount: a file system that is really full.
TEST_CASE("a full disk leaves the old model and nothing beside it", "[.mount]") {
  const scratch directory;
  REQUIRE(::mount("tmpfs", (directory / "").c_str(), "tmpfs", 0, "size=32k") == 0);
  const io::tensor_file small = small_model();
  const std::string whole = small.serialise();
  small.save(directory / "a");
  io::tensor_file large = small_model();
  index refused = 0;
  for (index floats = 256; floats <= 16384; floats += 256) {
    io::tensor_file next = large;
    next.add<float>("more", {floats}, std::vector<float>(static_cast<std::size_t>(floats)));
    try {
      next.save(directory / "a");
      CHECK((directory.read("a") == next.serialise()));
      small.save(directory / "a");
    } catch (const error& e) {
      ++refused;
      CHECK_THAT(e.what(), ContainsSubstring("a: cannot be written: No space left on device"));
      CHECK((directory.read("a") == whole));
    }
    CHECK(directory.names() == names{"a"});
  }
  ::umount((directory / "").c_str());
  CHECK(refused > 10);
  WARN(refused << " of 64 saves met a full disk");
}

}  // namespace cddrec::test
