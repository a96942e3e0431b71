// The JSON header of a safetensors file as a small tree: objects, lists, texts and whole numbers, at most three deep.
// Made from the parser's events, so that depth and names are checked as they come and giving the tree back needs no memory.
#pragma once

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "cddrec/core/check.hpp"

namespace cddrec::io::detail {

// A name as JSON writes it: in quotes and on one line, whatever it holds.
inline std::string quoted(std::string_view name) {
  return nlohmann::json(std::string(name)).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

struct header_value {
  enum kind { object, list, text, natural, other } is = other;
  std::string name{}, words{};  // its key in an object, if it is in one; what a text says
  std::uint64_t number = 0;
  std::vector<header_value> parts{};  // of an object in the order of their names, of a list in its own

  const header_value* find(std::string_view key) const {
    for (const header_value& part : parts)
      if (part.name == key) return &part;
    return nullptr;
  }
  bool is_naturals() const {
    return is == list &&
           std::all_of(parts.begin(), parts.end(), [](const header_value& v) { return v.is == natural && v.number <= INT64_MAX; });
  }
};

// Receives what nlohmann's parser reads; throws input_error for what no header may hold.
class header_reader {
 public:
  explicit header_reader(std::string where) : where_(std::move(where)) {}
  header_value take() { return std::move(root_); }

  bool null() { return add({}); }
  bool boolean(bool) { return add({}); }
  bool number_integer(std::int64_t) { return add({}); }
  bool number_unsigned(std::uint64_t value) { return add({.is = header_value::natural, .number = value}); }
  bool number_float(double, const std::string&) { return add({}); }
  bool string(std::string& value) { return add({.is = header_value::text, .words = value}); }
  bool binary(nlohmann::json::binary_t&) { return add({}); }
  bool start_object(std::size_t) { return open(header_value::object); }
  bool start_array(std::size_t) { return open(header_value::list); }
  bool end_array() { return depth_--, true; }
  bool key(std::string& name) {
    key_ = name;
    return true;
  }
  bool end_object() {
    auto& parts = open_[--depth_]->parts;
    std::sort(parts.begin(), parts.end(), [](const header_value& a, const header_value& b) { return a.name < b.name; });
    const auto twice =
        std::adjacent_find(parts.begin(), parts.end(), [](const header_value& a, const header_value& b) { return a.name == b.name; });
    if (twice != parts.end()) refuse("names " + detail::quoted(twice->name) + " twice");
    return true;
  }
  bool parse_error(std::size_t byte, const std::string&, const std::exception& e) {
    const bool utf8 = std::string_view(e.what()).find("UTF-8") != std::string_view::npos;
    refuse((utf8 ? "is not UTF-8 at byte " : "is not JSON at byte ") + std::to_string(byte));
  }

  [[noreturn]] void refuse(const std::string& what) const { throw input_error(where_ + ": damaged model: the header " + what); }

 private:
  static constexpr std::size_t deepest = 3;

  // Puts a value where it belongs.
  bool add(header_value value) {
    if (depth_ == 0) return root_ = std::move(value), true;
    header_value& into = *open_[depth_ - 1];
    if (into.is == header_value::object) value.name = key_;
    into.parts.push_back(std::move(value));
    return true;
  }
  bool open(header_value::kind kind) {
    if (depth_ == deepest) refuse("is nested too deeply");
    add({.is = kind});
    // The values that are open stay where they are: what is added goes behind the innermost.
    open_[depth_] = depth_ == 0 ? &root_ : &open_[depth_ - 1]->parts.back();
    ++depth_;
    return true;
  }

  std::string where_, key_;
  header_value root_;
  header_value* open_[deepest] = {};
  std::size_t depth_ = 0;
};

// Reads a header, called `name` in errors.
inline header_value parse_header(std::string_view text, const std::string& name) {
  header_reader reader(name);
  // The parser takes a zero byte for the end and would not see what follows it.
  if (text.find('\0') != std::string_view::npos) reader.refuse("contains a zero byte");
  nlohmann::json::sax_parse(text, &reader);
  return reader.take();
}

}  // namespace cddrec::io::detail
