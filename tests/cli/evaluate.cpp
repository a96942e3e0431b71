// The command line: metrics, diagnostics, ways of generation.
#include "cli/command.hpp"

namespace cddrec::test {

TEST_CASE("metrics against a sample stand beside the full ranking, with a warning") {
  const std::string evaluate = "evaluate --model model --data log.txt ";
  const outcome one = shop().run(evaluate + "--json --sampled 5");
  CHECK(one.status == 0);
  CHECK_THAT(one.out, ContainsSubstring("\"sampled\":{\"items\":5,\"metrics\":{\"recall@1\":"));
  const std::string sampled = one.out.substr(one.out.find("sampled")), name = "\"recall@10\":";
  CHECK(std::stod(sampled.substr(sampled.find(name) + name.size())) == Approx(1).epsilon(1e-9));  // of six items
  CHECK(one.out.substr(0, one.out.find(",\"best\"")) == shop().run(evaluate + "--json").out.substr(0, one.out.find(",\"best\"")));
  CHECK_THAT(one.err, ContainsSubstring("metrics against 5 sampled items flatter"));
  const outcome more = shop().run(evaluate + "--sampled 1000");  // than there are
  CHECK_THAT(more.err, ContainsSubstring("items: metrics against 1000 of them are those of the full ranking\n"));
  const auto all = lines_of(more.out);
  REQUIRE(all.size() == 5);
  CHECK(all[4].starts_with("of 1000 sampled"));
  CHECK(all[4].substr(16) == all[2].substr(16));
  const outcome full = shop().run(evaluate);
  CHECK((full.out + full.err).find("sampled") == std::string::npos);
  refused(evaluate + "--sampled 0", "--sampled: must be a whole number of 1 or more, not '0'");
}

TEST_CASE("the best possible metrics stand beside the log they belong to, and no other") {
  CHECK_THAT(shop().run("evaluate --model model --data log.txt").out, ContainsSubstring("best possible"));
  shop().write("edited.txt", slurp(shop().root / "log.txt") + "one_more i1 i2 i3 i4\n");
  shop().write("edited.txt.optimum.json", slurp(shop().root / "log.txt.optimum.json"));
  const outcome edited = shop().run("evaluate --model model --data edited.txt --json");
  CHECK(edited.status == 0);
  CHECK_THAT(edited.err, ContainsSubstring("edited.txt.optimum.json is of another log"));
  CHECK(edited.out.find("best") == edited.out.npos);
  const std::string best = slurp(shop().root / "log.txt.optimum.json"), before = best.substr(0, best.find("\"test\""));
  shop().write("copied.txt", slurp(shop().root / "log.txt"));
  for (const std::string test : {"", "\"test\": 5}", "\"test\": {}}", "\"test\": {\"recall@1\": \"x\"}}"}) {
    shop().write("copied.txt.optimum.json", before + test);
    refused("evaluate --model model --data copied.txt", "copied.txt.optimum.json: is not what `cddrec generate` writes");
  }
}

TEST_CASE("diagnostics stand beside the metrics") {
  const outcome e = shop().run("evaluate --model model --data log.txt --json --diagnostics");
  CHECK(e.status == 0);
  CHECK_THAT(e.out, ContainsSubstring("\"diagnostics\":{\"lists\":{\"gap_to_second\":"));
  for (const char* name : {"\"predictions\":{\"mean_cosine\":", "\"items\":{", "\"noise\":{", "\"alignment\":", "\"lists\":200}"})
    CHECK_THAT(e.out, ContainsSubstring(name));
  CHECK(std::count(e.out.begin(), e.out.end(), '\n') == 1);
  CHECK_THAT(e.out, ContainsSubstring("\"positions\":{\"encoding_cosine\":") && ContainsSubstring("\"spectrum\":["));
  CHECK(e.out.find("\"latent\"") == std::string::npos);
  const std::string page = shop().run("evaluate --model model --data log.txt --diagnostics").out;
  CHECK_THAT(page, ContainsSubstring("effective_rank ") && ContainsSubstring("prediction_cosine "));
  CHECK(page.find("spectrum") == std::string::npos);
  CHECK(shop().run("evaluate --model model --data log.txt --json").out.find("diagnostics") == std::string::npos);
}

TEST_CASE("policies are chosen by name") {
  for (const char* policy : {"schedule=sqrt", "schedule=truncated_linear", "divergence=squared_distance", "step_choice=uniform"}) {
    const std::string output = "by_" + std::string(policy);
    CHECK(shop().run("train --data log.txt --epochs 1 --set width=8 --set heads=1 --output " + output + " --set " + policy).status == 0);
    CHECK(shop().run("evaluate --data log.txt --model " + output).status == 0);
  }
  refused("train --data log.txt --output other --set schedule=square", "'square' is not one of: linear, cosine, sqrt, truncated_linear");
}

TEST_CASE("baselines are models too") {
  for (const std::string kind : {"popularity", "markov", "item_knn"}) {
    CHECK(shop().run("train --data log.txt --output " + kind + " --model " + kind).status == 0);
    const outcome e = shop().run("evaluate --model " + kind + " --data log.txt --json");
    CHECK(e.status == 0);
    CHECK_THAT(e.out, ContainsSubstring("\"model\":\"" + kind + "\""));
    CHECK(shop().run("recommend --model " + kind + " --history i1").status == 0);
    refused("recommend --model " + kind + " --history i1 --draws 2", "has no diffusion");
    refused("train --data log.txt --output " + kind + " --resume", "nothing there can be resumed");
    refused("train --data log.txt --output model --resume --model " + kind, "already holds a model");
  }
}

TEST_CASE("predictions are generated in several ways") {
  const std::string evaluate = "evaluate --model model --data log.txt --json ";
  const auto metrics = [&](const std::string& options) {
    const outcome o = shop().run(evaluate + options);
    CHECK(o.status == 0);
    return o.out.substr(0, o.out.find("\"seconds\""));
  };
  const std::string direct = metrics("");
  CHECK(metrics("--generation direct") == direct);
  CHECK(metrics("--generation ddim --generation-stop -1") == direct);
  CHECK(metrics("--generation ancestral --generation-stop 15 --draws 2") != direct);
  refused(evaluate + "--draws 3",
          "cddrec: direct makes one prediction without noise, so draws 3 would change nothing; choose ancestral or ddim");
  refused(evaluate + "--generation ddim --generation-stop 99", "cddrec: --generation-stop must be -1 … ");
  const std::string recommend =
      "recommend --model model --history 'i1 i2' --json --top 5 --generation ancestral --generation-stop 15 --draws ";
  CHECK(shop().run(recommend + "4 --diverse").status == 0);
  refused(recommend + "1 --diverse", "--draws");
  refused(recommend + "1 --spread", "--spread is that of several draws; give --draws 2 or more");
  const auto items = [](std::string line) { return line.substr(line.rfind("  i")); };
  std::string words = recommend + "4";
  words.erase(words.find("--json "), 7);
  const auto plain = lines_of(shop().run(words).out), spread = lines_of(shop().run(words + " --spread").out);
  REQUIRE((plain.size() == 5 && spread.size() == 5));
  for (std::size_t k = 0; k < 5; ++k) {
    CHECK(items(spread[k]) == items(plain[k]));
    CHECK_THAT(spread[k], ContainsSubstring(" ± 0."));
    CHECK_THAT(plain[k], !ContainsSubstring("±"));
  }
  CHECK_THAT(shop().run(recommend + "4 --spread").out, ContainsSubstring(",\"deviation\":0."));
}

TEST_CASE("what is held out and unknown to the model is a miss") {
  const auto lines = lines_of(slurp(shop().root / "log.txt"));
  const auto evaluated = [&](const std::string& options, auto change) {
    std::string text;
    for (std::size_t u = 0; u < lines.size(); ++u) text += change(lines[u], u) + "\n";
    shop().write("changed.txt", text);
    const outcome o = shop().run("evaluate --model model --data changed.txt --json " + options);
    INFO(o.err);
    CHECK(o.status == 0);
    return o;
  };
  const auto metric = [](const std::string& out, const std::string& name, std::size_t from = 0) {
    const std::size_t at = out.find("\"" + name + "\":", from);
    REQUIRE(at != out.npos);
    return std::stod(out.substr(at + name.size() + 3));
  };
  const auto last = [](const std::string& line) { return line.rfind(' '); };
  const std::string before = shop().run("evaluate --model model --data log.txt --json").out;

  const outcome none = evaluated("--sampled 5", [&](auto line, auto) { return line.substr(0, last(line)) + " fresh"; });
  CHECK(none.err.starts_with("cddrec: 200 of 200 targets are items that the model does not know: counted as misses\n"));
  CHECK_THAT(none.out, ContainsSubstring("\"users\":200,"));
  for (const char* name : {"recall@20", "ndcg@10", "mrr"}) CHECK(metric(none.out, name) == 0);
  CHECK(metric(none.out, "recall@5", none.out.find("sampled")) == 0);
  refused("evaluate --model model --data changed.txt --diagnostics", "leave out --diagnostics");

  // Of another catalogue altogether.
  shop().write("strange.txt", "u1 w x y z\nu2 z y x w\n");
  const std::string strange = "strange.txt: the model knows none of its items; name a log of the same catalogue";
  refused("evaluate --model model --data strange.txt", strange);
  refused("export --model model --what recommendations --data strange.txt --output strange.csv", strange);
  CHECK_FALSE(fs::exists(shop().root / "strange.csv"));

  // Half of them, and in the other half something unknown in the history.
  const outcome half = evaluated("--sampled 1000 --diagnostics", [&](auto line, auto u) {
    return u % 2 == 0 ? line.substr(0, last(line)) + " fresh" : line.substr(0, last(line)) + " fresh" + line.substr(last(line));
  });
  CHECK_THAT(half.err, ContainsSubstring("100 of 200 targets") && ContainsSubstring("cddrec: 100 items of histories dropped"));
  std::string odd;
  for (std::size_t u = 1; u < lines.size(); u += 2) odd += lines[u] + "\n";
  shop().write("odd.txt", odd);
  const std::string known = shop().run("evaluate --model model --data odd.txt --json").out;
  for (const char* name : {"recall@20", "ndcg@10", "mrr"}) {
    CHECK(metric(half.out, name) == Approx(metric(known, name) / 2).epsilon(1e-12));
    CHECK(metric(half.out, name, half.out.find("sampled")) == Approx(metric(known, name) / 2).epsilon(1e-9));  // more than there are
  }
  CHECK_THAT(half.out, ContainsSubstring("\"lists\":100}"));

  // In the history alone it changes nothing; a history of such items alone is a miss more.
  const outcome front = evaluated("", [](auto line, auto) {
    std::string changed = line;
    return changed.insert(changed.find(' '), " fresh");
  });
  CHECK(metric(front.out, "mrr") == metric(before, "mrr"));
  CHECK_THAT(front.err, ContainsSubstring("cddrec: 200 items of histories dropped: the model does not know them\n"));
  const outcome more = evaluated("", [](auto line, auto u) { return u == 0 ? line + "\nnobody w x y z i1" : line; });
  CHECK_THAT(more.out, ContainsSubstring("\"users\":201,"));
  CHECK(metric(more.out, "mrr") == Approx(metric(before, "mrr") * 200 / 201).epsilon(1e-12));
  CHECK_THAT(more.err, ContainsSubstring("cddrec: 1 histories hold no item that the model knows: counted as misses\n"));
}

TEST_CASE("diagnostics are of the predictions as they are generated") {
  const auto figures = [](const std::string& generation) {
    const outcome o = shop().run("evaluate --model model --data log.txt --json --diagnostics " + generation);
    CHECK(o.status == 0);
    const std::size_t lists = o.out.find("\"lists\""), predictions = o.out.find("\"predictions\""), items = o.out.find("\"items\"");
    REQUIRE(items != o.out.npos);
    return std::pair(o.out.substr(lists, predictions - lists), o.out.substr(predictions, items - predictions));
  };
  const auto direct = figures(""), noisy = figures("--generation ancestral --generation-stop 15");
  CHECK(figures("--generation ddim --generation-stop -1") == direct);
  CHECK(noisy.first != direct.first);
  CHECK(noisy.second != direct.second);
}

}  // namespace cddrec::test
