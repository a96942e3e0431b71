// What a fuzz target is: seeds to begin with, and one call that must end well or in a typed error, whatever the bytes.
// The targets are headers, so that libFuzzer runs them and the ordinary tests replay their seeds and everything that was found.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "cddrec/core/check.hpp"

namespace cddrec::fuzz {

/// Ends the process, as libFuzzer and tests want it, where a promise does not hold.
inline void promise(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

/// Calls f, which may refuse its input by an error of the library's own kind; anything else leaves, and is a finding.
template <class F>
bool accepted(F&& f) {
  try {
    f();
    return true;
  } catch (const error& e) {
    promise(*e.what() != '\0', "an error says what is wrong");
    return false;
  }
}

}  // namespace cddrec::fuzz
