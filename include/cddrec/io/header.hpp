// The JSON header of a safetensors file, entry by entry: objects, lists, texts and whole numbers, at most three deep.
// Made from the parser's events, so that depth, lengths and names are checked as they come, and no more than one entry is in memory.
#pragma once

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "cddrec/core/check.hpp"
#include "cddrec/io/text.hpp"

namespace cddrec::io::detail {

inline constexpr std::string_view metadata_name = "__metadata__";

struct header_value {
  enum kind { object, list, text, natural, other } is = other;
  std::string name{}, words{};  // its key in an object, if it is in one; what a text says
  std::uint64_t number = 0;
  std::vector<header_value> parts{};  // of an object or a list, in their order

  static constexpr std::size_t most_parts = 8;  // of an entry, or of one of its lists: a tensor has no more sizes

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

// Receives what nlohmann's parser reads; throws input_error for what no header may hold. Every text of the metadata goes to
// text(name, words), every other entry, once it is whole, to entry(value); each says whether the name was new.
template <class Text, class Entry>
class header_reader {
 public:
  header_reader(std::string where, Text text, Entry entry) : where_(std::move(where)), text_(std::move(text)), give_(std::move(entry)) {}

  bool null() { return add({}); }
  bool boolean(bool) { return add({}); }
  bool number_integer(std::int64_t) { return add({}); }
  bool number_unsigned(std::uint64_t value) { return add({.is = header_value::natural, .number = value}); }
  bool number_float(double, const std::string&) { return add({}); }
  bool string(std::string& words) {
    if (!in_metadata_) return add({.is = header_value::text, .words = std::move(words)});
    if (!text_(std::move(key_), std::move(words))) refuse_twice(key_);
    return true;
  }
  bool binary(nlohmann::json::binary_t&) { return add({}); }
  bool key(std::string& name) {
    key_ = std::move(name);
    return true;
  }
  bool start_object(std::size_t) { return open(header_value::object); }
  bool start_array(std::size_t) { return open(header_value::list); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  [[noreturn]] bool parse_error(std::size_t byte, const std::string&, const std::exception& e) {
    const bool utf8 = std::string_view(e.what()).find("UTF-8") != std::string_view::npos;
    refuse((utf8 ? "is not UTF-8 at byte " : "is not JSON at byte ") + std::to_string(byte));
  }

  [[noreturn]] void refuse(const std::string& what) const { throw input_error(where_ + ": damaged model: the header " + what); }

 private:
  static constexpr int deepest = 3;

  // Depth 1 is the header itself, an object since it begins with the checksum; 2 is an entry, 3 what is in one.
  bool add(header_value value) {
    if (depth_ == 1) return begin(std::move(value)), give();
    put(std::move(value));
    return true;
  }
  bool open(header_value::kind kind) {
    if (depth_ == deepest) refuse("is nested too deeply");
    if (depth_ == 1) begin({.is = kind});
    if (depth_ == 2) put({.is = kind});
    ++depth_;
    return true;
  }
  bool close() {
    if (--depth_ != 1) return true;
    if (!in_metadata_) return give();
    in_metadata_ = false;
    return true;
  }

  void begin(header_value value) {
    if (key_ == metadata_name) {
      if (metadata_begun_) refuse_twice(key_);
      in_metadata_ = metadata_begun_ = true;
      return;
    }
    entry_ = std::move(value);
    entry_.name = std::move(key_);
  }
  void put(header_value value) {
    if (in_metadata_) throw input_error(where_ + ": damaged model: metadata " + io::quoted(key_) + " is not a string");
    header_value& into = depth_ == 2 ? entry_ : entry_.parts.back();
    if (into.parts.size() == header_value::most_parts)
      refuse("gives " + io::quoted(entry_.name) + " more than " + std::to_string(header_value::most_parts) + " values");
    if (into.is == header_value::object) {
      if (into.find(key_)) refuse_twice(key_);
      value.name = std::move(key_);
    }
    into.parts.push_back(std::move(value));
  }
  bool give() {
    if (!give_(std::move(entry_))) refuse_twice(entry_.name);
    return true;
  }
  [[noreturn]] void refuse_twice(const std::string& name) const { refuse("names " + io::quoted(name) + " twice"); }

  std::string where_, key_;
  Text text_;
  Entry give_;
  header_value entry_;
  int depth_ = 0;
  bool in_metadata_ = false, metadata_begun_ = false;
};

// Reads a header that begins with its metadata, called `name` in errors. A name that was not new must be left where it is.
template <class Text, class Entry>
void parse_header(std::string_view words, const std::string& name, Text text, Entry entry) {
  header_reader<Text, Entry> reader(name, std::move(text), std::move(entry));
  // The parser takes a zero byte for the end and would not see what follows it.
  if (words.find('\0') != std::string_view::npos) reader.refuse("contains a zero byte");
  nlohmann::json::sax_parse(words, &reader);
}

}  // namespace cddrec::io::detail
