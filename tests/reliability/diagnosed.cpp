// The figures of --diagnostics are of what they are called: counted here from the network and the ranker, user by user.
#include "cddrec/data/synthetic.hpp"
#include "diagnose.hpp"
#include "reliability/models.hpp"

namespace cddrec::test {

namespace {

/// The figures of an untrained model of a kind, and what they are of.
struct diagnosed {
  const data::synthetic_log log{{.users = 30, .items = 40, .cluster_size = 21}, core::seed{5}};
  const data::split split = data::leave_one_out(log.log());
  const data::cases cases = split.test();
  const cli::loaded_model model;
  const model::ranker<cli::network> ranker{*cli::network_of(model)};
  const cli::json figures = cli::diagnostics(model, ranker, cases, {});

  explicit diagnosed(const std::string& kind)
      : model(read_model(network_file(kind, small_settings(kind), log.log().items.size()).serialise())) {}
};

}  // namespace

TEST_CASE("alignment is of a prediction and its own target") {
  const diagnosed d("cddrec");
  std::vector<std::span<const data::item>> users;
  for (index u = 0; u < d.cases.size(); ++u) users.push_back(d.cases.history(u));
  const auto query = d.ranker.encode(users, {});
  double apart = 0;  // |a - b|^2 = 2 - 2 cos
  for (index u = 0; u < d.cases.size(); ++u) apart += 2 - 2 * static_cast<double>(d.ranker.score_item(query, u, d.cases.target(u)));
  CHECK(d.figures["predictions"]["alignment"].get<double>() == Approx(apart / static_cast<double>(users.size())).epsilon(1e-5));
}

TEST_CASE("the cosine of encodings is of encodings, and that of predictions of predictions") {
  const diagnosed d("cddrec");
  const cli::network& net = *cli::network_of(d.model);
  double encodings = 0, predictions = 0;
  for (index u = 0; u < d.cases.size(); ++u) {
    const auto history = d.cases.history(u).last(3);  // as many as it reads
    const std::vector<index> offsets{0, 3};
    core::arena memory;
    autodiff::tape<float> t(memory, {}, autodiff::mode::inference);
    const auto encoded = net.encode(t, history, core::ragged(offsets), {});
    encodings += eval::mean_cosine<float>(encoded.value());
    predictions += eval::mean_cosine<float>(net.predict(net.prepare(encoded, core::ragged(offsets), {}), 0, {}).value());
  }
  const double users = static_cast<double>(d.cases.size());
  const cli::json& positions = d.figures["positions"];
  CHECK(positions["encoding_cosine"].get<double>() == Approx(encodings / users).epsilon(1e-5));
  CHECK(positions["prediction_cosine"].get<double>() == Approx(predictions / users).epsilon(1e-5));
  CHECK(std::abs(encodings - predictions) / users > 0.001);  // else the two could be exchanged unseen
}

TEST_CASE("latent dimensions of an untrained network say nothing") {
  const diagnosed d("vae");
  const cli::json& latent = d.figures["latent"];
  CHECK(latent["dimensions"] == 4);
  CHECK(latent["active"] == 0);
  CHECK(latent["kl_by_dimension"].size() == 4);
}

}  // namespace cddrec::test
