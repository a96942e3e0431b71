#include "cddrec/model/recommender.hpp"
#include "cddrec/model/cross_decoder.hpp"

#include <set>

#include "cddrec/nn/gru.hpp"
#include "model/small_network.hpp"
#include "reference/reference.hpp"
#include "test.hpp"

namespace cddrec::test {

TEST_CASE("settings out of range are refused with the setting's name and its value") {
  const auto with = [](auto change) {
    model::recommender_settings s{.items = 10, .width = 12, .heads = 3};
    change(s);
    return make(s);
  };
  CHECK_NOTHROW(with([](auto&) {}));
  CHECK_THROWS_WITH(with([](auto& s) { s.items = 0; }), ContainsSubstring("items must be 1 or more, not 0"));
  CHECK_THROWS_WITH(with([](auto& s) { s.width = 0; }), ContainsSubstring("width must be 1 or more, not 0"));
  CHECK_THROWS_WITH(with([](auto& s) { s.layers = 0; }), ContainsSubstring("layers must be 1 or more, not 0"));
  CHECK_THROWS_WITH(with([](auto& s) { s.heads = 5; }), ContainsSubstring("heads must be 1 or more and divide the width 12, not 5"));
  CHECK_THROWS_WITH(with([](auto& s) { s.heads = 0; }), ContainsSubstring("heads must be"));
  CHECK_THROWS_WITH(with([](auto& s) { s.max_length = 0; }), ContainsSubstring("max_length must be 1 or more, not 0"));
  CHECK_THROWS_WITH(with([](auto& s) { s.dropout = 1; }), ContainsSubstring("dropout must be in [0, 1), not 1"));
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
    const auto& value = reference::get(torch, name);
    REQUIRE(value.size() == p.value.size());
    std::copy_n(value.data(), value.size(), p.value.data());
  });
  core::arena memory;
  autodiff::tape<double> t(memory, {1}, autodiff::mode::inference);
  const core::matrix<double> encoded = net.encode(t, items, core::ragged(offsets), {}).value().matrix_map();
  CHECK(error_of(encoded, reference::get(torch, "encoder.causal.1.output")) < 1e-10);
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

TEST_CASE("an empty history is refused") {
  CHECK_THROWS_WITH(make().recommend({}, 5), ContainsSubstring("an empty history gives nothing to predict from"));
}

namespace {
/// The running sum of a sequence: its order is in it.
struct running_sum {
  using scalar = float;
  struct settings {
    index width = 0;
  };
  static constexpr bool ordered = true;
  running_sum(const settings&, const core::random&) {}
  autodiff::variable<float> operator()(const autodiff::variable<float>& x, core::ragged, const core::random&) const {
    return autodiff::affine(x, 2, 0);
  }
  template <class Self, class F>
  static void visit(Self&, const std::string&, F&&) {}
};
}  // namespace

TEST_CASE("an encoder that knows the order gets no positions, and a part only the settings it has") {
  using plain = model::recommender<running_sum, model::no_denoiser<float>>;
  const plain net({.items = 9, .width = 4, .heads = 2}, diffusion::process<float>(diffusion::linear_schedule{}, 1), core::seed{1});
  std::vector<std::string> names;
  net.visit([&](const std::string& name, const auto&) { names.push_back(name); });
  CHECK(names == std::vector<std::string>{"item_embedding.weight", "input_norm.weight", "input_norm.bias"});
}

namespace {
/// Parts that do nothing but hand out the settings they were made with.
struct told_encoder {
  using scalar = float;
  struct settings {
    index width = 0, layers = 0, heads = 0, own = 0;
    double dropout = 0, attention_dropout = 0;
    settings* told = nullptr;
  };
  told_encoder(const settings& s, const core::random&) { *s.told = s; }
  autodiff::variable<float> operator()(const autodiff::variable<float>& x, core::ragged, const core::random&) const { return x; }
  template <class Self, class F>
  static void visit(Self&, const std::string&, F&&) {}
};
struct told_denoiser : model::no_denoiser<float> {
  struct settings {
    index width = 0, layers = 0, heads = 0, steps = 0;
    double dropout = 0, attention_dropout = 0;
    bool residual = false, feed_forward = false;
    settings* told = nullptr;
  };
  told_denoiser(const settings& s, const core::random&) { *s.told = s; }
};
}  // namespace

TEST_CASE("the parts are told what they share with the whole, and keep what is their own") {
  const diffusion::process<float> process(diffusion::linear_schedule{}, 7);
  for (const bool dressed : {false, true}) {
    told_encoder::settings encoder;
    told_denoiser::settings denoiser;
    const model::recommender<told_encoder, told_denoiser> net({.items = 9,
                                                               .width = 6,
                                                               .layers = 5,
                                                               .heads = 3,
                                                               .dropout = 0.125,
                                                               .attention_dropout = 0.375,
                                                               .residual = dressed,
                                                               .feed_forward = !dressed},
                                                              process, core::seed{1}, {.own = 11, .told = &encoder},
                                                              {.layers = 2, .told = &denoiser});
    CHECK(encoder.width == 6);
    CHECK(encoder.layers == 5);
    CHECK(encoder.heads == 3);
    CHECK(encoder.own == 11);
    CHECK(encoder.dropout == 0.125);
    CHECK(encoder.attention_dropout == 0.375);
    CHECK(denoiser.width == 6);
    CHECK(denoiser.layers == 2);
    CHECK(denoiser.heads == 3);
    CHECK(denoiser.steps == 7);
    CHECK(denoiser.dropout == 0.125);
    CHECK(denoiser.attention_dropout == 0.375);
    CHECK(denoiser.residual == dressed);
    CHECK(denoiser.feed_forward == !dressed);
  }
}

