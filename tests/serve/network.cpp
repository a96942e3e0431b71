#include "cddrec/serve/network.hpp"

#include "model/small_network.hpp"
#include "serve/models.hpp"

namespace cddrec::test {

namespace {

/// mu(e_s, t) of a few sequences as training has it, with dropout.
template <class Net>
core::matrix<float> in_training(const Net& net) {
  core::arena memory;
  autodiff::tape<float> t(memory, {}, autodiff::mode::training);
  const std::vector<item> inputs{3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8};
  const std::vector<index> offsets{0, 7, 8, 12};
  const core::ragged layout(offsets);
  const core::random draw(core::seed{2});
  const auto context = net.prepare(net.encode(t, inputs, layout, draw.child(0)), layout, draw.child(1));
  return net.predict(context, net.process().steps() - 1, draw.child(2)).value().matrix_map();
}

}  // namespace

// The network whose type is chosen at run time is the one whose type is written down.
TEST_CASE("a network as its settings say has the weights and predictions of the type that they name") {
  const serve::network_settings s{
      .width = 12, .layers = 2, .heads = 3, .max_length = 20, .residual = false, .feed_forward = false, .steps = 4};
  const serve::network chosen = serve::make_network("cddrec", s, catalogue, core::seed{1});
  const network written({.items = catalogue, .width = 12, .layers = 2, .heads = 3, .max_length = 20, .dropout = 0.4},
                        diffusion::process<float>(diffusion::linear_schedule{.last = 0.04}, 4), core::seed{1});
  std::vector<std::string> names;
  written.visit([&](const std::string& name, const auto&) { names.push_back(name); });
  std::size_t k = 0;
  chosen.visit([&](const std::string& name, const auto&) {
    REQUIRE(k < names.size());
    CHECK(name == names[k++]);
  });
  CHECK(k == names.size());
  const lists users = histories(20);
  const bool same = eval::recommend(model::ranker<serve::network>(chosen), spans(users), 10) ==
                    eval::recommend(model::ranker<network>(written), spans(users), 10);
  CHECK(same);
}

// What predictions do not show: the noise that training adds, and the values that it drops.
TEST_CASE("a diffusion model has the schedule that its settings name; any other network has one step") {
  serve::network_settings s{.width = 4, .heads = 1, .steps = 7, .beta_first = 0.003, .beta_last = 0.3};
  const auto has = [&](const std::string& name, const auto& schedule) {
    INFO(name);
    s.schedule = name;
    const serve::network net = serve::make_network("cddrec", s, 5, {});
    REQUIRE(net.process().steps() == 7);
    for (index t = 0; t < 7; ++t) CHECK(net.process().beta(t) == static_cast<float>(schedule.beta(t, 7)));
  };
  has("linear", diffusion::linear_schedule{.first = 0.003, .last = 0.3});
  has("cosine", diffusion::cosine_schedule{});
  has("sqrt", diffusion::sqrt_schedule{});
  has("truncated_linear", diffusion::truncated_linear_schedule{});
  for (const char* kind : {"sasrec", "gru4rec", "vae", "svae", "gan"}) CHECK(serve::make_network(kind, s, 5, {}).process().steps() == 1);
}

TEST_CASE("in training a network as its settings say drops what the type that they name drops") {
  using transformer = nn::transformer<float, nn::causal>;
  const auto same = [](const std::string& kind, const std::string& denoiser, auto type) {
    INFO(kind << ", " << denoiser);
    const auto compare = [&](double dropout, double attention_dropout) {
      const serve::network_settings s{.width = 8,
                                      .layers = 2,
                                      .heads = 2,
                                      .max_length = 20,
                                      .dropout = dropout,
                                      .attention_dropout = attention_dropout,
                                      .denoiser = denoiser,
                                      .residual = true,
                                      .feed_forward = true,
                                      .steps = 4};
      const model::recommender_settings r{.items = 30,
                                          .width = 8,
                                          .layers = 2,
                                          .heads = kind == "gru4rec" || kind == "svae" ? 1 : 2,
                                          .dropout = dropout,
                                          .attention_dropout = attention_dropout,
                                          .residual = true,
                                          .feed_forward = true};
      const typename decltype(type)::type written(r, serve::make_network(kind, s, 30, {}).process(), core::seed{1});
      const core::matrix<float> mu = in_training(serve::make_network(kind, s, 30, core::seed{1}));
      CHECK(same_bits(mu, in_training(written)));
      return mu;
    };
    const core::matrix<float> mu = compare(0.3, 0.15);
    CHECK_FALSE(same_bits(mu, compare(0, 0.15)));
    if (kind != "gru4rec" && kind != "svae") CHECK_FALSE(same_bits(mu, compare(0.3, 0)));
  };
  same("cddrec", "cross_decoder", std::type_identity<network>());
  same("cddrec", "transformer_decoder", std::type_identity<model::recommender<transformer, model::transformer_decoder<float>>>());
  same("sasrec", "cross_decoder", std::type_identity<model::recommender<transformer, model::no_denoiser<float>>>());
  same("gru4rec", "cross_decoder", std::type_identity<model::recommender<nn::gru<float>, model::no_denoiser<float>>>());
  same("vae", "cross_decoder", std::type_identity<baseline::vae<float>>());
  same("svae", "cross_decoder", std::type_identity<baseline::svae<float>>());
}

TEST_CASE("an unknown choice is refused by name") {
  CHECK_THAT(message_of<input_error>([] { serve::make_network("cddrec", {.schedule = "square"}, 5, {}); }),
             ContainsSubstring("there is no schedule 'square'"));
  CHECK_THAT(message_of<input_error>([] { serve::make_network("sasrec", {.score = "luck"}, 5, {}); }),
             ContainsSubstring("there is no score 'luck'"));
}

}  // namespace cddrec::test
