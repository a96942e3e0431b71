#include "cddrec/io/atomic_file.hpp"

#include <sys/resource.h>

#include <csignal>
#include <thread>

#include "io/scratch.hpp"

namespace cddrec::test {

using names = std::vector<std::string>;

namespace {
// No file may grow beyond a few bytes: writes first fall short, then fail, as on a full disk.
class file_size_limit {
 public:
  explicit file_size_limit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~file_size_limit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  void (*handler_)(int);
  rlimit before_;
};
}  // namespace

TEST_CASE("parts become one file, and a second write replaces the first") {
  const scratch directory;
  const std::string zeros(100000, '\0');
  const std::string_view parts[] = {"one ", "", zeros, "two"};
  io::write_atomically(directory / "a", parts);
  CHECK(directory.read("a") == "one " + zeros + "two");
  CHECK(io::read_file(directory / "a") == "one " + zeros + "two");
  io::write_atomically(directory / "a", "");
  CHECK(std::filesystem::file_size(directory / "a") == 0);
  CHECK(io::read_file(directory / "a").empty());
  CHECK(directory.names() == names{"a"});
}

TEST_CASE("a new file has the permissions that any program's would have, a replaced one those it had") {
  const scratch directory;
  const mode_t before = ::umask(027);
  io::write_atomically(directory / "a", "x");
  ::umask(before);
  const auto permissions = [&] { return static_cast<int>(std::filesystem::status(directory / "a").permissions()); };
  CHECK(permissions() == 0640);
  // One that was there keeps its own.
  std::filesystem::permissions(directory / "a", std::filesystem::perms{0604});
  io::write_atomically(directory / "a", "y");
  CHECK(permissions() == 0604);
}

TEST_CASE("a failed write leaves the old file and nothing beside it") {
  const scratch directory;
  SECTION("the name belongs to a directory") {
    std::filesystem::create_directory(directory / "a");
    directory.write("a/old", "old");
    CHECK(message_of<error>([&] { io::write_atomically(directory / "a", "new"); }) ==
          (directory / "a").string() + ": cannot be written: Is a directory");
    CHECK(directory.read("a/old") == "old");
  }
  SECTION("the disk is full after some bytes") {
    directory.write("a", "old");
    std::string message;
    {
      const file_size_limit limit(1000);
      message = message_of<error>([&] { io::write_atomically(directory / "a", std::string(3000, 'x')); });
    }
    CHECK(message == (directory / "a").string() + ": cannot be written: File too large");
    CHECK(directory.read("a") == "old");
  }
  CHECK(directory.names() == names{"a"});
}

TEST_CASE("a missing directory and a place that is no file are named") {
  const scratch directory;
  CHECK(message_of<error>([&] { io::write_atomically(directory / "no/a", "x"); }) ==
        (directory / "no/a").string() + ": cannot be written: No such file or directory: directory " + (directory / "no").string());
  const auto pipe = directory / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(message_of<error>([&] { io::write_atomically(pipe, "x"); }) == pipe.string() + ": cannot be written: it is not a plain file");
  CHECK(std::filesystem::is_fifo(pipe));
  CHECK(directory.names() == names{"pipe"});
}

TEST_CASE("a symbolic link keeps pointing and its target is replaced") {
  const scratch directory;
  std::filesystem::create_directory(directory / "far");
  directory.write("far/target", "old");
  std::filesystem::create_symlink("far/target", directory / "link");
  io::write_atomically(directory / "link", "new");
  CHECK(std::filesystem::is_symlink(directory / "link"));
  CHECK(directory.read("far/target") == "new");

  std::filesystem::create_symlink("nowhere", directory / "loose");
  CHECK_THROWS_WITH(io::write_atomically(directory / "loose", "x"), ContainsSubstring("loose: cannot be written: No such file"));
  CHECK(directory.names() == names{"far", "link", "loose"});
}

TEST_CASE("a bare name is written into the working directory") {
  const scratch directory;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(directory / "");
  io::write_atomically("a", "x");
  std::filesystem::current_path(before);
  CHECK(directory.read("a") == "x");
}

TEST_CASE("a leftover temporary file is neither used nor removed") {
  const scratch directory;
  const std::string taken = ".cddrec-" + std::to_string(::getpid()) + "-0.tmp";
  directory.write(taken, "theirs");
  io::write_atomically(directory / "a", "mine");
  CHECK(directory.read("a") == "mine");
  CHECK(directory.read(taken) == "theirs");
  CHECK(directory.names() == names{taken, "a"});
}

TEST_CASE("what cannot be read is refused by name") {
  const scratch directory;
  CHECK(message_of<input_error>([&] { io::read_file(directory / "a"); }) ==
        (directory / "a").string() + ": cannot be opened: No such file or directory");
  CHECK(message_of<input_error>([&] { io::read_file(directory / ""); }) == (directory / "").string() + ": is a directory; name a file");
}

TEST_CASE("whether something is there is said, or why that cannot be known") {
  const scratch directory;
  CHECK(io::is_there(directory / ""));
  CHECK_FALSE(io::is_there(directory / "a"));
  CHECK(io::is_there(directory.write("a", "")));
  CHECK_FALSE(io::is_there(directory / "a" / "b"));
  const auto endless = directory / std::string(300, 'x');
  CHECK(message_of<input_error>([&] { io::is_there(endless); }) == endless.string() + ": cannot be examined: File name too long");
}

TEST_CASE("a pipe is read to its end") {
  const scratch directory;
  const auto pipe = directory / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  const std::string sent(300000, 'x');
  std::thread writer([&] { directory.write("pipe", sent); });
  const std::string received = io::read_file(pipe);
  writer.join();
  CHECK(received == sent);
}

}  // namespace cddrec::test
