// The command line is a contract: exit status, messages, help; logs in and out.
#include "cli/command.hpp"
#include "cddrec/core/parallel.hpp"

namespace cddrec::test {

TEST_CASE("bad input ends with status 2 and one clear message") {
  const std::string train = "train --output fresh --data ";
  refused(train + "missing.txt", "missing.txt: cannot be opened");
  shop().write("empty.txt", "");
  refused(train + "empty.txt", "empty.txt");
  shop().write("no_items.txt", "u1 a b c d\nu2\n");
  refused(train + "no_items.txt", "no_items.txt:2:");
  shop().write("bytes.txt", "u1 a b c d\nu2 \xff b c d\n");
  refused(train + "bytes.txt", "bytes.txt:2:4: byte 4 of the line (0xFF)");
  shop().write("cut.gz", "\x1F\x8B");
  refused("prepare --data - <cut.gz", "standard input: the gzip'd data ends too early");
  const std::string endless(300, 'x'), unknown = "xxx: cannot be examined: File name too long";
  refused("prepare --data log.txt --output " + endless, unknown);
  refused("recommend --model " + endless + " --history i1", "model.safetensors: cannot be examined: File name too long");
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
  refused("recommend --model model --history i1 --top 0", "--top: must be a whole number of 1 or more, not '0'");
  refused("recommend --model model --history i1 --top 2.5", "--top: must be a whole number of 1 or more, not '2.5'");
  refused("generate --items 30 --output big.txt --users 99999999999999999999", "of 1 or more; '99999999999999999999' is too large");
  refused("generate --items 30 --users 5 --output big.txt --seed -1", "--seed: must be a whole number of 0 or more, not '-1'");
  refused("compare --data log.txt --output many --seeds 1000000000000", "--seeds: must be a whole number from 1 to 1000");
  refused("recommend --model model --history i1 --generation ddim --draws 2305843009213693952",
          "--draws: must be a whole number from 1 to");
  refused(train + "log.txt --model markov --epochs abc", "epochs");
  refused(train + "log.txt --minutes soon", "--minutes: must be a positive number, not 'soon'");
  refused(train + "log.txt --minutes inf", "--minutes: must be a positive number, not 'inf'");
  const std::string commands = "; the commands are: generate, prepare, train, compare, evaluate, recommend, export, completion\n";
  refused("", "cddrec: name a command" + commands);
  refused("tarin --data log.txt", "there is no command 'tarin'" + commands);
  refused("--verion", "there is no option '--verion'" + commands);
  refused("train", "--data is required");
  refused("train --dat log.txt --otput x", "cddrec: The following arguments were not expected: --dat log.txt --otput x\n");
  refused("recommend --modle m --history i7", "The following argument");
  refused("train --data '' --output fresh", "--data: the name is empty");
  refused("evaluate --data log.txt --model \"$unset\"", "--model: the name is empty");
  refused(train + "log.txt --preset office --config any.toml", "--config excludes --preset");
  refused(train + "log.txt --set width=99999999999999999999", "setting width must be 1 to 65536, not 99999999999999999999");
  refused(train + "log.txt --set learning_rate=1e10", "setting learning_rate must be above 0, to 1e6, not 1e10");
  refused("recommend --model model/model.safetensors --history i1", "model/model.safetensors: is a file; name the directory that it is in");
  refused("prepare --data log.txt --core 1000", "cddrec: nothing is left of ");  // not the name of a function
  CHECK_FALSE(fs::exists(shop().root / "fresh"));
}

TEST_CASE("a number with a leading zero is the one that is read") {
  const outcome ten = shop().run("recommend --model model --history i1 --top 010");
  CHECK(ten.status == 0);
  CHECK(lines_of(ten.out) == lines_of(shop().run("recommend --model model --history i1 --top 10").out));
}

TEST_CASE("help has examples that name no option that there is not, and completion knows every option") {
  const outcome whole = shop().run("--help");
  CHECK(whole.status == 0);
  CHECK_THAT(whole.out, ContainsSubstring("First steps:"));
  shop().write("complete.sh", "source <('" CDDREC_BINARY_DIR
                              "/bin/cddrec' completion bash)\nCOMP_WORDS=(cddrec \"$@\")\nCOMP_CWORD=$#\n_cddrec\n"
                              "printf '%s\\n' \"${COMPREPLY[@]}\"\n");
  const auto completed = [](const std::string& words) {
    const std::string command = "cd \"" + shop().root.string() + "\" && bash complete.sh " + words + " >completed";
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
    // No line is too long for a terminal; defaults are shown.
    for (const std::string& text : lines_of(listed)) {
      INFO(text);
      CHECK(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }) <= 80);
    }
    const std::string all = std::to_string(core::available_threads());
    for (const auto& [option, value] : std::vector<std::pair<std::string, std::string>>{{"--split", "test"},
                                                                                        {"--seeds", "1"},
                                                                                        {"--top", "10"},
                                                                                        {"--unknown", "drop"},
                                                                                        {"--draws", "1"},
                                                                                        {"--generation", "direct"},
                                                                                        {"--threads", all},
                                                                                        {"--seed UINT", "42"}}) {
      INFO(option);
      const std::size_t at = listed.find("  " + option + (option == "--seed UINT" ? "" : " "));
      if (at == listed.npos || (name == "export" && option == "--top")) continue;
      const std::string line = listed.substr(at, listed.find('\n', at) - at);
      CHECK_THAT(line, ContainsSubstring("=" + value) || ContainsSubstring("[" + value + "]"));  // CLI11 to 2.1, from 2.2
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
    CHECK(std::system(("zsh -n \"" + (shop().root / "completion.zsh").string() + "\"").c_str()) == 0);
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
  shop().write("timed_late.csv", "user,item,date\na,x,7\na,y,3\n");
  CHECK(shop().run("prepare --data timed_late.csv").err ==
        "cddrec: timed_late.csv: no column has a usual name for the time: rows are taken in the order of the file; if it is one of these, "
        "name it with --time-column: 'date'\n");
  CHECK(shop().run("prepare --data timed_late.csv --time-column date").err.empty());
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
  refused("prepare --data raw.csv --output core.inter", "core.inter: already exists");
  refused("prepare --data raw.csv --output blanks.txt", "cannot be written: it has a blank; rename it");
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
    CHECK_THAT(trained.err, ContainsSubstring("users have no item before the test's time or none in it: not tested"));
    const outcome e = shop().run("evaluate --data timed.csv --model timed_" + kind);
    CHECK(e.status == 0);
    // The same table: train's last line is the model's.
    CHECK(trained.out.find(kind) != trained.out.npos);
    CHECK(trained.out.find(e.out.substr(e.out.find(kind))) != trained.out.npos);
  }
  refused("train --data log.txt --output untimed --set division=time", "the log has no times");
  shop().write("untimed.csv", "user,item\nu1,i1\nu1,i2\nu1,i3\nu1,i4\n");
  refused("evaluate --data untimed.csv --model timed_markov", "untimed.csv: has no times, which this model's division");
  const outcome compared = shop().run("compare --data timed.csv --output timed_all --models markov,item_knn --set division=time");
  CHECK(compared.status == 0);
}

