// Plots as SVG to stand in a page of HTML: lines and clouds of points over two axes, without script, the same text for the same figures.
// Colours are classes, c0, c1 …, of the page around them, so that light and dark pages show the same drawing; style() gives both.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cddrec/core/tensor.hpp"

namespace cddrec::io::svg {

using core::index;

struct point {
  double x, y;
};

enum class mark { line, dots, ring, cross };

struct series {
  std::string name = "";      // in the legend; empty: it is not listed
  std::string colour = "c0";  // a class of style(): c0 to c5 or cloud
  svg::mark mark = svg::mark::line;
  std::vector<point> points = {};
};

struct frame {
  std::string title, x_label = "";
  double width = 420, height = 280;
  bool logarithmic = false;         // the vertical axis: only points above 0 are shown
  bool from_zero = false;           // the vertical axis begins at 0 if no point is below
  bool equal = false;               // a unit is as long on either axis
  bool whole = false;               // ticks of the horizontal axis at whole numbers alone
  std::optional<double> rule = {};  // a vertical line here
  std::string rule_label = "";      // what it is, in the legend
};

/// Text as HTML holds it.
inline std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const std::string_view name = c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '"' ? "&quot;" : std::string_view();
    name.empty() ? void(out += c) : void(out += name);
  }
  return out;
}

/// A number in at most `digits` digits.
inline std::string short_number(double value, int digits = 4) {
  char buffer[40];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::general, digits).ptr};
}

/// Round numbers, about `most` of them, of which the first is at or below `low` and the last at or above `high`.
inline std::vector<double> ticks(double low, double high, int most, double least_step = 0) {
  double wanted = std::max((high - low) / most, least_step);
  if (!(wanted > 0)) wanted = low != 0 ? std::abs(low) / 4 : 1;
  // Nearer to each other than rounding tells apart, ticks would all be one number.
  wanted = std::max({wanted, 1e-12 * std::abs(low), 1e-12 * std::abs(high), 1e-300});
  const double power = std::pow(10, std::floor(std::log10(wanted)));
  double step = 10 * power;
  for (const double m : {5.0, 2.0, 1.0})
    if (m * power >= wanted * (1 - 1e-9)) step = m * power;
  const double first = std::floor(low / step + 1e-9), last = std::max(std::ceil(high / step - 1e-9), first + 1);
  std::vector<double> all;
  for (index k = 0; k <= static_cast<index>(last - first); ++k) all.push_back((first + static_cast<double>(k)) * step + 0.0);
  return all;
}

/// The CSS that plots need of the page around them: colours for c0, c1 … on light and on dark paper, and how lines and texts look.
inline std::string style() {
  return ":root{color-scheme:light dark;--paper:#fff;--ink:#1f2328;--soft:#59636e;--faint:#d1d9e0;--cloud:#8b949e;"
         "--c0:#bc3f0a;--c1:#1d5fa8;--c2:#1a7f64;--c3:#8250df;--c4:#7d5b00;--c5:#b02a63}"
         "@media(prefers-color-scheme:dark){:root{--paper:#0d1117;--ink:#e6edf3;--soft:#9198a1;--faint:#30363d;--cloud:#6e7681;"
         "--c0:#ff8a4c;--c1:#6cb2ff;--c2:#5cc4a6;--c3:#c297ff;--c4:#e3b341;--c5:#ff8fb8}}"
         ".c0{color:var(--c0)}.c1{color:var(--c1)}.c2{color:var(--c2)}.c3{color:var(--c3)}.c4{color:var(--c4)}.c5{color:var(--c5)}"
         ".cloud{color:var(--cloud)}"
         "svg{display:block;width:100%;height:auto;font:11px system-ui,sans-serif}svg text{fill:var(--soft)}"
         "svg .title{fill:var(--ink);font-size:13px;font-weight:600}svg .grid{stroke:var(--faint)}svg .axis{stroke:var(--soft)}"
         "svg .line{fill:none;stroke:currentColor;stroke-width:1.8;stroke-linejoin:round}svg .dot{fill:currentColor}"
         "svg .cloud.dot{fill-opacity:.45}svg .ring{fill:none;stroke:currentColor;stroke-width:2}"
         "svg .rule{stroke:var(--soft);stroke-dasharray:4 3}";
}

