#include "cddrec/data/synthetic.hpp"

#include <map>
#include <set>

#include "test.hpp"

namespace cddrec::test {

using data::item;
using data::synthetic_log;
using data::synthetic_settings;

namespace {

// P(history, next) from the definition: all paths of the hidden interest, each with the chance of every draw along it.
double joint_by_enumeration(const synthetic_log& log, const synthetic_settings& s, std::vector<item> items) {
  const index clusters = log.clusters(), steps = static_cast<index>(items.size());
  index paths = 1;
  for (index t = 0; t < steps; ++t) paths *= clusters;
  double total = 0;
  for (index path = 0; path < paths; ++path) {
    double chance = 1 / static_cast<double>(clusters);
    index rest = path, before = -1;
    for (index t = 0; t < steps; ++t, rest /= clusters) {
      const index interest = rest % clusters;
      if (before >= 0) {
        double move = 0;
        if (interest == before) move += s.stay;
        if (interest == (before + 1) % clusters) move += 1 - s.stay;
        chance *= move;
      }
      before = interest;
      const item v = items[static_cast<std::size_t>(t)];
      double unseen = 1;
      for (index seen = 0; seen < t; ++seen)
        if (log.cluster(items[static_cast<std::size_t>(seen)]) == log.cluster(v))
          unseen -= log.popularity(items[static_cast<std::size_t>(seen)]);
      double from_cluster = s.noise / static_cast<double>(clusters);
      if (log.cluster(v) == interest) from_cluster += 1 - s.noise;
      chance *= from_cluster * log.popularity(v) / unseen;
    }
    total += chance;
  }
  return total;
}

bool contains(std::span<const item> items, item v) { return std::find(items.begin(), items.end(), v) != items.end(); }

// The log as text, one line a user.
std::vector<std::string> lines(const synthetic_log& log) {
  std::vector<std::string> result;
  for (index u = 0; u < log.log().histories.size(); ++u) {
    result.push_back(log.log().users.name(static_cast<item>(u)));
    for (item v : log.log().histories[u]) result.back() += ' ' + log.log().name(v);
  }
  return result;
}

}  // namespace

TEST_CASE("next-item probabilities equal a sum over all hidden paths") {
  // 13 items in 3 clusters: one of 5, two of 4.
  const synthetic_settings s{.users = 300, .items = 13, .cluster_size = 4, .min_length = 3, .max_length = 3, .stay = 0.7, .noise = 0.4};
  const synthetic_log log(s, core::seed{5});
  REQUIRE(log.clusters() == 3);
  REQUIRE(log.log().items.size() == 13);
  double worst = 0;
  for (index u = 0; u < 50; ++u)
    for (std::size_t length = 0; length <= 3; ++length) {
      const auto history = log.log().histories[u].first(length);
      std::vector<double> truth(13, 0);
      for (item v = 0; v < 13; ++v) {
        std::vector<item> extended(history.begin(), history.end());
        extended.push_back(v);
        if (!contains(history, v)) truth[static_cast<std::size_t>(v)] = joint_by_enumeration(log, s, extended);
      }
      const double evidence = std::accumulate(truth.begin(), truth.end(), 0.0);
      const std::vector<double> p = log.next_item_probabilities(history);
      REQUIRE(p.size() == 13);
      for (std::size_t v = 0; v < 13; ++v) worst = std::max(worst, std::abs(p[v] - truth[v] / evidence));
    }
  CHECK(worst < 1e-12);
}

TEST_CASE("probabilities sum to 1 over unseen items") {
  const synthetic_log log({.users = 2000, .items = 400, .cluster_size = 30}, core::seed{2});
  REQUIRE(log.log().items.size() == 400);
  for (index u = 0; u < 100; ++u) {
    const auto history = log.log().histories[u];
    const std::vector<double> p = log.next_item_probabilities(history);
    for (item v : history) CHECK(p[static_cast<std::size_t>(v)] == 0);
    CHECK(std::count(p.begin(), p.end(), 0.0) == static_cast<std::ptrdiff_t>(history.size()));
    CHECK(std::accumulate(p.begin(), p.end(), 0.0) == Approx(1).epsilon(1e-12));
  }

  // Where some items were never drawn, their share is missing.
  const synthetic_log thin({.users = 3, .items = 400, .noise = 1}, core::seed{2});
  double drawn = 0;
  for (item v = 0; v < thin.log().items.size(); ++v) drawn += thin.popularity(v) / static_cast<double>(thin.clusters());
  const std::vector<double> p = thin.next_item_probabilities({});
  CHECK(std::accumulate(p.begin(), p.end(), 0.0) == Approx(drawn).epsilon(1e-12));
  CHECK(drawn < 0.9);
}

TEST_CASE("what users did next is as frequent as its probability") {
  const synthetic_settings s{.users = 30000, .items = 8, .cluster_size = 4, .min_length = 3, .max_length = 3, .stay = 0.8, .noise = 0.3};
  const synthetic_log log(s, core::seed{11});
  const auto& histories = log.log().histories;
  const std::size_t length = GENERATE(std::size_t{0}, std::size_t{1}, std::size_t{2});
  std::map<std::vector<item>, std::vector<double>> counts;
  for (index u = 0; u < s.users; ++u) {
    const auto history = histories[u].first(length);
    auto& count = counts[{history.begin(), history.end()}];
    count.resize(8);
    ++count[static_cast<std::size_t>(histories[u][length])];
  }
  double chi_square = 0, freedom = 0;
  for (const auto& [history, count] : counts) {
    const double total = std::accumulate(count.begin(), count.end(), 0.0);
    const std::vector<double> p = log.next_item_probabilities(history);
    for (std::size_t v = 0; v < 8; ++v)
      if (p[v] > 0) chi_square += (count[v] - total * p[v]) * (count[v] - total * p[v]) / (total * p[v]);
    freedom += 7 - static_cast<double>(length);
  }
  CHECK(std::abs(chi_square - freedom) < 4 * std::sqrt(2 * freedom));
}

TEST_CASE("popularity in a cluster is a power law, and numbers say nothing of clusters") {
  const synthetic_log log({}, core::seed{3});
  REQUIRE(log.log().items.size() == 2000);
  REQUIRE(log.clusters() == 40);
  std::vector<std::vector<double>> shares(40);
  for (item v = 0; v < 2000; ++v) shares[static_cast<std::size_t>(log.cluster(v))].push_back(log.popularity(v));
  for (auto& share : shares) {
    REQUIRE(share.size() == 50);
    std::sort(share.begin(), share.end(), std::greater<>());
    CHECK(std::accumulate(share.begin(), share.end(), 0.0) == Approx(1));
    for (std::size_t r = 0; r < 50; ++r) CHECK(share[r] * static_cast<double>(r + 1) == Approx(share[0]));
  }
  // Neighbours by name share a cluster as often as any two items do, and so do items at any stride.
  for (int stride : {1, 2, 40, 50}) {
    int together = 0, pairs = 0;
    for (int name = 1; name + stride <= 2000; ++name, ++pairs) {
      const auto a = log.log().items.find("i" + std::to_string(name)), b = log.log().items.find("i" + std::to_string(name + stride));
      REQUIRE((a && b));
      together += log.cluster(*a) == log.cluster(*b);
    }
    CHECK(std::abs(together - pairs / 40.0) < 5 * std::sqrt(pairs / 40.0));
  }
}

TEST_CASE("the exponent of popularity is a setting") {
  for (const double exponent : {0.0, 0.5, 2.0}) {
    const synthetic_log log({.users = 2000, .items = 42, .cluster_size = 42, .exponent = exponent}, core::seed{3});
    REQUIRE(log.log().items.size() == 42);
    REQUIRE(log.clusters() == 1);
    std::vector<double> share;
    for (item v = 0; v < 42; ++v) share.push_back(log.popularity(v));
    std::sort(share.begin(), share.end(), std::greater<>());
    for (std::size_t r = 0; r < 42; ++r) CHECK(share[r] * std::pow(static_cast<double>(r + 1), exponent) == Approx(share[0]));
  }
}

TEST_CASE("a synthetic log is a log like one read from a file") {
  const synthetic_settings s{.users = 500};
  const synthetic_log log(s, core::seed{8});
  const data::interactions& all = log.log();
  REQUIRE(all.histories.size() == 500);
  CHECK(all.users.size() == 500);
  CHECK(all.users.name(499) == "u500");
  item next = 0;  // numbers are in order of first sight
  std::set<std::size_t> lengths;
  for (index u = 0; u < 500; ++u) {
    const auto history = all.histories[u];
    lengths.insert(history.size());
    CHECK(std::set<item>(history.begin(), history.end()).size() == history.size());
    for (item v : history) {
      REQUIRE(v <= next);
      next += v == next;
    }
  }
  CHECK(next == all.items.size());
  CHECK(lengths.size() == 16);
  CHECK((*lengths.begin() == 5 && *lengths.rbegin() == 20));
}

TEST_CASE("the same seed gives the same log, another seed another") {
  const auto once = lines(synthetic_log({.users = 200}, core::seed{4}));
  CHECK(once == lines(synthetic_log({.users = 200}, core::seed{4})));
  const auto other = lines(synthetic_log({.users = 200}, core::seed{5}));
  int same = 0;
  for (std::size_t u = 0; u < 200; ++u) same += once[u] == other[u];
  CHECK(same == 0);
  // A user does not depend on how many others there are.
  const auto more = lines(synthetic_log({.users = 300}, core::seed{4}));
  CHECK(std::equal(once.begin(), once.end(), more.begin()));
}

TEST_CASE("wrong settings of a synthetic log are refused") {
  const auto refusal = [](const synthetic_settings& s, const std::string& message) {
    CHECK_THROWS_AS(synthetic_log(s, core::seed{1}), input_error);
    CHECK_THROWS_WITH(synthetic_log(s, core::seed{1}), ContainsSubstring(message));
  };
  refusal({.users = 0}, "users must be 1");
  refusal({.items = 20}, "items must be above max_length (20), not 20");
  refusal({.items = -5}, "items must be 1 to 2^31 - 1, not -5");
  refusal({.cluster_size = 20}, "cluster_size must be above max_length (20), not 20");
  refusal({.min_length = 0}, "min_length must be 1");
  refusal({.min_length = 9, .max_length = 8}, "min_length must be 1 to max_length (8), not 9");
  refusal({.stay = 1.5}, "stay must be a probability, in [0, 1], not 1.5");
  refusal({.noise = -0.1}, "noise must be a probability");
  refusal({.noise = std::numeric_limits<double>::quiet_NaN()}, "noise must be a probability");
  refusal({.exponent = -1}, "exponent must be");
  refusal({.exponent = 2.5}, "exponent must be in [0, 2], not 2.5");
  CHECK_NOTHROW(synthetic_log({.users = 1, .items = 21}, core::seed{1}));
}

TEST_CASE("a history that the truth cannot produce is refused") {
  const synthetic_log log({.users = 400, .items = 42, .cluster_size = 21, .max_length = 20, .stay = 1, .noise = 0}, core::seed{1});
  const auto refusal = [&](const std::vector<item>& history, const std::string& message) {
    CHECK_THROWS_AS(log.next_item_probabilities(history), input_error);
    CHECK_THROWS_WITH(log.next_item_probabilities(history), ContainsSubstring(message));
  };
  item other = 1;  // of another cluster than item 0: with stay = 1 and no noise nobody has both
  while (log.cluster(other) == log.cluster(0)) ++other;
  refusal({0, 0}, "not in the log or is repeated");
  refusal({-1}, "item -1");
  refusal({42}, "item 42");
  refusal({0, other}, "probability 0");
  std::vector<item> long_history(21);
  std::iota(long_history.begin(), long_history.end(), 0);
  refusal(long_history, "21 items, but max_length is 20");
}

}  // namespace cddrec::test
