// The programs, run as a shell does.
#pragma once

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "test.hpp"

namespace cddrec::test {

inline const std::string program = CDDREC_BINARY_DIR "/bin/cddrec_serve", load = CDDREC_BINARY_DIR "/bin/cddrec_load";

/// A child that runs a program, with its output, errors too, in a pipe. A signal, if one is given, waits for it already.
struct child {
  pid_t pid = -1;
  FILE* output = nullptr;

  explicit child(const std::vector<std::string>& arguments, const std::string& of = program, int signal = 0) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    std::vector<char*> argv{const_cast<char*>(of.c_str())};
    for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
    argv.push_back(nullptr);
    pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
      ::dup2(ends[1], 1), ::dup2(ends[1], 2);
      ::close(ends[0]), ::close(ends[1]);
      if (signal != 0) {
        sigset_t blocked;
        sigemptyset(&blocked), sigaddset(&blocked, signal);
        ::sigprocmask(SIG_BLOCK, &blocked, nullptr);
        ::raise(signal);
      }
      ::execv(of.c_str(), argv.data());
      ::_exit(127);
    }
    ::close(ends[1]);
    output = ::fdopen(ends[0], "r");
  }
  ~child() {
    if (pid > 0) ::kill(pid, SIGKILL), ::waitpid(pid, nullptr, 0);
    ::fclose(output);
  }
  std::string line() const {
    std::string text;
    for (int c = std::fgetc(output); c != EOF && c != '\n'; c = std::fgetc(output)) text += static_cast<char>(c);
    return text;
  }
  int status() {
    int ended = 0;
    ::waitpid(pid, &ended, 0);
    pid = -1;
    return WIFEXITED(ended) ? WEXITSTATUS(ended) : -1;
  }
};

/// The port in what cddrec_serve says first.
inline int port_of(const std::string& said) { return std::stoi(said.substr(said.rfind(':', said.find("  (")) + 1)); }

}  // namespace cddrec::test
