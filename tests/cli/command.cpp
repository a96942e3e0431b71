// The command line is a contract: exit status, messages, output formats.
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <fstream>

#include "test.hpp"

namespace cddrec::test {

namespace {

namespace fs = std::filesystem;

struct outcome {
  int status;
  std::string out, err;
};

std::string slurp(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// A directory of its own, with a small log and a model trained on it for two epochs.
struct workshop {
  fs::path root = fs::temp_directory_path() / ("cddrec_cli_" + std::to_string(::getpid()));
  workshop() {
    fs::create_directories(root);
    REQUIRE(run("generate --users 200 --items 60 --output log.txt --seed 3").status == 0);
    REQUIRE(run("train --data log.txt --output model --epochs 2 --set width=16 --set heads=2 --threads 1").status == 0);
  }
  ~workshop() { fs::remove_all(root); }
  outcome run(const std::string& arguments) const {
    const std::string command = "cd " + root.string() + " && </dev/null " CDDREC_BINARY_DIR "/bin/cddrec " + arguments + " >out 2>err";
    const int status = std::system(command.c_str());
    return {WEXITSTATUS(status), slurp(root / "out"), slurp(root / "err")};
  }
  void write(const std::string& name, const std::string& text) const { std::ofstream(root / name, std::ios::binary) << text; }
};

const workshop& shop() {
  static const workshop w;
  return w;
}

void refused(const std::string& arguments, const std::string& message) {
  INFO(arguments);
  const outcome o = shop().run(arguments);
  CHECK(o.status == 2);
  CHECK(o.out.empty());
  CHECK_THAT(o.err, ContainsSubstring(message));
  CHECK(o.err.starts_with("cddrec: "));
  CHECK(std::count(o.err.begin(), o.err.end(), '\n') <= 4);
}

}  // namespace

TEST_CASE("bad input ends with status 2 and one clear message") {
  const std::string train = "train --output fresh --data ";
  refused(train + "missing.txt", "missing.txt: cannot be opened");
  shop().write("empty.txt", "");
  refused(train + "empty.txt", "empty.txt");
  shop().write("no_items.txt", "u1 a b c d\nu2\n");
  refused(train + "no_items.txt", "no_items.txt:2:");
  shop().write("bytes.txt", "u1 a b c d\nu2 \xff b c d\n");
  refused(train + "bytes.txt", "bytes.txt:2:");
  shop().write("short.txt", "u1 a b c\nu2 a b\n");
  refused(train + "short.txt", "4 items");
  refused(train + "log.txt --set nonsense=1", "unknown setting 'nonsense'");
  refused(train + "log.txt --set width=abc", "not a whole number");
  for (const std::string wrong : {"width=0", "heads=3", "steps=0", "beta_last=1", "beta_first=0", "temperature=0", "learning_rate=0",
                                  "learning_rate=nan", "dropout=1", "divergence=other", "residual=perhaps"})
    refused(train + "log.txt --set " + wrong, wrong.substr(0, wrong.find('=')));
  refused(train + "log.txt --set width", "key=value");
  refused(train + "log.txt --preset moon", "moon");
  refused("train --data log.txt --output model", "already holds a model");
  refused("evaluate --model nowhere --data log.txt", "holds no model");
  refused("recommend --model model --history 'x y'", "no item that the model knows");
  refused("recommend --model model", "--history");
  refused("recommend --model model --history i1 --top 0", "--top: must be a positive number, it is '0'");
  refused(train + "log.txt --minutes soon", "--minutes: must be a positive number, it is 'soon'");
  refused("", "subcommand");
  refused("sing", "cddrec");
  CHECK_FALSE(fs::exists(shop().root / "fresh"));
}

TEST_CASE("a damaged model is refused") {
  const std::string whole = slurp(shop().root / "model/model.safetensors");
  fs::create_directories(shop().root / "damaged");
  std::string torn = whole;
  torn[torn.size() / 2] ^= 1;
  shop().write("damaged/model.safetensors", torn);
  refused("evaluate --model damaged --data log.txt", "damaged model");
  shop().write("damaged/model.safetensors", whole.substr(0, whole.size() / 2));
  refused("recommend --model damaged --history i1", "damaged model");
}

TEST_CASE("what can be mended is, with a message") {
  shop().write("windows.csv", "\xEF\xBB\xBFuser,item\r\na,x\r\n");
  CHECK(shop().run("prepare --data windows.csv").err ==
        "cddrec: windows.csv: mended: 1 byte-order mark dropped; 2 carriage returns at ends of lines dropped\n");
  shop().write("mixed.txt", "u1 -3 caf\xc3\xa9 c d\nu2 c d\nu3 d\nu4 caf\xc3\xa9 c d -3 e\n");
  const outcome trained = shop().run("train --data mixed.txt --output mixed --epochs 1 --set width=8 --set heads=1");
  CHECK(trained.status == 0);
  CHECK_THAT(trained.err, ContainsSubstring("2 users have fewer than 4 items: not evaluated, 1 of them trained on"));
  const outcome some = shop().run("recommend --model mixed --history 'unknown caf\xc3\xa9' --json --top 99");
  CHECK(some.status == 0);
  CHECK_THAT(some.err, ContainsSubstring("1 unknown items dropped"));
  CHECK_THAT(some.err, ContainsSubstring("--top 99"));
  CHECK_THAT(some.out, ContainsSubstring("{\"recommendations\":[{\"item\":\""));
  CHECK_THAT(some.out, ContainsSubstring("\"-3\""));
  CHECK(some.out.find("caf\xc3\xa9") == some.out.npos);
}

TEST_CASE("evaluate and recommend print one JSON object and nothing else") {
  const outcome e = shop().run("evaluate --model model --data log.txt --json --split valid");
  CHECK(e.status == 0);
  CHECK(e.out.starts_with("{\"model\":\"cddrec\",\"split\":\"valid\",\"users\":200,\"metrics\":{\"recall@1\":"));
  CHECK(std::count(e.out.begin(), e.out.end(), '\n') == 1);
  CHECK_THAT(e.out, ContainsSubstring("\"mrr\":"));
  CHECK_THAT(e.out, ContainsSubstring("\"seconds\":"));
  shop().write("histories.txt", "i1 i2\ni3\n");
  const outcome r = shop().run("recommend --model model --input histories.txt --json --top 3");
  CHECK(r.status == 0);
  CHECK(std::count(r.out.begin(), r.out.end(), '\n') == 2);
  // One history alone gets the bits that it gets in company.
  CHECK(r.out.starts_with(shop().run("recommend --model model --history 'i1 i2' --json --top 3 --threads 1").out));
}

TEST_CASE("the best possible metrics stand beside the log they belong to, and no other") {
  CHECK_THAT(shop().run("evaluate --model model --data log.txt").out, ContainsSubstring("best possible"));
  shop().write("edited.txt", slurp(shop().root / "log.txt") + "one_more i1 i2 i3 i4\n");
  shop().write("edited.txt.optimum.json", slurp(shop().root / "log.txt.optimum.json"));
  const outcome edited = shop().run("evaluate --model model --data edited.txt --json");
  CHECK(edited.status == 0);
  CHECK_THAT(edited.err, ContainsSubstring("edited.txt.optimum.json is of another log"));
  CHECK(edited.out.find("best") == edited.out.npos);
  shop().write("edited.txt.optimum.json", "{");
  refused("evaluate --model model --data edited.txt", "is not what `cddrec generate` writes");
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
    refused("train --data log.txt --output " + kind + " --resume", "nothing there can be resumed");
    refused("train --data log.txt --output model --resume --model " + kind, "already holds a model");
  }
}

TEST_CASE("an adversarial model trains, resumes, evaluates and recommends; its keys are its own") {
  // Two batches an epoch: the game begins with the third.
  const std::string small = " --data log.txt --model gan --set width=16 --set heads=2 --threads 1 --resume --set gan_pretraining=2";
  const outcome once = shop().run("train --output gan_once --epochs 4" + small);
  CHECK(once.status == 0);
  CHECK_THAT(once.err, ContainsSubstring("epoch 1") && ContainsSubstring("gan_d 0  gan_accuracy 0  gan_reward 0  ") &&
                           ContainsSubstring("gan_accuracy 0.5"));
  CHECK_THAT(once.out, ContainsSubstring("gan "));
  CHECK(shop().run("train --output gan --epochs 2" + small).status == 0);
  CHECK(shop().run("train --output gan --epochs 4" + small).status == 0);
  const std::string state = slurp(shop().root / "gan_once/training.safetensors");  // its head has the seconds
  const bool same = slurp(shop().root / "gan/training.safetensors").ends_with(state.substr(state.size() / 2));
  CHECK(same);
  const std::string file = slurp(shop().root / "gan/model.safetensors");
  CHECK_THAT(file.substr(0, 8192), ContainsSubstring("discriminator.verdict.weight") && ContainsSubstring("settings.gan_pretraining"));
  const outcome e = shop().run("evaluate --model gan --data log.txt --json --diagnostics");
  CHECK(e.status == 0);
  CHECK_THAT(e.out, ContainsSubstring("\"model\":\"gan\"") && ContainsSubstring("\"predictions\":{"));
  CHECK(shop().run("recommend --model gan --history i1").status == 0);
  refused("train --output gan --epochs 5" + small + " --set gan_reward_weight=2", "resume with the same settings");
  CHECK(slurp(shop().root / "model/model.safetensors").find("settings.gan_pretraining") == std::string::npos);
  refused("train --data log.txt --output other --set gan_temperature=0", "gan_temperature must be 0.01 or more");
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
    const bool same = slurp(shop().root / once / "model.safetensors") == slurp(shop().root / twice / "model.safetensors");
    CHECK(same);
    refused("train --output " + twice + " --epochs 5" + small + " --set width=32", "resume with the same settings");
  }
  refused("train --output once_by_row --epochs 5 --data log.txt --set width=16 --set heads=2 --set objective=paper --resume",
          "was trained with optimizer = adam_rows, not adam");
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
  refused("train --data log.txt --output other --config wrong.toml", "wrong.toml: unknown setting 'widht'");
}

