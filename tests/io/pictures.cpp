// Where the pictures of a report have their points: worked out by hand from the figures, to a tenth of a pixel.
#include "cddrec/io/report.hpp"
#include "test.hpp"

namespace cddrec::test {

namespace svg = io::svg;

namespace {

/// The picture of this title.
std::string picture(const std::string& page, const std::string& title) {
  INFO(title);
  const std::size_t begin = page.find("aria-label=\"" + title + "\"");
  REQUIRE(begin != page.npos);
  return page.substr(begin, page.find("</svg>", begin) - begin);
}

void has_line(const std::string& drawn, const std::string& colour, const std::string& path) {
  CHECK_THAT(drawn, ContainsSubstring("<path class=\"line " + colour + "\" d=\"" + path + "\"/>"));
}

io::training_report report() {
  io::training_report r;
  const auto epoch = [&](double loss, double recall, double ndcg, double mrr) {
    train::epoch_report e;
    e.epoch = r.log.size() + 1, e.loss = loss;
    e.parts = {{"kl_part", loss / 2}, {"unused_part", 0}};
    e.validation.recall_at_10 = recall, e.validation.ndcg_at_10 = ndcg, e.validation.mrr = mrr;
    r.log.add(e);
  };
  epoch(4, 0.2, 0.1, 0.04), epoch(2, 0.4, 0.2, 0.08), epoch(1, 0.4, 0.3, 0.12);
  r.best_epoch = 2;
  r.alpha_bar = {0.9, 0.6, 0.3}, r.beta = {0.1, 0.2, 0.4};
  r.spectra = {{"items", {{100, 10, 1e-5}, 2, 0.9}}, {"predictions", {{1, 0.1, 0.01}, 2, 0.9}}};
  r.items = {{0, 0}, {2, 2}};
  r.paths = {{.title = "User u", .history = {{2, 1}}, .predictions = {{2, 0}, {1, 2}}, .states = {{0, 2}, {1, 1}}, .target = {0, 1}}};
  return r;
}

}  // namespace

TEST_CASE("an axis begins at zero where it is told to, and a rule stands at its place") {
  const auto drawn = [](bool from_zero) {
    const svg::frame f{.title = "", .width = 264, .height = 176, .from_zero = from_zero, .rule = 0.25};
    return svg::plot(f, {{.points = {{0, 2}, {1, 4}}}});
  };
  has_line(drawn(false), "c0", "M52.0 138.0L252.0 38.0");
  has_line(drawn(true), "c0", "M52.0 88.0L252.0 38.0");
  CHECK_THAT(drawn(true), ContainsSubstring("<path class=\"rule\" d=\"M102.0 38.0L102.0 138.0\"/>"));
  // A unit is as long on either axis, and both are centred.
  const svg::frame equal{.title = "", .width = 264, .height = 176, .equal = true};
  has_line(svg::plot(equal, {{.points = {{0, 0}, {1, 1}}}}), "c0", "M104.8 135.2L199.2 40.8");
}

TEST_CASE("the curves are those of the log") {
  const std::string page = io::html(report()), loss = picture(page, "Loss"), validation = picture(page, "Validation");
  has_line(loss, "c0", "M52.0 52.0L230.0 178.7L408.0 242.0");
  has_line(validation, "c1", "M52.0 147.0L230.0 52.0L408.0 52.0");
  has_line(validation, "c2", "M52.0 223.0L230.0 204.0L408.0 185.0");
  has_line(validation, "c0", "M52.0 194.5L230.0 147.0L408.0 99.5");
  for (const std::string& drawn : {loss, validation})
    CHECK_THAT(drawn, ContainsSubstring("<path class=\"rule\" d=\"M230.0 52.0L230.0 242.0\"/>"));
  has_line(picture(page, "kl_part"), "c3", "M52.0 38.0L230.0 120.7L408.0 162.0");
}

TEST_CASE("the schedule's two pictures are of what they say") {
  const std::string page = io::html(report());
  has_line(picture(page, "Share of the signal left, ᾱ"), "c1", "M52.0 54.4L230.0 103.6L408.0 152.8");
  has_line(picture(page, "Variance added by a step, β"), "c3", "M52.0 161.0L230.0 120.0L408.0 38.0");
}

TEST_CASE("singular values stand beside the largest of their own, without what is rounding") {
  const std::string drawn = picture(io::html(report()), "Singular values, relative to the largest");
  has_line(drawn, "c1", "M52.0 52.0L230.0 147.0");
  has_line(drawn, "c0", "M52.0 52.0L230.0 147.0L408.0 242.0");
}

TEST_CASE("states, predictions, history and target of a user are each drawn as what they are") {
  const std::string drawn = picture(io::html(report()), "User u");
  has_line(drawn, "c1", "M91.3 76.3L230.0 215.0");
  has_line(drawn, "c0", "M368.7 353.7L230.0 76.3");
  has_line(drawn, "c5", "M87.3 211.0L95.3 219.0");
  for (const char* mark : {"cx=\"230.0\" cy=\"215.0\" r=\"6.0\" class=\"ring c1\"", "cx=\"368.7\" cy=\"215.0\" r=\"1.6\" class=\"dot c2\"",
                           "cx=\"91.3\" cy=\"353.7\" r=\"1.6\" class=\"dot cloud\""})
    CHECK_THAT(drawn, ContainsSubstring(mark));
}

}  // namespace cddrec::test
