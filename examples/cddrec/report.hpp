// What the commands print: metrics as a table or as JSON, beside the best possible where it is known.
// `generate` leaves the best possible metrics in a file beside the log.
#pragma once

#include <zlib.h>

#include <cmath>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "cddrec/data/optimum.hpp"
#include "cddrec/eval/metrics.hpp"
#include "cddrec/io/interactions.hpp"
#include "display.hpp"

namespace cddrec::cli {

namespace fs = std::filesystem;
using json = nlohmann::ordered_json;

inline fs::path optimum_path(const fs::path& log) { return log.string() + ".optimum.json"; }

inline json to_json(const eval::metrics& m) {
  json j;
  for (const auto& [name, value] : m.values()) j[std::string(name)] = value;
  return j;
}
inline json to_json(const data::best_possible& b) {
  return {{"recall@1", b.recall[0]}, {"recall@5", b.recall[1]}, {"recall@10", b.recall[2]}, {"recall@20", b.recall[3]},
          {"ndcg@5", b.ndcg[0]},     {"ndcg@10", b.ndcg[1]},    {"ndcg@20", b.ndcg[2]},     {"mrr", b.mrr}};
}

/// The most memory that this program has used so far. getrusage would also count what the program that started it had used.
inline index peak_memory_mb() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (index kilobytes = 0; word == "VmHWM:" && status >> kilobytes) return kilobytes / 1024;
  return 0;
}
/// What `train` prints before it.
inline constexpr const char* peak_memory_words = "peak memory ";

/// What tells a log from any other: its length and CRC-32.
inline json fingerprint(const fs::path& log) {
  const std::string bytes = io::read_file(log);
  return {{"bytes", bytes.size()}, {"crc32", ::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size())}};
}

/// The best possible metrics that `generate` left beside a log, if it did, and if the log is still the one it wrote.
inline std::optional<json> read_optimum(const fs::path& log, const std::string& split) {
  std::error_code unknown;
  if (!fs::exists(optimum_path(log), unknown)) return {};
  try {
    const json all = json::parse(io::read_file(optimum_path(log)));
    if (all.at("log") == fingerprint(log)) {
      for (const auto& [name, unused] : eval::metrics::fields) all.at(split).at(std::string(name)).get<double>();
      return all.at(split);
    }
    std::cerr << "cddrec: " << optimum_path(log).string() << " is of another log: the best possible metrics are not shown\n";
    return {};
  } catch (const json::exception&) {
    throw input_error(optimum_path(log).string() + ": is not what `cddrec generate` writes; delete it or generate the log again");
  }
}

/// input_error for a file that exists already, which is never overwritten, and for the name `-`.
inline void refuse_existing(const fs::path& output) {
  if (output == "-") throw input_error("--output -: output goes to a file, not to standard output; name one");
  if (io::is_there(output)) throw input_error(output.string() + ": already exists; name another file");
}

/// Rounded as it is printed, so that nothing is -0.0000.
inline double four_decimals(double value) { return std::round(1e4 * value) / 1e4 + 0.0; }

inline std::vector<std::string> metric_names() {
  std::vector<std::string> names;
  for (const auto& [name, unused] : eval::metrics::fields) names.emplace_back(name);
  return names;
}

/// One line per row, with a blank where it has no such figure; on a terminal that is too narrow the columns continue in a table below.
inline void print_table(const std::vector<std::pair<std::string, json>>& rows, const std::vector<std::string>& columns = metric_names()) {
  constexpr int cell = 11;
  int name_width = 16;
  for (const auto& [name, unused] : rows) name_width = std::max(name_width, static_cast<int>(name.size()) + 1);
  const terminal screen = terminal::of(STDOUT_FILENO);
  const std::size_t fit = screen.on ? static_cast<std::size_t>(std::max(1, (screen.width - name_width) / cell)) : columns.size();
  for (std::size_t first = 0; first < columns.size(); first += fit) {
    const std::size_t end = std::min(first + fit, columns.size());
    std::cout << std::left << std::setw(name_width) << "" << std::right;
    for (std::size_t k = first; k < end; ++k) std::cout << std::setw(cell) << columns[k];
    std::cout << '\n';
    for (const auto& [name, figures] : rows) {
      std::cout << std::left << std::setw(name_width) << name << std::right << std::fixed << std::setprecision(4);
      for (std::size_t k = first; k < end; ++k) {
        const json value = figures.value(columns[k], json());
        std::cout << std::setw(cell);
        if (value.is_number_float())
          std::cout << four_decimals(value.get<double>());
        else
          std::cout << (value.is_null() ? "" : value.dump());
      }
      std::cout << '\n';
    }
  }
  std::cout << std::flush;
}

}  // namespace cddrec::cli
