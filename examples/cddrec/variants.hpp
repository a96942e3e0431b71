// The rows of a comparison: a file of them, or kinds of model with their defaults.
#pragma once

#include "configure.hpp"

namespace cddrec::cli {

/// A row of the comparison: a kind of model and what is set for it.
struct variant {
  std::string name, kind, preset;
  std::vector<std::string> assignments;  // key=value
};

/// input_error if one of these sets the seed, which tells the rows of one model apart.
inline void refuse_seed(const std::vector<std::string>& assignments) {
  for (const std::string& a : assignments)
    if (key_of(a) == "seed") throw input_error("a comparison trains every network with the seeds 1 to --seeds; leave out " + a);
}

/// A file of variants: a line each, `name kind [preset=NAME] key=value …`; # begins a comment. Errors name the line.
inline std::vector<variant> read_variants(const std::string& path) {
  std::vector<variant> all;
  std::istringstream lines(io::read_file(path));
  std::string line;
  for (index number = 1; std::getline(lines, line); ++number) {
    std::istringstream words(line.substr(0, line.find('#')));
    variant v;
    if (!(words >> v.name)) continue;
    try {
      if (!(words >> v.kind)) throw input_error("write `name kind key=value …`");
      serve::check_kind(v.kind);
      if (v.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-.") != v.name.npos)
        throw input_error("the name " + io::quoted(v.name, '\'') + " may hold only a-z, 0-9, _, - and .: files are named after it");
      for (const variant& other : all)
        if (other.name == v.name) throw input_error("the name '" + v.name + "' is used twice");
      for (std::string word; words >> word;) {
        if (word.starts_with("preset="))
          v.preset = word.substr(7);
        else
          v.assignments.push_back(word);
      }
      refuse_seed(v.assignments);
      gather_settings(v.kind, v.preset, {}, v.assignments);
    } catch (const input_error& e) {
      throw input_error(path + ":" + std::to_string(number) + ": " + e.what());
    }
    all.push_back(v);
  }
  if (all.empty()) throw input_error(path + ": holds no model");
  return all;
}

/// The named variants, in that order; a name that is not in the file but is a kind of model stands for its defaults. No names: all.
inline std::vector<variant> choose_variants(const std::string& file, const std::vector<std::string>& names) {
  const std::vector<variant> known = file.empty() ? std::vector<variant>{} : read_variants(file);
  if (names.empty()) {
    if (known.empty()) throw input_error("compare: name models with --models, or a file of them with --variants");
    return known;
  }
  std::vector<variant> chosen;
  for (const std::string& name : names) {
    const auto found = std::find_if(known.begin(), known.end(), [&](const variant& v) { return v.name == name; });
    if (found == known.end()) {
      try {
        serve::check_kind(name);
      } catch (const input_error& e) {
        const std::string others = file.empty() ? "; names of your own come from a file, --variants" : ", beside the names in " + file;
        throw input_error(e.what() + others);
      }
    }
    chosen.push_back(found != known.end() ? *found : variant{name, name, "", {}});
  }
  return chosen;
}

}  // namespace cddrec::cli
