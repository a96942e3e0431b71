// Errors: one exception family, thrown at the border with what is wrong, where, and what to do.
// Inside the library, preconditions are assertions that only debug builds pay for.
#pragma once

#include <cassert>
#include <stdexcept>

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

}  // namespace cddrec
