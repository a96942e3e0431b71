// The command line: training, and what interrupts it and goes on.
#include "cli/command.hpp"

namespace cddrec::test {

namespace {

/// What two training runs ended with: their models, and all that goes on with them.
void same_end(const fs::path& a, const fs::path& b) {
  for (const char* file : {"model.safetensors", "training.safetensors"}) {
    INFO(b << ": " << file);
    CHECK((values_of(a / file) == values_of(b / file)));
  }
}

}  // namespace

TEST_CASE("an adversarial model trains, resumes, evaluates and recommends; its keys are its own") {
  // Two batches an epoch: the game begins with the third.
  const std::string small = " --data log.txt --model gan --set width=16 --set heads=2 --threads 1 --resume --set gan_pretraining=2";
  const outcome once = shop().run("train --output gan_once --epochs 4" + small);
  CHECK(once.status == 0);
  CHECK_THAT(once.err, ContainsSubstring("epoch 1") && ContainsSubstring("gan_d 1.") && ContainsSubstring("gan_accuracy 0.") &&
                           ContainsSubstring("gan_reward 0."));
  CHECK_THAT(once.out, ContainsSubstring("gan "));
  CHECK(shop().run("train --output gan --epochs 2" + small).status == 0);
  CHECK(shop().run("train --output gan --epochs 4" + small).status == 0);
  same_end(shop().root / "gan_once", shop().root / "gan");
  const std::string file = slurp(shop().root / "gan/model.safetensors");
  CHECK_THAT(file.substr(0, 8192), ContainsSubstring("discriminator.verdict.weight") && ContainsSubstring("settings.gan_pretraining"));
  const outcome e = shop().run("evaluate --model gan --data log.txt --json --diagnostics");
  CHECK(e.status == 0);
  CHECK_THAT(e.out, ContainsSubstring("\"model\":\"gan\"") && ContainsSubstring("\"predictions\":{"));
  CHECK(shop().run("recommend --model gan --history i1").status == 0);
  refused("train --output gan --epochs 5" + small + " --set gan_reward_weight=2", "resume with the same log and settings");
  CHECK(slurp(shop().root / "model/model.safetensors").find("settings.gan_pretraining") == std::string::npos);
}

TEST_CASE("an interrupted run resumed is the run that was not interrupted") {
  const std::string by_row = " --set optimizer=adam_rows --set objective=paper";
  for (const auto& [name, settings] :
       {std::pair<std::string, std::string>{"", ""}, {"_by_row", by_row}, {"_averaged", " --set ema_decay=0.9"}}) {
    const std::string small = " --data log.txt --set width=16 --set heads=2 --threads 2 --resume" + settings;
    const std::string once = "once" + name, twice = "twice" + name;
    CHECK(shop().run("train --output " + once + " --epochs 4" + small).status == 0);
    CHECK(shop().run("train --output " + twice + " --epochs 2" + small).status == 0);
    CHECK(shop().run("train --output " + twice + " --epochs 4" + small).status == 0);
    same_end(shop().root / once, shop().root / twice);
    refused("train --output " + twice + " --epochs 5" + small + " --set width=32", "resume with the same log and settings");
  }
  const std::string kept = slurp(shop().root / "once_by_row/settings.toml");
  refused("train --output once_by_row --epochs 5 --data log.txt --set width=16 --set heads=2 --set objective=paper --resume",
          "was trained with optimizer = 'adam_rows', not adam");
  CHECK(slurp(shop().root / "once_by_row/settings.toml") == kept);  // what is refused changes nothing
}

TEST_CASE("training starts from a model; what it knew it still knows, and items may be new") {
  std::string grown, added;
  for (int u = 0; u < 20; ++u) {
    const std::string n = std::to_string(u);
    added += "v" + n + " new" + std::to_string(u % 3) + " i" + std::to_string(u + 1) + " i7 new" + std::to_string((u + 1) % 3) + " i9\n";
  }
  shop().write("added.txt", added);
  shop().write("grown.txt", added + slurp(shop().root / "log.txt"));  // so that every item gets another number
  std::string old;
  for (int i = 1; i <= 60; ++i) old += "i" + std::to_string(i) + "\n";
  shop().write("old.txt", old);
  const std::string start = "train --from model --threads 1 --epochs 1 --data ", still = " --set learning_rate=1e-30 --set ema_decay=0";
  const auto lists = [](const std::string& model) {
    const outcome o = shop().run("recommend --json --top 60 --history 'i1 i2 i3' --only old.txt --model " + model);
    CHECK(o.status == 0);
    return o.out;
  };
  for (const std::string log : {"log.txt", "grown.txt", "added.txt"}) {
    const std::string output = "still_" + log.substr(0, log.find('.'));
    const outcome o = shop().run(start + log + still + " --output " + output);
    INFO(o.err);
    CHECK(o.status == 0);
    CHECK_THAT(o.err, ContainsSubstring("model: 60 items are taken over, " + std::string(log == "log.txt" ? "0" : "3") + " are new\n"));
    CHECK(lists(output) == lists("model"));
    const outcome all = shop().run("recommend --model " + output + " --history i1 --top 60");
    CHECK((all.out.find("new2") != all.out.npos) == (log != "log.txt"));
  }

  const auto first_loss = [](const outcome& o) {
    const std::string before = "epoch 1  loss ";
    return std::stod(o.err.substr(o.err.find(before) + before.size()));
  };
  const std::string network = " --set width=16 --set heads=2 --threads 1 ";
  const outcome further = shop().run(start + "grown.txt --output further");
  const outcome afresh = shop().run("train --data grown.txt --output afresh --epochs 1" + network);
  CHECK(first_loss(further) < first_loss(afresh));
  CHECK(lists("further") != lists("model"));

  const std::string go_on = "train --from model --data grown.txt --threads 1 --resume --output ";
  CHECK(shop().run(go_on + "from_once --epochs 3").status == 0);
  CHECK(shop().run(go_on + "from_twice --epochs 1").status == 0);
  const outcome resumed = shop().run(go_on + "from_twice --epochs 3");
  CHECK(resumed.status == 0);
  CHECK(resumed.err.find("are new") == resumed.err.npos);
  const bool same = slurp(shop().root / "from_once/model.safetensors") == slurp(shop().root / "from_twice/model.safetensors");
  CHECK(same);

  refused("train --from model --data log.txt --output other --set width=32", "model: was trained with width = 16, not 32");
  refused("train --from model --data log.txt --output other --model sasrec", "--from");
  refused("train --from nowhere --data log.txt --output other", "nowhere: holds no model");
  REQUIRE(shop().run("train --data log.txt --model popularity --output counts").status == 0);
  refused("train --from counts --data log.txt --output other", "which only counts; count anew with `cddrec train --model popularity`");
  REQUIRE(shop().run("train --data log.txt --model gan --output game --epochs 1 --set gan_pretraining=1" + network).status == 0);
  CHECK(shop().run("train --from game --data grown.txt --output game_on --epochs 1 --threads 1").status == 0);
  CHECK(shop().run("evaluate --model game_on --data grown.txt").status == 0);
}

TEST_CASE("a signal stops training with a checkpoint, from which it goes on as if nothing had been") {
  // Twenty-five batches an epoch, and no end.
  const std::string settings = " --data log.txt --set width=16 --set heads=2 --set batch_users=8 --set patience=0 --threads 1 --epochs ";
  const auto words = [&](const std::string& arguments) {
    std::istringstream in(arguments);
    return std::vector<std::string>{std::istream_iterator<std::string>(in), {}};
  };
  const auto number_after = [](const std::string& text, const std::string& word) {
    const std::size_t at = text.find(word);
    return at == text.npos ? -1 : std::atol(text.c_str() + at + word.size());
  };
  for (const int signal : {SIGINT, SIGTERM}) {
    const std::string cut = "cut" + std::to_string(signal), whole = "whole" + std::to_string(signal);
    const auto begun = [&] { return fs::exists(shop().root / cut / "log.csv"); };
    const outcome first = shop().run_until(words("train --output " + cut + settings + "1000000"), begun, signal);
    CHECK(first.status == 130);
    CHECK(first.out.empty());
    CHECK_THAT(first.err, ContainsSubstring("cddrec: stopped in epoch ") && ContainsSubstring("--resume goes on from there"));
    CHECK(first.err.find('\r') == first.err.npos);  // no bar where there is no terminal
    CHECK(slurp(shop().root / cut / "training.safetensors").size() > 10000);
    refused("train --output " + cut + settings + "2", "--resume");
    // Once more, at some other place; then to the end.
    const index epoch = number_after(first.err, "stopped in epoch ");
    REQUIRE(epoch > 1);
    const auto further = [&] { return number_after(slurp(shop().root / "err"), "epoch " + std::to_string(epoch + 1) + "  loss") >= 0; };
    const outcome second = shop().run_until(words("train --resume --output " + cut + settings + "1000000"), further, signal);
    CHECK(second.status == 130);
    const std::string last = std::to_string(number_after(second.err, "stopped in epoch ") + 1);
    CHECK(shop().run("train --resume --output " + cut + settings + last).status == 0);
    CHECK(shop().run("train --output " + whole + settings + last).status == 0);
    const bool same = slurp(shop().root / cut / "model.safetensors") == slurp(shop().root / whole / "model.safetensors");
    CHECK(same);
    const auto losses = [](const fs::path& log) {  // epoch and loss
      std::vector<std::string> all;
      std::istringstream lines(slurp(log));
      for (std::string line; std::getline(lines, line);) all.push_back(line.substr(0, line.find(',', line.find(',') + 1)));
      return all;
    };
    CHECK(losses(shop().root / cut / "log.csv") == losses(shop().root / whole / "log.csv"));
  }
}

TEST_CASE("the optimiser of touched rows is another optimiser") {
  // Two users a batch, so that most items rest. A model file ends in its weights.
  const auto weights = [](const std::string& optimizer) {
    const std::string output = "trained_by_" + optimizer;
    CHECK(shop()
              .run("train --data log.txt --epochs 1 --set width=16 --set heads=2 --set objective=paper --set batch_users=2 --threads 1 "
                   "--output " +
                   output + " --set optimizer=" + optimizer)
              .status == 0);
    const std::string file = slurp(shop().root / output / "model.safetensors");
    REQUIRE(file.size() > 4096);
    return file.substr(file.size() - 4096);
  };
  const bool same = weights("adam") == weights("adam_rows");
  CHECK_FALSE(same);
  refused("train --data log.txt --output other --set optimizer=sgd", "'sgd' is not one of: adam, adam_rows");
}

TEST_CASE("settings come from a file too, and --set wins") {
  shop().write("run.toml", "width = 8\nheads = 2\nepochs = 1\nobjective = \"softmax\"\n");
  CHECK(shop().run("train --data log.txt --output configured --config run.toml --set heads=1").status == 0);
  CHECK_THAT(slurp(shop().root / "configured/model.safetensors"), ContainsSubstring("\"settings.heads\":\"1\""));
  shop().write("wrong.toml", "widht = 8\n");
  refused("train --data log.txt --output other --config wrong.toml", "wrong.toml:1: unknown setting 'widht'");
  for (const auto& [text, message] : {std::pair<std::string, std::string>{"\nwidth 8\n", "wrong.toml:2: write `key = value`"},
                                      {"width =\n", "wrong.toml:1: there is no value"},
                                      {"width = 8 9\n", "wrong.toml:1: '8 9' is not one value"},
                                      {"width = [8]\n", "wrong.toml:1: '[8]' is not one value"},
                                      {"width = 8\nwidth = 9\n", "wrong.toml:2: 'width' is set already, at wrong.toml:1"},
                                      {"objective = \"softmax\n", "wrong.toml:1: the quotation mark is not closed"},
                                      {"objective = \"softmax\" and\n", "wrong.toml:1: 'and' follows the value"},
                                      {"[network]\nwidth = 8\n", "wrong.toml:1: settings have no tables"},
                                      {"\x1B[2J = 8\n", "wrong.toml:1: unknown setting '\\x1B[2J'"},
                                      {"width = \x1B[2J\n", "wrong.toml:1: '\\x1B[2J' is not one value"},
                                      {"width = \"\x1B[2J\"\n", "wrong.toml:1: setting width: '\\x1B[2J' is not a whole number"},
                                      {"model = \"moon\"\n", "wrong.toml:1: unknown kind of model 'moon'"}}) {
    shop().write("wrong.toml", text);
    refused("train --data log.txt --output other --config wrong.toml", message);
  }
}

TEST_CASE("the settings that a run leaves are the run") {
  const auto same = [](const std::string& a, const std::string& b) {
    return slurp(shop().root / a / "model.safetensors") == slurp(shop().root / b / "model.safetensors");
  };
  const std::string again = "train --data log.txt --config first/settings.toml --output ";
  CHECK(shop()
            .run("train --data log.txt --output first --model svae --epochs 2 --seed 7 --set width=8 --set decay=0.3 "
                 "--set learning_rate=0.00012345678901")
            .status == 0);
  const std::string settings = slurp(shop().root / "first/settings.toml");
  CHECK(settings.starts_with("# The same run again: cddrec train --data log.txt --config THIS_FILE --output DIR\nversion = \""));
  CHECK_THAT(settings, ContainsSubstring("\nmodel = \"svae\"\n") && ContainsSubstring("\nseed = 7\n") &&
                           ContainsSubstring("\nranking_augmented = true\n") && ContainsSubstring("\ndecay = 0.3\n"));
  CHECK(shop().run(again + "second").status == 0);
  CHECK(same("first", "second"));
  CHECK(slurp(shop().root / "second/settings.toml") == settings);
  CHECK(shop().run(again + "third --seed 8").status == 0);
  CHECK_FALSE(same("first", "third"));
  shop().write("older.toml", "version = '0.0.1'  # long ago\nmodel = 'markov'\n");
  const outcome older = shop().run("train --data log.txt --config older.toml --output older");
  CHECK(older.status == 0);
  CHECK_THAT(older.err, ContainsSubstring("older.toml:1: written by version '0.0.1', this is "));
  CHECK_THAT(slurp(shop().root / "older/settings.toml"), ContainsSubstring("model = \"markov\""));
}

TEST_CASE("a run leaves its log and a page, and a run that goes on goes on with them") {
  const auto epochs = [](const std::string& log) {  // without the seconds, which differ
    std::string all, line;
    for (std::istringstream lines(log); std::getline(lines, line);) all += line.substr(0, line.rfind(',')) + "\n";
    return all;
  };
  for (const std::string kind : {"cddrec", "gan"}) {
    const std::string train = "train --data log.txt --model " + kind + " --set width=8 --set heads=2 --seed 5 --resume --output ";
    CHECK(shop().run(train + kind + "_logged --epochs 3").status == 0);
    const std::string log = slurp(shop().root / (kind + "_logged/log.csv"));
    CHECK(log.starts_with("epoch,loss,"));
    CHECK(std::count(log.begin(), log.end(), '\n') == 4);
    CHECK(shop().run(train + kind + "_continued --epochs 1").status == 0);
    // As if the power had failed between the log and the training state.
    std::ofstream(shop().root / (kind + "_continued/log.csv"), std::ios::app) << log.substr(log.rfind('\n', log.size() - 2) + 1);
    CHECK(shop().run(train + kind + "_continued --epochs 3").status == 0);
    CHECK(epochs(slurp(shop().root / (kind + "_continued/log.csv"))) == epochs(log));
    const std::string page = slurp(shop().root / (kind + "_logged/report.html"));
    CHECK_THAT(page, ContainsSubstring("<h1>" + kind + " on log.txt</h1>") && ContainsSubstring("<dt>seed</dt><dd>5</dd>") &&
                         ContainsSubstring("best possible") && ContainsSubstring("Spectra") && ContainsSubstring("<dt>width</dt><dd>8"));
    CHECK((page.find("Noise schedule") != page.npos) == (kind == "cddrec"));
  }
  // A width that has no plane, a process that has no way.
  CHECK(shop().run("train --data log.txt --output narrow --epochs 1 --set width=1 --set heads=1 --set steps=1").status == 0);
  CHECK(shop().run("train --data log.txt --output one_step --epochs 1 --set width=4 --set heads=1 --set steps=1").status == 0);
  CHECK_THAT(slurp(shop().root / "one_step/report.html"), ContainsSubstring("Denoising"));
  const std::string noisy = " --set width=8 --set heads=1 --set steps=200 --set beta_last=0.999";
  CHECK(shop().run("train --data log.txt --output no_way --epochs 1" + noisy).status == 0);
  const std::string page = slurp(shop().root / "no_way/report.html");
  CHECK_THAT(page, ContainsSubstring("Spectra") && !ContainsSubstring("Denoising"));
  refused("compare --data log.txt --models cddrec --output no_ways --generations" + noisy, "cddrec leaves nothing of the signal");
}

TEST_CASE("every kind of network is trained, goes on, evaluates and recommends") {
  for (const std::string kind : {"sasrec", "gru4rec", "svae", "vae"}) {
    const std::string heads = kind == "gru4rec" || kind == "svae" ? "" : " --set heads=2";
    const std::string train =
        "train --data log.txt --output " + kind + " --model " + kind + " --set width=8" + heads + " --resume --epochs ";
    CHECK(shop().run(train + "1").status == 0);
    const outcome further = shop().run(train + "2");
    CHECK(further.status == 0);
    CHECK_THAT(further.err, ContainsSubstring("epoch 2") && !ContainsSubstring("epoch 1  loss"));
    CHECK(shop().run("evaluate --model " + kind + " --data log.txt --json --diagnostics").out.starts_with("{\"model\":\"" + kind + "\""));
    CHECK(shop().run("recommend --model " + kind + " --history i1 --json").status == 0);
    const std::string graph = "export --model " + kind + " --what onnx --output " + kind + ".onnx";
    if (kind == "gru4rec" || kind == "svae")
      refused(graph, kind + " has no ONNX graph");
    else
      CHECK(shop().run(graph).status == 0);
    refused("evaluate --model " + kind + " --data log.txt --generation ddim", "has no diffusion");
    refused("recommend --model " + kind + " --history i1 --draws 2", "has no diffusion");
  }
  refused("train --data log.txt --output sasrec --resume --epochs 2", "holds a 'sasrec', not a cddrec");
  refused("train --data log.txt --output fresh --model sasrec --preset office", "the presets are for the model cddrec");
}

TEST_CASE("a limit of minutes ends a run after an epoch, never within one") {
  const std::string train =
      "train --data log.txt --model sasrec --set width=8 --set heads=2 --set batch_users=2 --set patience=0 --threads 1 ";
  const outcome one = shop().run(train + "--output late --minutes 1e-9");
  CHECK(one.status == 0);
  CHECK_THAT(one.err, ContainsSubstring("best epoch 1 of 1,"));
  CHECK(fs::exists(shop().root / "late/model.safetensors"));
  std::istringstream in(train + "--output later --epochs 1000000");
  const auto begun = [] { return fs::exists(shop().root / "later/log.csv"); };
  const outcome cut = shop().run_until({std::istream_iterator<std::string>(in), {}}, begun, SIGTERM);
  CHECK(cut.status == 130);
  const bool within = cut.err.find(" after 0 batches") == cut.err.npos;
  const outcome on = shop().run(train + "--output later --epochs 1000000 --resume --minutes 1e-9");
  CHECK(on.status == 0);
  CHECK((on.err.find("  loss ") != on.err.npos) == within);
}

TEST_CASE("a run goes on with its own log alone, and one process at a time") {
  const std::string small = " --model sasrec --set width=8 --set heads=2 --threads 1 --resume --output own_log";
  CHECK(shop().run("train --data log.txt --epochs 1" + small).status == 0);
  shop().write("longer.txt", slurp(shop().root / "log.txt") + "one_more i1 i2 i3 i4\n");
  refused("train --data longer.txt --epochs 2" + small,
          "was trained on another log of the same items; resume with the same log and settings");
  const int held = ::open((shop().root / "own_log").c_str(), O_RDONLY);
  REQUIRE(::flock(held, LOCK_EX | LOCK_NB) == 0);
  refused("train --data log.txt --epochs 2" + small, "own_log: another process is writing here; wait until it ends");
  ::close(held);
  CHECK(shop().run("train --data log.txt --epochs 2" + small).status == 0);
}

TEST_CASE("a search leaves the test part alone") {
  const std::string train = "train --data log.txt --set width=8 --set heads=2 --epochs 2 --output ";
  const outcome tested = shop().run(train + "tested"), search = shop().run(train + "untested --validation-only");
  CHECK(search.status == 0);
  CHECK(search.out.empty());
  CHECK_THAT(search.err, ContainsSubstring("best epoch "));
  const bool same = slurp(shop().root / "tested/model.safetensors") == slurp(shop().root / "untested/model.safetensors");
  CHECK(same);
  const std::string page = slurp(shop().root / "untested/report.html");
  CHECK_THAT(page, ContainsSubstring("Training") && ContainsSubstring("Noise schedule") && !ContainsSubstring("<h2>Test</h2>") &&
                       !ContainsSubstring("best possible") && !ContainsSubstring("Denoising"));
  CHECK_THAT(slurp(shop().root / "tested/report.html"), ContainsSubstring("<h2>Test</h2>"));
  CHECK_THAT(slurp(shop().root / "untested/settings.toml"), ContainsSubstring(" --validation-only --config THIS_FILE"));
  for (const std::string kind : {"item_knn", "markov"}) {
    const outcome counted = shop().run("train --data log.txt --validation-only --model " + kind + " --output untested_" + kind);
    CHECK(counted.status == 0);
    CHECK(counted.out.starts_with("peak memory "));
    CHECK_THAT(counted.out, !ContainsSubstring("full ranking"));
    CHECK(shop().run("evaluate --data log.txt --model untested_" + kind).status == 0);
  }
}

TEST_CASE("what stands beside a log is read before training") {
  shop().write("cut.txt", slurp(shop().root / "log.txt"));
  shop().write("cut.txt.optimum.json", slurp(shop().root / "log.txt.optimum.json").substr(0, 50));
  refused("train --data cut.txt --output cut_best --epochs 1", "cut.txt.optimum.json: is not what `cddrec generate` writes");
  CHECK_FALSE(fs::exists(shop().root / "cut_best"));
}

TEST_CASE("a command that is shown can be typed again") {
  shop().write("it's my log.txt", slurp(shop().root / "log.txt"));
  CHECK(shop().run("train --model markov --data \"it's my log.txt\" --output typed").status == 0);
  const std::string line = lines_of(slurp(shop().root / "typed/settings.toml"))[0], before = "# The same run again: cddrec ";
  REQUIRE(line.starts_with(before + "train --data 'it'\\''s my log.txt' --config "));
  shop().write("THIS_FILE", slurp(shop().root / "typed/settings.toml"));
  const std::string again = line.substr(before.size(), line.rfind(' ') - before.size());  // without its DIR
  CHECK(shop().run(again + " typed_again").status == 0);
}

}  // namespace cddrec::test
