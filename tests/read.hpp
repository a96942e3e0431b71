// What a file holds.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "test.hpp"

namespace cddrec::test {

/// The test fails without the file.
inline std::string read(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  INFO(path.string());
  REQUIRE(in);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace cddrec::test
