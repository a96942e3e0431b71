#include "cddrec/kernel/gru.hpp"

#include "compare.hpp"
#include "test.hpp"

namespace cddrec::test {

namespace {

template <class T>
struct inputs {
  core::matrix<T> x, weight, bias, up;  // [N, 3 d], [3 d, d], [1, 3 d], [N, d]
  core::matrix<T> noise_x, noise_weight, noise_bias;

  inputs(index rows, index d)
      : x(normal_matrix<T>(rows, 3 * d, 1)), weight(normal_matrix<T>(3 * d, d, 2, static_cast<T>(1 / std::sqrt(double(d))))),
        bias(normal_matrix<T>(1, 3 * d, 3)), up(normal_matrix<T>(rows, d, 4)), noise_x(normal_matrix<T>(rows, 3 * d, 5)),
        noise_weight(normal_matrix<T>(3 * d, d, 6)), noise_bias(normal_matrix<T>(1, 3 * d, 7)) {}
};

template <class T>
struct outputs {
  core::matrix<T> out, dx, dweight, dbias;
};

template <class T>
bool same(const outputs<T>& a, const outputs<T>& b) {
  return same_bits(a.out, b.out) && same_bits(a.dx, b.dx) && same_bits(a.dweight, b.dweight) && same_bits(a.dbias, b.dbias);
}

// Forward into NaN, backward onto noise.
template <class T>
outputs<T> run(const inputs<T>& in, core::ragged layout, int threads = 1) {
  const core::execution how{threads};
  const index rows = layout.rows(), d = in.weight.cols();
  outputs<T> r{not_a_number<T>(rows, d), in.noise_x, in.noise_weight, in.noise_bias};
  auto state = not_a_number<T>(rows, 4 * d);
  std::vector<index> order(static_cast<std::size_t>(layout.size()));
  kernel::longest_first(layout, order);
  std::vector<T> panels(static_cast<std::size_t>(kernel::packed_size<T>(d, 3 * d)), std::numeric_limits<T>::quiet_NaN());
  kernel::pack<T>(kernel::transposed(core::view<const T>(in.weight)), panels.data(), how);
  workspace<T> space(kernel::gru_workspace(layout, d, how)), more(kernel::gru_backward_workspace<T>(layout, d, how));
  kernel::gru_forward<T>(in.x, panels.data(), in.bias, layout, order, r.out, state, space, how);
  kernel::gru_backward<T>(in.up, in.weight, layout, order, r.out, state, r.dx, r.dweight, r.dbias, more, how);
  return r;
}

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

// One sequence after another, one value after another, in double.
template <class T>
outputs<double> naive(const inputs<T>& in, core::ragged layout) {
  const auto wide = [](const core::matrix<T>& m) { return core::matrix<double>(m.template cast<double>()); };
  const auto x = wide(in.x), weight = wide(in.weight), bias = wide(in.bias), up = wide(in.up);
  const index d = weight.cols();
  core::matrix<double> out = core::matrix<double>::Zero(layout.rows(), d);
  outputs<double> e{out, wide(in.noise_x), wide(in.noise_weight), wide(in.noise_bias)};
  for (index s = 0; s < layout.size(); ++s) {
    const index begin = layout.begin(s), end = layout.end(s);
    const auto before = [&](index i, index c) { return i == begin ? 0.0 : e.out(i - 1, c); };
    const auto g = [&](index i, index c) {
      double sum = bias(0, c);
      for (index k = 0; k < d; ++k) sum += weight(c, k) * before(i, k);
      return sum;
    };
    const auto gates = [&](index i, index c, double& r, double& z, double& n) {
      r = logistic(x(i, c) + g(i, c));
      z = logistic(x(i, d + c) + g(i, d + c));
      n = std::tanh(x(i, 2 * d + c) + r * g(i, 2 * d + c));
    };
    double r = 0, z = 0, n = 0;
    for (index i = begin; i < end; ++i)
      for (index c = 0; c < d; ++c) {
        gates(i, c, r, z, n);
        e.out(i, c) = (1 - z) * n + z * before(i, c);
      }
    core::matrix<double> dh = core::matrix<double>::Zero(1, d);
    for (index i = end - 1; i >= begin; --i) {
      core::matrix<double> next = core::matrix<double>::Zero(1, d);
      dh += up.row(i);
      for (index c = 0; c < d; ++c) {
        gates(i, c, r, z, n);
        const double dn = dh(0, c) * (1 - z) * (1 - n * n), dz = dh(0, c) * (before(i, c) - n) * z * (1 - z);
        const double dr = dn * g(i, 2 * d + c) * r * (1 - r);
        next(0, c) += dh(0, c) * z;
        for (auto [gate, given, fed_back] : {std::tuple{c, dr, dr}, {d + c, dz, dz}, {2 * d + c, dn, dn * r}}) {
          e.dx(i, gate) += given;
          e.dbias(0, gate) += fed_back;
          for (index k = 0; k < d; ++k) {
            e.dweight(gate, k) += fed_back * before(i, k);
            next(0, k) += fed_back * weight(gate, k);
          }
        }
      }
      dh = next;
    }
  }
  return e;
}

// More sequences than a block has, of equal and of unequal lengths.
std::vector<index> many_lengths() {
  std::vector<index> lengths;
  for (index i = 0; i < 60; ++i) lengths.push_back(1 + i * 7 % 11);
  return lengths;
}

}  // namespace

TEMPLATE_TEST_CASE("the recurrence is the naive one, sequence by sequence", "", float, double) {
  using T = TestType;
  for (const auto& lengths : {ragged_lengths(), many_lengths(), {1}, {1, 1, 1}, {9}, {2, 0, 3, 0}, {}})
    for (index d : {1, 3, 17, 32}) {
      const auto offsets = offsets_of(lengths);
      const core::ragged layout(offsets);
      const inputs<T> in(layout.rows(), d);
      const auto expected = naive(in, layout);
      const auto got = run(in, layout);
      CHECK(error_of(got.out, expected.out) < tolerance<T>);
      CHECK(error_of(got.dx, expected.dx) < tolerance<T>);
      CHECK(error_of(got.dweight, expected.dweight) < tolerance<T>);
      CHECK(error_of(got.dbias, expected.dbias) < tolerance<T>);
    }
}

TEST_CASE("a sequence recurs with the same bits packed or alone, for any threads") {
  for (const auto& lengths : {ragged_lengths(), many_lengths()})
    for (index d : {5, 40}) {
      const auto offsets = offsets_of(lengths);
      const core::ragged layout(offsets);
      const inputs<float> in(layout.rows(), d);
      const auto whole = run(in, layout);
      for (int threads : {2, 3, 8}) CHECK(same(run(in, layout, threads), whole));
      for (index s = 0; s < layout.size(); ++s) {
        const auto cut = [&](const core::matrix<float>& m) { return core::matrix<float>(m.middleRows(layout.begin(s), layout.length(s))); };
        inputs<float> own = in;
        own.x = cut(in.x), own.up = cut(in.up), own.noise_x = cut(in.noise_x);
        const std::vector<index> alone{0, layout.length(s)};
        const auto got = run(own, core::ragged(alone));
        CHECK(same_bits(got.out, cut(whole.out)));
        CHECK(same_bits(got.dx, cut(whole.dx)));
      }
    }
}

TEST_CASE("the recurrence without a state to keep or a gradient that is wanted") {
  const auto offsets = offsets_of(ragged_lengths());
  const core::ragged layout(offsets);
  const inputs<double> in(layout.rows(), 6);
  const auto expected = run(in, layout);
  std::vector<index> order(static_cast<std::size_t>(layout.size()));
  kernel::longest_first(layout, order);
  CHECK(order == std::vector<index>{2, 5, 3, 7, 0, 4, 1, 6});
  core::buffer<double> panels(static_cast<std::size_t>(kernel::packed_size<double>(6, 18)));
  kernel::pack<double>(kernel::transposed(core::view<const double>(in.weight)), panels.data(), {1});
  auto out = not_a_number<double>(layout.rows(), 6), state = not_a_number<double>(layout.rows(), 24);
  workspace<double> space(kernel::gru_workspace(layout, 6, {1})), more(kernel::gru_backward_workspace<double>(layout, 6, {1}));
  kernel::gru_forward<double>(in.x, panels.data(), in.bias, layout, order, out, {}, space, {1});
  CHECK(same_bits(out, expected.out));
  kernel::gru_forward<double>(in.x, panels.data(), in.bias, layout, order, out, state, space, {1});
  auto dx = in.noise_x, dweight = in.noise_weight;
  kernel::gru_backward<double>(in.up, in.weight, layout, order, out, state, dx, {}, {}, more, {1});
  CHECK(same_bits(dx, expected.dx));
  kernel::gru_backward<double>(in.up, in.weight, layout, order, out, state, {}, dweight, {}, more, {1});
  CHECK(same_bits(dweight, expected.dweight));
}

TEMPLATE_TEST_CASE("the logistic function and the hyperbolic tangent, relative to the standard library's", "", float, double) {
  using T = TestType;
  constexpr double allowed = std::is_same_v<T, float> ? 1e-6 : 1e-12;
  const auto error = [](T got, double expected) { return std::abs(static_cast<double>(got) - expected) / std::abs(expected); };
  double of_tangent = 0, of_logistic = 0;
  for (int exponent = -30; exponent <= 6; ++exponent)
    for (int part = 0; part < 256; ++part)
      for (T sign : {T(-1), T(1)}) {
        const T x = sign * static_cast<T>(std::ldexp(1 + part / 256.0, exponent));
        const auto v = core::simd::broadcast(x);
        const double wide = static_cast<double>(x);
        of_tangent = std::max(of_tangent, error(kernel::detail::hyperbolic_tangent<T>(v)[0], std::tanh(wide)));
        if (wide > -80) of_logistic = std::max(of_logistic, error(kernel::detail::logistic<T>(v)[0], logistic(wide)));
      }
  CHECK(of_tangent < allowed);
  CHECK(of_logistic < allowed);
  for (T extreme : {std::numeric_limits<T>::max(), std::numeric_limits<T>::infinity()}) {
    const auto v = core::simd::broadcast(extreme);
    CHECK(kernel::detail::hyperbolic_tangent<T>(v)[0] == 1);
    CHECK(kernel::detail::hyperbolic_tangent<T>(-v)[0] == -1);
    CHECK(kernel::detail::logistic<T>(v)[0] == 1);
    CHECK(kernel::detail::logistic<T>(-v)[0] < T(1e-37));
  }
  const auto nothing = core::simd::broadcast(std::numeric_limits<T>::quiet_NaN());
  CHECK(std::isnan(kernel::detail::hyperbolic_tangent<T>(nothing)[0]));
  CHECK(std::isnan(kernel::detail::logistic<T>(nothing)[0]));
}

}  // namespace cddrec::test