TEST_CASE("every kind of network is trained, goes on, evaluates and recommends") {
  for (const std::string kind : {"sasrec", "gru4rec", "svae", "vae"}) {
    const std::string train =
        "train --data log.txt --output " + kind + " --model " + kind + " --set width=8 --set heads=2 --resume --epochs ";
    CHECK(shop().run(train + "1").status == 0);
    const outcome further = shop().run(train + "2");
    CHECK(further.status == 0);
    CHECK_THAT(further.err, ContainsSubstring("epoch 2") && !ContainsSubstring("epoch 1  loss"));
    CHECK(shop().run("evaluate --model " + kind + " --data log.txt --json --diagnostics").out.starts_with("{\"model\":\"" + kind + "\""));
    CHECK(shop().run("recommend --model " + kind + " --history i1 --json").status == 0);
    refused("evaluate --model " + kind + " --data log.txt --generation ddim", "has no diffusion");
  }
  refused("train --data log.txt --output sasrec --resume --epochs 2", "holds a sasrec, not a cddrec");
  refused("train --data log.txt --output fresh --model sasrec --preset office", "the presets are for the model cddrec");
}

TEST_CASE("every policy trains by its key") {
  index n = 0;
  for (const std::string set :
       {"denoiser=transformer_decoder", "decoder_layers=2", "score=dot_product",
        "objective=paper --set contrastive=fourier --set lambda=0.3", "objective=paper --set divergence=mean_squared_error", "views=1",
        "ranking=bce --set negatives_per_target=3", "ranking=sampled_softmax --set candidates=20",
        "ranking=sampled_softmax --set negatives=in_batch",
        "ranking=sampled_softmax --set negatives=popularity --set frequency_correction=false", "negatives=popularity",
        "step_weight=equal"}) {
    INFO(set);
    const outcome o =
        shop().run("train --data log.txt --output policy" + std::to_string(++n) + " --epochs 1 --set width=8 --set heads=2 --set " + set);
    CHECK(o.status == 0);
    CHECK(o.err.find("nan") == std::string::npos);
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
  refused(evaluate + "--generation direct --draws 3", "draws");
  const std::string recommend =
      "recommend --model model --history 'i1 i2' --json --top 5 --generation ancestral --generation-stop 15 --draws ";
  CHECK(shop().run(recommend + "4 --diverse").status == 0);
  refused(recommend + "1 --diverse", "--draws");
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

TEST_CASE("a log is prepared: read in any format, summarised, filtered, written") {
  shop().write("raw.csv",
               "userId,movieId,rating,timestamp\n1,b,5,30\n1,a,4,20\n2,a,3,5\n2,b,3,7\n2,a,3,9\n3,c,1,1\n1,\"The Hobbit\",5,40\n");
  const outcome told = shop().run("prepare --data raw.csv --drop-repeats --core 2 --output core.inter");
  CHECK(told.status == 0);
  CHECK_THAT(told.out, ContainsSubstring("users                    2   1 dropped\n"));
  CHECK_THAT(told.out, ContainsSubstring("interactions             4   3 dropped: 1 repeats, 2 of rare users or items\n"));
  CHECK(slurp(shop().root / "core.inter") == "user_id:token\titem_id:token\ttimestamp:float\n1\ta\t20\n1\tb\t30\n2\ta\t5\n2\tb\t7\n");
  const outcome json = shop().run("prepare --json --format csv --data - <raw.csv");
  CHECK(json.status == 0);
  CHECK(json.out ==
        "{\"users\":3,\"items\":4,\"interactions\":7,\"density\":0.5833333333333334,\"shortest\":1,\"median\":3.0,\"mean\":"
        "2.3333333333333335,\"longest\":3,\"times\":true,\"dropped\":{\"repeats\":0,\"rare\":0,\"users\":0,\"items\":0}}\n");
  refused("prepare --data raw.csv --output core.inter", "core.inter: is there already");
  refused("prepare --data raw.csv --output blanks.txt", "has blanks or control characters");
  refused("prepare --data raw.csv --core 9", "nothing is left of 7 interactions");
  refused("prepare --data raw.csv --item-column title", "there is no column 'title'");
  refused("prepare --data raw.csv --format xml", "--format");
}

TEST_CASE("a log can be divided by time; the model keeps to it") {
  std::string table = "user,item,time\n";
  for (int u = 0; u < 30; ++u)
    for (int k = 0; k < 6; ++k)
      table += "u" + std::to_string(u) + ",i" + std::to_string((u + 3 * k) % 11) + "," + std::to_string(u + 10 * k) + "\n";
  shop().write("timed.csv", table);
  for (const std::string kind : {"cddrec", "markov"}) {
    const std::string size = kind == "cddrec" ? " --epochs 1 --set width=8 --set heads=2" : "";
    const outcome trained =
        shop().run("train --data timed.csv --output timed_" + kind + " --model " + kind + " --set division=time" + size);
    CHECK(trained.status == 0);
    CHECK_THAT(trained.err, ContainsSubstring("users have no item before or none in the test's time: not tested"));
    const outcome e = shop().run("evaluate --data timed.csv --model timed_" + kind);
    CHECK(e.status == 0);
    // The same table: train's last line is the model's.
    CHECK(trained.out.find(kind) != trained.out.npos);
    CHECK(trained.out.find(e.out.substr(e.out.find(kind))) != trained.out.npos);
  }
  refused("train --data log.txt --output untimed --set division=time", "the log has no times");
  const outcome compared = shop().run("compare --data timed.csv --output timed_all --models markov,item_knn --set division=time");
  CHECK(compared.status == 0);
}

}  // namespace cddrec::test
