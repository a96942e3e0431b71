// The command line: what there is to go on with, and what is said where there is nothing.
#include "cddrec/io/safetensors.hpp"
#include "cli/command.hpp"

namespace cddrec::test {

namespace {
const std::string small = "train --data log.txt --model sasrec --set width=8 --set heads=2 --threads 1 --output ";
}

TEST_CASE("a run that has no epoch left says so, and its settings stay what they were") {
  const fs::path root = shop().root / "finished";
  REQUIRE(shop().run(small + "finished --epochs 3").status == 0);
  const std::string settings = slurp(root / "settings.toml"), model = slurp(root / "model.safetensors"), log = slurp(root / "log.csv");
  REQUIRE_THAT(settings, ContainsSubstring("\nepochs = 3\n"));
  const auto settings_of = [](const std::string& page) { return page.substr(page.rfind("<h2>Settings")); };
  const std::string shown = settings_of(slurp(root / "report.html"));
  for (const std::string fewer : {"--epochs 3", "--epochs 2", "--epochs 9 --minutes 1e-9"}) {
    INFO(fewer);
    const outcome o = shop().run(small + "finished --resume " + fewer);
    CHECK(o.status == 0);
    CHECK_THAT(o.err, ContainsSubstring("cddrec: finished: nothing is left to train after epoch 3, settings.toml stays as it is"));
    CHECK(slurp(root / "settings.toml") == settings);
    CHECK(slurp(root / "log.csv") == log);
    CHECK(settings_of(slurp(root / "report.html")) == shown);
    const bool same = slurp(root / "model.safetensors") == model;
    CHECK(same);
  }
  const outcome on = shop().run(small + "finished --resume --epochs 40 --set patience=0");
  CHECK(on.status == 0);
  CHECK_THAT(on.err, !ContainsSubstring("nothing is left"));
  CHECK_THAT(slurp(root / "settings.toml"), ContainsSubstring("\nepochs = 40\n"));
}

TEST_CASE("a later sitting keeps the most memory that one used, and tells no time left where it has trained nothing") {
  REQUIRE(shop().run(small + "sat --epochs 1").status == 0);
  const fs::path path = shop().root / "sat/training.safetensors";
  io::tensor_file state = io::tensor_file::load(path);
  state.metadata["peak_memory_mb"] = "99999";
  state.metadata["batch"] = "2", state.metadata["sums"] = "1 1 ";  // stopped in the validation of epoch 2: both batches are done
  state.save(path);
  const outcome on = shop().run(small + "sat --resume --epochs 2");
  CHECK(on.status == 0);
  CHECK_THAT(on.err, ContainsSubstring("epoch 2  loss 0.5") && !ContainsSubstring("left") && ContainsSubstring("peak memory 99999 MB"));
}

TEST_CASE("a file of settings is not written over by the run that reads it") {
  shop().write("mine.toml", "# mine\nwidth = 8\nheads = 2\nepochs = 1\n");
  fs::create_directories(shop().root / "home");
  fs::copy_file(shop().root / "mine.toml", shop().root / "home/settings.toml");
  const std::string train = "train --data log.txt --model sasrec --output home --config ";
  refused(train + "home/settings.toml", "home/settings.toml: is where this run would write its own settings; name another directory");
  CHECK(slurp(shop().root / "home/settings.toml") == slurp(shop().root / "mine.toml"));
  CHECK(shop().run(train + "mine.toml").status == 0);
  CHECK(shop().run(train + "home/settings.toml --epochs 2 --resume").status == 0);  // its own
}

TEST_CASE("a file that has a name of a run's own, but is of none, is not written over") {
  const std::string table = "user,item\nu1,a\nu1,b\nu1,c\nu1,d\n";
  shop().write("log.csv", table);
  shop().write("report.html", "mine\n");
  refused("train --data log.csv --model markov --output .",
          "./log.csv: would be overwritten; name another directory, or move that file away");
  CHECK(slurp(shop().root / "log.csv") == table);
  fs::remove(shop().root / "log.csv");
  refused("train --data log.txt --model sasrec --output . --resume", "./report.html: would be overwritten");
  CHECK(slurp(shop().root / "report.html") == "mine\n");
  CHECK_FALSE(fs::exists(shop().root / "settings.toml"));
  fs::remove(shop().root / "report.html");
}

TEST_CASE("a directory with nothing to resume is told") {
  const std::string nothing = ": there is nothing to resume, training begins anew\n";
  CHECK(shop().run(small + "mistyped --epochs 1 --resume").err.starts_with("cddrec: mistyped" + nothing));
  CHECK_THAT(shop().run(small + "mistyped --epochs 2 --resume").err, !ContainsSubstring("nothing to resume"));
  // Not to who compares: its rows are begun and gone on with by one command.
  const outcome compared = shop().run("compare --data log.txt --models sasrec --set epochs=1 --set width=8 --output compared_anew");
  CHECK(compared.status == 0);
  CHECK_THAT(compared.err, !ContainsSubstring("nothing to resume"));
}

TEST_CASE("a run that was stopped in its first epoch is called unfinished, and is no model") {
  REQUIRE(shop().run(small + "unfinished --epochs 1").status == 0);
  fs::remove(shop().root / "unfinished/model.safetensors");  // as a first Ctrl-C leaves it
  refused(small + "unfinished --epochs 2", "unfinished: holds an unfinished run; name another directory, or go on with --resume");
  refused("recommend --model unfinished --history i1",
          "unfinished: holds an unfinished run and no model yet; `cddrec train --resume` goes on with it");
  CHECK(shop().run(small + "unfinished --epochs 2 --resume").status == 0);
  CHECK(shop().run("recommend --model unfinished --history i1").status == 0);
}

TEST_CASE("a training log that has lost epochs is told of") {
  const std::string train = "train --data log.txt --output shortened --set width=8 --set heads=2 --epochs ";
  CHECK(shop().run(train + "3").status == 0);
  const fs::path path = shop().root / "shortened/log.csv";
  const auto lines = lines_of(slurp(path));
  shop().write("shortened/log.csv", lines[0] + '\n' + lines[1] + '\n');
  CHECK_THAT(shop().run(train + "4 --resume").err, ContainsSubstring("log.csv: ends with epoch 1, though 3 are trained"));
  CHECK(lines_of(slurp(path)).size() == 3);
  CHECK_THAT(shop().run(train + "5 --resume").err, !ContainsSubstring("are trained"));
}

}  // namespace cddrec::test
