// Named tensors in one file, in the safetensors format: 8 bytes of header length, a JSON header, then the values, no holes.
// The header begins with the CRC-32 of the whole file (its own digits taken as '0'), so one changed bit anywhere is refused.
#pragma once

#include <zlib.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <memory>

#include "cddrec/core/tensor.hpp"
#include "cddrec/io/atomic_file.hpp"
#include "cddrec/io/header.hpp"

namespace cddrec::io {

using core::index;

static_assert(std::endian::native == std::endian::little, "safetensors values are little-endian and are not swapped here");

/// The format's names of the scalar types.
template <class T>
inline constexpr std::string_view dtype = {};
template <>
inline constexpr std::string_view dtype<float> = "F32";
template <>
inline constexpr std::string_view dtype<double> = "F64";
template <>
inline constexpr std::string_view dtype<std::int32_t> = "I32";
template <>
inline constexpr std::string_view dtype<std::int64_t> = "I64";
template <>
inline constexpr std::string_view dtype<std::uint8_t> = "U8";

template <class T>
concept tensor_scalar = !dtype<T>.empty();

namespace detail {

// A file starts with its header's length, then this, then the eight digits of the checksum.
inline constexpr std::string_view checksum_key = R"({"__metadata__":{"checksum":")";
inline constexpr std::size_t length_bytes = 8;
inline constexpr std::size_t digits_begin = length_bytes + checksum_key.size();
inline constexpr std::string_view no_digits = "00000000";

// Bytes of one value, 0 for a type that is not known.
inline std::size_t dtype_bytes(std::string_view name) {
  if (name == "F64" || name == "I64") return 8;
  if (name == "F32" || name == "I32") return 4;
  return name == "U8" ? 1 : 0;
}

// The CRC-32 of a whole file in pieces, as eight lower-case hexadecimal digits. The digits' own place in the first piece counts as zeros.
inline std::string checksum(std::span<const std::string_view> file) {
  const auto add = [](uLong crc, std::string_view part) {
    // A part without bytes may have a null pointer, by which zlib would begin anew.
    return part.empty() ? crc : ::crc32_z(crc, reinterpret_cast<const Bytef*>(part.data()), part.size());
  };
  uLong crc = add(0, file[0].substr(0, digits_begin));
  crc = add(crc, no_digits);
  crc = add(crc, file[0].substr(digits_begin + no_digits.size()));
  for (const std::string_view part : file.subspan(1)) crc = add(crc, part);
  std::string digits(no_digits);
  for (std::size_t i = digits.size(); i-- > 0; crc >>= 4) digits[i] = "0123456789abcdef"[crc & 15];
  return digits;
}
inline std::string checksum(std::string_view file) { return checksum(std::span(&file, 1)); }

}  // namespace detail

/// What one file holds: a string map and tensors of F32, F64, I32, I64 or U8. The same content always gives the same bytes.
class tensor_file {
 public:
  struct tensor {
    std::string dtype;
    std::vector<index> shape;
    std::span<const std::byte> bytes;                     // row-major
    std::shared_ptr<const core::buffer<std::byte>> held;  // what `bytes` views, if they are not lent
  };

  /// Free text by name. The name "checksum" is the format's own.
  std::map<std::string, std::string> metadata;

  const std::map<std::string, tensor, std::less<>>& tensors() const { return tensors_; }

  /// Adds a copy of row-major values. Throws input_error if the name is taken or the shape does not fit
  /// or has more than 8 sizes.
  template <tensor_scalar T>
  void add(const std::string& name, std::vector<index> shape, std::span<const T> values) {
    check(name, shape, values);
    tensors_[name] = held_tensor(std::string(dtype<T>), std::move(shape), std::as_bytes(values));
  }
  /// The same without a copy: the values must stay where they are, as they are, as long as this object is read or saved.
  template <tensor_scalar T>
  void lend(const std::string& name, std::vector<index> shape, std::span<const T> values) {
    check(name, shape, values);
    tensors_[name] = {std::string(dtype<T>), std::move(shape), std::as_bytes(values), nullptr};
  }

  /// The values of a tensor, row-major and, unless they are lent, aligned to a cache line; valid as long as this object.
  /// Throws input_error if there is no such tensor or it has another type.
  template <tensor_scalar T>
  std::span<const T> values(std::string_view name) const {
    const tensor& t = find(name);
    if (t.dtype != dtype<T>) refuse("tensor " + io::quoted(name) + " is " + t.dtype + ", not " + std::string(dtype<T>));
    return {reinterpret_cast<const T*>(t.bytes.data()), t.bytes.size() / sizeof(T)};
  }

