// An ONNX model file, node by node: a graph of named values in protobuf's wire format, written by hand.
// A message is fields, a field is a number and a value, and a value that is a message is its bytes behind their length: that is all it
// takes.
#pragma once

#include <bit>
#include <map>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "cddrec/core/tensor.hpp"

namespace cddrec::io::onnx {

using core::index;

/// Names of values, as a node takes and gives them.
using names = std::vector<std::string>;

/// An attribute of a node.
using attribute = std::variant<std::int64_t, float, std::string, std::vector<std::int64_t>>;

/// The operators that nodes may name: those of opset 18, which onnx 1.13 and ONNX Runtime 1.14 brought.
inline constexpr std::uint64_t opset = 18, ir_version = 8;

namespace detail {

static_assert(std::endian::native == std::endian::little, "tensors are little-endian and are not swapped here");

/// A protobuf message.
class message {
 public:
  const std::string& bytes() const { return bytes_; }

  message& add(int field, std::uint64_t value) {
    tag(field, 0);
    varint(value);
    return *this;
  }
  message& add(int field, float value) {
    tag(field, 5);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  message& add(int field, std::string_view value) {
    tag(field, 2);
    varint(value.size());
    bytes_.append(value);
    return *this;
  }
  message& add(int field, const message& value) { return add(field, std::string_view(value.bytes_)); }

 private:
  void tag(int field, unsigned wire_type) { varint(static_cast<unsigned>(field) << 3 | wire_type); }
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }

  std::string bytes_;
};

template <class T>
inline constexpr std::uint64_t data_type = 0;
template <>
inline constexpr std::uint64_t data_type<float> = 1;
template <>
inline constexpr std::uint64_t data_type<std::int64_t> = 7;

}  // namespace detail

/// A size of an input or an output: a number, or a name for one that is known when the model runs.
using dimension = std::variant<index, std::string>;

/// A graph that is being written. Values have names; a name that is given twice is a graph that no one can load.
class graph {
 public:
  /// A tensor that does not change, of float or int64: its name. `shape` is empty for a scalar. Throws input_error as serialise() does.
  template <class T>
  std::string constant(const std::string& name, const std::vector<index>& shape, std::span<const T> values) {
    check_size(graph_.bytes().size() + values.size_bytes());
    detail::message tensor;
    for (const index size : shape) tensor.add(1, static_cast<std::uint64_t>(size));
    tensor.add(2, detail::data_type<T>).add(8, std::string_view(name));
    tensor.add(9, std::string_view(reinterpret_cast<const char*>(values.data()), values.size_bytes()));
    graph_.add(5, tensor);
    return name;
  }
  /// A vector of whole numbers, or a scalar.
  std::string constant(const std::vector<std::int64_t>& values) {
    return constant<std::int64_t>(fresh("whole"), {static_cast<index>(values.size())}, values);
  }
  std::string constant(std::int64_t value) { return constant<std::int64_t>(fresh("whole"), {}, std::span(&value, 1)); }
  std::string constant(float value) { return constant<float>(fresh("real"), {}, std::span(&value, 1)); }

  /// An input of the model, T float or int64.
  template <class T>
  std::string input(const std::string& name, const std::vector<dimension>& shape) {
    graph_.add(11, value_info<T>(name, shape));
    return name;
  }
  template <class T>
  void output(const std::string& name, const std::vector<dimension>& shape) {
    graph_.add(12, value_info<T>(name, shape));
  }

  /// A node whose outputs are named here.
  void node(const std::string& op, const names& inputs, const names& outputs, const std::map<std::string, attribute>& attributes = {}) {
    detail::message n;
    for (const std::string& name : inputs) n.add(1, std::string_view(name));
    for (const std::string& name : outputs) n.add(2, std::string_view(name));
    n.add(3, std::string_view(outputs.front())).add(4, std::string_view(op));
    for (const auto& [name, value] : attributes) n.add(5, written(name, value));
    graph_.add(1, n);
  }
  /// A node of one output: its name.
  std::string operator()(const std::string& op, const names& inputs, const std::map<std::string, attribute>& attributes = {}) {
    const std::string name = fresh(op);
    node(op, inputs, {name}, attributes);
    return name;
  }

  /// The file's bytes. `metadata` are texts that go with the model. Throws input_error if they are 2 GiB or more, which protobuf cannot
  /// hold.
  std::string serialise(const std::string& name, const std::string& producer, const std::map<std::string, std::string>& metadata) const {
    detail::message named = graph_, model, operators;
    named.add(2, std::string_view(name));
    model.add(1, ir_version).add(2, std::string_view(producer)).add(7, named);
    model.add(8, operators.add(1, std::string_view()).add(2, opset));
    for (const auto& [key, text] : metadata) model.add(14, detail::message().add(1, std::string_view(key)).add(2, std::string_view(text)));
    check_size(model.bytes().size());
    return model.bytes();
  }

 private:
  static void check_size(std::size_t bytes) {
    if (bytes > INT32_MAX)
      throw input_error("an ONNX model of " + std::to_string(bytes) +
                        " bytes or more: the format holds at most 2 GiB; export the items instead");
  }

  std::string fresh(const std::string& what) { return what + "_" + std::to_string(count_++); }

  static detail::message written(const std::string& name, const attribute& value) {
    detail::message a;
    a.add(1, std::string_view(name));
    if (const auto* whole = std::get_if<std::int64_t>(&value))
      return a.add(3, static_cast<std::uint64_t>(*whole)).add(20, std::uint64_t{2});
    if (const auto* real = std::get_if<float>(&value)) return a.add(2, *real).add(20, std::uint64_t{1});
    if (const auto* text = std::get_if<std::string>(&value)) return a.add(4, std::string_view(*text)).add(20, std::uint64_t{3});
    for (const std::int64_t whole : std::get<std::vector<std::int64_t>>(value)) a.add(8, static_cast<std::uint64_t>(whole));
    return a.add(20, std::uint64_t{7});
  }

  template <class T>
  static detail::message value_info(const std::string& name, const std::vector<dimension>& shape) {
    detail::message sizes, tensor, type, info;
    for (const dimension& d : shape) {
      detail::message size;
      if (const auto* known = std::get_if<index>(&d))
        size.add(1, static_cast<std::uint64_t>(*known));
      else
        size.add(2, std::string_view(std::get<std::string>(d)));
      sizes.add(1, size);
    }
    tensor.add(1, detail::data_type<T>).add(2, sizes);
    return info.add(1, std::string_view(name)).add(2, type.add(1, tensor));
  }

  detail::message graph_;
  index count_ = 0;
};

}  // namespace cddrec::io::onnx
