#include "cddrec/data/negatives.hpp"

#include <set>

#include "test.hpp"

namespace cddrec::test {

using data::item;
using data::negative_law;

namespace {
/// Item 0 is a target once, 1 twice, 2 three times, 3 (a first item) and 4 (held out) never.
data::split counted() {
  data::interactions log;
  for (const char* name : {"a", "b", "c", "d", "e"}) log.items.add(name);
  log.users.add("u");
  const std::vector<item> history{3, 0, 1, 2, 1, 2, 2, 4, 4};
  log.histories.push_back(history);
  return data::leave_one_out(log);
}
}  // namespace

TEST_CASE("negatives are never their target and follow their law") {
  const data::split log = counted();
  const core::random draw(core::seed{1});
  const index n = 20000;
  const auto frequencies = [&](const data::negative_sampler& s, item target, std::span<const item> batch = {}) {
    std::vector<double> share(5, 0);
    for (index e = 0; e < n; ++e) share[static_cast<std::size_t>(s.other_than(target, 5, batch, draw, e))] += 1.0 / n;
    return share;
  };
  const auto near = [](const std::vector<double>& got, const std::vector<double>& expected) {
    for (std::size_t i = 0; i < 5; ++i) CHECK(got[i] == Approx(expected[i]).margin(0.015));
  };
  near(frequencies({}, 1), {.25, 0, .25, .25, .25});
  near(frequencies({log, negative_law::uniform, 9}, 4), {.25, .25, .25, .25, 0});
  // Weights 1, 2, 3 and a half each for those that are no target.
  const data::negative_sampler popular(log, negative_law::popularity, 9);
  near(frequencies(popular, 4), {1 / 6.5, 2 / 6.5, 3 / 6.5, .5 / 6.5, 0});
  near(frequencies(popular, 0), {0, 2 / 6.0, 3 / 6.0, .5 / 6, .5 / 6});
  near(frequencies({log, negative_law::popularity, 9, 0}, 2), {.25, .25, 0, .25, .25});
  const std::vector<item> batch{2, 2, 1, 4};
  const auto from_batch = frequencies({log, negative_law::in_batch, 9}, 2, batch);
  near(from_batch, {0, .75, 0, 0, .25});  // from either 2 the next that is another is 1
  const std::vector<item> alone{2, 2};
  CHECK(data::negative_sampler(log, negative_law::in_batch, 9).other_than(2, 5, alone, draw, 0) == 2);
}

TEST_CASE("any item is drawn by the law's share, and it is known how probable an item is among several draws") {
  const data::split log = counted();
  const core::random draw(core::seed{2});
  const data::negative_sampler popular(log, negative_law::popularity, 9, 2);
  for (const index draws : {1, 6}) {
    constexpr index times = 20000;
    std::vector<double> among(5, 0);
    for (index k = 0; k < times; ++k) {
      std::set<item> drawn;
      for (index e = 0; e < draws; ++e) drawn.insert(popular.any(5, draw, draws * k + e));
      for (const item i : drawn) among[static_cast<std::size_t>(i)] += 1.0 / times;
    }
    for (item i = 0; i < 5; ++i)
      CHECK(among[static_cast<std::size_t>(i)] == Approx(std::exp(popular.log_inclusion(i, draws))).margin(0.015));
  }
  CHECK(popular.log_inclusion(2, 1) == Approx(std::log(9 / 14.5)));
  CHECK(popular.log_inclusion(2, 3) == Approx(std::log(1 - std::pow(5.5 / 14.5, 3))));
  CHECK(data::negative_sampler(log, negative_law::uniform, 9).log_inclusion(2, 3) == 0);
  CHECK(data::negative_sampler(log, negative_law::in_batch, 9, 2).log_inclusion(2, 1) == Approx(std::log(3 / 7.0)));
  CHECK_THROWS_WITH(data::negative_sampler(log, negative_law::popularity, 9, -1), ContainsSubstring("power must be in [0, 2]"));
  CHECK_THROWS_WITH(data::negative_sampler(log, negative_law::popularity, 9, 2.1), ContainsSubstring("power must be in [0, 2]"));
  // Of the sequence's targets 0 1 2 1 2 2, a batch with room for two has the last: 2 counts twice, every other item half.
  CHECK(data::negative_sampler(log, negative_law::in_batch, 2).log_inclusion(2, 1) == Approx(std::log(2 / 4.0)));
}

}  // namespace cddrec::test