namespace {
struct switches {
  bool residual = false, feed_forward = false;
};
struct told_switches : model::no_denoiser<float> {
  using settings = switches;
  static inline switches told;
  told_switches(const settings& s, const core::random&) { told = s; }
};
struct amounts {
  double residual = 0.5;
  index feed_forward = 3;
};
struct told_amounts : model::no_denoiser<float> {
  using settings = amounts;
  static inline amounts told{-1, -1};
  told_amounts(const settings& s, const core::random&) { told = s; }
};
}  // namespace

TEST_CASE("a denoiser is residual, or has a feed-forward layer, where either says so") {
  const diffusion::process<float> process(diffusion::linear_schedule{}, 7);
  for (const bool own : {false, true})
    for (const bool whole : {false, true}) {
      const model::recommender<nn::transformer<float, nn::causal>, told_switches> net(
          {.items = 9, .width = 6, .heads = 3, .residual = whole, .feed_forward = !whole}, process, core::seed{1}, {},
          {.residual = own, .feed_forward = own});
      CHECK(told_switches::told.residual == (own || whole));
      CHECK(told_switches::told.feed_forward == (own || !whole));
    }
}

TEST_CASE("what a part calls residual or feed_forward is left alone where it is no switch") {
  const diffusion::process<float> process(diffusion::linear_schedule{}, 7);
  for (const bool dressed : {false, true}) {
    told_amounts::told = {-1, -1};
    const model::recommender<nn::gru<float>, told_amounts> net({.items = 9, .width = 8, .residual = dressed, .feed_forward = dressed},
                                                               process, core::seed{1});
    CHECK(told_amounts::told.residual == 0.5);
    CHECK(told_amounts::told.feed_forward == 3);
  }
}

TEST_CASE("fresh tables, encoder and denoiser are drawn apart") {
  const auto net = make({.items = catalogue, .width = 12, .layers = 2, .heads = 3, .residual = true, .feed_forward = true});
  std::set<std::vector<float>> beginnings;
  std::size_t drawn = 0;
  net.visit([&](const std::string&, const auto& p) {
    if (p.value.minCoeff() == p.value.maxCoeff()) return;  // gains and biases
    const Eigen::Map<const Eigen::VectorXf> first(p.value.data(), 3);
    const Eigen::VectorXf direction = first.normalized();  // another deviation would not make it another draw
    beginnings.insert({std::round(1e4f * direction(0)), std::round(1e4f * direction(1)), std::round(1e4f * direction(2))});
    ++drawn;
  });
  CHECK(drawn > 10);
  CHECK(beginnings.size() == drawn);
}

TEST_CASE("in training the encoder's input is dropped out, by the draw that is given") {
  using plain = model::recommender<running_sum, model::no_denoiser<float>>;
  const plain net({.items = 9, .width = 4, .heads = 2, .dropout = 0.5}, diffusion::process<float>(diffusion::linear_schedule{}, 1),
                  core::seed{1});
  const std::vector<item> items{3, 1, 4, 1, 5, 0, 2, 6};
  const std::vector<index> offsets{0, 3, 8};
  const core::random draw(core::seed{3});
  core::arena memory;
  const auto encode = [&](autodiff::mode mode, std::uint64_t name) {
    autodiff::tape<float> t(memory, {1}, mode);
    return core::matrix<float>(net.encode(t, items, core::ragged(offsets), draw.child(name)).value().matrix_map());
  };
  const auto whole = encode(autodiff::mode::inference, 1);
  autodiff::tape<float> t(memory, {1});
  // This encoder doubles its rows, which dropout does not mind.
  const core::matrix<float> by_hand = autodiff::dropout(t.constant(whole), 0.5, draw.child(1).child(0)).value().matrix_map();
  CHECK(by_hand != whole);
  CHECK(encode(autodiff::mode::training, 1) == by_hand);
  CHECK(encode(autodiff::mode::training, 2) != by_hand);
}

TEST_CASE("a score is a dot product where the settings say so") {
  model::recommender_settings s{.items = catalogue, .width = 12, .heads = 3};
  const network cosine = make(s);
  s.score = model::similarity::dot_product;
  const network dot = make(s);
  const lists users = histories(3);
  const auto views = spans(users);
  core::arena memory;
  autodiff::tape<float> t(memory, {1}, autodiff::mode::inference);
  const core::matrix<float> items = dot.item_table(t).value().matrix_map();
  const model::ranker<network> by_cosine(cosine), by_dot(dot);
  const auto q = by_dot.encode(views, {1}), unit = by_cosine.encode(views, {1});
  for (index u = 0; u < 3; ++u) {
    const core::matrix<float> x = core::view<const float>(q.unit.data() + u * 12, 1, 12).matrix_map();
    for (item i : {0, 7, 149}) {
      const float expected = items.row(i).dot(x.row(0));
      CHECK(by_dot.score_item(q, u, i) == Approx(expected).epsilon(1e-4).margin(1e-7));
      CHECK(by_cosine.score_item(unit, u, i) == Approx(expected / items.row(i).norm() / x.norm()).epsilon(1e-4).margin(1e-6));
    }
  }
}

TEST_CASE("a sequence longer than max_length is refused, and one as long is encoded") {
  const auto net = make();
  core::arena memory;
  for (index length : {20, 21}) {
    const std::vector<item> items(static_cast<std::size_t>(length), 3);
    const std::vector<index> offsets{0, length};
    autodiff::tape<float> t(memory, {1}, autodiff::mode::inference);
    const auto encode = [&] { return net.encode(t, items, core::ragged(offsets), {}).rows(); };
    if (length == 20)
      CHECK(encode() == 20);
    else
      CHECK_THROWS_WITH(encode(), ContainsSubstring("sequence 0 has 21 items, but there are positions for 20"));
  }
}

}  // namespace cddrec::test
