// The command line is a contract: exit status, messages, output formats.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>

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

/// Lines of a text, without their ends.
std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
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
  /// Runs it until `ready`, asked every few milliseconds, then sends a signal.
  template <class Ready>
  outcome run_until(std::vector<std::string> words, Ready ready, int signal) const {
    words.insert(words.begin(), CDDREC_BINARY_DIR "/bin/cddrec");
    std::vector<char*> arguments;
    for (std::string& w : words) arguments.push_back(w.data());
    arguments.push_back(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
      const auto to = [&](const char* name, int file) { ::dup2(::open((root / name).c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0666), file); };
      to("out", 1), to("err", 2);
      ::signal(SIGINT, SIG_DFL);  // a test in the background may have been told to ignore it
      if (::chdir(root.c_str()) == 0) ::execv(arguments[0], arguments.data());
      ::_exit(127);
    }
    int status = 0;
    pid_t ended = 0;
    while (!ready() && (ended = ::waitpid(child, &status, WNOHANG)) == 0) ::usleep(2000);
    if (ended == 0) ::kill(child, signal), ::waitpid(child, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, slurp(root / "out"), slurp(root / "err")};
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

TEST_CASE("help has examples that name no option that there is not, and completion knows every option") {
  const outcome whole = shop().run("--help");
  CHECK(whole.status == 0);
  CHECK_THAT(whole.out, ContainsSubstring("A first walk:"));
  shop().write("complete.sh", "source <(" CDDREC_BINARY_DIR
                              "/bin/cddrec completion bash)\nCOMP_WORDS=(cddrec \"$@\")\nCOMP_CWORD=$#\n_cddrec\n"
                              "printf '%s\\n' \"${COMPREPLY[@]}\"\n");
  const auto completed = [](const std::string& words) {
    const std::string command = "cd " + shop().root.string() + " && bash complete.sh " + words + " >completed";
    CHECK(std::system(command.c_str()) == 0);
    return slurp(shop().root / "completed");
  };
  const std::string zsh = shop().run("completion zsh").out, commands = completed("\"\"");
  index seen = 0;
  for (std::istringstream lines(whole.out.substr(whole.out.find("Subcommands:"))); !lines.eof();) {
    std::string line, name;
    std::getline(lines, line);
    std::istringstream(line) >> name;
    if (!line.starts_with("  ") || name == "cddrec") continue;
    ++seen;
    INFO(name);
    const std::string help = shop().run(name + " --help").out;
    const std::size_t examples = help.find("\nExamples:\n  ");
    REQUIRE(examples != help.npos);
    CHECK_THAT(commands, ContainsSubstring(name + "\n"));
    CHECK_THAT(zsh, ContainsSubstring("\n    " + name + ")\n"));
    const std::string offered = completed(name + " \"\""), listed = help.substr(0, examples);
    for (std::size_t at = help.find("--"); at != help.npos; at = help.find("--", at + 2)) {
      const std::string option = help.substr(at, help.find_first_not_of("abcdefghijklmnopqrstuvwxyz-", at) - at);
      INFO(option);
      if (at > examples)
        CHECK_THAT(listed, ContainsSubstring("  " + option) || ContainsSubstring("," + option));
      else if (listed.substr(at - 2, 2) == "  " || listed[at - 1] == ',')
        CHECK_THAT(offered, ContainsSubstring(option + "\n"));
    }
    // What is a file or a directory says so, which is what completion goes by.
    for (const std::string& line : lines_of(listed))
      if (line.find("  File ") != line.npos || line.find("  Directory ") != line.npos) CHECK(line.find(" TEXT ") == line.npos);
  }
  CHECK(seen >= 7);
  CHECK(completed("train --mo") == "--model\n");
  CHECK(completed("train --preset t") == "tools\ntoys\n");
  CHECK(completed("train --set temp") == "temperature=\n");
  CHECK(completed("train --data log.txt.o") == "log.txt.optimum.json\n");
  CHECK(completed("evaluate --model mo") == "model\n");
  CHECK(completed("export --model mo") == "model\n");
  CHECK(completed("completion z") == "zsh\n");
  CHECK(completed("train --epochs ''") == "\n");
  refused("completion fish", "fish");
  if (std::system("command -v zsh >/dev/null") == 0) {
    shop().write("completion.zsh", zsh);
    CHECK(std::system(("zsh -n " + (shop().root / "completion.zsh").string()).c_str()) == 0);
  }
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

TEST_CASE("recommendations keep to lists of items") {
  const auto recommend = [&](const std::string& options, const std::string& model = "model") {
    const outcome o = shop().run("recommend --model " + model + " --history 'i1 i2' --top 60 " + options);
    INFO(o.err);
    CHECK(o.status == 0);
    return lines_of(o.out);
  };
  const auto name = [](const std::string& line) { return line.substr(line.rfind(' ') + 1); };
  for (const std::string kind : {"model", "listed_markov"}) {
    if (kind != "model") REQUIRE(shop().run("train --data log.txt --model markov --output " + kind).status == 0);
    const auto all = recommend("", kind);
    REQUIRE(all.size() > 20);
    shop().write("out.txt", name(all[0]) + "\n\n" + name(all[3]) + " " + name(all[3]) + "\n");
    auto fewer = all;
    fewer.erase(fewer.begin() + 3);
    fewer.erase(fewer.begin());
    CHECK(recommend("--exclude out.txt", kind) == fewer);
    // An item of the history stays out, whatever the list says.
    shop().write("only.txt", name(all[9]) + "\n" + name(all[0]) + "\n" + name(all[5]) + " i1\n");
    CHECK(recommend("--only only.txt", kind) == std::vector<std::string>{all[0], all[5], all[9]});
    CHECK(recommend("--only only.txt --exclude out.txt", kind) == std::vector<std::string>{all[5], all[9]});
    CHECK(recommend("--only - <only.txt", kind).size() == 3);
  }
  const auto drawn = recommend("--diverse --draws 3 --generation ancestral --generation-stop 15 --only only.txt");
  CHECK(drawn.size() == 3);
  refused("recommend --model model --history i1 --only out.txt --exclude out.txt", "leave no item");
  refused("recommend --model model --input - --only - <only.txt", "standard input can be one thing only");
  refused("recommend --model model --history i1 --only nowhere.txt", "nowhere.txt: cannot be opened");
  shop().write("out.txt", "i7\nmoon i8 sun\n");
  const outcome dropped = shop().run("recommend --model model --history 'i1 moon' --exclude out.txt");
  CHECK(dropped.status == 0);
  CHECK(dropped.err == "cddrec: out.txt:2: 2 unknown items dropped from here on\ncddrec: --history: 1 unknown items dropped\n");
  refused("recommend --model model --history i1 --exclude out.txt --unknown error", "out.txt:2: the model does not know the item 'moon'");
}

TEST_CASE("items are found by a graph, and how near it comes to exact is said") {
  refused("recommend --model model --history i1 --retrieval fast", "--retrieval");
  refused("recommend --model model --history i1 --hnsw-ef 20", "--hnsw-ef are for --retrieval hnsw");
  refused("recommend --model model --history i1 --diverse --draws 2 --retrieval hnsw", "leave out --retrieval hnsw");
  shop().write("histories.txt", "i1 i2\ni3\nmoon\ni4 i5 i6\n");
  const std::string asked = "recommend --model model --input histories.txt --json --top 3 ";
  const outcome exact = shop().run(asked), found = shop().run(asked + "--retrieval hnsw --hnsw-ef 15");
  if (found.err.find("built without") != found.err.npos) {
    refused(asked + "--retrieval hnsw", "built without hnswlib\ninstall it (Debian, Ubuntu: apt-get install libhnswlib-dev)");
    return;
  }
  CHECK(found.status == 0);
  CHECK(lines_of(found.out).size() == 4);
  CHECK(lines_of(found.out)[2] == "{\"recommendations\":[]}");
  const std::string said = lines_of(found.err).back();
  CHECK(said.starts_with("cddrec: hnsw: recall@3 "));
  CHECK_THAT(said, ContainsSubstring(" against exact on 3 of 3 histories; "));
  const double recall = std::stod(said.substr(said.find('3') + 2));
  CHECK(recall >= 0.5);
  CHECK((recall == 1) == (found.out == exact.out));
  const outcome whole = shop().run(asked + "--retrieval hnsw");
  CHECK(whole.out == exact.out);
  CHECK_THAT(whole.err, ContainsSubstring("60 items are too few for a graph, all are looked at"));
  refused(asked + "--retrieval hnsw --hnsw-m 1", "m must be from 2 to 512, it is 1");
  REQUIRE(shop().run("train --data log.txt --model markov --output without_vectors").status == 0);
  refused("recommend --model without_vectors --history i1 --retrieval hnsw", "a model that counts has no vectors");
}

TEST_CASE("histories come by the thousand, from a file or from standard input") {
  std::string histories;
  for (int u = 0; u < 5000; ++u) histories += "i" + std::to_string(u % 50 + 1) + " i" + std::to_string(u % 7 + 51) + "\n";
  histories += "moon\r\n\ni3 moon\n";
  shop().write("many.txt", histories);
  const outcome many = shop().run("recommend --model model --json --top 3 --input - <many.txt");
  CHECK(many.status == 0);
  CHECK(many.err ==
        "cddrec: standard input:5001: 2 unknown items dropped from here on\n"
        "cddrec: 2 histories hold no item that the model knows: nothing is recommended for them\n");
  const auto lists = lines_of(many.out);
  REQUIRE(lists.size() == 5003);
  const auto alone = [](const std::string& history) {
    return shop().run("recommend --model model --json --top 3 --history '" + history + "'").out;
  };
  CHECK(lists[0] + "\n" == alone("i1 i51"));
  CHECK(lists[4095] + "\n" == alone("i46 i51"));
  CHECK(lists[4096] + "\n" == alone("i47 i52"));
  CHECK(lists[5000] == "{\"recommendations\":[]}");
  CHECK(lists[5001] == lists[5000]);
  CHECK(lists[5002] + "\n" == alone("i3"));
  CHECK(shop().run("recommend --model model --json --top 3 --input many.txt").out == many.out);
  const auto shown = lines_of(shop().run("recommend --model model --top 3 --input many.txt").out);
  CHECK(shown[0] == "history 1");
  CHECK(shown[4] == "history 2");
  CHECK(shown[shown.size() - 5] == "history 5002");  // an empty line is a history without items
  CHECK(shown[shown.size() - 4] == "history 5003");
  refused("recommend --model model --unknown error --input many.txt",
          "many.txt:5001: the model does not know the item 'moon'; leave it out");
  refused("recommend --model model --unknown perhaps --input many.txt", "--unknown");
  refused("recommend --model model --input many.txt --history i1", "--history");
  refused("recommend --model model --input -", "standard input: is empty");
}

TEST_CASE("what a model holds is exported, in the format that the name says") {
  const auto exported = [&](const std::string& what, const std::string& output, const std::string& more = "") {
    const outcome o = shop().run("export --model model --what " + what + " --output " + output + " " + more);
    INFO(o.err);
    CHECK(o.status == 0);
    CHECK(o.out.empty());
    return slurp(shop().root / output);
  };
  const auto rows = lines_of(exported("items", "items.csv")), objects = lines_of(exported("items", "items.jsonl"));
  REQUIRE(rows.size() == 61);
  REQUIRE(objects.size() == 60);
  CHECK(rows[0].starts_with("item,e0,e1,"));
  CHECK(rows[0].ends_with(",e15"));
  for (std::size_t i = 0; i < 60; ++i) {
    const std::size_t comma = rows[i + 1].find(',');
    CHECK(std::count(rows[i + 1].begin(), rows[i + 1].end(), ',') == 16);
    CHECK(objects[i] == "{\"item\":\"" + rows[i + 1].substr(0, comma) + "\",\"embedding\":[" + rows[i + 1].substr(comma + 1) + "]}");
  }
  // The same values in binary: 60 rows of 16 floats behind a header of whole lines of cache.
  const std::string npy = exported("items", "items.npy");
  REQUIRE(npy.size() == 128 + 60 * 16 * 4);
  CHECK(npy.starts_with(std::string("\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (60, 16), }", 66)));
  CHECK(npy[127] == '\n');
  const auto names = lines_of(slurp(shop().root / "items.txt"));
  REQUIRE(names.size() == 60);
  for (const std::size_t i : {std::size_t{0}, std::size_t{59}}) {
    float first = 0;
    std::memcpy(&first, npy.data() + 128 + i * 64, sizeof first);
    CHECK(rows[i + 1].starts_with(names[i] + ","));
    CHECK(std::stof(rows[i + 1].substr(names[i].size() + 1)) == first);
  }

  const auto lists = lines_of(exported("recommendations", "r.jsonl", "--data log.txt --top 3"));
  const auto table = lines_of(exported("recommendations", "r.csv", "--data log.txt --top 3"));
  REQUIRE(lists.size() == 200);
  REQUIRE(table.size() == 601);
  CHECK(table[0] == "user,rank,item,score");
  const std::string line = slurp(shop().root / "log.txt"), history = line.substr(0, line.find('\n'));
  const std::size_t blank = history.find(' ');
  const auto shown = lines_of(shop().run("recommend --model model --top 3 --history '" + history.substr(blank + 1) + "'").out);
  for (std::size_t rank = 1; rank <= 3; ++rank) {
    const std::string item = shown[rank - 1].substr(shown[rank - 1].rfind(' ') + 1);
    CHECK(table[rank].starts_with(history.substr(0, blank) + "," + std::to_string(rank) + "," + item + ",0."));
    CHECK_THAT(lists[0], ContainsSubstring("{\"item\":\"" + item + "\",\"score\":" + table[rank].substr(table[rank].rfind(',') + 1) + "}"));
  }
  CHECK(lists[0].starts_with("{\"user\":\"" + history.substr(0, blank) + "\",\"recommendations\":[{"));
  shop().write("only.txt", "i5\n");
  CHECK(lines_of(exported("recommendations", "only.csv", "--data log.txt --only only.txt")).size() < 202);
  shop().write("odd.csv", "user,item\n\"a,b\",i1\nc,new\n");
  const auto odd = lines_of(exported("recommendations", "odd_lists.csv", "--data odd.csv --top 1"));
  REQUIRE(odd.size() == 2);  // nothing for c
  CHECK(odd[1].starts_with("\"a,b\",1,i"));

  CHECK_THAT(exported("onnx", "model.onnx"), ContainsSubstring("top_items") && ContainsSubstring("LayerNormalization"));
  refused("export --model model --what onnx --output model.onnx", "model.onnx: is there already");
  refused("export --model model --what onnx --output model.pb", "model.pb: name it by what it shall be: .onnx");
  refused("export --model model --what items --output items.tsv", ".csv, .jsonl, .npy");
  refused("export --model model --what items --output more.csv --top 3", "--top, --exclude and --only are for recommendations");
  refused("export --model model --what items --output more.csv --data log.txt", "are for recommendations");
  refused("export --model model --what recommendations --output more.csv", "name it with --data");
  refused("export --model model --what dreams --output more.csv", "--what");
  REQUIRE(shop().run("train --data log.txt --model popularity --output counted").status == 0);
  refused("export --model counted --what items --output more.csv", "its items have no embeddings");
  refused("export --model counted --what onnx --output more.onnx", "a popularity has no ONNX graph");
  CHECK(shop().run("export --model counted --what recommendations --data log.txt --output counted.csv").status == 0);
}

TEST_CASE("metrics against a sample stand beside the full ranking, with a warning") {
  const std::string evaluate = "evaluate --model model --data log.txt ";
  const outcome one = shop().run(evaluate + "--json --sampled 5");
  CHECK(one.status == 0);
  CHECK_THAT(one.out, ContainsSubstring("\"sampled\":{\"items\":5,\"metrics\":{\"recall@1\":"));
  const std::string sampled = one.out.substr(one.out.find("sampled")), name = "\"recall@10\":";
  CHECK(std::stod(sampled.substr(sampled.find(name) + name.size())) == Approx(1).epsilon(1e-9));  // of six items
  CHECK(one.out.substr(0, one.out.find(",\"best\"")) == shop().run(evaluate + "--json").out.substr(0, one.out.find(",\"best\"")));
  CHECK_THAT(one.err, ContainsSubstring("metrics against 5 sampled items flatter"));
  const auto all = lines_of(shop().run(evaluate + "--sampled 1000").out);  // more than there are
  REQUIRE(all.size() == 5);
  CHECK(all[4].starts_with("of 1000 sampled"));
  CHECK(all[4].substr(16) == all[2].substr(16));
  const outcome full = shop().run(evaluate);
  CHECK((full.out + full.err).find("sampled") == std::string::npos);
  refused(evaluate + "--sampled 0", "--sampled: must be a positive number");
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
    refused("recommend --model " + kind + " --history i1 --draws 2", "has no diffusion");
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
  const std::string kept = slurp(shop().root / "once_by_row/settings.toml");
  refused("train --output once_by_row --epochs 5 --data log.txt --set width=16 --set heads=2 --set objective=paper --resume",
          "was trained with optimizer = adam_rows, not adam");
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
    CHECK_THAT(o.err, ContainsSubstring("model: 60 items go on from it, " + std::string(log == "log.txt" ? "0" : "3") + " are new\n"));
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
  refused("train --from counts --data log.txt --output other", "which counts; count anew with `cddrec train --model popularity`");
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
                                      {"objective = \"softmax\n", "wrong.toml:1: the quotation is not closed"},
                                      {"objective = \"softmax\" and\n", "wrong.toml:1: 'and' stands behind the value"},
                                      {"[network]\nwidth = 8\n", "wrong.toml:1: settings have no tables"},
                                      {"model = \"moon\"\n", "wrong.toml:1: unknown model 'moon'"}}) {
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
            .run("train --data log.txt --output first --model svae --epochs 2 --seed 7 --set width=8 --set heads=2 --set decay=0.3 "
                 "--set learning_rate=0.00012345678901")
            .status == 0);
  const std::string settings = slurp(shop().root / "first/settings.toml");
  CHECK(settings.starts_with("# The same run again: cddrec train --data log.txt --config settings.toml --output DIR\nversion = \""));
  CHECK_THAT(settings, ContainsSubstring("\nmodel = \"svae\"\n") && ContainsSubstring("\nseed = 7\n") &&
                           ContainsSubstring("\nresidual = true\n") && ContainsSubstring("\ndecay = 0.3\n"));
  CHECK(shop().run(again + "second").status == 0);
  CHECK(same("first", "second"));
  CHECK(slurp(shop().root / "second/settings.toml") == settings);
  CHECK(shop().run(again + "third --seed 8").status == 0);
  CHECK_FALSE(same("first", "third"));
  shop().write("older.toml", "version = '0.0.1'  # long ago\nmodel = 'markov'\n");
  const outcome older = shop().run("train --data log.txt --config older.toml --output older");
  CHECK(older.status == 0);
  CHECK_THAT(older.err, ContainsSubstring("older.toml:1: of version 0.0.1, this is "));
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
    const std::string graph = "export --model " + kind + " --what onnx --output " + kind + ".onnx";
    if (kind == "gru4rec" || kind == "svae")
      refused(graph, "a " + kind + " has no ONNX graph here");
    else
      CHECK(shop().run(graph).status == 0);
    refused("evaluate --model " + kind + " --data log.txt --generation ddim", "has no diffusion");
    refused("recommend --model " + kind + " --history i1 --draws 2", "has no diffusion");
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
