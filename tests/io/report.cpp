#include "cddrec/io/report.hpp"

#include "test.hpp"

namespace cddrec::test {

namespace {
io::training_report full() {
  io::training_report r;
  r.title = "cddrec on <a & b>.txt";
  r.facts = {{"users", "7"}};
  r.table_caption = "all";
  r.metric_names = {"recall@10", "mrr"};
  r.table = {{"popularity", {0.25, 0.1}}, {"cddrec", {0.5, 0.05}, true}, {"known", {0.75, 0.5}, false, true}};
  train::epoch_report epoch;
  for (epoch.epoch = 1; epoch.epoch <= 3; ++epoch.epoch) {
    epoch.loss = 1.0 / static_cast<double>(epoch.epoch);
    epoch.parts = {{"kl_part", epoch.loss}, {"unused_part", 0}};
    r.log.add(epoch);
  }
  r.best_epoch = 2;
  r.beta = {0.1, 0.2}, r.alpha_bar = {0.9, 0.72};
  r.spectra = {{"items", {{4, 2, 1, 0}, 2.5, 4.0 / 7}}};
  r.items = {{0, 0}, {1, 1}}, r.plane_shares = {0.5, 0.25};
  r.paths = {{"User u1: the target has rank 3", {{0, 0}}, {{0.5, 0.5}}, {{0.1, 0.2}, {0.3, 0.4}}, {1, 1}}};
  r.settings = {{"width", "8"}};
  return r;
}
}  // namespace

TEST_CASE("a report holds what it is given, and asks nobody for anything") {
  const std::string page = io::html(full());
  for (const char* part :
       {"<title>cddrec on &lt;a &amp; b&gt;.txt</title>", "<dt>users</dt><dd>7</dd>", "<tr class=\"trained\"><td>cddrec</td>", "kl_part",
        "best epoch", "Noise schedule", "2.5 of 4", "57.1 %", "User u1: the target has rank 3", "50 % and 25 %", "<dt>width</dt>"})
    CHECK_THAT(page, ContainsSubstring(part));
  // Bold: the best of the models, not what could be reached.
  CHECK_THAT(page, ContainsSubstring("<td class=\"best\">0.5000</td>") && ContainsSubstring("<td class=\"best\">0.1000</td>") &&
                       ContainsSubstring("<td>0.7500</td>"));
  for (const char* absent : {"unused_part", "<script", "http", "url(", "@import", "<link", "nan"}) {
    INFO(absent);
    CHECK(page.find(absent) == page.npos);
  }
  CHECK(page == io::html(full()));
}

TEST_CASE("a row of the table may have fewer figures than others") {
  io::training_report r = full();
  r.table = {{"short", {0.5}}, {"long", {0.25, 0.125}}};
  CHECK_THAT(io::html(r), ContainsSubstring("<td class=\"best\">0.5000</td>") && ContainsSubstring("<td class=\"best\">0.1250</td>"));
}

TEST_CASE("what was not gathered has no section") {
  io::training_report r = full();
  r.log = {}, r.alpha_bar = {}, r.spectra = {}, r.paths = {}, r.settings = {};
  const std::string page = io::html(r);
  CHECK(page.find("<svg") == page.npos);
  for (const char* heading : {"Training", "Noise schedule", "Spectra", "Denoising", "Settings"}) {
    INFO(heading);
    CHECK(page.find("<h2>" + std::string(heading)) == page.npos);
  }
  CHECK_THAT(page, ContainsSubstring("<h2>Test</h2>"));
}

}  // namespace cddrec::test
