// Every n-th allocation fails, once and for good: std::bad_alloc or a typed error, nothing leaks, and what was there still works.
#include <new>

#include "cddrec/data/filter.hpp"
#include "cddrec/serve/recommender.hpp"
#include "io/gzipped.hpp"
#include "reliability/heap.hpp"
#include "reliability/models.hpp"

namespace cddrec::test {

namespace {

struct tally {
  long failures = 0, leaks = 0, recovered = 0, errors = 0;
};

/// Does something again and again, a later allocation failing each time, until none does.
template <class F>
tally with_failing_allocations(F&& f) {
  tally t;
  f();  // what is made once is made now
  for (const bool for_good : {false, true})
    for (long n = 0;; ++n) {
      const long before = heap::now().blocks;
      bool done = false;
      heap::fail_at(n, for_good);
      try {
        f();
        done = true;
      } catch (const std::bad_alloc&) {
      } catch (const error&) {
        ++t.errors;
      }
      const bool failed = heap::stop_failing();
      t.leaks += heap::now().blocks - before;
      if (!failed) break;
      ++t.failures;
      t.recovered += done;
    }
  return t;
}

template <class F>
void survives(const char* what, F&& f) {
  const tally t = with_failing_allocations(f);
  INFO(what);
  CHECK(t.leaks == 0);
  CHECK(t.failures > 0);
  WARN(what << ": " << t.failures << " failed allocations, " << t.errors << " typed errors, " << t.recovered << " done all the same");
}

io::tensor_file markov_file(const data::split& split) {
  io::tensor_file file = cli::describe("markov", cli::defaults(), item_names(split.items()));
  io::put_counts(file, baseline::markov(split));
  return file;
}

// What training_progress reads of a file.
io::tensor_file training_file() {
  io::tensor_file file = small_model();
  for (const char* name : {"epoch", "best_epoch", "adam_steps", "best_ndcg", "seconds"}) file.metadata[name] = "1";
  file.metadata["curve"] = "0.10000000000000001 0.20000000000000001 0.29999999999999999 0.40000000000000002 0.5 ";
  return file;
}

}  // namespace

TEST_CASE("a failed allocation ends in bad_alloc or a typed error, and nothing leaks") {
  if (!heap::watched()) return;
  const std::string lines = "u a b c d e\nv b c d e a\nw c d e a b\n",
                    table = "user,item,time\na,x,1\na,\"y\",2\nb,x,3\nb,z,4\na,z,5\nb,y,9\n";
  const std::string zipped = gzipped(std::string(3 << 20, 'x'));  // so large that zlib keeps what it has written last
  survives("reading lines", [&] { io::parse_sequences(lines, "FILE"); });
  survives("reading a table", [&] { io::parse_table(table, "FILE", ','); });
  bool blamed = false;  // that memory runs out is no fault of the file
  survives("unpacking", [&] {
    try {
      io::gunzip(zipped, "FILE");
    } catch (const input_error&) {
      blamed = true;
    }
  });
  CHECK_FALSE(blamed);
  const auto log = io::parse_sequences(lines, "FILE");
  survives("filtering", [&] { data::keep(log, {.repeats = false, .user_interactions = 2, .item_interactions = 2}); });
  survives("dividing", [&] { data::leave_one_out(log); });
  const auto timed = io::parse_table(table, "FILE", ',');
  survives("dividing by time", [&] { data::by_time(timed, 0.2, 0.2); });

  const std::string model = small_model().serialise();
  survives("opening a checkpoint", [&] { read_model(model); });
  survives("refusing a damaged checkpoint", [&] {
    try {
      read_model(model.substr(0, 3000));
    } catch (const input_error&) {
    }
  });
  const std::string counts = markov_file(data::leave_one_out(log)).serialise();
  survives("opening a model that counts", [&] { read_model(counts); });
  const io::tensor_file training = training_file();
  bool short_curve = false;
  survives("reading how far training came", [&] { short_curve |= cli::training_progress(training, "FILE").state.curve.size() != 5; });
  CHECK_FALSE(short_curve);

  const scratch directory;
  const std::string path = (directory / "model.safetensors").string();
  survives("saving a checkpoint", [&] { small_model().save(path); });
  CHECK(directory.read("model.safetensors") == model);
  const std::string written = (directory / "log of a long name.csv").string();
  survives("writing a log", [&] { io::write_interactions(written, log); });
  CHECK(directory.names() == std::vector<std::string>{"log of a long name.csv", "model.safetensors"});  // and no temporary file
}

TEST_CASE("a token whose number found no memory is not there, and gets the next number later") {
  if (!heap::watched()) return;
  const std::string token = "a token that no small string holds";
  for (long n = 0;; ++n) {
    data::id_map ids;
    ids.add("first");
    heap::fail_at(n, false);
    try {
      ids.add(token);
    } catch (const std::bad_alloc&) {
    }
    if (!heap::stop_failing()) break;
    CHECK(ids.size() == 1);
    CHECK(ids.add(token) == 1);
    CHECK(ids.add(token) == 1);
    CHECK(ids.size() == 2);
  }
}

TEST_CASE("a sequence that found no memory leaves nothing to the next one") {
  if (!heap::watched()) return;
  const std::vector<data::item> lost{7, 8, 9}, next{4, 5};
  for (long n = 0, failures = 1; failures > 0; ++n) {
    failures = 0;
    data::sequences log;
    data::batch training, serving;
    const auto with_failure = [&](auto&& add) {
      heap::fail_at(n, false);
      bool failed = false;
      try {
        add(lost);
      } catch (const std::bad_alloc&) {
        failed = true;
      }
      failures += heap::stop_failing();
      if (failed) add(next);
      return failed;
    };
    if (with_failure([&](const auto& s) { log.push_back(s); })) {
      REQUIRE(log.size() == 1);
      CHECK(std::vector<data::item>(log[0].begin(), log[0].end()) == next);
    }
    if (with_failure([&](const auto& s) { training.add_training(s, 8); })) {
      CHECK(training.inputs == std::vector<data::item>{4});
      CHECK(training.targets == std::vector<data::item>{5});
      CHECK(training.offsets == std::vector<index>{0, 1});
    }
    if (with_failure([&](const auto& s) { serving.add_history(s, 8); })) {
      CHECK(serving.inputs == next);
      CHECK(serving.offsets == std::vector<index>{0, 2});
    }
  }
}

TEST_CASE("training and recommending survive failed allocations") {
  if (!heap::watched()) return;
  const auto log = io::parse_sequences("u a b c d e\nv b c d e a\nw c d e a b\nx d e a b c\n", "FILE");
  const data::split split = data::leave_one_out(log);
  for (const std::string kind : {"cddrec", "gru4rec", "svae"}) {
    const auto s = small_settings();
    survives(("training, " + kind).c_str(), [&] {
      auto net = cli::make_network(kind, s, log.items.size());
      train::fit(net, cli::make_objective(kind, s), split, cli::make_fit_settings(s, 0, {1}));
    });
  }

  const cli::loaded_model m = read_model(small_model().serialise());
  const model::ranker<cli::network> ranker(*cli::network_of(m), {1});
  const std::vector<data::item> history{0, 3};
  const std::vector<std::span<const data::item>> users{history};
  const auto expected = eval::recommend(ranker, users, 3);
  survives("recommending", [&] { eval::recommend(ranker, users, 3); });
  const auto after = eval::recommend(ranker, users, 3);
  REQUIRE(after.front().size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(after.front()[i].item == expected.front()[i].item);
    CHECK(after.front()[i].score == expected.front()[i].score);
  }

  const std::string bytes = small_model().serialise();
  const std::vector<std::string> tokens{"i0", "i3", "no such item"};
  bool others = false;  // an answer is whole or none
  survives("opening a recommender and asking it", [&] {
    const serve::recommender model(serve::read_model(io::tensor_file::parse(bytes, "FILE"), "FILE"), {}, {1});
    others |= model.recommend(tokens, {.top = 2, .exclude = {"i1"}}, {1}).items.size() != 2;
  });
  CHECK_FALSE(others);
}

}  // namespace cddrec::test
