// The command line: comparisons.
#include <regex>

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
  refused(
      study + "--set patience=0 --set epochs=2",
      "cut_study/models/log-sasrec-1: holds an unfinished run that was trained with epochs = '1000000', not 2; delete it, or name another");
  CHECK_FALSE(fs::exists(shop().root / "cut_study/records/log-markov-1.json"));
  CHECK(shop().run(study + "--set patience=0 --set epochs=1000000 --minutes 1e-9").status == 0);
  CHECK_THAT(slurp(shop().root / "cut_study/records/log-sasrec-1.json"), ContainsSubstring("\"epochs\": \"1000000\""));
  CHECK(fs::exists(shop().root / "cut_study/records/log-markov-1.json"));
}

TEST_CASE("a signal that reaches a comparison and its model, more than once, stops both as one does") {
  std::istringstream in(
      "compare --data log.txt --models sasrec --output cut_group --set width=16 --set heads=2 --set batch_users=8 "
      "--set patience=0 --set epochs=1000000");
  const std::vector<std::string> study{std::istream_iterator<std::string>(in), {}};
  for (const int signal : {SIGTERM, SIGINT, SIGTERM}) {
    const std::string log = slurp(shop().root / "cut_group/models/log-sasrec-1/log.csv");
    const auto further = [&] { return slurp(shop().root / "cut_group/models/log-sasrec-1/log.csv").size() > log.size(); };
    const outcome cut = shop().run_until(study, further, signal, true);
    CHECK(cut.status == 130);
    CHECK_THAT(cut.err, ContainsSubstring("cddrec: stopped in epoch ") && ContainsSubstring("cddrec: stopped at log-sasrec-1"));
  }
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
  CHECK(std::regex_search(first.out, std::regex("eff. rank .*gap 1-10 +firsts\nneighbours 1 {20,}[0-9.]+ +[0-9.]+ +[0-9]+\nown 1")));
  CHECK(std::regex_search(first.out, std::regex("own 2( +-?[0-9.]+){5} +[0-9]+\nnoise, width 8( +-?[0-9.]+){5} +[0-9]+\n$")));
  const std::string record = slurp(shop().root / "study/records/log-own-2.json");
  for (const char* part : {"\"model\": \"own\"", "\"seed\": 2", "--model cddrec --seed 2 --set width=8", "\"curve\": [",
                           "\"memory_mb\":", "\"ndcg@10\":", "\"effective_rank\":", "\"noise_lists\": {"})
    CHECK_THAT(record, ContainsSubstring(part));
  const std::string counted = slurp(shop().root / "study/records/log-neighbours-1.json");
  CHECK(std::stoi(counted.substr(counted.find("\"memory_mb\": ") + 13)) > 0);
  const outcome again = shop().run(study);
  CHECK(again.status == 0);
  CHECK_THAT(again.err, ContainsSubstring("log-own-2: recorded already") && ContainsSubstring("log-bce-1: cddrec train"));
  CHECK(slurp(shop().root / "study/records/log-own-2.json") == record);
  CHECK_FALSE(fs::exists(shop().root / "study/models/log-own-1/training.safetensors"));
  CHECK(shop().run("evaluate --model study/models/log-own-1 --data log.txt").status == 0);
  const std::string search = compare + " --models bce --seeds 1 --validation-only --output ";
  CHECK_THAT(shop().run(search + "searched").out, ContainsSubstring("valid, full ranking") && !ContainsSubstring("collapse"));
  const std::string trial = slurp(shop().root / "searched/records/log-bce-1.json");
  CHECK_THAT(trial, ContainsSubstring(" --validation-only\""));
  CHECK_THAT(slurp(shop().root / "searched/models/log-bce-1/report.html"), !ContainsSubstring("<h2>Test</h2>"));
  CHECK_THAT(trial, ContainsSubstring("\"valid\": {") && !ContainsSubstring("\"test\"") && !ContainsSubstring("diagnostics"));
  const std::string searched = compare + " --seeds 1 --output searched --models ";
  refused(searched + "own,bce", "cddrec: searched/records/log-bce-1.json: has no test metrics; delete it, or name another directory");
  CHECK_FALSE(fs::exists(shop().root / "searched/models/log-own-1"));  // nothing was trained before that was seen
  CHECK(shop().run(searched + "own").status == 0);
  refused(searched + "own --generations", "searched/records/log-own-1.json: has no ways of generation; delete it");
  shop().write("wrong.txt", "a cddrec\nb sasrec ranking=none\n");
  refused("compare --data log.txt --variants wrong.txt --output s2", "wrong.txt:2:");
  shop().write("wrong.txt", "a moon\n");
  refused("compare --data log.txt --variants wrong.txt --output s2", "unknown kind of model 'moon'");
  refused("compare --data log.txt --models moon --output s2", "unknown kind of model 'moon'");
  refused("compare --data log.txt --output s2", "--models");
}

