#include "cddrec/io/svg.hpp"

#include "test.hpp"

namespace cddrec::test {

namespace svg = io::svg;

namespace {
index count(const std::string& text, const std::string& part) {
  index n = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++n;
  return n;
}
}  // namespace

TEST_CASE("ticks are round numbers around a range") {
  CHECK(svg::ticks(0, 1, 5) == std::vector<double>{0, 0.2, 0.4, 0.6000000000000001, 0.8, 1});
  CHECK(svg::ticks(-3, 12, 5) == std::vector<double>{-5, 0, 5, 10, 15});
  CHECK(svg::ticks(1, 4, 7, 1) == std::vector<double>{1, 2, 3, 4});  // whole numbers
  CHECK(svg::ticks(7, 7, 5).size() >= 2);
  CHECK(svg::ticks(0, 0, 5) == std::vector<double>{0, 1});
  for (const auto& [low, high] : {std::pair{1e-9, 3e-9}, {-1e6, 5e7}, {0.123, 0.124}}) {
    const auto t = svg::ticks(low, high, 5);
    CHECK(t.front() <= low + 1e-9 * std::abs(low));
    CHECK(t.back() >= high - 1e-9 * std::abs(high));
    CHECK(t.size() <= 9);
  }
  // Nearer to each other than rounding tells apart.
  for (const double low : {1.0, -1.0, 1e9, -1e300, 5e-324}) {
    const auto t = svg::ticks(low, std::nextafter(low, INFINITY), 5);
    REQUIRE(t.size() >= 2);
    CHECK(t.size() <= 9);
    CHECK(std::adjacent_find(t.begin(), t.end(), std::greater_equal<>()) == t.end());
    CHECK(t.front() <= low + 1e-9 * std::abs(low));
    CHECK(t.back() >= low - 1e-9 * std::abs(low));
  }
}

TEST_CASE("numbers are short, text is escaped") {
  CHECK(svg::short_number(0.25) == "0.25");
  CHECK(svg::short_number(1234.5678) == "1235");
  CHECK(svg::short_number(1e-7) == "1e-07");
  CHECK(svg::escaped("a<b> & \"c\"") == "a&lt;b&gt; &amp; &quot;c&quot;");
}

TEST_CASE("a line has its points at their places") {
  const std::string drawn = svg::plot({.title = "T & U", .x_label = "epoch", .width = 264, .height = 176},
                                      {{.name = "loss", .colour = "c1", .points = {{0, 0}, {1, 10}, {2, 5}}}});
  CHECK_THAT(drawn, ContainsSubstring("viewBox=\"0 0 264.0 176.0\""));
  CHECK_THAT(drawn, ContainsSubstring("aria-label=\"T &amp; U\"") && ContainsSubstring(">T &amp; U</text>") &&
                        ContainsSubstring(">loss</text>") && ContainsSubstring(">epoch</text>"));
  // From 52 to 252 across, from 138 up to 52 below title and legend.
  CHECK_THAT(drawn, ContainsSubstring("<path class=\"line c1\" d=\"M52.0 138.0L152.0 52.0L252.0 95.0\"/>"));
  CHECK(count(drawn, "class=\"dot c1\"") == 3);
}

TEST_CASE("what cannot be shown is left out") {
  const std::vector<svg::series> odd{{.points = {{0, 1}, {1, NAN}, {2, INFINITY}, {3, 100}, {4, 0}}}};
  CHECK(count(svg::plot({.title = ""}, odd), "dot c0") == 3);
  const std::string logarithmic = svg::plot({.title = "", .logarithmic = true}, odd);
  CHECK(count(logarithmic, "dot c0") == 2);
  CHECK_THAT(logarithmic, ContainsSubstring(">10</text>"));
  CHECK(logarithmic.find("nan") == logarithmic.npos);
  for (const std::vector<svg::series>& none :
       {std::vector<svg::series>{}, {svg::series{}}, {{.points = {{5, 5}}}}, {{.points = {{0, NAN}}}}}) {
    const std::string empty = svg::plot({.title = "nothing", .rule = 3.0, .rule_label = "here"}, none);
    CHECK(empty.find("nan") == empty.npos);
    CHECK(empty.find("inf") == empty.npos);
    CHECK_THAT(empty, ContainsSubstring("class=\"rule\""));
  }
}

TEST_CASE("equal axes keep a square square, and marks are of four kinds") {
  const std::vector<svg::point> corners{{0, 0}, {1, 0}, {1, 1}, {0, 1}};
  const std::string drawn = svg::plot({.title = "", .equal = true}, {{.mark = svg::mark::line, .points = corners}});
  const std::string path = drawn.substr(drawn.find("class=\"line c0\" d=\"M") + 20);
  double x[4], y[4];
  REQUIRE(std::sscanf(path.c_str(), "%lf %lfL%lf %lfL%lf %lfL%lf %lf", x, y, x + 1, y + 1, x + 2, y + 2, x + 3, y + 3) == 8);
  CHECK(x[1] - x[0] == Approx(y[1] - y[2]).margin(0.2));
  CHECK(count(svg::plot({.title = ""}, {{.mark = svg::mark::ring, .points = corners}}), "\"ring c0\"") == 4);
  CHECK(count(svg::plot({.title = ""}, {{.mark = svg::mark::cross, .points = corners}}), "\"line c0\"") == 8);
  CHECK(count(svg::plot({.title = ""}, {{.mark = svg::mark::dots, .points = corners}}), "\"dot c0\"") == 4);
}

}  // namespace cddrec::test
