#include "cddrec/model/draws.hpp"

#include <set>

#include "model/small_network.hpp"
#include "test.hpp"

namespace cddrec::test {
namespace {

using model::way;

const model::generation several{.kind = way::ancestral, .draws = 5, .seed = {2}};

model::ranker<network> ranker(const network& net, const model::generation& made) {
  return model::ranker<network>(net, {}, std::size_t{64} << 20, made);
}

// Scores of every item by every draw of one user: [draws, items].
core::matrix<float> scores_of(const model::ranker<network>& r, const std::vector<item>& user) {
  core::matrix<float> scores(r.draws(), catalogue);
  r.score(model::draws_of(r, spans({user})), 0, scores, {});
  return scores;
}

}  // namespace

TEST_CASE("spread is the mean and the deviation of the draws' scores") {
  const auto net = make();
  const auto users = histories(12);
  const std::vector<item> items{149, 0, 77, 0};
  for (const model::generation& made : {several, model::generation{.kind = way::ddim, .stop = 1, .draws = 8}}) {
    const auto r = ranker(net, made);
    const auto spread = model::spread(r, spans(users), items);
    REQUIRE(spread.size() == 12);
    for (std::size_t u = 0; u < 12; ++u) {
      const core::matrix<double> scores = scores_of(r, users[u]).cast<double>();
      REQUIRE(spread[u].size() == 4);
      for (std::size_t i = 0; i < 4; ++i) {
        const auto column = scores.col(items[i]).array();
        CHECK(spread[u][i].item == items[i]);
        CHECK(spread[u][i].score == Approx(column.mean()).margin(1e-6));
        CHECK(spread[u][i].deviation == Approx(std::sqrt((column - column.mean()).square().mean())).margin(1e-6));
        CHECK(spread[u][i].deviation > 1e-3f);
      }
    }
  }
}

TEST_CASE("what has no noise or one draw has no deviation, and the score is the ranker's") {
  const auto net = make();
  const auto users = histories(5);
  const std::vector<item> items{1, 99, 100};
  for (const model::generation& made :
       {model::generation{}, model::generation{.kind = way::ancestral}, model::generation{.kind = way::ddim, .stop = -1, .draws = 7}}) {
    const auto r = ranker(net, made);
    const auto spread = model::spread(r, spans(users), items);
    const auto q = r.encode(spans(users), {});
    for (std::size_t u = 0; u < 5; ++u)
      for (const auto& s : spread[u]) {
        CHECK(s.deviation == 0);
        CHECK(s.score == Approx(r.score_item(q, static_cast<index>(u), s.item)).margin(1e-6));
      }
  }
}

TEST_CASE("mean scores stand to the ranker's as the mean unit draw to its direction") {
  const auto net = make();
  const lists users{{1, 2, 3}};
  const auto r = ranker(net, several);
  std::vector<item> all(catalogue);
  std::iota(all.begin(), all.end(), 0);
  const auto q = r.encode(spans(users), {}), draws = model::draws_of(r, spans(users));
  const float length = core::view<const float>(draws.unit.data(), 5, 12).matrix_map().colwise().mean().norm();
  CHECK(length < 0.999f);
  const auto spread = model::spread(r, spans(users), all);
  for (const auto& s : spread.front()) CHECK(s.score == Approx(length * r.score_item(q, 0, s.item)).margin(1e-6));
}

TEST_CASE("where the score is a dot product, mean scores are the ranker's") {
  const auto net = make({.items = catalogue, .width = 12, .heads = 3, .score = model::similarity::dot_product});
  const auto users = histories(6);
  const std::vector<item> items{0, 80, 149};
  const auto r = ranker(net, several);
  const auto q = r.encode(spans(users), {});
  const auto spread = model::spread(r, spans(users), items);
  for (std::size_t u = 0; u < users.size(); ++u)
    for (const auto& s : spread[u]) {
      CHECK(s.score == Approx(r.score_item(q, static_cast<index>(u), s.item)).margin(1e-7));
      CHECK(s.deviation > 0);
    }
  CHECK(model::diversified(r, spans(users), 3, {2})[4] == model::diversified(r, spans({users[4]}), 3).front());
}

TEST_CASE("in a diversified list the draws take turns") {
  const auto net = make();
  const auto users = histories(30);
  const auto r = ranker(net, several);
  for (index k : {0, 1, 4, 23, 1000}) {
    const auto got = model::diversified(r, spans(users), k);
    REQUIRE(got.size() == users.size());
    for (std::size_t u = 0; u < users.size(); ++u) {
      const auto scores = scores_of(r, users[u]);
      std::set<item> out(users[u].begin(), users[u].end());
      const std::size_t unseen = static_cast<std::size_t>(catalogue) - out.size();
      REQUIRE(got[u].size() == std::min(static_cast<std::size_t>(k), unseen));
      for (std::size_t place = 0; place < got[u].size(); ++place) {
        kernel::scored<float> best{-1, -2};
        for (item i = 0; i < static_cast<item>(catalogue); ++i) {
          const kernel::scored<float> candidate{i, scores(static_cast<index>(place % 5), i)};
          if (!out.contains(i) && kernel::better(candidate, best)) best = candidate;
        }
        REQUIRE(got[u][place].item == best.item);
        REQUIRE(got[u][place].score == Approx(scores.col(best.item).mean()).margin(1e-6));
        REQUIRE(out.insert(best.item).second);  // neither a duplicate nor of the history
      }
    }
  }
}

TEST_CASE("one draw diversifies nothing, many do") {
  const auto net = make();
  const auto users = histories(20);
  const auto direct = ranker(net, {});
  CHECK(model::diversified(direct, spans(users), 9) == eval::recommend(direct, spans(users), 9));
  const auto r = ranker(net, {.kind = way::ancestral, .stop = 2, .draws = 5});
  const auto varied = model::diversified(r, spans(users), 9), usual = eval::recommend(r, spans(users), 9);
  const auto items = [](const auto& list) {
    std::set<item> all;
    for (const auto& s : list) all.insert(s.item);
    return all;
  };
  index different = 0;
  for (std::size_t u = 0; u < users.size(); ++u) different += items(varied[u]) != items(usual[u]) ? 1 : 0;
  CHECK(different > 10);
}

TEST_CASE("spread and diversified lists have the same bits alone, in other company and for any threads") {
  const auto net = make();
  const auto users = histories(50);
  const std::vector<item> items{3, 1, 4};
  const auto r = ranker(net, several);
  const auto spread = model::spread(r, spans(users), items);
  const auto lists_of_all = model::diversified(r, spans(users), 8);
  CHECK(model::spread(r, spans(users), items, {2}) == spread);
  CHECK(model::diversified(r, spans(users), 8, {2}) == lists_of_all);
  const model::ranker<network> proper(net, {}, 0, several);  // without rough scores
  CHECK(model::diversified(proper, spans(users), 8) == lists_of_all);
  for (std::size_t u = 0; u < users.size(); u += 11)
    for (int threads : {1, 2}) {
      const lists company{{7}, users[u], users[2]};
      CHECK(model::spread(r, spans({users[u]}), items, {threads}).front() == spread[u]);
      CHECK(model::spread(r, spans(company), items, {threads})[1] == spread[u]);
      CHECK(model::diversified(r, spans({users[u]}), 8, {threads}).front() == lists_of_all[u]);
      CHECK(model::diversified(r, spans(company), 8, {threads})[1] == lists_of_all[u]);
      CHECK(model::spread(r, spans(company), std::vector<item>{4, 9}, {threads})[1][0] == spread[u][2]);
    }
}

TEST_CASE("what cannot be drawn for or scored is an error") {
  auto net = make();
  const lists user{{1, 2}};
  {
    const auto r = ranker(net, several);
    for (const item unknown : {item(-1), item(catalogue)})
      CHECK_THROWS_WITH(model::spread(r, spans(user), std::vector<item>{0, unknown}),
                        ContainsSubstring("item " + std::to_string(unknown)) && ContainsSubstring("150 items"));
    CHECK_THROWS_AS(model::diversified(r, spans(user), -1), input_error);
    CHECK_THROWS_AS(model::diversified(r, spans({{1, 150}}), 3), input_error);
    CHECK_THROWS_AS(model::spread(r, spans({std::vector<item>{}}), std::vector<item>{0}), input_error);
    CHECK(model::diversified(r, {}, 3).empty());
    CHECK(model::spread(r, spans(user), {}).front().empty());
  }
  net.visit([](const std::string& name, auto& p) {
    if (name == "item_embedding.weight") p.value(77, 3) = std::numeric_limits<float>::quiet_NaN();
  });
  const auto r = ranker(net, several);
  CHECK_THROWS_AS(model::diversified(r, spans(user), 3), numeric_error);
  CHECK_THROWS_AS(model::spread(r, spans(user), std::vector<item>{77}), numeric_error);
  CHECK_NOTHROW(model::spread(r, spans(user), std::vector<item>{76}));
}

TEST_CASE("what is excluded is in nobody's diversified list, and its turn is taken by the next") {
  const auto net = make();
  const auto users = histories(12);
  const model::ranker<network> r(net, {}, std::size_t{64} << 20, {.kind = model::way::ancestral, .draws = 5, .seed = {2}});
  const auto before = model::diversified(r, spans(users), 6);
  for (std::size_t u = 0; u < users.size(); ++u) {
    const std::vector<item> out{before[u][3].item, before[u][0].item};  // in any order
    const auto list = model::diversified(r, spans({users[u]}), 1000, {}, out).front();
    std::set<item> hidden(users[u].begin(), users[u].end()), got;
    hidden.insert(out.begin(), out.end());
    for (const auto& s : list) got.insert(s.item);
    CHECK(list.size() == static_cast<std::size_t>(catalogue) - hidden.size());
    for (const item i : out) CHECK_FALSE(got.contains(i));
  }
  const std::vector<item> unknown{150};
  CHECK_THROWS_AS(model::diversified(r, spans(users), 3, {}, unknown), input_error);
}

}  // namespace cddrec::test
