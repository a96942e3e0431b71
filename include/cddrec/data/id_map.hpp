// Names of items and users: opaque UTF-8 tokens on one side, dense numbers on the other.
// Numbers are given in order of first appearance: a token that looks like a number is never used as one, and no number means "padding".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cddrec/core/tensor.hpp"

namespace cddrec::data {

using core::index;

/// Dense item number, 0 … items - 1.
using item = std::int32_t;

class id_map {
 public:
  /// The number of `token`; a new token gets the next one.
  item add(std::string_view token) {
    if (const auto known = find(token)) return *known;
    CDDREC_ASSERT(size() < INT32_MAX);
    const item number = static_cast<item>(names_.size());
    names_.emplace_back(token);
    try {
      numbers_.emplace(names_.back(), number);
    } catch (...) {  // no memory: a name without a number would get another one later
      names_.pop_back();
      throw;
    }
    return number;
  }

  /// The number of `token`, if it has been added.
  std::optional<item> find(std::string_view token) const {
    const auto place = numbers_.find(token);
    return place == numbers_.end() ? std::nullopt : std::optional(place->second);
  }

  /// The token of a number below size().
  const std::string& name(item number) const {
    CDDREC_ASSERT(number >= 0 && number < size());
    return names_[static_cast<std::size_t>(number)];
  }

  index size() const { return static_cast<index>(names_.size()); }

 private:
  // Lets find() look a view up without making a string of it.
  struct hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view token) const { return std::hash<std::string_view>{}(token); }
  };

  std::vector<std::string> names_;
  std::unordered_map<std::string, item, hash, std::equal_to<>> numbers_;
};

}  // namespace cddrec::data
