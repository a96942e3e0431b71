#include "cddrec/model/generation.hpp"

#include "model/small_network.hpp"
#include "test.hpp"

namespace cddrec::test {
namespace {

using model::way;

const std::vector<model::generation> ways{{.kind = way::direct},
                                          {.kind = way::ancestral},
                                          {.kind = way::ancestral, .stop = 1, .draws = 5, .seed = {7}},
                                          {.kind = way::ddim, .steps = 2, .draws = 3},
                                          {.kind = way::ddim, .stop = 2, .draws = 70}};

model::ranker<network> ranker(const network& net, const model::generation& made) {
  return model::ranker<network>(net, {}, std::size_t{64} << 20, made);
}

core::matrix<float> unit(const model::ranker<network>& r, const lists& users, bool every_draw, int threads = 1) {
  const auto q = r.encode(spans(users), {threads}, every_draw);
  const index rows = static_cast<index>(users.size()) * (every_draw ? r.draws() : 1);
  return core::view<const float>(q.unit.data(), rows, static_cast<index>(q.unit.size()) / rows).matrix_map();
}

// A denoiser that offers no more than the concept asks for.
struct plain_decoder {
  using scalar = float;
  using settings = model::cross_decoder_settings;
  using context = model::cross_decoder<float>::context;
  model::cross_decoder<float> inner;
  plain_decoder(const settings& s, const core::random& draw) : inner(s, draw) {}
  context prepare(const autodiff::variable<float>& encoded, core::ragged layout, const core::random& draw) const {
    return inner.prepare(encoded, layout, draw);
  }
  autodiff::variable<float> predict(const context& c, index t, const core::random& draw) const { return inner.predict(c, t, draw); }
  template <class Self, class F>
  static void visit(Self& self, const std::string& name, F&& f) {
    model::cross_decoder<float>::visit(self.inner, name, f);
  }
};

}  // namespace

TEST_CASE("direct is the default, and where every way ends if taken literally, to the bit") {
  const auto net = make();
  const auto users = histories(40);
  const auto direct = predictions(net, users);
  CHECK(same_bits(unit(ranker(net, {}), users, false), direct));
  CHECK(same_bits(unit(ranker(net, {}), users, true), direct));
  for (way kind : {way::ancestral, way::ddim}) {
    CHECK(same_bits(unit(ranker(net, {.kind = kind, .stop = -1}), users, false), direct));
    CHECK_FALSE(same_bits(unit(ranker(net, {.kind = kind}), users, false), direct));
  }
}

TEST_CASE("draws are those of the sampler over training's predictions, and the query is the direction of their mean") {
  const auto net = make();
  const auto users = histories(9);
  data::batch batch;
  for (const auto& h : users) batch.add_history(h, 20);
  core::arena memory;
  autodiff::tape<float> t(memory, {1}, autodiff::mode::inference);
  const auto context = net.prepare(net.encode(t, batch.inputs, batch.layout(), {}), batch.layout(), {});
  const auto predict = [&](index step) { return autodiff::last_rows(net.predict(context, step, {}), batch.layout()).value(); };
  for (const auto& made : ways) {
    if (made.kind == way::direct) continue;
    const auto path = made.kind == way::ancestral ? diffusion::ancestral(net.process(), made.steps, made.stop)
                                                  : diffusion::ddim(net.process(), made.steps, made.stop);
    const auto r = ranker(net, made);
    const auto draws = unit(r, users, true), query = unit(r, users, false);
    core::matrix<double> sum = core::matrix<double>::Zero(9, 12);
    for (index k = 0; k < made.draws; ++k) {
      core::matrix<float> y(9, 12);
      diffusion::sample<float>(path, predict, core::random(made.seed).child(static_cast<std::uint64_t>(k)), y);
      const core::matrix<double> expected = y.cast<double>().rowwise().normalized();
      for (index u = 0; u < 9; ++u) CHECK(error_of<float>(draws.row(u * made.draws + k), expected.row(u)) < 1e-5);
      sum += expected;
    }
    CHECK(error_of<float>(query, sum.rowwise().normalized()) < 1e-5);
  }
}

TEST_CASE("draws differ, a seed repeats them, and more draws keep those there are") {
  const auto net = make();
  const lists user{{1, 2, 3}};
  const model::generation made{.kind = way::ancestral, .draws = 4, .seed = {3}};
  const auto draws = unit(ranker(net, made), user, true);
  for (index k = 1; k < 4; ++k) CHECK((draws.row(k) - draws.row(0)).norm() > 1e-3f);
  auto other = made;
  CHECK(same_bits(unit(ranker(net, other), user, true), draws));
  other.draws = 9;
  CHECK(same_bits<float>(unit(ranker(net, other), user, true).topRows(4), draws));
  other.seed = {4};
  CHECK((unit(ranker(net, other), user, true).row(0) - draws.row(0)).norm() > 1e-3f);
}

TEST_CASE("a user's draws have the same bits alone, in other company and for any threads") {
  const auto net = make();
  auto users = histories(150);
  for (const auto& made : ways)
    for (const bool every_draw : {false, true}) {
      const auto r = ranker(net, made);
      const index rows = every_draw ? made.draws : 1;
      const auto together = unit(r, users, every_draw);
      CHECK(together.allFinite());
      CHECK(same_bits(unit(r, users, every_draw, 2), together));
      for (std::size_t u = 0; u < users.size(); u += 37) {
        const auto expected = together.middleRows(static_cast<index>(u) * rows, rows);
        CHECK(same_bits<float>(unit(r, {users[u]}, every_draw, 2), expected));
        CHECK(same_bits<float>(unit(r, {users[3], {5}, users[u]}, every_draw).bottomRows(rows), expected));
      }
    }
}

TEST_CASE("every way of generation is ranked and recommended by proper scores, to the bit") {
  const auto net = make();
  const auto users = histories(60);
  for (const auto& made : ways) {
    const model::ranker<network> fast(net, {2}, std::size_t{64} << 20, made), proper(net, {1}, 0, made);
    const auto expected = eval::recommend(proper, spans(users), 7, {1});
    for (int threads : {1, 2}) CHECK(eval::recommend(fast, spans(users), 7, {threads}, {.blocks = {7, 48}}) == expected);
    for (std::size_t u = 0; u < users.size(); u += 17) CHECK(eval::recommend(fast, spans({users[u]}), 7).front() == expected[u]);
  }
}

TEST_CASE("a denoiser without predict_last is generated from as one with it") {
  using plain = model::recommender<nn::transformer<float, nn::causal>, plain_decoder>;
  const auto net = make();
  const plain other(net.settings(), net.process(), core::seed{1});
  const auto users = histories(20);
  for (const auto& made : ways) {
    const auto q = model::ranker<plain>(other, {}, 0, made).encode(spans(users), {}, true);
    CHECK(q.unit == ranker(net, made).encode(spans(users), {}, true).unit);
  }
}

TEST_CASE("a generation that makes no sense is refused") {
  const auto net = make();  // of 4 steps
  const auto refused = [&](const model::generation& made, const std::string& why) {
    CHECK_THROWS_WITH(ranker(net, made), ContainsSubstring(why));
    CHECK_THROWS_AS(ranker(net, made), input_error);
  };
  for (way kind : {way::direct, way::ancestral, way::ddim}) refused({.kind = kind, .draws = 0}, "draws must be 1 to 1000000, not 0");
  // A product with the width that would be nothing.
  refused({.kind = way::ddim, .draws = index{1} << 62}, "draws must be 1 to 1000000, not 4611686018427387904");
  refused({.draws = 2}, "direct makes one prediction without noise, so draws 2");
  refused({.steps = 3}, "without noise, so steps 3 would change nothing; choose ancestral or ddim");  // and of nothing that was not asked
  refused({.stop = 1}, "stop 1");
  for (way kind : {way::ancestral, way::ddim}) {
    for (index steps : {-1, 1, 5}) refused({.kind = kind, .steps = steps}, "steps must be 0 (all) or 2 … 4");
    for (index stop : {-2, 3}) refused({.kind = kind, .stop = stop}, "stop must be -1 … 2");
  }
}

}  // namespace cddrec::test
