// The command line: what recommend and export give.
#include "cli/command.hpp"

namespace cddrec::test {

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
  shop().write("moons.txt", "moon\n");
  refused("recommend --model model --history i1 --only moons.txt",
          "cddrec: moons.txt:1: 1 unknown items dropped\ncddrec: recommend: `only` holds no item of the model\n");
  refused("recommend --model model --input - --only - <only.txt", "standard input can be read for one thing only");
  refused("recommend --model model --history i1 --only nowhere.txt", "nowhere.txt: cannot be opened");
  shop().write("out.txt", "i7\nmoon i8 sun\n");
  const outcome dropped = shop().run("recommend --model model --history 'i1 moon' --exclude out.txt");
  CHECK(dropped.status == 0);
  CHECK(dropped.err == "cddrec: out.txt:2: 2 unknown items dropped from here on\ncddrec: --history: 1 unknown items dropped\n");
  refused("recommend --model model --history i1 --exclude out.txt --unknown error", "out.txt:2: the model does not know the item 'moon'");
  refused("recommend --model model --history i1 --exclude - --unknown error <out.txt", "standard input:2: the model does not know");
}

TEST_CASE("ids of items may hold blanks where tabs part them") {
  const std::vector<std::string> books{"The Hobbit", "The", "Dune", "Solaris", "Emma"};
  std::string table = "user,item,time\n";
  for (std::size_t u = 0; u < 6; ++u)
    for (std::size_t k = 0; k < 5; ++k) table += std::to_string(u) + "," + books[(u + 2 * k) % 5] + ",1\n";
  shop().write("books.csv", table);
  REQUIRE(shop().run("train --model popularity --data books.csv --output books").status == 0);
  const auto items = [](const std::string& arguments) {
    const outcome o = shop().run("recommend --model books --unknown error --json " + arguments);
    INFO(arguments << ": " << o.err);
    CHECK(o.status == 0);
    std::vector<std::string> missing;
    for (const std::string name : {"The Hobbit", "The", "Dune", "Solaris", "Emma"})
      if (o.out.find("\"" + name + "\"") == o.out.npos) missing.push_back(name);
    return missing;
  };
  using names = std::vector<std::string>;
  CHECK(items("--history 'The Hobbit\tDune'") == names{"The Hobbit", "Dune"});
  CHECK(items("--history 'The Hobbit\t'") == names{"The Hobbit"});
  CHECK(items("--history 'The Dune'") == names{"The", "Dune"});
  CHECK(items("--history 'The Dune\tEmma'") == names{"The", "Dune", "Emma"});  // mixed
  shop().write("readers.txt", "Emma\t The Hobbit\r\n");
  CHECK(items("--input readers.txt") == names{"The Hobbit", "Emma"});
  CHECK(items("--history Emma --exclude readers.txt") == names{"The Hobbit", "Emma"});
  refused("recommend --model books --unknown error --history 'The Hobbit\tOld Possum'", "does not know the item 'Old Possum'");
  refused("recommend --model books --history Dune,Emma",
          "no item that the model knows (the first is 'Dune,Emma'); separate ids by blanks, ");
  refused("recommend --model books --history 'Old Possum\t'", "the first is 'Old Possum'");
  refused("recommend --model books --history ' '", "--history: holds no item that the model knows; separate ids by blanks");
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
  CHECK_THAT(whole.err, ContainsSubstring("60 items are too few for a graph, so all are looked at"));
  refused(asked + "--retrieval hnsw --hnsw-m 1", "m must be from 2 to 512, not 1");
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
  refused("export --model model --what onnx --output model.onnx", "model.onnx: already exists");
  refused("export --model model --what onnx --output model.pb", "model.pb: its name must end in one of: .onnx");
  refused("export --model model --what items --output items.tsv", ".csv, .jsonl, .npy");
  refused("export --model model --what items --output more.csv --top 3", "--top, --exclude and --only are for recommendations");
  refused("export --model model --what items --output more.csv --data log.txt", "are for recommendations");
  refused("export --model model --what recommendations --output more.csv", "name it with --data");
  refused("export --model model --what recommendations --output more.csv --data - --exclude - <log.txt",
          "export: standard input can be read for one thing only");
  refused("export --model model --what dreams --output more.csv", "--what");
  REQUIRE(shop().run("train --data log.txt --model popularity --output counted").status == 0);
  refused("export --model counted --what items --output more.csv", "have no embeddings");
  refused("export --model counted --what onnx --output more.onnx", "popularity has no ONNX graph");
  CHECK(shop().run("export --model counted --what recommendations --data log.txt --output counted.csv").status == 0);
}

}  // namespace cddrec::test