TEST_CASE("ways of generation are recorded with the states they visit, and several draws with their spread") {
  CHECK(
      shop().run("compare --data log.txt --models cddrec --output ways --generations --set epochs=1 --set width=8 --set heads=2").status ==
      0);
  const std::string record = slurp(shop().root / "ways/records/log-cddrec-1.json"), ways = record.substr(record.find("\"generation\""));
  const auto row = [&](const std::string& kind, int draws, int steps, int stop) {  // its text
    for (std::size_t end = ways.find('}'), begin = 0; end != ways.npos; begin = end, end = ways.find('}', end + 1)) {
      const std::string one = ways.substr(begin, end - begin);
      const auto has = [&](const std::string& part) { return one.find(part) != one.npos; };
      if (has("\"kind\": \"" + kind + "\"") && has("\"draws\": " + std::to_string(draws) + ",") &&
          has("\"steps\": " + std::to_string(steps) + ",") && has("\"stop\": " + std::to_string(stop)))
        return one;
    }
    return std::string("there is no such row");
  };
  const auto in = [](const char* part) { return ContainsSubstring("\"" + std::string(part) + "\": "); };
  CHECK_THAT(row("direct", 1, 1, 0), in("distinct") && in("mrr") && !in("spread"));
  CHECK_THAT(row("ddim", 1, 20, 0), in("ndcg@10") && !in("distinct"));
  CHECK_THAT(row("ancestral", 1, 10, 10), in("ndcg@10"));
  CHECK_THAT(row("ancestral", 8, 10, 10), in("spread") && in("distinct") && in("seconds"));
  CHECK_THAT(row("diversified", 8, 10, 10), in("ndcg@10") && in("distinct") && in("seconds") && !in("mrr"));
}

TEST_CASE("a record is taken for what it is of alone") {
  const std::string compare = "compare --models item_knn --output own --data ";
  CHECK(shop().run(compare + "log.txt --set decay=0.5").status == 0);
  const auto record = shop().root / "own/records/log-item_knn-1.json";
  const std::string kept = slurp(record), where = "own/records/log-item_knn-1.json: ";
  const outcome again = shop().run(compare + "log.txt --set decay=0.5 --set width=8 --minutes 3");
  CHECK(again.status == 0);
  CHECK_THAT(again.err, ContainsSubstring("recorded already"));
  fs::create_directories(shop().root / "elsewhere");
  fs::copy_file(shop().root / "log.txt", shop().root / "elsewhere/log.txt");
  CHECK(shop().run(compare + "elsewhere/log.txt --set decay=0.5").status == 0);
  shop().write("log.csv", "user,item\nu,a\nu,b\nu,c\nu,d\n");
  const auto told = [&](const std::string& arguments, const std::string& message) {
    const outcome o = shop().run(compare + arguments);
    CHECK(o.status == 2);
    CHECK(o.out.empty());
    CHECK_THAT(o.err, ContainsSubstring("cddrec: " + where + message));
  };
  told("log.csv --set decay=0.5", "is of another log; delete it, or name another directory");
  told("log.txt", "was made with decay = '0.5', not 0.6; delete it, or name another directory");
  told("log.txt --set decay=0.5 --format sequences", "is of a log that was read with other options");
  shop().write("kinds.txt", "item_knn markov\n");
  told("log.txt --variants kinds.txt", "is of the kind 'item_knn', not markov");
  const auto with = [&](const std::string& key, const std::string& value) {  // what the record has, and this instead
    return kept.substr(0, kept.rfind('}')) + ", \"" + key + "\": " + value + "}";
  };
  for (const std::string& damaged :
       std::vector<std::string>{"", "{", "[]", "{\"log_crc\": \"\"}", "{\"settings\": 3}", with("settings", "[]"),
                                with("settings", "{\"width\": 8}"), with("diagnostics", "3"), with("diagnostics", "{\"noise\": 3}")}) {
    shop().write("own/records/log-item_knn-1.json", damaged);
    const outcome o = shop().run(compare + "log.txt --set decay=0.5");
    CHECK(o.status == 2);
    CHECK_THAT(o.err, ContainsSubstring("cddrec: " + where));
  }
  // What is not of older records is not asked for, and another default of then is no difference.
  std::string older = kept;
  older.erase(older.find(" \"reading\": []"), 15);
  older.replace(older.find("\"shrinkage\": \"20\""), 17, "\"shrinkage\": \"7\"");
  shop().write("own/records/log-item_knn-1.json", older);
  CHECK(shop().run(compare + "log.txt --set decay=0.5").status == 0);
  CHECK(shop().run(compare + "log.txt --set decay=0.5 --set shrinkage=7").status == 0);
  told("log.txt --set decay=0.5 --set shrinkage=8", "was made with shrinkage = '7', not 8");
}

