#include "cddrec/eval/rank.hpp"
#include "test.hpp"

namespace cddrec::test {

namespace {

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
constexpr float infinite = std::numeric_limits<float>::infinity();

// Scores of five values, a function of the history and the item; one score may be spoilt.
struct tied_scorer {
  using scalar = float;
  index count = 0;
  std::vector<data::item> spoilt_history = {};
  data::item spoilt_item = -1;
  float spoilt_score = not_a_number;
  bool contradicts_itself = false;

  index items() const { return count; }
  std::vector<std::vector<data::item>> encode(eval::histories users, core::execution) const {
    std::vector<std::vector<data::item>> query;
    for (const auto& history : users) query.emplace_back(history.begin(), history.end());
    return query;
  }
  float value(const std::vector<data::item>& history, data::item i) const {
    if (history == spoilt_history && i == spoilt_item) return spoilt_score;
    std::uint64_t name = 1;
    for (data::item h : history) name = name * 31 + static_cast<std::uint64_t>(h);
    return static_cast<float>(core::random(core::seed{name}).below(i, 5)) - 2.0f;
  }
  void score(const std::vector<std::vector<data::item>>& query, index first, core::view<float> out, core::execution) const {
    // Not by Catch, which counts on one thread alone.
    if (out.rows() != std::ssize(query)) throw std::logic_error("scores of " + std::to_string(out.rows()) + " rows are asked for");
    for (index row = 0; row < out.rows(); ++row)
      for (index j = 0; j < out.cols(); ++j) out(row, j) = value(query[static_cast<std::size_t>(row)], static_cast<data::item>(first + j));
  }
  float score_item(const std::vector<std::vector<data::item>>& query, index row, data::item i) const {
    return value(query[static_cast<std::size_t>(row)], i) + (contradicts_itself ? 1.0f : 0.0f);
  }
};
static_assert(eval::scorer<tied_scorer>);
static_assert(!eval::scorer<int>);
static_assert(!eval::rough_scorer<tied_scorer>);

// The same with rough scores as wrong as their error allows, upwards for some items and downwards for others.
struct rough_tied_scorer : tied_scorer {
  float error = 1;
  index unknown = -1;  // the row of a block whose error is not a number
  float rough_error(const std::vector<std::vector<data::item>>&, index row) const {
    return row == unknown ? not_a_number : row == 3 ? error / 2 : error;
  }
  void score_roughly(const std::vector<std::vector<data::item>>& query, index first, core::view<float> out, core::execution how) const {
    score(query, first, out, how);
    for (index row = 0; row < out.rows(); ++row)
      for (index j = 0; j < out.cols(); ++j) out(row, j) += ((first + j) % 3 == 0 ? 1.0f : -1.0f) * rough_error(query, row);
  }
  void score_items(const std::vector<std::vector<data::item>>& query, index row, std::span<const data::item> items,
                   std::span<float> out) const {
    for (std::size_t i = 0; i < items.size(); ++i) out[i] = score_item(query, row, items[i]);
  }
};
static_assert(eval::rough_scorer<rough_tied_scorer>);

// A log whose every user's last item is the target; cases() looks at it.
struct small_log {
  data::sequences log;
  std::vector<data::prefix> before_last;
  void add(const std::vector<data::item>& sequence) {
    before_last.push_back({static_cast<std::int32_t>(log.size()), static_cast<std::int32_t>(sequence.size() - 1)});
    log.push_back(sequence);
  }
  data::cases cases() const { return {log, before_last}; }
  std::vector<std::span<const data::item>> histories() const { return cases().histories(); }
};

// Histories of 1 to 60 items, repeats included, targets anywhere.
small_log random_log(index users, index items) {
  small_log result;
  const core::random stream(core::seed{99});
  index draw = 0;
  for (index u = 0; u < users; ++u) {
    std::vector<data::item> sequence(static_cast<std::size_t>(2 + stream.below(draw++, 60)));
    for (data::item& i : sequence) i = static_cast<data::item>(stream.below(draw++, items));
    result.add(sequence);
  }
  return result;
}

// All unseen items of one history, best first, by sorting.
std::vector<kernel::scored<float>> sorted_unseen(const tied_scorer& s, std::span<const data::item> history, bool mask = true) {
  const std::vector<data::item> h(history.begin(), history.end());
  std::vector<kernel::scored<float>> all;
  for (data::item i = 0; i < s.count; ++i)
    if (!mask || std::find(h.begin(), h.end(), i) == h.end()) all.push_back({i, s.value(h, i)});
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
  return all;
}

}  // namespace

TEST_CASE("ranks are places in the sorted list of unseen items, whatever the blocks and threads") {
  const index items = 211;
  const small_log log = random_log(60, items);
  const tied_scorer s{items};
  std::vector<index> expected;
  for (index u = 0; u < log.cases().size(); ++u) {
    const auto list = sorted_unseen(s, log.cases().history(u));
    const auto place = std::find_if(list.begin(), list.end(), [&](const auto& e) { return e.item == log.cases().target(u); });
    expected.push_back(place == list.end() ? eval::missed : place - list.begin());
  }
  REQUIRE(std::count(expected.begin(), expected.end(), eval::missed) > 0);
  REQUIRE(std::count(expected.begin(), expected.end(), eval::missed) < 30);
  CHECK(eval::rank(s, log.cases()) == expected);
  for (const eval::block_sizes blocks : {eval::block_sizes{1, 1}, {7, 64}, {64, 210}, {33, 1000}})
    for (int threads : {1, 2, 4}) CHECK(eval::rank(s, log.cases(), {threads}, blocks) == expected);
  const index most = std::numeric_limits<index>::max();
  CHECK(eval::rank(s, log.cases(), {2}, {most, most}) == expected);
}

TEST_CASE("recommendations are the front of the sorted list, whatever the blocks and threads") {
  const index items = 97;
  const small_log log = random_log(40, items);
  const tied_scorer s{items};
  const auto histories = log.histories();
  for (bool mask : {true, false})
    for (index k : {0, 1, 10, 97, 1000})
      for (const eval::block_sizes blocks : {eval::block_sizes{1, 1}, {7, 20}, {256, 4096}})
        for (int threads : {1, 2, 4}) {
          const auto lists = eval::recommend(s, histories, k, {threads}, {.mask_history = mask, .blocks = blocks});
          REQUIRE(lists.size() == histories.size());
          for (std::size_t u = 0; u < lists.size(); ++u) {
            auto expected = sorted_unseen(s, histories[u], mask);
            if (index(expected.size()) > k) expected.resize(static_cast<std::size_t>(k));
            REQUIRE(lists[u] == expected);
          }
        }
}

TEST_CASE("users that are done are counted as they come, and whoever counts may stop it") {
  const index items = 100;
  const small_log log = random_log(60, items);
  const tied_scorer s{items};
  const eval::block_sizes blocks{.users = 7, .items = 64};
  for (const int threads : {1, 3}) {
    std::vector<index> heard;
    const auto listen = [&](index done, index all) { return heard.push_back(done), all == 60; };
    CHECK(eval::rank(s, log.cases(), {threads}, blocks, listen) == eval::rank(s, log.cases()));
    CHECK(std::is_sorted(heard.begin(), heard.end()));
    CHECK(heard.back() == 60);
    heard.clear();
    eval::recommend(s, log.histories(), 5, {threads}, {.blocks = blocks, .tell = listen});
    CHECK(heard.back() == 60);
    CHECK_THROWS_AS(eval::rank(s, log.cases(), {threads}, blocks, [](index done, index) { return done < 20; }), stopped);
  }
}

TEST_CASE("rough scores change neither a rank nor a recommendation") {
  const index items = 211;
  const small_log log = random_log(60, items);
  const auto histories = log.histories();
  const auto ranks = eval::rank(tied_scorer{items}, log.cases());
  using rough = rough_tied_scorer;
  for (const rough& s : {rough{{items}, 0.3f}, rough{{items}, 1}, rough{{items}, 2.5f}, rough{{items}, infinite}, rough{{items}, 1, 5}}) {
    for (const eval::block_sizes blocks : {eval::block_sizes{}, {1, 1}, {7, 64}})
      for (int threads : {1, 4}) {
        CHECK(eval::rank(s, log.cases(), {threads}, blocks) == ranks);
        for (index k : {0, 1, 10, 1000})
          for (bool mask : {true, false})
            CHECK(eval::recommend(s, histories, k, {threads}, {.mask_history = mask, .blocks = blocks}) ==
                  eval::recommend(tied_scorer{items}, histories, k, {}, {.mask_history = mask}));
      }
  }
}

TEST_CASE("an item seen long ago is masked, and as a target it is a miss") {
  // 100 items of history: the first is far outside any model's window.
  std::vector<data::item> sequence(100);
  std::iota(sequence.begin(), sequence.end(), 0);
  small_log log;
  sequence.push_back(0);  // the target is the oldest item
  log.add(sequence);
  sequence.back() = 100;  // the only unseen item
  log.add(sequence);
  const tied_scorer s{101};
  const auto ranks = eval::rank(s, log.cases());
  CHECK(ranks == std::vector<index>{eval::missed, 0});
  const eval::metrics m = eval::measure(ranks);
  CHECK(m.target_in_history == 1);
  CHECK(m.recall_at_1 == 0.5);
  const auto histories = log.histories();
  const auto lists = eval::recommend(s, histories, 5);
  REQUIRE(lists[1].size() == 1);
  CHECK(lists[1][0].item == 100);
}

TEST_CASE("a score that is not finite is an error that names user and item, unless the item was seen") {
  small_log log;
  for (data::item u = 0; u < 20; ++u) log.add({u, 30, 40});
  tied_scorer s{.count = 50, .spoilt_history = {17, 30}, .spoilt_item = 23};
  for (float bad : {not_a_number, infinite, -infinite})
    for (data::item item : {0, 23, 40, 49})  // 40 is the target
      for (const eval::block_sizes blocks : {eval::block_sizes{}, {3, 8}})
        for (int threads : {1, 4}) {
          s.spoilt_score = bad;
          s.spoilt_item = item;
          const std::string text = "score of item " + std::to_string(item) + " for user 17 is";
          CHECK_THROWS_AS(eval::rank(s, log.cases(), {threads}, blocks), numeric_error);
          CHECK_THROWS_WITH(eval::rank(s, log.cases(), {threads}, blocks), ContainsSubstring(text));
          CHECK_THROWS_WITH(eval::recommend(s, log.histories(), 3, {threads}, {.blocks = blocks}), ContainsSubstring(text));
        }
  s.spoilt_item = 30;
  CHECK(eval::rank(s, log.cases()) == eval::rank(tied_scorer{50}, log.cases()));
  CHECK_THROWS_AS(eval::recommend(s, log.histories(), 3, {}, {.mask_history = false}), numeric_error);
}

TEST_CASE("what cannot be ranked is refused with the reason") {
  small_log log;
  log.add({1, 2, 9});
  CHECK_THROWS_WITH(eval::rank(tied_scorer{9}, log.cases()), ContainsSubstring("target of user 0 is item 9, but the scorer has 9"));
  CHECK_THROWS_WITH(eval::rank(tied_scorer{10}, log.cases(), {}, {0, 1}), ContainsSubstring("at least one user and one item"));
  CHECK_THROWS_WITH(eval::recommend(tied_scorer{10}, log.histories(), -1), ContainsSubstring("k is -1"));
  CHECK_THROWS_WITH(eval::rank(tied_scorer{.count = 10, .contradicts_itself = true}, log.cases()),
                    ContainsSubstring("give item 9 different scores for user 0"));
}

TEST_CASE("no users, no ranks") {
  const small_log log;
  CHECK(eval::rank(tied_scorer{5}, log.cases()).empty());
  CHECK(eval::recommend(tied_scorer{5}, {}, 3).empty());
}

}  // namespace cddrec::test
