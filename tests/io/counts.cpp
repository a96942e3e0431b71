#include "cddrec/io/counts.hpp"

#include "io/scratch.hpp"
#include "test.hpp"

namespace cddrec::test {

namespace {

data::split small_split() {
  data::interactions log;
  for (const char* name : {"a", "b", "c", "d", "e"}) log.items.add(name);
  log.histories.push_back(std::vector<data::item>{0, 1, 2, 4, 4});
  log.histories.push_back(std::vector<data::item>{0, 1, 3, 2, 0});
  log.histories.push_back(std::vector<data::item>{3, 3, 1, 3, 2, 2});
  return data::leave_one_out(log);
}

}  // namespace

TEST_CASE("what was counted comes back from a file as it was") {
  const auto split = small_split();
  const baseline::markov markov(split);
  const baseline::item_knn knn(split, {.shrinkage = 1});
  io::tensor_file a, b;
  io::put_counts(a, markov), io::put_counts(b, knn);
  const auto markov_again = io::get_markov(io::tensor_file::parse(a.serialise(), "a"), 5, "a");
  CHECK(markov_again.item_counts().counts() == markov.item_counts().counts());
  CHECK(markov_again.transition_counts().offsets == markov.transition_counts().offsets);
  CHECK(markov_again.transition_counts().items == markov.transition_counts().items);
  CHECK(markov_again.transition_counts().values == markov.transition_counts().values);
  const auto knn_again = io::get_item_knn(io::tensor_file::parse(b.serialise(), "b"), 5, {.shrinkage = 1}, "b");
  CHECK(knn_again.neighbours().items == knn.neighbours().items);
  CHECK(knn_again.neighbours().values == knn.neighbours().values);
  CHECK(io::get_popularity(b, 5, "b").counts() == knn.item_counts().counts());
}

TEST_CASE("counts that are of other items, or no item numbers, are refused") {
  io::tensor_file file;
  io::put_counts(file, baseline::markov(small_split()));
  CHECK_THAT(message_of<input_error>([&] { io::get_markov(file, 6, "m"); }), ContainsSubstring("m: damaged model: counts and item ids"));
  CHECK_THAT(message_of<input_error>([&] { io::get_item_knn(file, 5, {}, "m"); }), ContainsSubstring("no tensor \"neighbours.offsets\""));
  io::tensor_file far;
  io::put_counts(far, baseline::popularity(std::vector<index>{1, 1}));
  const std::vector<std::int64_t> offsets{0, 1, 1}, beyond{std::int64_t{1} << 32}, counts{1};
  far.add<std::int64_t>("transitions.offsets", {3}, offsets);
  far.add<std::int64_t>("transitions.successors", {1}, beyond);
  far.add<std::int64_t>("transitions.counts", {1}, counts);
  CHECK_THAT(message_of<input_error>([&] { io::get_markov(far, 2, "m"); }), ContainsSubstring("transitions.successors holds 4294967296"));
}

}  // namespace cddrec::test