  /// The sizes of a tensor; none for a scalar. Throws input_error if there is no such tensor.
  const std::vector<index>& shape(std::string_view name) const { return find(name).shape; }

  /// The file's bytes. Throws input_error for a name or a text that is not UTF-8, and for metadata named "checksum".
  std::string serialise() const;

  /// Reads a file's bytes, called `name` in errors. Throws input_error `NAME: damaged model: what is wrong` for
  /// every changed, missing or added byte and every header that breaks the format; no memory is taken on a header's word.
  static tensor_file parse(std::string_view file, const std::string& name);

  /// Writes a file, all or nothing. Throws as serialise() and write_atomically().
  void save(const std::filesystem::path& path) const {
    std::string header;
    write_atomically(path, pieces(header));
  }

  /// Reads a file. Throws as read_file() and parse().
  static tensor_file load(const std::filesystem::path& path) { return parse(read_file(path), path.string()); }

 private:
  [[noreturn]] void refuse(const std::string& what) const { throw input_error(name_ + ": " + what); }

  const tensor& find(std::string_view name) const {
    const auto place = tensors_.find(name);
    if (place == tensors_.end()) refuse("there is no tensor " + io::quoted(name));
    return place->second;
  }

  template <class T>
  void check(const std::string& name, std::span<const index> shape, std::span<const T> values) const {
    std::uint64_t bytes = 0;
    if (!size_of(shape, sizeof(T), bytes) || bytes != values.size_bytes())
      refuse("tensor " + io::quoted(name) + ": the shape does not fit " + std::to_string(values.size()) + " values");
    if (shape.size() > detail::header_value::most_parts)
      refuse("tensor " + io::quoted(name) + ": a shape has at most " + std::to_string(detail::header_value::most_parts) + " sizes");
    if (name == detail::metadata_name || tensors_.contains(name)) refuse("the name " + io::quoted(name) + " is taken");
  }

  static tensor held_tensor(std::string dtype, std::vector<index> shape, std::span<const std::byte> bytes) {
    auto held = std::make_shared<const core::buffer<std::byte>>(bytes.begin(), bytes.end());
    return {std::move(dtype), std::move(shape), *held, held};
  }

  // The file: its header, which is put into `header`, and the tensors' bytes where they lie.
  std::vector<std::string_view> pieces(std::string& header) const;

  // Bytes of a tensor; false if a size is negative or the product overflows.
  static bool size_of(std::span<const index> shape, std::size_t item_bytes, std::uint64_t& bytes) {
    bytes = item_bytes;
    for (const index size : shape)
      if (size < 0 || __builtin_mul_overflow(bytes, static_cast<std::uint64_t>(size), &bytes)) return false;
    return true;
  }

  std::string name_ = "safetensors";
  std::map<std::string, tensor, std::less<>> tensors_;
};

inline std::string tensor_file::serialise() const {
  std::string header, file;
  const std::vector<std::string_view> all = pieces(header);
  std::size_t size = 0;
  for (const std::string_view part : all) size += part.size();
  file.reserve(size);
  for (const std::string_view part : all) file += part;
  return file;
}

inline std::vector<std::string_view> tensor_file::pieces(std::string& header) const {
  // Widest scalars first, then by name: so every tensor is aligned to its scalar, because the data begin at a multiple of 64.
  std::vector<std::pair<const std::string*, const tensor*>> order;
  for (const auto& [name, t] : tensors_) order.emplace_back(&name, &t);
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    const auto x = detail::dtype_bytes(a.second->dtype), y = detail::dtype_bytes(b.second->dtype);
    return x > y || (x == y && *a.first < *b.first);
  });

  // Written piece by piece: a tree of JSON would need memory to be given back.
  const auto text = [&](const std::string& words) {
    try {
      return nlohmann::json(words).dump();
    } catch (const nlohmann::json::type_error&) {
      refuse("a name or a metadata text is not UTF-8");
    }
  };
  header = std::string(detail::length_bytes, '\0') + std::string(detail::checksum_key) + std::string(detail::no_digits) + '"';
  for (const auto& [key, words] : metadata) {
    if (key == "checksum") refuse("metadata cannot be named `checksum`, which the format reserves");
    header += ',' + text(key) + ':' + text(words);
  }
  header += '}';
  std::size_t offset = 0;
  for (const auto& [name, t] : order) {
    header += ',' + text(*name) + R"(:{"dtype":")" + t->dtype + R"(","shape":[)";
    for (std::size_t i = 0; i < t->shape.size(); ++i) header += (i == 0 ? "" : ",") + std::to_string(t->shape[i]);
    header += R"(],"data_offsets":[)" + std::to_string(offset) + ',' + std::to_string(offset + t->bytes.size()) + "]}";
    offset += t->bytes.size();
  }
  header += '}';
  header.resize((header.size() + 63) / 64 * 64, ' ');
  const std::uint64_t length = header.size() - detail::length_bytes;
  std::memcpy(header.data(), &length, sizeof length);
  std::vector<std::string_view> all{header};
  for (const auto& [name, t] : order) all.emplace_back(reinterpret_cast<const char*>(t->bytes.data()), t->bytes.size());
  header.replace(detail::digits_begin, detail::no_digits.size(), detail::checksum(all));
  return all;
}

