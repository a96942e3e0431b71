#include "cddrec/kernel/prefix_attention.hpp"

#include "kernel/dense_attention.hpp"
#include "test.hpp"

namespace cddrec::test {

namespace {
template <class T>
struct scanned {
  core::matrix<T> out, dq, dk, dv;
};

// Forward into NaN, backward onto noise; dq onto the noise's first row.
template <class T>
scanned<T> run(const core::matrix<T>& q, const core::matrix<T>& k, const core::matrix<T>& v, const core::matrix<T>& factor,
               const core::matrix<T>& up, const core::matrix<T>& noise, core::ragged layout, index heads, int threads = 1) {
  scanned<T> r{not_a_number<T>(k.rows(), k.cols()), noise.topRows(1), noise, noise};
  auto state = not_a_number<T>(k.rows(), 3 * heads);
  workspace<T> space(kernel::prefix_attention_workspace(layout, k.cols()));
  kernel::prefix_attention_forward<T>(q, k, v, factor, layout, r.out, state, {threads});
  kernel::prefix_attention_backward<T>(up, q, k, v, factor, layout, r.out, state, r.dq, r.dk, r.dv, space, {threads});
  return r;
}

template <class T>
core::matrix<T> dropout_factors(index rows, index heads) {
  core::matrix<T> factor(rows, heads);
  for (index i = 0; i < factor.size(); ++i) factor.data()[i] = core::random(core::seed{8}).uniform(i) < 0.3f ? T(0) : T(1 / 0.7);
  return factor;
}

// More sequences than one block holds.
std::vector<index> many_offsets() {
  auto lengths = ragged_lengths();
  for (int copy = 0; copy < 2; ++copy)
    for (index length : ragged_lengths()) lengths.push_back(length);
  return offsets_of(lengths);
}
}  // namespace

TEMPLATE_TEST_CASE("prefix attention is the dense masked cross-attention", "", float, double) {
  using T = TestType;
  const auto offsets = many_offsets();
  const core::ragged layout(offsets);
  const auto wide = [](const core::matrix<T>& m) { return core::matrix<double>(m.template cast<double>()); };
  for (auto [heads, width] : {std::pair<index, index>{1, 1}, {2, 3}, {3, 17}})
    for (const auto& factor : {core::matrix<T>(), dropout_factors<T>(layout.rows(), heads)}) {
      const auto m = [&, d = heads * width](std::uint64_t name) { return normal_matrix<T>(layout.rows(), d, name); };
      const auto q = normal_matrix<T>(1, heads * width, 1), k = m(2), v = m(3), up = m(4), noise = m(5);
      const auto expected = attend(wide(q), wide(k), wide(v), wide(factor), layout, heads, true, wide(up));
      const auto got = run<T>(q, k, v, factor, up, noise, layout, heads);
      CHECK(error_of(got.out, expected.out) < tolerance<T>);
      CHECK(error_of<T>(got.dq, wide(noise).topRows(1) + expected.dq) < tolerance<T>);
      CHECK(error_of<T>(got.dk, wide(noise) + expected.dk) < tolerance<T>);
      CHECK(error_of<T>(got.dv, wide(noise) + expected.dv) < tolerance<T>);
    }
}

TEMPLATE_TEST_CASE("prefix attention stays finite, and right, for scores of 1e4 either way", "", float, double) {
  using T = TestType;
  const auto offsets = many_offsets();
  const core::ragged layout(offsets);
  const auto wide = [](const core::matrix<T>& m) { return core::matrix<double>(m.template cast<double>()); };
  const auto m = [&](std::uint64_t name) { return normal_matrix<T>(layout.rows(), 2, name); };
  core::matrix<T> q = core::matrix<T>::Constant(1, 2, T(100)), k(layout.rows(), 2);
  for (index i = 0; i < k.size(); ++i)  // scores of -1e4, 0 and 1e4 in every order
    k.data()[i] = T(100) * static_cast<T>(core::random(core::seed{4}).below(i, 3) - 1);
  const auto v = m(2), up = m(3);
  const core::matrix<T> zero = core::matrix<T>::Zero(layout.rows(), 2);
  for (const auto& factor : {core::matrix<T>(), dropout_factors<T>(layout.rows(), 2)}) {
    const auto expected = attend(wide(q), wide(k), wide(v), wide(factor), layout, 2, true, wide(up));
    const auto got = run<T>(q, k, v, factor, up, zero, layout, 2);
    CHECK(error_of(got.out, expected.out) < tolerance<T>);
    CHECK(error_of(got.dv, expected.dv) < tolerance<T>);
    CHECK(error_of(got.dk, expected.dk) < tolerance<T>);
    CHECK(error_of(got.dq, expected.dq) < 100 * tolerance<T>);  // keys of 100 that cancel
  }
}

TEST_CASE("a sequence is scanned with the same bits packed or alone, for any threads") {
  const auto offsets = many_offsets();
  const core::ragged layout(offsets);
  const auto m = [&](std::uint64_t name) { return normal_matrix<float>(layout.rows(), 10, name); };
  const auto q = normal_matrix<float>(1, 10, 1), k = m(2), v = m(3), up = m(4), noise = m(5);
  const auto factor = dropout_factors<float>(layout.rows(), 2);
  const auto whole = run<float>(q, k, v, factor, up, noise, layout, 2);
  for (int threads : {2, 4}) {
    const auto many = run<float>(q, k, v, factor, up, noise, layout, 2, threads);
    CHECK(same_bits(many.out, whole.out));
    CHECK(same_bits(many.dq, whole.dq));
    CHECK(same_bits(many.dk, whole.dk));
    CHECK(same_bits(many.dv, whole.dv));
  }
  for (index s = 0; s < layout.size(); ++s) {
    const auto cut = [&](const core::matrix<float>& x) { return core::matrix<float>(x.middleRows(layout.begin(s), layout.length(s))); };
    const std::vector<index> only{0, layout.length(s)};
    const auto alone = run<float>(q, cut(k), cut(v), cut(factor), cut(up), cut(noise), core::ragged(only), 2);
    CHECK(same_bits(alone.out, cut(whole.out)));
    CHECK(same_bits(alone.dk, cut(whole.dk)));
    CHECK(same_bits(alone.dv, cut(whole.dv)));
  }
}

}  // namespace cddrec::test
