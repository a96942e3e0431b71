// The command line: what is asked for reaches what does it.
#include "cli/command.hpp"

namespace cddrec::test {

TEST_CASE("a preset is what a run and a row of a comparison start from") {
  const std::string small = " --set width=8 --set heads=2 --set batch_users=16 --set epochs=1";
  REQUIRE(shop().run("train --data log.txt --preset tools --output by_preset" + small).status == 0);
  CHECK_THAT(slurp(shop().root / "by_preset/settings.toml"), ContainsSubstring("\nobjective = \"paper\"\n") &&
                                                                 ContainsSubstring("\nsteps = 20\n") &&
                                                                 ContainsSubstring("\nbeta_last = 0.08\n"));
  shop().write("presets.txt", "own cddrec preset=toys\nother cddrec steps=3\n");
  REQUIRE(shop().run("compare --data log.txt --variants presets.txt --output of_presets" + small).status == 0);
  const std::string own = slurp(shop().root / "of_presets/records/log-own-1.json");
  CHECK_THAT(own, ContainsSubstring(" --preset toys ") && ContainsSubstring("\"objective\": \"paper\"") &&
                      ContainsSubstring("\"steps\": \"25\"") && ContainsSubstring("\"beta_last\": \"0.002\""));
  CHECK_THAT(slurp(shop().root / "of_presets/models/log-own-1/settings.toml"), ContainsSubstring("\nbeta_last = 0.002\n"));
  CHECK_THAT(slurp(shop().root / "of_presets/records/log-other-1.json"),
             !ContainsSubstring("preset") && ContainsSubstring("\"objective\": \"combined\""));
}

TEST_CASE("each way of generation and each number of its steps makes a prediction of its own") {
  const auto metrics = [](const std::string& options) {
    const outcome o = shop().run("evaluate --model model --data log.txt --json --generation-stop 8 --draws 2 --generation " + options);
    CHECK(o.status == 0);
    return o.out.substr(0, o.out.find("\"seconds\""));
  };
  const std::string ancestral = metrics("ancestral"), ddim = metrics("ddim");
  CHECK(ancestral != ddim);
  CHECK(metrics("ancestral --generation-steps 0") == ancestral);  // all there are: 12, from step 19 down to 8
  CHECK(metrics("ancestral --generation-steps 12") == ancestral);
  CHECK(metrics("ancestral --generation-steps 2") != ancestral);
  refused("evaluate --model model --data log.txt --generation ddim --generation-steps 99",
          "cddrec: --generation-steps must be 0 (all) or 2");
  refused("recommend --model model --history i1 --generation ddim --generation-steps 99",
          "cddrec: --generation-steps must be 0 (all) or 2");
}

TEST_CASE("exported lists have ten items, and none that is excluded") {
  const auto rows = [](const std::string& output, const std::string& more) {
    const outcome o = shop().run("export --model model --what recommendations --data log.txt --output " + output + more);
    INFO(o.err);
    CHECK(o.status == 0);
    return lines_of(slurp(shop().root / output));
  };
  const auto item = [](const std::string& row) {
    return row.substr(0, row.rfind(',')).substr(row.substr(0, row.rfind(',')).rfind(',') + 1);
  };
  const auto all = rows("ten.csv", "");
  REQUIRE(all.size() == 1 + 200 * 10);
  const std::string first = item(all[1]), second = item(all[2]);
  shop().write("excluded.txt", first + "\n" + second + "\n");
  const auto others = rows("others.csv", " --exclude excluded.txt");
  REQUIRE(others.size() == 1 + 200 * 10);
  for (const std::string& row : others) CHECK((item(row) != first && item(row) != second));
  CHECK(item(others[1]) == item(all[3]));
}

TEST_CASE("a run that goes on may have another patience") {
  const std::string train = "train --data log.txt --model sasrec --set width=8 --set heads=2 --threads 1 --resume --output patient ";
  CHECK(shop().run(train + "--epochs 1 --set patience=3").status == 0);
  CHECK(shop().run(train + "--epochs 2 --set patience=5 --set skip_bad_steps=1").status == 0);
  CHECK(lines_of(slurp(shop().root / "patient/log.csv")).size() == 3);
  refused(train + "--epochs 3 --set dropout=0.1", "was trained with dropout = '0.5', not 0.1");
}

TEST_CASE("the command that does a run again starts from the same model and has the same limit") {
  const outcome o = shop().run("train --data log.txt --from model --minutes 2.5 --epochs 1 --threads 1 --output from_model");
  CHECK(o.status == 0);
  const std::string settings = slurp(shop().root / "from_model/settings.toml");
  CHECK_THAT(settings, ContainsSubstring("cddrec train --data log.txt --from model --minutes 2.5 --config THIS_FILE --output DIR\n"));
  shop().write("again.toml", settings);
  CHECK(shop().run("train --data log.txt --from model --minutes 2.5 --config again.toml --threads 1 --output from_again").status == 0);
  const bool same = slurp(shop().root / "from_model/model.safetensors") == slurp(shop().root / "from_again/model.safetensors");
  CHECK(same);
}

}  // namespace cddrec::test
