// The figures of --diagnostics are of what they are called: counted here from the network and the ranker, user by user.
#include <iostream>
#include <set>
#include <unordered_set>

#include "cddrec/data/synthetic.hpp"
#include "diagnose.hpp"
#include "generations.hpp"
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
      : model(read_model(network_file(kind, small_settings(), log.log().items.size()).serialise())) {}
};

}  // namespace

TEST_CASE("alignment is of a prediction and its own target") {
  const diagnosed d("cddrec");
  const std::vector<std::span<const data::item>> users = d.cases.histories();
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

TEST_CASE("vectors and lists are those they are called, and noise is as many vectors of the same width") {
  const diagnosed d("cddrec");
  const index V = d.ranker.items(), width = d.ranker.width(), N = d.cases.size();
  const std::vector<std::span<const data::item>> users = d.cases.histories();
  std::vector<std::span<const data::item>> prefixes;
  std::vector<index> offsets{0};
  for (const auto& history : users) {
    const auto read = history.last(3);
    for (std::size_t n = 1; n <= 3; ++n) prefixes.push_back(read.first(n));
    offsets.push_back(offsets.back() + 3);
  }
  const auto query = d.ranker.encode(users, {});
  const core::matrix<float> predictions = core::view<const float>(query.unit.data(), N, width).matrix_map();
  core::matrix<float> items(V, width), targets(N, width);
  d.ranker.item_vectors(0, items);
  for (index u = 0; u < N; ++u) targets.row(u) = items.row(d.cases.target(u));
  const eval::noise noise(V, width, core::seed{0});
  const core::matrix<float> noisy = noise.encode(users, {}), noisy_items = noise.item_vectors().matrix_map();

  const auto vectors = [&](const std::string& of, const core::matrix<float>& x) {
    INFO(of);
    const cli::json& got = d.figures[of];
    const eval::spectrum s = eval::singular_spectrum<float>(x);
    CHECK(got["mean_cosine"].get<double>() == Approx(eval::mean_cosine<float>(x)).margin(1e-6));
    CHECK(got["effective_rank"].get<double>() == Approx(s.effective_rank).epsilon(1e-5));
    CHECK(got["top_singular_share"].get<double>() == Approx(s.top_share).epsilon(1e-5));
    CHECK(got["uniformity"].get<double>() == Approx(eval::uniformity<float>(x)).epsilon(1e-5));
    CHECK(got["spectrum"].size() == s.singular_values.size());
  };
  vectors("predictions", predictions), vectors("items", items), vectors("noise", noisy), vectors("noise_items", noisy_items);
  CHECK(d.figures["noise"]["alignment"].get<double>() == Approx(eval::alignment<float>(noisy, targets)).epsilon(1e-6));
  CHECK(d.figures["noise_positions"]["prediction_cosine"].get<double>() ==
        Approx(eval::mean_cosine_within<float>(noise.encode(prefixes, {}), core::ragged(offsets))).margin(1e-6));

  const auto tops = [&](const std::string& of, const auto& scorer) {
    INFO(of);
    const cli::json& got = d.figures[of];
    const auto top = eval::top_of_lists(eval::recommend(scorer, users, 10));
    CHECK(got["gap_to_second"].get<double>() == Approx(top.gap_to_second));
    CHECK(got["gap_to_tenth"].get<double>() == Approx(top.gap_to_tenth));
    CHECK(got["distinct_first"].get<index>() == top.distinct_first);
    CHECK(got["lists"].get<index>() == top.lists);
    CHECK(top.gap_to_second < top.gap_to_tenth);
  };
  tops("lists", d.ranker), tops("noise_lists", noise);
}

TEST_CASE("latent dimensions are of means and of variances, each of its own") {
  const data::synthetic_log log{{.users = 30, .items = 40, .cluster_size = 21}, core::seed{5}};
  const data::split split = data::leave_one_out(log.log());
  cli::run_settings s = small_settings();
  cli::network net = cli::make_network("vae", s, log.log().items.size());
  net.visit([](const std::string& name, auto& p) {
    if (name == "denoiser.mean.weight") p.value *= 100.0f;          // far apart
    if (name == "denoiser.log_variance.weight") p.value.setZero();  // the same for all
    if (name == "denoiser.log_variance.bias") p.value.setConstant(std::log(0.25f));
  });
  io::tensor_file file = cli::describe("vae", s, item_names(log.log().items.size()));
  io::put_weights(file, net);
  const cli::loaded_model m = read_model(file.serialise());
  const cli::json latent = cli::diagnostics(m, model::ranker<cli::network>(*cli::network_of(m)), split.test(), {})["latent"];
  CHECK(latent["active"] == 4);
  double sum = 0;
  for (const auto& kl : latent["kl_by_dimension"]) {
    CHECK(kl.get<double>() > 0.5 * (0.25 - 1 - std::log(0.25)));  // what the variance costs, and more
    sum += kl.get<double>();
  }
  CHECK(latent["kl"].get<double>() == Approx(sum));
}

TEST_CASE("the table of collapse has each figure in its column, and noise once for every width") {
  const auto record = [](const std::string& width, double first) {
    const cli::json vectors{{"mean_cosine", first}, {"effective_rank", first + 1}, {"top_singular_share", first + 2}};
    const cli::json lists{{"gap_to_second", first + 3}, {"gap_to_tenth", first + 4}, {"distinct_first", static_cast<index>(first) + 5}};
    const auto more = [](cli::json j, int by) {
      for (auto& value : j) value.is_number_float() ? value = value.get<double>() + by : value = value.get<index>() + by;
      return j;
    };
    return cli::json{{"settings", {{"width", width}}},
                     {"diagnostics",
                      {{"lists", lists},
                       {"predictions", vectors},
                       {"items", more(vectors, 1000)},
                       {"noise", more(vectors, 100)},
                       {"noise_items", more(vectors, 1000)},
                       {"noise_lists", more(lists, 100)}}}};
  };
  std::ostringstream out;
  std::streambuf* const kept = std::cout.rdbuf(out.rdbuf());
  cli::print_collapse({{"a 1", record("8", 10)}, {"b 1", record("16", 20)}, {"c 1", record("8", 30)}});
  std::cout.rdbuf(kept);
  std::vector<std::string> lines;
  std::istringstream in(out.str());
  for (std::string line; std::getline(in, line);) {
    std::istringstream cells(line);
    std::string all;
    for (std::string cell; cells >> cell;) all += cell + " ";
    lines.push_back(all);
  }
  REQUIRE(lines.size() == 7);
  CHECK(lines[1] == "cosine eff. rank top share gap 1-2 gap 1-10 firsts ");
  CHECK(lines[2] == "a 1 10.0000 11.0000 12.0000 13.0000 14.0000 15 ");
  CHECK(lines[3] == "b 1 20.0000 21.0000 22.0000 23.0000 24.0000 25 ");
  CHECK(lines[4] == "c 1 30.0000 31.0000 32.0000 33.0000 34.0000 35 ");
  CHECK(lines[5] == "noise, width 16 120.0000 121.0000 122.0000 123.0000 124.0000 125 ");
  CHECK(lines[6] == "noise, width 8 110.0000 111.0000 112.0000 113.0000 114.0000 115 ");
}

TEST_CASE("each way of generation is tested as it is called, and its draws are counted as they are") {
  const data::synthetic_log log{{.users = 60, .items = 40, .cluster_size = 21}, core::seed{5}};
  const data::split split = data::leave_one_out(log.log());
  const data::cases cases = split.test();
  cli::run_settings s = small_settings();
  s.steps = 8, s.beta_last = 0.3, s.schedule = "linear";
  const cli::loaded_model m = read_model(network_file("cddrec", s, log.log().items.size()).serialise());
  const std::vector<std::span<const data::item>> users = cases.histories();
  std::set<std::string> seen;
  for (const cli::json& row : cli::generation_rows(m, cases, {})) {
    INFO(row.dump());
    const std::string kind = row["kind"];
    seen.insert(kind);
    const index steps = row["steps"], stop = row["stop"], draws = row["draws"];
    model::generation g{.kind = kind == "direct" ? model::way::direct
                                : kind == "ddim" ? model::way::ddim
                                                 : model::way::ancestral,
                        .stop = stop,
                        .draws = draws};
    if (kind != "direct") g.steps = steps;
    const model::ranker<cli::network> ranker(*cli::network_of(m), {}, std::size_t{64} << 20, g);
    const bool turns = kind == "diversified";
    const auto best = turns ? model::diversified(ranker, users, 10) : eval::recommend(ranker, users, 10);
    if (!turns)
      for (const auto& [name, value] : eval::measure(eval::rank(ranker, cases)).values())
        CHECK(row[std::string(name)].get<double>() == Approx(value).margin(1e-15));
    CHECK(row.contains("distinct") == (kind == "direct" || draws > 1));
    CHECK(row.contains("spread") == (draws > 1 && !turns));
    if (row.contains("distinct")) {
      std::unordered_set<data::item> distinct;
      for (const auto& list : best)
        for (const auto& one : list) distinct.insert(one.item);
      CHECK(row["distinct"].get<index>() == std::ssize(distinct));
    }
    if (row.contains("spread")) {
      double sum = 0, scores = 0;
      for (std::size_t u = 0; u < users.size(); ++u) {
        std::vector<data::item> ten;
        for (const auto& one : best[u]) ten.push_back(one.item);
        const auto spread = model::spread(ranker, eval::histories(&users[u], 1), ten);
        for (const auto& one : spread.front()) sum += static_cast<double>(one.deviation), ++scores;
      }
      CHECK(row["spread"].get<double>() == Approx(sum / scores));
    }
  }
  CHECK(seen == std::set<std::string>{"direct", "ancestral", "ddim", "diversified"});
}

}  // namespace cddrec::test
