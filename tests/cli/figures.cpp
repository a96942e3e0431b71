// The command line: a figure is of what it is called.
#include "cddrec/data/optimum.hpp"
#include "cli/command.hpp"

namespace cddrec::test {

namespace {

/// The number of a name in a JSON text, the first from a place on.
double number(const std::string& text, const std::string& name, std::size_t from = 0) {
  const std::size_t at = text.find("\"" + name + "\":", from);
  INFO(name << " in " << text);
  REQUIRE(at != text.npos);
  return std::stod(text.substr(at + name.size() + 3));
}
/// Where a part of it begins.
std::size_t part(const std::string& text, const std::string& name) {
  const std::size_t at = text.find("\"" + name + "\":");
  INFO(name << " in " << text);
  REQUIRE(at != text.npos);
  return at;
}
std::vector<std::string> fields(const std::string& line, char separator) {
  std::vector<std::string> all;
  std::istringstream in(line);
  for (std::string field; std::getline(in, field, separator);) all.push_back(field);
  return all;
}

/// How many floats a model file says that it holds.
double weights_in(const std::string& file) {
  double bytes = 0;
  const std::string floats = "\"dtype\":\"F32\"", place = "\"data_offsets\":[";
  for (std::size_t at = file.find(floats); at != file.npos; at = file.find(floats, at + 1)) {
    std::size_t begin = file.find(place, at) + place.size(), digits = 0;
    const double first = std::stod(file.substr(begin, 20), &digits);
    bytes += std::stod(file.substr(begin + digits + 1, 20)) - first;
  }
  return bytes / sizeof(float);
}

const std::vector<std::string> metrics{"recall@1", "recall@5", "recall@10", "recall@20", "ndcg@5", "ndcg@10", "ndcg@20", "mrr"};

}  // namespace

TEST_CASE("on validation a model has the metrics of its best epoch, and on test others") {
  const auto evaluated = [](const std::string& split) {
    return shop().run("evaluate --model model --data log.txt --json --split " + split).out;
  };
  const std::string valid = evaluated("valid"), test = evaluated("test"), best = slurp(shop().root / "log.txt.optimum.json");
  const auto rows = lines_of(slurp(shop().root / "model/log.csv"));
  REQUIRE(rows.size() == 3);
  const auto names = fields(rows[0], ',');
  const auto column = [&](const std::string& name) {
    const auto at = std::find(names.begin(), names.end(), name);
    REQUIRE(at != names.end());
    return static_cast<std::size_t>(at - names.begin());
  };
  auto epoch = fields(rows[1], ','), second = fields(rows[2], ',');
  if (std::stod(second[column("ndcg@10")]) > std::stod(epoch[column("ndcg@10")])) epoch = second;
  for (const std::string& name : metrics) {
    INFO(name);
    CHECK(number(valid, name) == Approx(std::stod(epoch[column(name)])).epsilon(1e-12));
    for (const auto& [split, out] : {std::pair<std::string, const std::string&>{"valid", valid}, {"test", test}})
      CHECK(number(out, name, part(out, "best")) == number(best, name, part(best, split)));
  }
  CHECK(number(valid, "mrr") != number(test, "mrr"));
  CHECK(number(valid, "mrr", part(valid, "best")) != number(test, "mrr", part(test, "best")));
}

TEST_CASE("a record has the metrics that evaluate has, and how large and how long the training was") {
  REQUIRE(shop()
              .run("compare --data log.txt --models sasrec,gan --output figures --minutes 1e-9 --set width=8 --set heads=2 "
                   "--set gan_pretraining=3")
              .status == 0);
  for (const std::string kind : {"sasrec", "gan"}) {
    INFO(kind);
    const std::string row = "log-" + kind + "-1", record = slurp(shop().root / "figures/records" / (row + ".json"));
    for (const std::string split : {"valid", "test"}) {
      const std::string out = shop().run("evaluate --data log.txt --json --model figures/models/" + row + " --split " + split).out;
      for (const std::string& name : metrics) CHECK(number(record, name, part(record, split)) == number(out, name));
    }
    CHECK(number(record, "epochs", part(record, "parameters")) == 1);  // of 200: the limit has reached the run
    CHECK_THAT(record, ContainsSubstring(" --minutes 1e-09 "));
    CHECK(number(record, "parameters") == weights_in(slurp(shop().root / "figures/models" / row / "model.safetensors")));
    if (kind == "gan") CHECK(number(record, "epochs_of_pretraining") == 1.5);  // 3 batches; 200 users are two of 128 or fewer
  }
}

TEST_CASE("the figures of diversified lists are those of the lists that are recommended, and a spread is a mean") {
  REQUIRE(shop()
              .run("compare --data log.txt --models cddrec --output varied --generations --set epochs=1 --set width=8 --set heads=2")
              .status == 0);
  std::string histories;
  std::vector<std::string> targets;
  for (const std::string& line : lines_of(slurp(shop().root / "log.txt"))) {
    const std::size_t first = line.find(' ') + 1, last = line.rfind(' ');
    histories += line.substr(first, last - first) + "\n";
    targets.push_back(line.substr(last + 1));
  }
  shop().write("before_last.txt", histories);
  const auto lists = lines_of(shop()
                                  .run("recommend --model varied/models/log-cddrec-1 --input before_last.txt --json --top 20 --diverse "
                                       "--generation ancestral --generation-stop 10 --draws 8")
                                  .out);
  REQUIRE(lists.size() == targets.size());
  const std::string record = slurp(shop().root / "varied/records/log-cddrec-1.json");
  const std::size_t diversified = record.find("\"kind\": \"diversified\"");
  REQUIRE(diversified != record.npos);
  for (const std::size_t most : {std::size_t{1}, std::size_t{5}, std::size_t{20}}) {
    double hits = 0;
    for (std::size_t u = 0; u < lists.size(); ++u) {
      std::size_t at = 0, place = 0;
      const std::string target = "{\"item\":\"" + targets[u] + "\"";
      for (; place < most && (at = lists[u].find("{\"item\":", at)) != std::string::npos; ++place, ++at)
        if (lists[u].compare(at, target.size(), target) == 0) ++hits;
    }
    CHECK(hits > 0);
    CHECK(number(record, "recall@" + std::to_string(most), diversified) == Approx(hits / 200).epsilon(1e-12));
  }
  index spreads = 0;
  for (std::size_t at = record.find("\"spread\":"); at != record.npos; at = record.find("\"spread\":", at + 1), ++spreads) {
    const double spread = number(record, "spread", at);
    CHECK((spread > 0 && spread <= 1));  // of cosines
  }
  CHECK(spreads == 2);
}

TEST_CASE("a log that is drawn is another with another seed, and the best possible on it is on its own parts") {
  for (const std::uint64_t seed : {std::uint64_t{42}, std::uint64_t{43}, (std::uint64_t{1} << 32) + 42}) {
    INFO(seed);
    const std::string name = "drawn" + std::to_string(seed) + ".txt";
    REQUIRE(shop().run("generate --users 50 --items 60 --seed " + std::to_string(seed) + " --output " + name).status == 0);
    const data::synthetic_log log({.users = 50, .items = 60}, core::seed{seed});
    std::string text;
    for (index u = 0; u < 50; ++u) {
      text += log.log().users.name(static_cast<data::item>(u));
      for (const data::item i : log.log().histories[u]) text += " " + log.log().name(i);
      text += "\n";
    }
    CHECK(slurp(shop().root / name) == text);
    const data::split split = data::leave_one_out(log.log());
    const std::string written = slurp(shop().root / (name + ".optimum.json"));
    for (const std::string of : {"valid", "test"}) {
      const data::best_possible best = data::optimum(log, of == "valid" ? split.validation() : split.test());
      const std::vector<double> figures{best.recall[0], best.recall[1], best.recall[2], best.recall[3],
                                        best.ndcg[0],   best.ndcg[1],   best.ndcg[2],   best.mrr};
      for (std::size_t k = 0; k < metrics.size(); ++k) {
        INFO(of << " " << metrics[k]);
        CHECK(number(written, metrics[k], part(written, of)) == Approx(figures[k]).epsilon(1e-12));
      }
    }
  }
  REQUIRE(shop().run("generate --users 50 --items 60 --output drawn.log").status == 0);
  CHECK(slurp(shop().root / "drawn.log") == slurp(shop().root / "drawn42.txt"));
}

TEST_CASE("users and items that are dropped are counted apart, and targets that nobody had in training are counted") {
  shop().write("rare.csv", "user,item,time\n1,a,1\n1,b,2\n1,c,3\n2,a,4\n2,b,5\n3,d,6\n");
  const std::string prepared = shop().run("prepare --data rare.csv --core 2 --json").out;
  CHECK_THAT(prepared, ContainsSubstring("\"dropped\":{\"repeats\":0,\"rare\":2,\"users\":1,\"items\":2}"));
  std::string table = "user,item,time\n";
  for (int u = 0; u < 30; ++u)
    for (int k = 0; k < 6; ++k)
      table += "u" + std::to_string(u) + ",i" + std::to_string((u + 3 * k) % 11) + "," + std::to_string(u + 10 * k) + "\n";
  const auto told = [&](const std::string& name, const std::string& more) {
    shop().write(name + ".csv", table + more);
    const outcome o = shop().run("train --data " + name + ".csv --model popularity --set division=time --output divided_" + name);
    CHECK(o.status == 0);
    return o.err;
  };
  CHECK_THAT(told("warm", ""), !ContainsSubstring("occur nowhere in training"));
  CHECK_THAT(told("cold", "u0,fresh,300\nu1,fresher,300\n"),
             ContainsSubstring("cddrec: 2 of ") && ContainsSubstring(" test targets are items that occur nowhere in training"));
}

namespace {
/// The numbers of a list in a JSON text.
std::vector<double> list(const std::string& text, const std::string& name) {
  const std::size_t begin = text.find('[', part(text, name)), end = text.find(']', begin);
  std::vector<double> all;
  for (const std::string& one : fields(text.substr(begin + 1, end - begin - 1), ',')) all.push_back(std::stod(one));
  return all;
}
/// The figures of the row of a table that begins with a name.
std::vector<double> row(const std::string& table, const std::string& name) {
  for (const std::string& line : lines_of(table))
    if (line.starts_with(name + " ")) {
      std::istringstream in(line.substr(name.size()));
      return {std::istream_iterator<double>(in), {}};
    }
  FAIL("no row " << name << " in\n" << table);
  return {};
}
}  // namespace

TEST_CASE("a record has the course of the training, epoch by epoch, and the table shows what is recorded of the part it names") {
  const std::string compare =
      "compare --data log.txt --models sasrec,gan --set width=8 --set heads=2 --set batch_users=16 --set epochs=12 "
      "--set patience=0 --set learning_rate=0.05 --set ema_decay=0 --set gan_pretraining=20 --output course";
  const outcome o = shop().run(compare);
  REQUIRE(o.status == 0);
  bool earlier = false;  // than the last epoch, or the two could be exchanged unseen
  for (const std::string kind : {"sasrec", "gan"}) {
    INFO(kind);
    const std::string record = slurp(shop().root / "course/records" / ("log-" + kind + "-1.json"));
    const auto rows = lines_of(slurp(shop().root / "course/models" / ("log-" + kind + "-1") / "log.csv"));
    REQUIRE(rows.size() == 13);
    const auto names = fields(rows[0], ',');
    const auto column = [&](const std::string& name) {
      const auto at = std::find(names.begin(), names.end(), name) - names.begin();
      REQUIRE(at < std::ssize(names));
      std::vector<double> all;
      for (std::size_t epoch = 1; epoch < rows.size(); ++epoch)
        all.push_back(std::stod(fields(rows[epoch], ',')[static_cast<std::size_t>(at)]));
      return all;
    };
    const auto curve = column("ndcg@10");
    CHECK(list(record, "curve") == curve);
    CHECK(number(record, "epochs", part(record, "parameters")) == 12);
    const auto best = std::max_element(curve.begin(), curve.end()) - curve.begin();
    CHECK(number(record, "best_epoch") == static_cast<double>(1 + best));
    earlier = earlier || best + 1 < std::ssize(curve);
    if (kind == "gan")
      for (const std::string name : {"gan_d", "gan_accuracy", "gan_reward"}) CHECK(list(record, name) == column(name));
    const auto shown = row(o.out, kind + " 1");
    REQUIRE(shown.size() == metrics.size());
    for (std::size_t k = 0; k < metrics.size(); ++k)
      CHECK(shown[k] == Approx(number(record, metrics[k], part(record, "test"))).margin(0.5001e-4));
    CHECK(std::abs(number(record, "mrr", part(record, "test")) - number(record, "mrr", part(record, "valid"))) > 1e-3);
  }
  CHECK(earlier);
}

TEST_CASE("what counts stands beside a network with the metrics that it has by itself") {
  const outcome network =
      shop().run("train --data log.txt --model sasrec --epochs 1 --set width=8 --set heads=2 --set decay=0.2 --output beside");
  REQUIRE(network.status == 0);
  for (const std::string kind : {"popularity", "markov", "item_knn"}) {
    INFO(kind);
    const std::string set = kind == "item_knn" ? " --set decay=0.2" : "";
    const outcome alone = shop().run("train --data log.txt --model " + kind + set + " --output alone_" + kind);
    REQUIRE(alone.status == 0);
    CHECK(row(network.out, kind) == row(alone.out, kind));
    const std::string test = shop().run("evaluate --json --data log.txt --model alone_" + kind).out;
    for (std::size_t k = 0; k < metrics.size(); ++k)
      CHECK(row(network.out, kind).at(k) == Approx(number(test, metrics[k])).margin(0.5001e-4));
  }
  // and what is set of it counts
  REQUIRE(shop().run("train --data log.txt --model item_knn --set decay=1 --set neighbours=3 --output alone_far").status == 0);
  const auto mrr = [](const std::string& model) {
    return number(shop().run("evaluate --json --data log.txt --model " + model).out, "mrr");
  };
  CHECK(mrr("alone_far") != mrr("alone_item_knn"));
}

TEST_CASE("targets that no ranking of unseen items can hold are told of") {
  shop().write("again.txt", "u1 a b c a\nu2 a b c d\nu3 b c d b\n");
  const std::string told = "2 of 3 targets are in their own history: counted as misses; `cddrec prepare --drop-repeats`";
  CHECK_THAT(shop().run("train --data again.txt --model markov --output again").err, ContainsSubstring(told));
  CHECK_THAT(shop().run("evaluate --data again.txt --model again").err, ContainsSubstring(told));
}

}  // namespace cddrec::test
