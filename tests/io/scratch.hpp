// A directory of a test's own, empty at first and gone with the test.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "test.hpp"

namespace cddrec::test {

class scratch {
 public:
  scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "cddrec_test_XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;
  ~scratch() { std::filesystem::remove_all(path_); }

  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

  /// Makes a file, without the help of what is tested.
  std::filesystem::path write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path_ / name, std::ios::binary) << bytes;
    return path_ / name;
  }
  std::string read(const std::string& name) const {
    std::ifstream file(path_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  /// Everything in it, hidden files too.
  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
  }

 private:
  std::filesystem::path path_;
};

/// The message of the Error that `f` throws; fails the test if it throws none, or one of another class.
template <class Error, class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const std::exception& e) {
    INFO(e.what());
    CHECK(typeid(e) == typeid(Error));
    return e.what();
  }
  FAIL("nothing was thrown");
  return {};
}

}  // namespace cddrec::test
