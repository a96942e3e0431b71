// The command line: comparisons.
#include "cli/command.hpp"

namespace cddrec::test {

TEST_CASE("a signal stops a comparison, which goes on where it was") {
  const std::string study =
      "compare --data log.txt --models sasrec,markov --output cut_study --set width=16 --set heads=2 --set batch_users=8 ";
  std::istringstream in(study + "--set patience=0 --set epochs=1000000");
  const auto begun = [] { return fs::exists(shop().root / "cut_study/models/log-sasrec-1/log.csv"); };
  const outcome cut = shop().run_until({std::istream_iterator<std::string>(in), {}}, begun, SIGTERM);
  CHECK(cut.status == 130);
  CHECK_THAT(cut.err, ContainsSubstring("cddrec: stopped in epoch ") && ContainsSubstring("cddrec: stopped at log-sasrec-1"));
  CHECK(fs::exists(shop().root / "cut_study/models/log-sasrec-1/training.safetensors"));
  CHECK(shop().run(study + "--set patience=0 --set epochs=2").status == 0);
  CHECK(fs::exists(shop().root / "cut_study/records/log-markov-1.json"));
}

TEST_CASE("compare records each model and seed once, and goes on where it stopped") {
  shop().write(
      "variants.txt",
      "# name kind settings\nneighbours item_knn decay=0.5\nown cddrec width=8 heads=2 epochs=1\n\nbce sasrec ranking=bce # and so on\n");
  const std::string compare = "compare --data log.txt --variants variants.txt --set epochs=1 --set width=8 --set heads=2";
  const std::string study = compare + " --output study --seeds 2";
  const outcome first = shop().run(study + " --models neighbours,own --generations");
  CHECK(first.status == 0);
  CHECK_THAT(first.out, ContainsSubstring("neighbours 1") && ContainsSubstring("own 1") && ContainsSubstring("own 2"));
  const std::string record = slurp(shop().root / "study/records/log-own-2.json");
  for (const char* part : {"\"model\": \"own\"", "\"seed\": 2", "--model cddrec --seed 2 --set width=8", "\"curve\": [",
                           "\"memory_mb\":", "\"ndcg@10\":", "\"effective_rank\":", "\"kind\": \"ddim\""})
    CHECK_THAT(record, ContainsSubstring(part));
  const outcome again = shop().run(study);
  CHECK(again.status == 0);
  CHECK_THAT(again.err, ContainsSubstring("log-own-2: recorded already") && ContainsSubstring("log-bce-1: cddrec train"));
  CHECK(slurp(shop().root / "study/records/log-own-2.json") == record);
  CHECK_FALSE(fs::exists(shop().root / "study/models/log-own-1/training.safetensors"));
  CHECK(shop().run("evaluate --model study/models/log-own-1 --data log.txt").status == 0);
  const std::string search = compare + " --models bce --seeds 1 --validation-only --output ";
  CHECK_THAT(shop().run(search + "searched").out, ContainsSubstring("valid, full ranking"));
  const std::string trial = slurp(shop().root / "searched/records/log-bce-1.json");
  CHECK_THAT(trial, ContainsSubstring("\"valid\": {") && !ContainsSubstring("\"test\"") && !ContainsSubstring("diagnostics"));
  const outcome no_test = shop().run(compare + " --models bce --seeds 1 --output searched");
  CHECK(no_test.status == 2);
  CHECK_THAT(no_test.err, ContainsSubstring("cddrec: searched: record log-bce-1 has no test metrics; name another directory"));
  shop().write("wrong.txt", "a cddrec\nb sasrec ranking=none\n");
  refused("compare --data log.txt --variants wrong.txt --output s2", "wrong.txt:2:");
  shop().write("wrong.txt", "a moon\n");
  refused("compare --data log.txt --variants wrong.txt --output s2", "unknown model 'moon'");
  refused("compare --data log.txt --models moon --output s2", "unknown model 'moon'");
  refused("compare --data log.txt --output s2", "--models");
}

}  // namespace cddrec::test
