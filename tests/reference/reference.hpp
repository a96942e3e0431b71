// Reads reference.txt, PyTorch's numbers for networks and losses (see make_reference.py).
// A block is `name rows cols`, then the values; a missing name or a torn file is an error that says which.
#pragma once

#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "cddrec/core/tensor.hpp"

namespace cddrec::test::reference {

using core::index;
using tensors = std::map<std::string, core::matrix<double>, std::less<>>;

/// Every block of the file by its name.
inline tensors load(const std::string& path = CDDREC_SOURCE_DIR "/tests/reference/reference.txt") {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("reference: cannot open " + path);
  tensors all;
  std::string name;
  while (file >> name) {
    if (name.front() == '#') {
      std::getline(file, name);
      continue;
    }
    index rows = 0, cols = 0;
    if (!(file >> rows >> cols)) throw std::runtime_error("reference: " + path + " has no sizes after " + name);
    core::matrix<double> values(rows, cols);
    for (index i = 0; i < values.size(); ++i) {
      std::string text;  // operator>> for double refuses subnormal numbers
      char* end = nullptr;
      if (file >> text) values.data()[i] = std::strtod(text.c_str(), &end);
      if (end == nullptr || *end != 0) throw std::runtime_error("reference: " + path + " is torn within " + name);
    }
    all[name] = values;
  }
  return all;
}

/// The block called `name`; a view, so that GCC 13 does not take the result for a reference into a temporary name.
inline const core::matrix<double>& get(const tensors& all, std::string_view name) {
  const auto found = all.find(name);
  if (found == all.end()) throw std::runtime_error("reference: no tensor is called " + std::string(name));
  return found->second;
}

/// A block of one value.
inline double scalar(const tensors& all, const std::string& name) {
  const auto& m = get(all, name);
  if (m.size() != 1) throw std::runtime_error("reference: " + name + " is not one value");
  return m(0, 0);
}

/// A block of whole numbers: items, targets, lengths.
template <class Integer>
std::vector<Integer> whole(const tensors& all, const std::string& name) {
  const auto& m = get(all, name);
  std::vector<Integer> values;
  for (index i = 0; i < m.size(); ++i) values.push_back(static_cast<Integer>(m.data()[i]));
  return values;
}

}  // namespace cddrec::test::reference