TEST_CASE("a row whose record was deleted is made again, and by one process at a time") {
  const std::string compare = "compare --data log.txt --models sasrec,markov --output redone --set width=8 --set heads=2 --set epochs=1";
  CHECK(shop().run(compare).status == 0);
  const fs::path records = shop().root / "redone/records", lock = shop().root / "redone/models/log-sasrec-1.lock";
  CHECK_FALSE(fs::exists(lock));
  fs::remove(records / "log-sasrec-1.json"), fs::remove(records / "log-markov-1.json");
  const int held = ::open(lock.c_str(), O_RDWR | O_CREAT, 0666);
  REQUIRE(::flock(held, LOCK_EX | LOCK_NB) == 0);
  refused(compare, "redone: another process is making the row log-sasrec-1; wait until it ends");
  ::close(held);
  CHECK(shop().run(compare).status == 0);  // what a process left that was killed is no hindrance
  CHECK(fs::exists(records / "log-sasrec-1.json"));
  CHECK(fs::exists(records / "log-markov-1.json"));
  CHECK_FALSE(fs::exists(lock));
}

TEST_CASE("a training that fails makes no record, even where a parent ignored the end of its children") {
  for (const std::string before : {"", "trap '' CHLD; "}) {
    const std::string command = "cd \"" + shop().root.string() + "\" && bash -c \"" + before +
                                "exec '" CDDREC_BINARY_DIR
                                "/bin/cddrec' compare --data log.txt --models sasrec --output failing --set epochs=1 --set width=8 " +
                                "--set heads=2 --set learning_rate=1e6 --set score=dot_product\" </dev/null >out 2>err";
    CHECK(WEXITSTATUS(std::system(command.c_str())) == 1);
    CHECK_THAT(slurp(shop().root / "err"), ContainsSubstring("cddrec: log-sasrec-1: training ended with status 1; no record is written"));
    CHECK_FALSE(fs::exists(shop().root / "failing/records/log-sasrec-1.json"));
  }
}

TEST_CASE("settings are looked at before the first row, and those tested are counted") {
  const std::string compare = "compare --data log.txt --models markov --output never ";
  refused("compare --data log.txt --models cddrec-cold --output never", "come from a file, --variants");
  refused(compare + "--set widht=3", "unknown setting 'widht'");
  refused(compare + "--set width", "write key=value");
  refused(compare + "--set width=0", "width");
  refused("compare --data log.txt --models markov,sasrec --set heads=3 --output never", "heads");
  refused(compare + "--set seed=5", "leave out seed=5");
  refused("compare --data log.txt --models markov,sasrec --set softmax_weight=0 --output never",
          "every part of the objective has weight 0");
  shop().write("seeded.txt", "a sasrec seed=5\n");
  refused("compare --data log.txt --variants seeded.txt --output never", "seeded.txt:1: a comparison trains every network with the seeds");
  shop().write("divided.txt", "a markov\nb markov division=time\n");
  refused("compare --data log.txt --variants divided.txt --output never",
          "a has division = leave_one_out, b time: they would be tested on");
  shop().write("shares.txt", "a markov division=time\nb markov division=time test_share=0.2\n");
  refused("compare --data log.txt --variants shares.txt --output never", "a has test_share = 0.1, b 0.2: they would be tested on");
  shop().write("caf\xe9.txt", "u1 a b c d\n");
  refused("compare --data 'caf\xe9.txt' --models markov --output never", "must be UTF-8");
  CHECK_FALSE(fs::exists(shop().root / "never"));
  shop().write("few.txt", "u1 a b c d\nu2 c d\nu3 b\nu4 b c d a e\n");
  CHECK_THAT(shop().run("compare --data few.txt --models markov --output few").out, ContainsSubstring("5 items, 2 users\n"));
}

TEST_CASE("every row of the study can be made") {
  // All of a list is read before a name is looked for in it; a row with a bad setting would be told by its line.
  for (const std::string list : {"small_log", "large_log", "search"})
    refused("compare --data log.txt --models nobody --output none --variants '" CDDREC_SOURCE_DIR "/examples/study/" + list + ".txt'",
            "cddrec: unknown kind of model 'nobody'");
}

}  // namespace cddrec::test
