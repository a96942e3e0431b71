// Whole numbers on a command line: decimal, in the range that an option allows, and refused in words otherwise.
// CLI11 as of 2.1 takes 010 for 8 and the largest number that there is for one that is larger.
#pragma once

#include <CLI/CLI.hpp>
#include <charconv>
#include <limits>
#include <string>

namespace cddrec::cli {

/// Lets a number from `least` to `most` pass, for transform(), which hands on what it means: 10 for 010.
template <class T>
CLI::Validator whole(T least, T most = std::numeric_limits<T>::max()) {
  const bool bounded = most < std::numeric_limits<T>::max();
  const std::string from = std::to_string(least),
                    range = bounded ? "from " + from + " to " + std::to_string(most) : "of " + from + " or more";
  return CLI::Validator(
      [=](std::string& text) {
        T value{};
        const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (problem == std::errc::result_out_of_range && end == text.data() + text.size() && text[0] != '-')
          return "must be a whole number " + range + "; '" + text + "' is too large";
        if (problem != std::errc() || end != text.data() + text.size() || value < least || value > most)
          return "must be a whole number " + range + ", not '" + text + "'";
        text = std::to_string(value);
        return std::string();
      },
      bounded      ? "in [" + from + " - " + std::to_string(most) + "]"
      : least == 1 ? "POSITIVE"
                   : ">= " + from);
}

}  // namespace cddrec::cli
