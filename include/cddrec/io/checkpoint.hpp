// What a model file holds: every parameter under the name visit() gives it, the item ids, and settings as metadata.
// Loading checks names, shapes and finiteness, so a network that loads can be used.
#pragma once

#include "cddrec/autodiff/parameter.hpp"
#include "cddrec/data/id_map.hpp"
#include "cddrec/io/safetensors.hpp"
#include "cddrec/io/text.hpp"

namespace cddrec::io {

/// Whether PyTorch has a vector where we have a matrix, by the name: biases, stacked or not, and gains of layer norms.
inline bool is_vector(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  const std::string_view last = name.substr(dot + 1);  // the whole, if there is no dot
  if (last.starts_with("bias") || last.ends_with("bias")) return true;
  if (dot == name.npos || last != "weight") return false;
  const std::string_view owner = name.substr(0, dot);
  return owner.substr(owner.rfind('.') + 1).find("norm") != owner.npos;
}

namespace detail {
template <class T>
std::vector<core::index> tensor_shape(const std::string& name, const core::matrix<T>& value) {
  if (is_vector(name)) return {value.size()};
  return {value.rows(), value.cols()};
}
}  // namespace detail

/// Whether a file has values of its own, or those that lie elsewhere and must stay there until it is saved.
enum class values { copied, lent };

/// Adds one matrix under a name, with the shape that PyTorch gives it: a vector if the name ends in a bias (`bias`, `in_proj_bias`,
/// `bias_ih_l0`) or is the weight of a layer whose name says `norm`.
template <class T>
void put_matrix(tensor_file& file, const std::string& name, const core::matrix<T>& value, values how = values::copied) {
  const std::span<const T> all(value.data(), static_cast<std::size_t>(value.size()));
  if (how == values::lent)
    file.lend<T>(name, detail::tensor_shape<T>(name, value), all);
  else
    file.add<T>(name, detail::tensor_shape<T>(name, value), all);
}

/// Reads a matrix of the size that `value` has; one row may be a vector, too. input_error for a missing tensor, another shape, or a value
/// that is not finite.
template <class T>
void get_matrix(const tensor_file& file, const std::string& name, core::matrix<T>& value, const std::string& where) {
  const auto wanted = detail::tensor_shape<T>(name, value);
  const auto shape = file.shape(name);
  if (shape != wanted && !(value.rows() == 1 && shape.size() == 1 && shape[0] == value.size()))
    throw input_error(where + ": damaged model: tensor " + name + " does not have the shape that the settings ask for");
  const std::span<const T> from = file.values<T>(name);
  if (!std::all_of(from.begin(), from.end(), [](T v) { return std::isfinite(v); }))
    throw input_error(where + ": damaged model: tensor " + name + " holds a value that is not finite");
  std::copy(from.begin(), from.end(), value.data());
}

/// Adds every parameter that visit() names. If they are lent, the network must stay where it is, as it is, until the file is saved.
template <class Network>
void put_weights(tensor_file& file, const Network& net, values how = values::copied) {
  net.visit([&](const std::string& name, const auto& p) { put_matrix(file, name, p.value, how); });
}
/// Reads every parameter that visit() names. Throws as get_matrix.
template <class Network>
void get_weights(const tensor_file& file, Network& net, const std::string& where) {
  net.visit([&](const std::string& name, auto& p) { get_matrix(file, name, p.value, where); });
}

/// Adds item ids, one a line in the order of their numbers. input_error for an id that is empty, not UTF-8 or has control characters.
inline void put_ids(tensor_file& file, const data::id_map& ids) {
  std::string joined;
  for (core::index n = 0; n < ids.size(); ++n) {
    const std::string& id = ids.name(static_cast<data::item>(n));
    const std::string problem = id.empty() ? "it is empty; rename it" : detail::bad_character(id);
    if (!problem.empty()) throw input_error("io::put_ids: the id of item " + std::to_string(n) + " (from 0): " + problem);
    joined += id + '\n';
  }
  file.add<std::uint8_t>("item_ids", {static_cast<core::index>(joined.size())},
                         {reinterpret_cast<const std::uint8_t*>(joined.data()), joined.size()});
}
/// How many ids there are, before they are read. input_error if there is no such tensor.
inline core::index count_ids(const tensor_file& file) {
  const std::span<const std::uint8_t> bytes = file.values<std::uint8_t>("item_ids");
  return static_cast<core::index>(std::count(bytes.begin(), bytes.end(), std::uint8_t{'\n'}));
}
/// Reads what put_ids wrote. input_error for a list that is cut off, and for an id that is empty, there twice or not as put_ids says.
inline data::id_map get_ids(const tensor_file& file, const std::string& where) {
  const std::span<const std::uint8_t> bytes = file.values<std::uint8_t>("item_ids");
  const std::string_view joined(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  data::id_map ids;
  for (std::size_t begin = 0; begin < joined.size();) {
    const std::size_t end = joined.find('\n', begin);
    if (end == joined.npos || end == begin)
      throw input_error(where + ": damaged model: the list of item ids is cut off or holds an empty one");
    const std::string_view id = joined.substr(begin, end - begin);
    const core::index before = ids.size();
    if (const std::string problem = detail::bad_character(id); !problem.empty())
      throw input_error(where + ": damaged model: the id of item " + std::to_string(before) + " (from 0): " + problem);
    ids.add(id);
    if (ids.size() == before) throw input_error(where + ": damaged model: an item id occurs twice");
    begin = end + 1;
  }
  return ids;
}

}  // namespace cddrec::io
