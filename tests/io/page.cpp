// What the command gathers of a network for report.html: its schedule, and how users' next items come out of noise.
#include "cddrec/cddrec.hpp"  // first: it has the version, which the page tells

#include "../../examples/cddrec/page.hpp"
#include "serve/models.hpp"

namespace cddrec::test {

namespace {

constexpr index items = 90;

void near(const io::svg::point& got, const io::svg::point& expected) {
  CHECK(got.x == Approx(expected.x).margin(1e-5));
  CHECK(got.y == Approx(expected.y).margin(1e-5));
}

}  // namespace

TEST_CASE("the page has the ways of four users of the test, each with its own target") {
  const serve::network net = serve::make_network(
      "cddrec", {.width = 8, .heads = 2, .max_length = 5, .score = "dot_product", .steps = 4, .beta_last = 0.6}, items, core::seed{7});
  data::interactions log = small_log(items);
  for (index u = 0; u < log.histories.size(); ++u) log.users.add("u" + std::to_string(u));
  const auto split = data::leave_one_out(log);
  const data::cases test = split.test();
  REQUIRE(test.size() == 40);
  std::vector<index> ranks(40);
  std::iota(ranks.begin(), ranks.end(), 0);
  ranks[30] = eval::missed;
  io::training_report r;
  cli::add_network(r, "cddrec", net, log, test, ranks, {});

  const auto& process = net.process();
  for (index t = 0; t < 4; ++t) {
    CHECK(r.alpha_bar.at(static_cast<std::size_t>(t)) == static_cast<double>(process.alpha_bar(t)));
    CHECK(r.beta.at(static_cast<std::size_t>(t)) == static_cast<double>(process.beta(t)));
  }
  core::matrix<float> table;
  net.visit([&](const std::string& name, const auto& p) {
    if (name == "item_embedding.weight") table = p.value.topRows(items);
  });
  const auto plane = eval::principal_components_of<float>(table, 2);
  const auto place = [&](const core::matrix<float>& x) {
    const core::matrix<double> flat = plane.project<float>(x);
    return io::svg::point{flat(0, 0), flat(0, 1)};
  };
  const auto place_of = [&](data::item i) { return place(core::matrix<float>(table.row(i))); };
  REQUIRE(std::ssize(r.items) == items);
  near(r.items[17], place_of(17));

  REQUIRE(r.paths.size() == 4);
  for (index k = 0; k < 4; ++k) {
    const auto& path = r.paths[static_cast<std::size_t>(k)];
    const index u = 10 * k;
    INFO(path.title);
    CHECK(path.title ==
          "User u" + std::to_string(u) + ": the target " + (k == 3 ? "is in the history" : "has rank " + std::to_string(u + 1)));
    near(path.target, place_of(test.target(u)));
    const auto newest = test.history(u).last(5);
    REQUIRE(path.history.size() == 5);
    for (std::size_t i = 0; i < 5; ++i) near(path.history[i], place_of(newest[i]));

    // Every state is what the sampler makes of as many moves, on the scale of x_t.
    core::arena memory;
    autodiff::tape<float> tape(memory, {}, autodiff::mode::inference);
    const index offsets[] = {0, 5};
    const core::ragged layout(offsets);
    const auto encoded = net.encode(tape, newest, layout, {});
    const auto predict = [&](index t) { return net.predict_last(encoded, layout, t).value(); };
    const core::random draw = core::random(core::seed{0}).child(static_cast<std::uint64_t>(u));
    const diffusion::path whole = diffusion::ancestral(process);
    REQUIRE(whole.moves.size() == 3);
    REQUIRE(path.states.size() == 4);
    REQUIRE(path.predictions.size() == 4);
    for (std::size_t done = 0; done <= 3; ++done) {
      const index step = 3 - static_cast<index>(done);
      diffusion::path part = whole;
      part.moves.resize(done);
      core::matrix<float> y(1, 8);
      diffusion::sample<float>(part, predict, draw, y);
      near(path.states[done], place(core::matrix<float>(y * std::sqrt(process.alpha_bar(step)))));
      near(path.predictions[done], place(core::matrix<float>(predict(step).matrix_map())));
    }
  }
}

}  // namespace cddrec::test