namespace detail {

inline std::string at(double value) {
  char buffer[40];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed, 1).ptr};
}
inline std::string words(double x, double y, std::string_view content, const char* anchor, const char* kind = "") {
  return "<text x=\"" + at(x) + "\" y=\"" + at(y) + "\" text-anchor=\"" + anchor + "\"" +
         (*kind ? " class=\"" + std::string(kind) + "\"" : "") + ">" + escaped(content) + "</text>\n";
}
inline std::string straight(double x1, double y1, double x2, double y2, const std::string& kind) {
  return "<path class=\"" + kind + "\" d=\"M" + at(x1) + " " + at(y1) + "L" + at(x2) + " " + at(y2) + "\"/>\n";
}
inline std::string disc(double x, double y, double radius, const std::string& kind) {
  return "<circle cx=\"" + at(x) + "\" cy=\"" + at(y) + "\" r=\"" + at(radius) + "\" class=\"" + kind + "\"/>\n";
}
inline std::string crossing(double x, double y, const std::string& kind) {
  return straight(x - 4, y - 4, x + 4, y + 4, kind) + straight(x - 4, y + 4, x + 4, y - 4, kind);
}
// About how wide text is at 11 px; a UTF-8 character has one byte that does not continue another.
inline double text_width(std::string_view text) {
  return 6.3 * static_cast<double>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

// An axis: from low to high over the places from `begin` to `end`.
struct scale {
  double low, high, begin, end;
  bool logarithmic = false;

  double operator()(double value) const {
    const double v = logarithmic ? std::log10(value) : value;
    return begin + (end - begin) * (v - low) / (high - low);
  }
};

// The range of what f makes of all points that can be shown, or 0 to 1.
template <class F>
std::array<double, 2> range(const std::vector<series>& all, F f) {
  double low = INFINITY, high = -INFINITY;
  for (const series& s : all)
    for (const point& p : s.points)
      if (const double v = f(p); std::isfinite(v)) low = std::min(low, v), high = std::max(high, v);
  if (low > high) return {0, 1};
  if (low == high) return {low - (low != 0 ? std::abs(low) / 4 : 0.5), high + (high != 0 ? std::abs(high) / 4 : 0.5)};
  return {low, high};
}

// The names of what is drawn, in as many rows as they need; y is moved below them.
inline std::string legend(const frame& f, const std::vector<series>& all, double left, double& y) {
  std::string out;
  double x = left;
  const auto next = [&](const std::string& name, auto&& draw) {
    const double wide = 22 + text_width(name);
    if (x > left && x + wide > f.width - 6) x = left, y += 16;
    out += draw(x + 8, y - 4) + words(x + 20, y, name, "start");
    x += wide + 10;
  };
  for (const series& s : all)
    if (!s.name.empty())
      next(s.name, [&](double at_x, double at_y) {
        if (s.mark == mark::ring) return disc(at_x, at_y, 4, "ring " + s.colour);
        if (s.mark == mark::dots) return disc(at_x, at_y, 3, "dot " + s.colour);
        if (s.mark == mark::cross) return crossing(at_x, at_y, "line " + s.colour);
        return straight(at_x - 8, at_y, at_x + 8, at_y, "line " + s.colour);
      });
  if (f.rule && !f.rule_label.empty())
    next(f.rule_label, [&](double at_x, double at_y) { return straight(at_x - 8, at_y, at_x + 8, at_y, "rule"); });
  if (!out.empty()) y += 14;
  return out;
}

}  // namespace detail

/// A plot of the series, the later ones over the earlier. What is not finite or, on a logarithmic axis, not above 0, is left out.
inline std::string plot(const frame& f, const std::vector<series>& all) {
  const auto shown = [&](const point& p) { return std::isfinite(p.x) && std::isfinite(p.y) && (!f.logarithmic || p.y > 0); };
  auto [x_low, x_high] = detail::range(all, [&](const point& p) { return shown(p) ? p.x : NAN; });
  auto [y_low, y_high] = detail::range(all, [&](const point& p) { return shown(p) ? (f.logarithmic ? std::log10(p.y) : p.y) : NAN; });
  if (f.from_zero && !f.logarithmic) y_low = std::min(y_low, 0.0);
  const double left = 52, right = f.width - 12, bottom = f.height - 38;
  double top = 38;
  std::string body = detail::words(8, 18, f.title, "start", "title") + detail::legend(f, all, 8, top);

  if (f.equal) {  // what is longer fills its side, the other is widened
    const double unit = std::max((x_high - x_low) / (right - left), (y_high - y_low) / (bottom - top)) * 1.06;
    const double x = (x_low + x_high) / 2, y = (y_low + y_high) / 2;
    x_low = x - unit * (right - left) / 2, x_high = x + unit * (right - left) / 2;
    y_low = y - unit * (bottom - top) / 2, y_high = y + unit * (bottom - top) / 2;
  }
  std::vector<double> rows = ticks(y_low, y_high, 5, f.logarithmic ? 1 : 0);
  if (!f.equal) y_low = rows.front(), y_high = rows.back();
  const detail::scale x{x_low, x_high, left, right}, y{y_low, y_high, bottom, top, f.logarithmic};
  for (const double row : rows) {
    const double place = detail::scale{y_low, y_high, bottom, top}(row);
    if (place < top - 0.5 || place > bottom + 0.5) continue;
    body += detail::straight(left, place, right, place, "grid");
    body += detail::words(left - 6, place + 4, f.logarithmic ? short_number(std::pow(10, row)) : short_number(row), "end");
  }
  body += detail::straight(left, bottom, right, bottom, "axis");
  for (const double column : ticks(x_low, x_high, 7, f.whole ? 1 : 0))
    if (x(column) >= left - 0.5 && x(column) <= right + 0.5) body += detail::words(x(column), bottom + 15, short_number(column), "middle");
  body += detail::words((left + right) / 2, bottom + 31, f.x_label, "middle");
  if (f.rule) body += detail::straight(x(*f.rule), top, x(*f.rule), bottom, "rule");

  for (const series& s : all) {
    std::string path;
    const auto count = std::count_if(s.points.begin(), s.points.end(), shown);
    for (const point& p : s.points) {
      if (!shown(p)) continue;
      const double px = x(p.x), py = y(p.y);
      path += (path.empty() ? "M" : "L") + detail::at(px) + " " + detail::at(py);
      if (s.mark == mark::ring) body += detail::disc(px, py, 6, "ring " + s.colour);
      if (s.mark == mark::cross) body += detail::crossing(px, py, "line " + s.colour);
      if (s.mark == mark::dots) body += detail::disc(px, py, 1.6, "dot " + s.colour);
      if (s.mark == mark::line && count <= 40) body += detail::disc(px, py, 2.4, "dot " + s.colour);
    }
    if (s.mark == mark::line && count > 1) body += "<path class=\"line " + s.colour + "\" d=\"" + path + "\"/>\n";
  }
  const std::string name = escaped(f.title);
  return "<svg viewBox=\"0 0 " + detail::at(f.width) + " " + detail::at(f.height) + "\" role=\"img\" aria-label=\"" + name + "\">\n" +
         body + "</svg>\n";
}

}  // namespace cddrec::io::svg
