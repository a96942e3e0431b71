// Small models for tests of reliability, made as the command makes them.
#pragma once

#include "io/scratch.hpp"
#include "model_file.hpp"

namespace cddrec::test {

inline data::id_map item_names(index items) {
  data::id_map ids;
  for (index i = 0; i < items; ++i) ids.add("i" + std::to_string(i));
  return ids;
}

/// The smallest sizes that have every part.
inline cli::run_settings small_settings() {
  cli::run_settings s = cli::defaults();
  s.width = 4, s.heads = 2, s.max_length = 3, s.steps = 2, s.dropout = 0.1, s.epochs = 1, s.candidates = 4, s.batch_users = 4;
  return s;
}

/// An untrained network of a kind, but gan, as a file holds it.
inline io::tensor_file network_file(const std::string& kind, const cli::run_settings& s, index items) {
  io::tensor_file file = cli::describe(kind, s, item_names(items));
  io::put_weights(file, cli::make_network(kind, s, items));
  return file;
}
inline io::tensor_file small_model() { return network_file("cddrec", small_settings(), 5); }

inline cli::loaded_model read_model(const std::string& bytes) { return cli::read_model(io::tensor_file::parse(bytes, "FILE"), "FILE"); }

/// The bytes of a loaded network's file.
inline std::string bytes_of(const cli::loaded_model& m) {
  io::tensor_file file = cli::describe(m.kind, m.settings, m.ids);
  io::put_weights(file, *cli::network_of(m));
  return file.serialise();
}

/// A file around any header and data, its checksum right; `entries` follows the metadata.
inline std::string sealed(const std::string& entries, const std::string& data = "", const std::string& more_metadata = "") {
  const std::string header = std::string(io::detail::checksum_key) + "00000000\"" + more_metadata + "}" + entries + "}";
  std::string file(8, '\0');
  const std::uint64_t length = header.size();
  std::memcpy(file.data(), &length, 8);
  file += header + data;
  file.replace(io::detail::digits_begin, 8, io::detail::checksum(file));
  return file;
}

}  // namespace cddrec::test
