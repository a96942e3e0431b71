#include "cddrec/model/recommender.hpp"

#include <set>

#include "cddrec/nn/transformer.hpp"
#include "compare.hpp"
#include "reference/reference.hpp"
#include "test.hpp"

namespace cddrec::test {

namespace {
using network = model::recommender<nn::transformer<float, nn::causal>, model::cross_decoder<float>>;
using data::item;
using lists = std::vector<std::vector<item>>;

constexpr index catalogue = 150;

network make(model::recommender_settings s = {.items = catalogue, .width = 12, .layers = 2, .heads = 3, .max_length = 20}) {
  return network(s, diffusion::process<float>(diffusion::linear_schedule{}, 4), core::seed{1});
}

// Histories of 1 to 30 items, so that some are longer than max_length.
lists histories(index users) {
  lists all;
  const core::random draw(core::seed{2});
  for (index u = 0; u < users; ++u) {
    all.emplace_back();
    const core::random own = draw.child(static_cast<std::uint64_t>(u));
    for (index i = 0; i <= own.below(0, 30); ++i) all.back().push_back(static_cast<item>(own.below(1 + i, catalogue)));
  }
  return all;
}

std::vector<std::span<const item>> spans(const lists& all) { return {all.begin(), all.end()}; }

// Unit predictions [users, width] as serving makes them.
core::matrix<float> predictions(const network& net, const lists& users, int threads = 1) {
  const auto views = spans(users);
  const auto q = model::ranker<network>(net).encode(views, {threads});
  return core::view<const float>(q.data(), static_cast<index>(users.size()), net.settings().width).matrix_map();
}
}  // namespace

TEST_CASE("settings out of range are refused with the setting's name and its value") {
  const auto with = [](auto change) {
    model::recommender_settings s{.items = 10, .width = 12, .heads = 3};
    change(s);
    return make(s);
  };
  CHECK_NOTHROW(with([](auto&) {}));
  CHECK_THROWS_WITH(with([](auto& s) { s.items = 0; }), ContainsSubstring("items must be 1 or more, it is 0"));
  CHECK_THROWS_WITH(with([](auto& s) { s.width = 0; }), ContainsSubstring("width must be 1 or more, it is 0"));
  CHECK_THROWS_WITH(with([](auto& s) { s.layers = 0; }), ContainsSubstring("layers must be 1 or more, it is 0"));
  CHECK_THROWS_WITH(with([](auto& s) { s.heads = 5; }), ContainsSubstring("heads must be 1 or more and divide the width, it is 5"));
  CHECK_THROWS_WITH(with([](auto& s) { s.heads = 0; }), ContainsSubstring("heads must be"));
  CHECK_THROWS_WITH(with([](auto& s) { s.max_length = 0; }), ContainsSubstring("max_length must be 1 or more, it is 0"));
  CHECK_THROWS_WITH(with([](auto& s) { s.dropout = 1; }), ContainsSubstring("dropout must be in [0, 1), it is 1"));
  CHECK_THROWS_WITH(with([](auto& s) { s.attention_dropout = -0.1; }), ContainsSubstring("attention_dropout must be in [0, 1)"));
  CHECK_THROWS_AS(with([](auto& s) { s.dropout = std::nan(""); }), input_error);
}

TEST_CASE("every parameter is visited once, in the same order, const or not") {
  auto net = make({.items = 10, .width = 12, .layers = 1, .heads = 3, .residual = true, .feed_forward = true});
  std::vector<std::string> names, again;
  net.visit([&](const std::string& name, auto& p) {
    names.push_back(name);
    CHECK(p.value.size() > 0);
  });
  std::as_const(net).visit([&](const std::string& name, const auto&) { again.push_back(name); });
  CHECK(names == again);
  CHECK(names.size() == 4 + 12 + 12);
  std::sort(again.begin(), again.end());
  CHECK(std::adjacent_find(again.begin(), again.end()) == again.end());
}

TEST_CASE("encodings are PyTorch's: embedding and position counted from the end, normalised, through the encoder") {
  const auto torch = reference::load();
  const auto items = reference::whole<item>(torch, "encoder.items");
  const auto offsets = offsets_of(reference::whole<index>(torch, "encoder.lengths"));
  const auto& position = reference::get(torch, "encoder.position");
  model::recommender<nn::transformer<double, nn::causal>, model::cross_decoder<double>> net(
      {.items = 7, .width = position.cols(), .layers = 1, .heads = 2, .max_length = position.rows()},
      diffusion::process<double>(diffusion::linear_schedule{}, 4), core::seed{1});
  net.visit([&](std::string name, auto& p) {
    if (name.starts_with("denoiser.")) return;
    if (name == "item_embedding.weight") name = "encoder.embedding";
    if (name == "position_embedding.weight") name = "encoder.position";
    if (name.starts_with("input_norm")) name = "encoder.norm" + name.substr(10);
    if (name.starts_with("encoder.layers.0.")) name = "encoder." + name.substr(17);
    const auto& value = reference::get(torch, name);
    REQUIRE(value.size() == p.value.size());
    std::copy_n(value.data(), value.size(), p.value.data());
  });
  core::arena memory;
  autodiff::tape<double> t(memory, {1}, autodiff::mode::inference);
  const core::matrix<double> encoded = net.encode(t, items, core::ragged(offsets), {}).value().matrix_map();
  CHECK(error_of(encoded, reference::get(torch, "encoder.output")) < 1e-10);
}

TEST_CASE("a ranker is a scorer") { STATIC_REQUIRE(eval::scorer<model::ranker<network>>); }

TEST_CASE("a user's prediction has the same bits alone and among 300, for any threads") {
  const auto net = make();
  const auto users = histories(300);
  const auto together = predictions(net, users);
  CHECK(together.allFinite());
  for (int threads : {2, 4}) CHECK(same_bits(predictions(net, users, threads), together));
  for (std::size_t u = 0; u < users.size(); u += 13)
    CHECK(same_bits<float>(predictions(net, {users[u]}), together.row(static_cast<index>(u))));
}

TEST_CASE("no user's prediction changes when another user changes") {
  const auto net = make();
  auto users = histories(20);
  const auto before = predictions(net, users);
  users[7] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  const auto after = predictions(net, users);
  for (index u = 0; u < 20; ++u) CHECK(same_bits<float>(after.row(u), before.row(u)) == (u != 7));
}

TEST_CASE("an item's score is its cosine, with the same bits in any block and alone") {
  const auto net = make();
  const model::ranker<network> ranker(net);
  const auto users = histories(15);
  const auto views = spans(users);
  const auto q = ranker.encode(views, {1});
  core::matrix<float> all(15, catalogue), items;
  ranker.score(q, 0, all, {1});
  net.visit([&](const std::string& name, const auto& p) {
    if (name == "item_embedding.weight") items = p.value.topRows(catalogue);
  });
  const core::matrix<double> unit = items.cast<double>().rowwise().normalized();
  for (index u = 0; u < 15; ++u)
    for (index i = 0; i < catalogue; ++i) {
      double cosine = 0;
      for (index c = 0; c < 12; ++c) cosine += unit(i, c) * static_cast<double>(q[static_cast<std::size_t>(u * 12 + c)]);
      REQUIRE(std::abs(cosine - static_cast<double>(all(u, i))) < 1e-6);
      REQUIRE(ranker.score_item(q, u, static_cast<item>(i)) == all(u, i));
    }
  for (index first : {1, 16, 32, 64, 100, 149})
    for (int threads : {1, 4}) {
      core::matrix<float> block(15, catalogue - first);
      ranker.score(q, first, block, {threads});
      CHECK(same_bits<float>(block, all.rightCols(catalogue - first)));
    }
}

TEST_CASE("recommendations leave out the history and are those of ranking everybody together") {
  const auto net = make();
  const auto users = histories(300);
  const auto together = eval::recommend(model::ranker<network>(net), spans(users), 10, {2});
  for (std::size_t u = 0; u < users.size(); u += 29) {
    const auto list = net.recommend(users[u], 10);
    CHECK(list == together[u]);
    REQUIRE(list.size() == 10);
    for (const auto& [i, score] : list) {
      CHECK(std::find(users[u].begin(), users[u].end(), i) == users[u].end());
      CHECK((i >= 0 && i < catalogue));  // never the mask
      CHECK(std::abs(score) <= 1.00001f);
    }
  }
  CHECK(net.recommend(users[0], 1000).size() ==
        static_cast<std::size_t>(catalogue) - std::set<item>(users[0].begin(), users[0].end()).size());
}

TEST_CASE("of a long history the newest items are read, in their order") {
  const auto net = make();
  std::vector<item> history;
  for (item i = 0; i < 33; ++i) history.push_back((7 * i) % static_cast<item>(catalogue));
  const std::vector<item> newest(history.end() - 20, history.end());
  CHECK(same_bits(predictions(net, {history}), predictions(net, {newest})));
  auto changed = history;
  changed[12] = 149;  // the newest that is not read
  CHECK(same_bits(predictions(net, {changed}), predictions(net, {history})));
  changed[13] = 149;  // the oldest that is
  CHECK_FALSE(same_bits(predictions(net, {changed}), predictions(net, {history})));
  std::swap(history[31], history[32]);
  CHECK_FALSE(same_bits(predictions(net, {history}), predictions(net, {newest})));
}

TEST_CASE("a weight that is not finite is an error wherever it stands, never a recommendation") {
  const std::vector<item> history{3, 1, 4};
  std::size_t parameters = 0;
  make().visit([&](const std::string&, const auto&) { ++parameters; });
  for (std::size_t spoilt = 0; spoilt < parameters; ++spoilt)
    for (float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      auto net = make();
      std::size_t k = 0;
      net.visit([&](const std::string& name, auto& p) {
        if (k++ != spoilt) return;
        // Of the tables, a row that this history reads.
        const index row = name.starts_with("item_") ? 3 : name.starts_with("position_") ? p.value.rows() - 1 : 0;
        p.value(row, 0) = bad;
      });
      INFO("parameter " << spoilt << ", value " << bad);
      CHECK_THROWS_AS(net.recommend(history, 5), numeric_error);
    }
}

TEST_CASE("an item that the network does not know is refused") {
  const network net = make();
  for (const item unknown : {item(-1), item(catalogue)})
    CHECK_THROWS_WITH(net.recommend(std::vector<item>{1, unknown}, 3), ContainsSubstring("item " + std::to_string(unknown)));
}

TEST_CASE("an empty history is refused") {
  CHECK_THROWS_WITH(make().recommend({}, 5), ContainsSubstring("an empty history says nothing to predict from"));
}

}  // namespace cddrec::test
