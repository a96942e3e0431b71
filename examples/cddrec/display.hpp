// How far long work has come: a bar with the time left, on standard error if that is a terminal, and nothing otherwise.
// Work of less than two seconds has none. Colour and width are what the terminal and NO_COLOR, TERM and COLUMNS say.
#pragma once

#include <sys/ioctl.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <sstream>
#include <vector>

#include "cddrec/core/progress.hpp"
#include "interrupt.hpp"

namespace cddrec::cli {

using core::index;

/// What one of the standard streams shows.
struct terminal {
  bool on = false, colour = false;
  int width = 80;

  /// Of file 1 or 2.
  static terminal of(int file) {
    const auto variable = [](const char* name) { return std::string(std::getenv(name) ? std::getenv(name) : ""); };
    terminal t;
    t.on = ::isatty(file) == 1 && variable("TERM") != "dumb";
    t.colour = t.on && variable("NO_COLOR").empty();  // no-color.org
    winsize size{};
    if (::ioctl(file, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) t.width = size.ws_col;
    if (const int said = std::atoi(variable("COLUMNS").c_str()); said > 0) t.width = said;
    return t;
  }
};

/// Seconds since it was made.
class stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count(); }

 private:
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

/// 1:05, 2:01:05.
inline std::string duration(double seconds) {
  const long s = std::lround(std::max(0.0, seconds));
  std::ostringstream out;
  out << std::setfill('0');
  if (s >= 3600) out << s / 3600 << ':' << std::setw(2);
  out << s / 60 % 60 << ':' << std::setw(2) << s % 60;
  return out.str();
}

/// One line of a terminal that is drawn again and again; cleared at the end.
class status_line {
 public:
  status_line() = default;
  status_line(const status_line&) = delete;
  status_line& operator=(const status_line&) = delete;
  ~status_line() { clear(); }

  bool on() const { return terminal_.on; }
  std::size_t width() const { return static_cast<std::size_t>(std::max(terminal_.width, 1)); }
  /// Draws `head [####....] tail`, without the parts of the tail that do not fit the width; at most ten times a second, except for a bar
  /// that has become full.
  void draw(const std::string& head, double part, const std::vector<std::string>& tail) {
    const auto now = clock::now();
    const bool filled = part >= 1 && drawn_part_ < 1;
    if (!terminal_.on || (shown_ && !filled && now - drawn_ < std::chrono::milliseconds(100))) return;
    drawn_ = now, drawn_part_ = part, shown_ = true;
    constexpr int cells = 20;
    const int full = std::min(cells, static_cast<int>(cells * part));
    std::string line =
        head + " [" + std::string(static_cast<std::size_t>(full), '#') + std::string(static_cast<std::size_t>(cells - full), '.') + "]";
    for (std::size_t k = 0; k < tail.size(); ++k) {
      const std::string next = (k > 0 ? "  " : " ") + tail[k];
      if (line.size() + next.size() < width()) line += next;
    }
    line.resize(std::min(line.size(), width() - 1));
    const std::size_t from = head.size() + 2, to = std::min(from + static_cast<std::size_t>(full), line.size());
    if (terminal_.colour && from < to) line.insert(to, "\033[0m").insert(from, "\033[32m");
    std::cerr << '\r' << line << "\033[K" << std::flush;
  }
  void clear() {
    if (shown_) std::cerr << "\r\033[K" << std::flush;
    shown_ = false;
  }

 private:
  using clock = std::chrono::steady_clock;
  terminal terminal_ = terminal::of(STDERR_FILENO);
  bool shown_ = false;
  double drawn_part_ = 0;
  clock::time_point drawn_{};
};

/// A bar for one piece of work, which signals stop while it lives: give `tell()` to what does the work.
class work_display {
 public:
  explicit work_display(std::string what) : what_(std::move(what)) {}

  /// The callback, which must not outlive the display.
  core::progress tell() {
    return [this](index done, index all) { return told(done, all); };
  }

 private:
  bool told(index done, index all) {
    const double part = all > 0 ? static_cast<double>(done) / static_cast<double>(all) : 1;
    const double spent = since_.seconds();
    // No bar for work that turns out to be short: it would be over before anybody has read it.
    if (line_.on() && part > 0 && spent > 0.3 && (long_ = long_ || spent / part > 2))
      line_.draw(what_, part, {std::to_string(static_cast<int>(100 * part)) + " %", duration(spent / part - spent) + " left"});
    return may_go_on();
  }

  std::string what_;
  bool long_ = false;
  stopwatch since_;
  status_line line_;
  interruptible signals_;
};

}  // namespace cddrec::cli
