// What every epoch of a training run came to, as CSV: loss and its parts, the validation metrics, the seconds since training began.
// It is written whole after every epoch, and read again when the run goes on.
#pragma once

#include <charconv>
#include <limits>
#include <string>
#include <vector>

#include "cddrec/io/text.hpp"
#include "cddrec/train/fit.hpp"

namespace cddrec::io {

/// Rows of numbers under named columns; numbers are written so that they read back as they were.
class training_log {
 public:
  training_log() = default;

  /// Reads what text() wrote. Throws input_error `FILE:LINE: what is wrong`.
  explicit training_log(const std::filesystem::path& path) {
    const std::string text = read_text(path);
    std::string_view rest = text;
    for (index number = 1; !rest.empty(); ++number) {
      const std::string_view whole = take_line(rest);
      std::string_view line = whole;
      std::vector<std::string> cells;
      for (std::size_t end = 0; end != line.npos; line.remove_prefix(end == line.npos ? 0 : end + 1)) {
        end = line.find(',');
        cells.emplace_back(line.substr(0, end));
      }
      const auto refuse = [&](const std::string& what) {
        throw input_error(path.string() + ":" + std::to_string(number) + ": " + what + "; only training writes a training log");
      };
      if (number == 1) {
        if (cells.size() < 2 || cells[0] != "epoch" || cells[1] != "loss")
          refuse(io::quoted(whole, '\'') + " does not begin with epoch,loss");
        columns_ = std::move(cells);
        continue;
      }
      if (cells.size() != columns_.size())
        refuse(std::to_string(cells.size()) + " cells under " + std::to_string(columns_.size()) + " columns");
      std::vector<double> row;
      for (const std::string& cell : cells) {
        double value = 0;
        const auto [end, problem] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
        if (problem != std::errc() || end != cell.data() + cell.size()) refuse(io::quoted(cell, '\'') + " is not a number");
        row.push_back(value);
      }
      rows_.push_back(std::move(row));
    }
  }

  /// Adds an epoch. Where the rows so far have other columns, as those of another version may, the columns become those of both, and what
  /// a row does not say is NaN. Throws input_error for a part whose name would end its cell or is another column's.
  void add(const train::epoch_report& r) {
    std::vector<std::string> columns{"epoch", "loss"};
    std::vector<double> row{static_cast<double>(r.epoch), r.loss};
    const auto put = [&](std::string_view name, double value) { columns.emplace_back(name), row.push_back(value); };
    for (const auto& [name, value] : r.parts) {
      if (is_own(name) || name.find_first_of(",\r\n") != name.npos)
        throw input_error("io::training_log: a part of the loss cannot be called " + io::quoted(name, '\'') +
                          ", another column's name or one with a comma or a line's end; rename it in the names() of its objective");
      put(name, value);
    }
    for (const auto& [name, value] : r.validation.values()) put(name, value);
    put("seconds", r.seconds);
    for (const std::string& name : columns_)
      if (std::find(columns.begin(), columns.end(), name) == columns.end()) put(name, std::numeric_limits<double>::quiet_NaN());
    if (columns_ != columns) rearrange(columns);
    rows_.push_back(std::move(row));
  }

  /// Forgets what came after an epoch: training goes on from there.
  void keep_until(index epoch) {
    std::erase_if(rows_, [&](const auto& row) { return row.empty() || row[0] > static_cast<double>(epoch); });
  }

  std::string text() const {
    std::string out;
    for (const std::string& name : columns_) out += (out.empty() ? "" : ",") + name;
    if (!columns_.empty()) out += '\n';
    for (const auto& row : rows_)
      for (std::size_t k = 0; k < row.size(); ++k) {
        char buffer[40];
        out.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, row[k]).ptr) += k + 1 < row.size() ? ',' : '\n';
      }
    return out;
  }

  const std::vector<std::string>& columns() const { return columns_; }
  index size() const { return std::ssize(rows_); }
  /// All values of a column, in the order of the epochs; none if there is no such column.
  std::vector<double> column(std::string_view name) const {
    std::vector<double> values;
    const auto found = std::find(columns_.begin(), columns_.end(), name);
    if (found == columns_.end()) return values;
    for (const auto& row : rows_) values.push_back(row[static_cast<std::size_t>(found - columns_.begin())]);
    return values;
  }
  /// The parts of the loss.
  std::vector<std::string> parts() const {
    const auto end = std::find(columns_.begin(), columns_.end(), eval::metrics::fields[0].first);
    return columns_.size() < 2 ? std::vector<std::string>{} : std::vector<std::string>(columns_.begin() + 2, end);
  }

 private:
  static bool is_own(std::string_view name) {
    const auto& fields = eval::metrics::fields;
    return name == "epoch" || name == "loss" || name == "seconds" ||
           std::any_of(fields.begin(), fields.end(), [&](const auto& field) { return field.first == name; });
  }
  // Gives every row these columns.
  void rearrange(const std::vector<std::string>& columns) {
    std::vector<std::vector<double>> rows(rows_.size());
    for (const std::string& name : columns) {
      std::vector<double> values = column(name);
      values.resize(rows.size(), std::numeric_limits<double>::quiet_NaN());
      for (std::size_t r = 0; r < rows.size(); ++r) rows[r].push_back(values[r]);
    }
    rows_ = std::move(rows), columns_ = columns;
  }

  std::vector<std::string> columns_;
  std::vector<std::vector<double>> rows_;
};

}  // namespace cddrec::io