TEST_CASE("output that cannot be written is an error") {
  for (const std::string command : {"evaluate --model model --data log.txt", "evaluate --model model --data log.txt --json",
                                    "recommend --model model --history i1 --json", "completion bash"}) {
    INFO(command);
    const outcome o = shop().run(command + " >/dev/full 2>err #");  // where it goes otherwise is a comment
    CHECK(o.status == 1);
    CHECK_THAT(o.err, ContainsSubstring("cddrec: standard output: cannot be written: No space left on device"));
  }
}

TEST_CASE("a log that is drawn takes no other file's place") {
  const std::string log = slurp(shop().root / "log.txt");
  refused("generate --users 20 --items 30 --output log.txt", "log.txt: already exists; name another file");
  refused("generate --users 20 --items 30 --output -", "--output -: output goes to a file, not to standard output");
  CHECK_FALSE(fs::exists(shop().root / "-"));
  shop().write("drawn.txt.optimum.json", "mine");
  refused("generate --users 20 --items 30 --output drawn.txt", "drawn.txt.optimum.json: already exists");
  CHECK(slurp(shop().root / "log.txt") == log);
  CHECK(slurp(shop().root / "drawn.txt.optimum.json") == "mine");
  CHECK_FALSE(fs::exists(shop().root / "drawn.txt"));
}

}  // namespace cddrec::test
