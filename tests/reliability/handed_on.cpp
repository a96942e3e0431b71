// What the command is told reaches what it is for: a setting its place in training, a preset the paper's numbers, a word its meaning.
#include "configure.hpp"
#include "display.hpp"
#include "reliability/models.hpp"

namespace cddrec::test {

namespace {

using words = std::vector<std::string>;

/// Settings as --set gives them, over the defaults of the kind.
cli::run_settings told(const std::string& kind, const words& assignments) {
  return cli::gather_settings(kind, "", {}, assignments).settings;
}
/// A part of the objective that they make.
template <class Part>
Part part(const std::string& kind, const words& assignments) {
  return std::get<Part>(cli::make_objective(kind, told(kind, assignments)).parts());
}
using cross_divergence = loss::cross_divergence<cli::any_divergence>;

}  // namespace

TEST_CASE("what is set of the objective is what its parts hold") {
  const auto divergence = part<cross_divergence>("cddrec", {"divergence=kl_mean", "divergence_variance=4", "divergence_weight=0.5"});
  CHECK(std::get<loss::kl_mean>(divergence.divergence.choice).variance == 4);
  CHECK(divergence.weight == 0.5f);
  CHECK(divergence.augmented);
  std::size_t place = 0;
  for (const std::string name : {"kl", "kl_mean", "squared_distance", "dot_product"})
    CHECK(part<cross_divergence>("cddrec", {"divergence=" + name}).divergence.choice.index() == place++);
  const words mse{"divergence=mean_squared_error", "divergence_weight=0.5"};
  CHECK(part<cross_divergence>("cddrec", mse).weight == 0);
  CHECK(part<loss::squared_error>("cddrec", mse).weight == 0.5f);

  const words fourier{"lambda=0.25", "temperature=0.75", "softmax_temperature=0.5", "contrastive=fourier", "features=64"};
  const auto in_view = part<loss::in_view>("cddrec", fourier);
  CHECK(in_view.weight == 0.25f);
  CHECK(in_view.temperature == 0.75f);
  CHECK(in_view.features == 64);
  CHECK_FALSE(in_view.mask_same_target);
  const auto cross_view = part<loss::cross_view>("cddrec", fourier);
  CHECK(cross_view.weight == 0.25f);
  CHECK(cross_view.temperature == 0.75f);
  CHECK(cross_view.features == 64);
  CHECK(cross_view.samples);
  CHECK_FALSE(part<loss::cross_view>("vae", fourier).samples);
  for (const std::string exact : {"exact", "exact_masked"}) {
    const auto without_features = part<loss::in_view>("cddrec", {"contrastive=" + exact});
    CHECK(without_features.features == 0);
    CHECK(without_features.mask_same_target == (exact == "exact_masked"));
  }
  const words alone{"views=1", "lambda=0.25", "divergence=mean_squared_error"};
  CHECK_FALSE(part<cross_divergence>("cddrec", alone).augmented);
  CHECK_FALSE(part<loss::squared_error>("cddrec", alone).augmented);
  CHECK(part<loss::cross_view>("cddrec", alone).weight == 0);

  const auto latent = part<loss::latent_kl>("vae", {"kl_weight=0.25", "kl_annealing=7"});
  CHECK(latent.weight == 0.25f);
  CHECK(latent.annealed_over == 7);
}

TEST_CASE("what is set of the ranking is what its part holds, and the others are off") {
  for (const std::string ranking : {"softmax", "sampled_softmax", "bce"})
    for (const std::string augmented : {"true", "false"}) {
      INFO(ranking);
      const words set{"ranking=" + ranking,
                      "softmax_weight=2",
                      "softmax_temperature=0.5",
                      "temperature=0.75",
                      "frequency_correction=" + augmented,
                      "ranking_augmented=" + augmented};
      const auto holds = [&](const auto& of, const std::string& name) {
        CHECK(of.weight == (name == ranking ? 2.0f : 0.0f));
        CHECK(of.temperature == 0.5f);
        CHECK(of.augmented == (augmented == "true"));
      };
      holds(part<loss::item_softmax>("cddrec", set), "softmax");
      holds(part<loss::sampled_softmax>("cddrec", set), "sampled_softmax");
      holds(part<loss::binary_cross_entropy>("cddrec", set), "bce");
      CHECK(part<loss::sampled_softmax>("cddrec", set).correction == (augmented == "true"));
    }
  const auto weights = [](const std::string& objective) {
    const words set{"objective=" + objective, "ranking=softmax", "softmax_weight=2", "divergence_weight=0.5"};
    return std::pair(part<cross_divergence>("cddrec", set).weight, part<loss::item_softmax>("cddrec", set).weight);
  };
  CHECK(weights("paper") == std::pair(0.5f, 0.0f));
  CHECK(weights("softmax") == std::pair(0.0f, 2.0f));
  CHECK(weights("combined") == std::pair(0.5f, 2.0f));
}

TEST_CASE("what is set of training is what training is given") {
  const auto given = [](const words& set) { return cli::make_fit_settings(told("cddrec", set), 2.5, {3}); };
  const train::fit_settings f =
      given({"epochs=7", "batch_users=9", "sampled_steps=3", "step_choice=uniform", "step_weight=equal", "negative_power=0.5",
             "negatives_per_target=4", "candidates=77", "learning_rate=0.25", "gradient_clip=1.5", "skip_bad_steps=6",
             "optimizer=adam_rows", "ema_decay=0.75", "patience=8", "seed=4294967299"});
  CHECK(f.epochs == 7);
  CHECK(f.batch_users == 9);
  CHECK(f.sampled_steps == 3);
  CHECK(f.step_law == train::step_law::uniform);
  CHECK(f.step_weight == train::step_weight::equal);
  CHECK(f.negative_power == 0.5);
  CHECK(f.negatives_per_target == 4);
  CHECK(f.candidates == 77);
  CHECK(f.learning_rate == 0.25);
  CHECK(f.gradient_clip == 1.5);
  CHECK(f.skip_bad_steps == 6);
  CHECK(f.adam_rows == optim::adam_rows::touched);
  CHECK(f.ema_decay == 0.75);
  CHECK(f.patience == 8);
  CHECK(f.minutes == 2.5);
  CHECK(f.seed.value == 4294967299);
  CHECK(f.how.threads == 3);
  const train::fit_settings other = given({"step_choice=weighted", "step_weight=reciprocal", "optimizer=adam"});
  CHECK(other.step_law == train::step_law::by_weight);
  CHECK(other.step_weight == train::step_weight::reciprocal);
  CHECK(other.adam_rows == optim::adam_rows::all);
  CHECK(given({"negatives=uniform"}).negatives == data::negative_law::uniform);
  CHECK(given({"negatives=popularity"}).negatives == data::negative_law::popularity);
  CHECK(given({"negatives=in_batch"}).negatives == data::negative_law::in_batch);
}

TEST_CASE("what is set of an adversary is what it is made with") {
  words set{"width=4",
            "heads=2",
            "softmax_temperature=0.5",
            "gan_temperature=0.25",
            "gan_pretraining=9",
            "gan_reward_weight=3",
            "gan_objective_weight=0.75",
            "discriminator_layers=2",
            "discriminator_dropout=0.125",
            "discriminator_learning_rate=0.0625"};
  const auto made = [&] { return cli::make_gan("gan", told("gan", set), 5).adversarial(); };
  const baseline::gan_settings g = made();
  CHECK(g.discriminator_layers == 2);
  CHECK(g.discriminator_dropout == 0.125);
  CHECK(g.discriminator_learning_rate == 0.0625);
  CHECK(g.reward_weight == 3);
  CHECK(g.objective_weight == 0.75);
  CHECK(g.sample_temperature == 0.25);
  CHECK(g.pretraining == 9);
  set[3] = "gan_temperature=0";  // that of the softmax
  CHECK(made().sample_temperature == 0.5);
}

TEST_CASE("what is set of the noise is the process of the network") {
  const auto betas = [](const std::string& schedule) {
    const auto net = cli::make_network(
        "cddrec", told("cddrec", {"width=4", "heads=2", "steps=7", "beta_first=0.001", "beta_last=0.3", "schedule=" + schedule}), 5);
    std::vector<float> all;
    for (index t = 0; t < net.process().steps(); ++t) all.push_back(net.process().beta(t));
    return all;
  };
  const auto of = [](const auto& schedule) {
    std::vector<float> all;
    for (index t = 0; t < 7; ++t) all.push_back(static_cast<float>(schedule.beta(t, 7)));
    return all;
  };
  CHECK(betas("linear") == of(diffusion::linear_schedule{.first = 0.001, .last = 0.3}));
  CHECK(betas("cosine") == of(diffusion::cosine_schedule{}));
  CHECK(betas("sqrt") == of(diffusion::sqrt_schedule{}));
  CHECK(betas("truncated_linear") == of(diffusion::truncated_linear_schedule{}));
}

TEST_CASE("the presets are the paper's settings") {
  struct numbers {
    const char* name;
    index steps;
    double beta_last;
  };
  for (const numbers& paper : {numbers{"office", 20, 0.04}, {"beauty", 30, 0.002}, {"tools", 20, 0.08}, {"toys", 25, 0.002}}) {
    INFO(paper.name);
    const cli::run_settings s = cli::gather_settings("cddrec", paper.name, {}, {}).settings;
    CHECK(s.steps == paper.steps);
    CHECK(s.beta_first == 1e-4);
    CHECK(s.beta_last == paper.beta_last);
    CHECK((s.width == 128 && s.layers == 1 && s.heads == 4 && s.max_length == 20));
    CHECK((s.dropout == 0 && s.attention_dropout == 0.2 && !s.residual && !s.feed_forward));
    CHECK((s.denoiser == "cross_decoder" && s.schedule == "linear" && s.score == "cosine"));
    CHECK((s.objective == "paper" && s.divergence == "kl" && s.divergence_weight == 1 && s.contrastive == "exact" && s.views == 2));
    CHECK((s.lambda == 0.3 && s.temperature == 0.5));
    CHECK((s.sampled_steps == 0 && s.step_weight == "reciprocal" && s.negatives == "uniform" && s.negatives_per_target == 1));
    CHECK((s.batch_users == 128 && s.learning_rate == 1e-3 && s.ema_decay == 0 && s.optimizer == "adam"));
  }
}

TEST_CASE("every network starts from the same recipe") {
  const cli::run_settings s = cli::defaults();
  CHECK((s.width == 256 && s.dropout == 0.5 && s.objective == "combined"));
  CHECK((s.ranking == "sampled_softmax" && s.candidates == 1024 && s.ranking_augmented && s.frequency_correction));
  CHECK((s.softmax_weight == 1 && s.softmax_temperature == 0.1 && s.divergence_weight == 0.1 && s.lambda == 0));
  CHECK((s.learning_rate == 0.002 && s.ema_decay == 0.999 && s.batch_users == 128));
}

TEST_CASE("a way of generation is the one that it is called") {
  const auto made = [](const std::string& kind) { return model::generation(cli::generation_options{kind, 3, 5, 7}); };
  CHECK(made("direct").kind == model::way::direct);
  CHECK(made("ancestral").kind == model::way::ancestral);
  CHECK(made("ddim").kind == model::way::ddim);
  CHECK(made("ddim").steps == 3);
  CHECK(made("ddim").stop == 5);
  CHECK(made("ddim").draws == 7);
}

TEST_CASE("a time left is in minutes, and above an hour in hours") {
  CHECK(cli::duration(-1) == "0:00");
  CHECK(cli::duration(65) == "1:05");
  CHECK(cli::duration(3599.4) == "59:59");
  CHECK(cli::duration(3599.6) == "1:00:00");
  CHECK(cli::duration(7265) == "2:01:05");
}

TEST_CASE("what is set of item neighbours is what they are counted with") {
  const auto s = cli::knn_settings(told("item_knn", {"neighbours=7", "shrinkage=2.5", "decay=0.75"}));
  CHECK((s.neighbours == 7 && s.shrinkage == 2.5 && s.decay == 0.75));
  CHECK(s.longest == baseline::item_knn_settings{}.longest);
}

TEST_CASE("an objective that is a ranking alone has no contrast between views, whatever lambda is") {
  for (const std::string objective : {"paper", "combined", "softmax"}) {
    const words set{"objective=" + objective, "lambda=0.25"};
    const float expected = objective == "softmax" ? 0.0f : 0.25f;
    CHECK(part<loss::in_view>("cddrec", set).weight == expected);
    CHECK(part<loss::cross_view>("cddrec", set).weight == expected);
  }
}

TEST_CASE("a seed is that of the weights, of an adversary's too") {
  const auto weights = [](const auto& net) {
    std::vector<core::matrix<float>> all;
    net.visit([&](const std::string&, const auto& p) { all.push_back(p.value); });
    return all;
  };
  const auto set = [](const std::string& seed) { return told("cddrec", {"width=4", "heads=2", "seed=" + seed}); };
  for (const std::uint64_t seed : {std::uint64_t{7}, std::uint64_t{4294967303}}) {
    const auto s = set(std::to_string(seed));
    CHECK(weights(cli::make_network("cddrec", s, 5)) == weights(serve::make_network("cddrec", s, 5, core::seed{seed})));
    const auto judged = weights(cli::make_gan("gan", s, 5)),
               by_hand = weights(cli::gan_network(serve::make_network("gan", s, 5, core::seed{seed}), {}, core::seed{seed}));
    CHECK(judged == by_hand);
  }
  CHECK(weights(cli::make_network("cddrec", set("7"), 5))[0] != weights(cli::make_network("cddrec", set("8"), 5))[0]);
}

TEST_CASE("a divergence that is chosen by name is the one that is written down, with its gradient of the negatives") {
  const diffusion::process<double> process(diffusion::linear_schedule{.first = 0.1, .last = 0.4}, 4);
  const auto check = [&](const std::string& name, auto divergence) {
    INFO(name);
    const auto value = [&](const auto& objective) {
      core::arena memory;
      autodiff::tape<double> t(memory, {1});
      std::vector<autodiff::variable<double>> v;
      std::vector<core::matrix<double>> x;
      for (std::uint64_t k = 0; k < 5; ++k) x.push_back(normal_matrix<double>(6, 4, 1 + k, 0.5));
      for (const auto& m : x) v.push_back(t.constant(m));
      const loss::side<double> view{.mean = v[0], .x0 = v[1], .negatives = {&v[2], 1}, .x_hat = v[3], .x_t = v[4]};
      std::vector<double> parts(3, 0);
      const double loss = objective(loss::step<double>{.process = process, .t = 2, .main = view, .augmented = view}, parts).scalar();
      parts.push_back(loss);
      return parts;
    };
    const auto chosen = part<cross_divergence>("cddrec", {"divergence=" + name, "divergence_variance=4", "divergence_weight=0.5"});
    const loss::cross_divergence<decltype(divergence)> written{.divergence = divergence, .weight = 0.5f};
    CHECK(chosen.needs().samples == written.needs().samples);
    CHECK(value(chosen) == value(written));
    CHECK(value(written)[2] > 0);
  };
  check("kl", loss::kl{}), check("kl_mean", loss::kl_mean{.variance = 4});
  check("squared_distance", loss::squared_distance{}), check("dot_product", loss::dot_product{});
}

TEST_CASE("settings that do not go together are refused by name") {
  const auto refusal = [](const words& set) { return message_of<input_error>([&] { told("cddrec", set); }); };

  CHECK(refusal({"features=7"}) == "setting features must be even, not 7");
  CHECK_NOTHROW(told("cddrec", {"beta_first=0.5", "beta_last=0.1"}));  // as the library has it: later steps add less
}

}  // namespace cddrec::test
