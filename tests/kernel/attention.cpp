#include "cddrec/kernel/attention.hpp"

#include "kernel/dense_attention.hpp"
#include "test.hpp"

namespace cddrec::test {

namespace {
const std::vector<index> offsets = offsets_of(ragged_lengths());

template <class T>
struct attended {
  core::matrix<T> out, dq, dk, dv;
};

// Forward into NaN, backward onto noise.
template <class T>
attended<T> run(const core::matrix<T>& q, const core::matrix<T>& k, const core::matrix<T>& v, const core::matrix<T>& up,
                const core::matrix<T>& noise, core::ragged layout, index heads, bool causal, int threads = 1,
                kernel::attention_dropout dropped = {}) {
  attended<T> r{not_a_number<T>(q.rows(), q.cols()), noise, noise, noise};
  auto log_sum = not_a_number<T>(q.rows(), heads);
  workspace<T> space(q.rows()), more(2 * q.rows());
  kernel::attention_forward<T>(q, k, v, layout, causal, dropped, r.out, log_sum, space, {threads});
  kernel::attention_backward<T>(up, q, k, v, layout, causal, dropped, log_sum, r.dq, r.dk, r.dv, more, {threads});
  return r;
}
}  // namespace

TEMPLATE_TEST_CASE("self-attention is the dense one, sequence by sequence", "", float, double) {
  using T = TestType;
  const core::ragged layout(offsets);
  const auto wide = [](const core::matrix<T>& m) { return core::matrix<double>(m.template cast<double>()); };
  for (auto [heads, width] : {std::pair<index, index>{1, 1}, {2, 3}, {3, 17}})
    for (bool causal : {true, false}) {
      const auto m = [&, d = heads * width](std::uint64_t name) { return normal_matrix<T>(layout.rows(), d, name); };
      const auto q = m(1), k = m(2), v = m(3), up = m(4), noise = m(5);
      const auto expected = attend(wide(q), wide(k), wide(v), {}, layout, heads, causal, wide(up));
      const auto got = run<T>(q, k, v, up, noise, layout, heads, causal);
      CHECK(error_of(got.out, expected.out) < tolerance<T>);
      CHECK(error_of<T>(got.dq, wide(noise) + expected.dq) < tolerance<T>);
      CHECK(error_of<T>(got.dk, wide(noise) + expected.dk) < tolerance<T>);
      CHECK(error_of<T>(got.dv, wide(noise) + expected.dv) < tolerance<T>);
    }
}

TEST_CASE("a sequence attends with the same bits packed or alone, for any threads") {
  const core::ragged layout(offsets);
  const auto m = [&](std::uint64_t name) { return normal_matrix<float>(layout.rows(), 10, name); };
  const auto q = m(1), k = m(2), v = m(3), up = m(4), noise = m(5);
  for (bool causal : {true, false}) {
    const auto whole = run<float>(q, k, v, up, noise, layout, 2, causal);
    const auto same = [](const attended<float>& a, const attended<float>& b) {
      return same_bits(a.out, b.out) && same_bits(a.dq, b.dq) && same_bits(a.dk, b.dk) && same_bits(a.dv, b.dv);
    };
    for (int threads : {2, 4}) CHECK(same(run<float>(q, k, v, up, noise, layout, 2, causal, threads), whole));
    for (index s = 0; s < layout.size(); ++s) {
      const auto cut = [&](const core::matrix<float>& x) { return core::matrix<float>(x.middleRows(layout.begin(s), layout.length(s))); };
      const std::vector<index> alone{0, layout.length(s)};
      CHECK(same(run<float>(cut(q), cut(k), cut(v), cut(up), cut(noise), core::ragged(alone), 2, causal),
                 {cut(whole.out), cut(whole.dq), cut(whole.dk), cut(whole.dv)}));
    }
  }
}

TEST_CASE("attention stays finite for enormous scores") {
  const core::ragged layout(offsets);
  const auto m = [&](std::uint64_t name) { return normal_matrix<float>(layout.rows(), 4, name); };
  const auto got = run<float>(m(1) * 100, m(2) * 100, m(3), m(4), m(5), layout, 2, true);
  CHECK((got.out.allFinite() && got.dq.allFinite() && got.dk.allFinite() && got.dv.allFinite()));
}

TEST_CASE("dropout scales or drops an attention weight, the same for any threads") {
  // 400 sequences of one item: the only weight is 1, so the output is v times the factor.
  std::vector<index> lengths(400, 1);
  const auto single = offsets_of(lengths);
  const core::ragged layout(single);
  const auto m = [&](std::uint64_t name) { return normal_matrix<float>(layout.rows(), 4, name); };
  const kernel::attention_dropout dropped{0.25, core::random(core::seed{1})};
  const auto v = m(3), up = m(4);
  const core::matrix<float> zero = core::matrix<float>::Zero(400, 4);
  const auto got = run<float>(m(1), m(2), v, up, zero, layout, 2, true, 1, dropped);
  int kept = 0;
  for (index i = 0; i < 400; ++i)
    for (index h = 0; h < 2; ++h) {
      const float factor = got.out(i, 2 * h) == 0 ? 0.0f : static_cast<float>(1 / 0.75);
      kept += factor > 0;
      for (index c = 2 * h; c < 2 * h + 2; ++c) {
        REQUIRE(got.out(i, c) == Approx(v(i, c) * factor));
        REQUIRE(got.dv(i, c) == Approx(up(i, c) * factor));
      }
    }
  CHECK(std::abs(kept / 800.0 - 0.75) < 0.06);
  for (int threads : {2, 4}) CHECK(same_bits(run<float>(m(1), m(2), v, up, zero, layout, 2, true, threads, dropped).out, got.out));
}

TEST_CASE("a dropped attention weight is one element of the draw, for each row, head and key") {
  // Queries of zero weigh all keys alike, and values that are the unit matrix show the weights.
  constexpr index n = 150;
  const std::vector<index> one{0, n};
  const core::matrix<float> zero = core::matrix<float>::Zero(n, 2 * n);
  core::matrix<float> v = zero;
  for (index j = 0; j < n; ++j) v(j, j) = v(j, n + j) = 1;
  const kernel::attention_dropout dropped{0.25, core::random(core::seed{2})};
  const auto got = run<float>(zero, zero, v, zero, zero, core::ragged(one), 2, false, 1, dropped);
  for (index i = 0; i < n; ++i)
    for (index h = 0; h < 2; ++h)
      for (index j = 0; j < n; ++j) {
        const float kept = dropped.draw.uniform((2 * i + h) * 4096 * core::random::block + j) < 0.25f ? 0.0f : 1.0f;
        REQUIRE(got.out(i, h * n + j) == Approx(kept / 0.75f / n));
      }
}

}  // namespace cddrec::test
