// Errors: one exception family, thrown at the border with what is wrong, where, and what to do.
// Inside the library, preconditions are assertions that only debug builds pay for.
#pragma once

#include <cassert>
#include <charconv>
#include <stdexcept>
#include <string>
#include <string_view>

/// A precondition inside the library; free in release builds.
#define CDDREC_ASSERT(condition) assert(condition)

namespace cddrec {

/// Root of everything this library throws on purpose.
class error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The caller's files, settings or arguments are wrong; the message says which and what to do.
class input_error : public error {
 public:
  using error::error;
};

/// A value that must be finite is not: a score, a loss, a weight.
class numeric_error : public error {
 public:
  using error::error;
};

/// A callback of the caller's said to stop: nothing is wrong.
class stopped : public error {
 public:
  using error::error;
};

/// A number as messages show it, the shortest that reads back as itself: std::to_string would show -1e-9 as zero.
template <class T>
std::string to_text(T number) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, number).ptr};
}

/// Throws input_error `WHERE: NAME must be RANGE, not VALUE` unless the condition holds.
template <class T>
void require(bool holds, std::string_view where, std::string_view name, T value, std::string_view range) {
  if (!holds)
    throw input_error(std::string(where) + ": " + std::string(name) + " must be " + std::string(range) + ", not " + to_text(value));
}

}  // namespace cddrec
