// Runs the command as a shell does, in a directory with a log and a model.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>

#include "io/scratch.hpp"

namespace cddrec::test {

namespace fs = std::filesystem;

struct outcome {
  int status;
  std::string out, err;
};

/// What a file holds; nothing without it.
inline std::string slurp(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The values of a safetensors file. Its head differs between runs: it has the seconds, and how many epochs were asked for.
inline std::string values_of(const fs::path& path) {
  const std::string file = slurp(path);
  std::uint64_t head = 0;
  REQUIRE(file.size() > sizeof head);
  std::memcpy(&head, file.data(), sizeof head);
  return file.substr(sizeof head + head);
}

/// Lines of a text, without their ends.
inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// A directory of its own, with a small log and a model trained on it for two epochs.
struct workshop {
  const scratch folder;
  const fs::path root = folder / "";
  workshop() {
    REQUIRE(run("generate --users 200 --items 60 --output log.txt --seed 3").status == 0);
    REQUIRE(run("train --data log.txt --output model --epochs 2 --set width=16 --set heads=2 --threads 1").status == 0);
  }
  outcome run(const std::string& arguments) const {
    const std::string command =
        "cd \"" + root.string() + "\" && </dev/null \"" CDDREC_BINARY_DIR "/bin/cddrec\" " + arguments + " >out 2>err";
    const int status = std::system(command.c_str());
    return {WEXITSTATUS(status), slurp(root / "out"), slurp(root / "err")};
  }
  /// Runs it until `ready`, asked every few milliseconds, then sends a signal.
  template <class Ready>
  outcome run_until(std::vector<std::string> words, Ready ready, int signal, bool group = false) const {
    std::string program = CDDREC_BINARY_DIR "/bin/cddrec";
    std::vector<char*> arguments{program.data()};
    for (std::string& w : words) arguments.push_back(w.data());
    arguments.push_back(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
      const auto to = [&](const char* name, int file) { ::dup2(::open((root / name).c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0666), file); };
      to("out", 1), to("err", 2);
      ::setpgid(0, 0);
      ::signal(SIGINT, SIG_DFL);  // a test in the background may have been told to ignore it
      if (::chdir(root.c_str()) == 0) ::execv(arguments[0], arguments.data());
      ::_exit(127);
    }
    int status = 0;
    pid_t ended = 0;
    while (!ready() && (ended = ::waitpid(child, &status, WNOHANG)) == 0) ::usleep(2000);
    if (ended == 0) {
      ::kill(child, signal);
      if (group) ::kill(-child, signal);  // as `timeout` does
      ::waitpid(child, &status, 0);
    }
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, slurp(root / "out"), slurp(root / "err")};
  }
  void write(const std::string& name, const std::string& text) const { std::ofstream(root / name, std::ios::binary) << text; }
};

inline const workshop& shop() {
  static const workshop w;
  return w;
}

inline void refused(const std::string& arguments, const std::string& message) {
  INFO(arguments);
  const outcome o = shop().run(arguments);
  CHECK(o.status == 2);
  CHECK(o.out.empty());
  CHECK_THAT(o.err, ContainsSubstring(message));
  CHECK(o.err.starts_with("cddrec: "));
  CHECK(std::count(o.err.begin(), o.err.end(), '\n') <= 4);
}

}  // namespace cddrec::test