inline tensor_file tensor_file::parse(std::string_view file, const std::string& name) {
  const auto refuse = [&](const std::string& what) { throw input_error(name + ": damaged model: " + what); };
  if (file.size() < detail::length_bytes) refuse("the file ends within the header's length; restore it from a copy");
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof length);
  if (length > file.size() - detail::length_bytes)
    refuse("a header of " + std::to_string(length) + " bytes in a file of " + std::to_string(file.size()) + "; restore it from a copy");
  const std::string_view text = file.substr(detail::length_bytes, length);
  const std::string_view data = file.substr(detail::length_bytes + length);
  if (!text.starts_with(detail::checksum_key) || text.size() < detail::checksum_key.size() + detail::no_digits.size())
    refuse("the header does not begin with a checksum; examples/pytorch/checkpoint.py adds one to a file that another program wrote");
  if (file.substr(detail::digits_begin, detail::no_digits.size()) != detail::checksum(file))
    refuse("the checksum does not match: bytes were changed or cut off; restore it from a copy");

  // From here on only a file made by another hand can be wrong.
  using detail::header_value;
  tensor_file result;
  result.name_ = name;
  struct extent {
    std::uint64_t begin, end;
    const std::string* name;
  };
  std::vector<extent> extents;
  const auto text_read = [&](std::string&& key, std::string&& words) {
    return result.metadata.try_emplace(std::move(key), std::move(words)).second;
  };
  const auto entry_read = [&](header_value&& entry) {
    const std::string at = "tensor " + io::quoted(entry.name) + ": ";
    const header_value *type = entry.find("dtype"), *shape = entry.find("shape"), *offsets = entry.find("data_offsets");
    if (entry.is != header_value::object || entry.parts.size() != 3 || !type || !shape || !offsets)
      refuse(at + "needs exactly dtype, shape and data_offsets");
    if (type->is != header_value::text || detail::dtype_bytes(type->words) == 0) refuse(at + "the dtype is not F32, F64, I32, I64 or U8");
    if (!shape->is_naturals()) refuse(at + "the shape is not a list of whole numbers from 0");
    if (!offsets->is_naturals() || offsets->parts.size() != 2) refuse(at + "the data_offsets are not two whole numbers from 0");
    const std::uint64_t begin = offsets->parts[0].number, end = offsets->parts[1].number;
    if (begin > end || end > data.size()) refuse(at + "the data_offsets do not fit the " + std::to_string(data.size()) + " bytes of data");
    tensor t{type->words, {}, {}, nullptr};
    for (const header_value& size : shape->parts) t.shape.push_back(static_cast<index>(size.number));
    std::uint64_t bytes = 0;
    if (!size_of(t.shape, detail::dtype_bytes(t.dtype), bytes)) refuse(at + "the shape overflows");
    if (bytes != end - begin)
      refuse(at + "the shape needs " + std::to_string(bytes) + " bytes, but the data_offsets give " + std::to_string(end - begin));
    const auto [place, is_new] = result.tensors_.try_emplace(std::move(entry.name), std::move(t));
    if (is_new) extents.push_back({begin, end, &place->first});
    return is_new;
  };
  detail::parse_header(text, name, text_read, entry_read);
  result.metadata.erase("checksum");

  // Checked before anything is copied: overlapping tensors could ask for many times the file's size.
  std::sort(extents.begin(), extents.end(),
            [](const extent& a, const extent& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
  std::uint64_t end = 0;
  for (const extent& e : extents) {
    if (e.begin != end) refuse("tensor " + io::quoted(*e.name) + ": its data " + (e.begin < end ? "overlap another's" : "follow a gap"));
    end = e.end;
  }
  if (end != data.size()) refuse("the data hold " + std::to_string(data.size() - end) + " bytes more than the tensors");
  for (const extent& e : extents) {
    tensor& t = result.tensors_.find(*e.name)->second;
    t = held_tensor(std::move(t.dtype), std::move(t.shape), std::as_bytes(std::span(data)).subspan(e.begin, e.end - e.begin));
  }
  return result;
}

}  // namespace cddrec::io
