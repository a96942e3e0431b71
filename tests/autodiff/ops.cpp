#include "cddrec/autodiff/ops.hpp"

#include "cddrec/autodiff/gradcheck.hpp"
#include "test.hpp"

namespace cddrec::test {

namespace ad = cddrec::autodiff;
using ad::gradient_error;
using matrices = std::vector<core::matrix<double>>;

namespace {
const std::vector<index> offsets = offsets_of(ragged_lengths());
const core::ragged layout(offsets);
constexpr double bound = 1e-6;
core::matrix<double> tokens(index cols, std::uint64_t name) { return normal_matrix<double>(layout.rows(), cols, name); }
}  // namespace

TEST_CASE("gradients of elementwise ops") {
  const matrices x{tokens(5, 1)};
  CHECK(gradient_error(x, [](auto&, auto& v) { return ad::gelu(v[0]); }) < bound);
  CHECK(gradient_error(x, [](auto&, auto& v) { return ad::softplus(v[0]); }) < bound);
  CHECK(gradient_error(x, [](auto&, auto& v) { return ad::affine(v[0], -1.5, 0.3); }) < bound);
  const core::random draw(core::seed{5});
  CHECK(gradient_error(x, [&](auto&, auto& v) { return ad::dropout(v[0], 0.3, draw); }) < bound);
  CHECK(gradient_error(x, [&](auto&, auto& v) { return ad::add_noise(v[0], 0.7, 0.2, draw); }) < bound);
  const matrices pair{tokens(5, 1), tokens(5, 2)};
  CHECK(gradient_error(pair, [](auto&, auto& v) { return ad::linear_combination(0.4, v[0], -2.0, v[1]); }) < bound);
  CHECK(gradient_error(pair, [](auto&, auto& v) { return ad::add(v[0], v[1]); }) < bound);
}

TEST_CASE("gradients of linear, with and without bias, in awkward sizes") {
  for (index out : {1, 3, 33}) {
    const matrices x{tokens(7, 1), normal_matrix<double>(out, 7, 2), normal_matrix<double>(1, out, 3)};
    CHECK(gradient_error(x, [](auto&, auto& v) { return ad::linear(v[0], v[1], v[2]); }) < bound);
    CHECK(gradient_error({x[0], x[1]}, [](auto&, auto& v) { return ad::linear(v[0], v[1]); }) < bound);
  }
}

TEST_CASE("gradients of a row added to all rows") {
  const matrices x{tokens(7, 1), normal_matrix<double>(1, 7, 2)};
  CHECK(gradient_error(x, [](auto&, auto& v) { return ad::add_row(v[0], v[1]); }) < bound);
}

TEST_CASE("gradients of layer normalisation") {
  for (index d : {4, 11}) {
    const matrices x{tokens(d, 1), normal_matrix<double>(1, d, 2), normal_matrix<double>(1, d, 3)};
    CHECK(gradient_error(x, [](auto&, auto& v) { return ad::layer_norm(v[0], v[1], v[2]); }) < bound);
  }
}

TEST_CASE("gradients of row ops") {
  const matrices pair{tokens(6, 1), tokens(6, 2)};
  CHECK(gradient_error({pair[0]}, [](auto&, auto& v) { return ad::normalize(v[0]); }) < bound);
  CHECK(gradient_error(pair, [](auto&, auto& v) { return ad::row_dot(v[0], v[1]); }) < bound);
  CHECK(gradient_error(pair, [](auto&, auto& v) { return ad::squared_distance(v[0], v[1], 0.8); }) < bound);
  const std::vector<std::int32_t> ids{2, 0, 2, 4, 1, 2};
  CHECK(gradient_error({normal_matrix<double>(5, 6, 4)}, [&](auto&, auto& v) { return ad::gather<double, std::int32_t>(v[0], ids); }) <
        bound);
  std::vector<double> weights(static_cast<std::size_t>(layout.rows()), 1);
  for (std::size_t i = 0; i < weights.size(); i += 3) weights[i] = 0;
  CHECK(gradient_error({tokens(1, 5)}, [](auto&, auto& v) { return ad::mean(v[0]); }) < bound);
  CHECK(gradient_error({tokens(1, 5)}, [&](auto&, auto& v) { return ad::mean(v[0], std::span<const double>(weights)); }) < bound);
  CHECK(gradient_error({tokens(4, 6)}, [](auto&, auto& v) { return v[0].middle_rows(3, 9); }) < bound);
}

TEST_CASE("gradient of rows taken from a parameter, which touches them alone") {
  const std::vector<std::int32_t> first{2, 0, 2, 4, 0, 2}, second{4, 6, 4};
  // The parameter stands for the input x: its gradient is handed over to x at the end.
  ad::parameter<double> p;
  const auto twice = [&](auto& t, auto& v) {
    p.value = v[0].value().matrix_map();
    p.gradient.setZero(7, 3);
    p.touched.clear();
    t.record([&p, x = v[0]] { kernel::add_scaled<double>(1.0, p.gradient, x.grad(), {1}); });
    const auto a = ad::gather<double, std::int32_t>(t, p, first), b = ad::gather<double, std::int32_t>(t, p, second);
    CHECK(p.touched.rows().empty());  // reading is not touching
    return ad::linear_combination(2.0, ad::row_dot(a.middle_rows(0, 3), b), 1.0, ad::row_dot(a.middle_rows(3, 3), b));
  };
  CHECK(gradient_error({normal_matrix<double>(7, 3, 4)}, twice) < bound);
  CHECK(gradient_error({normal_matrix<double>(7, 3, 4)}, twice, {3}) < bound);

  core::arena memory;
  p.value = normal_matrix<double>(7, 3, 4);
  p.gradient.resize(0, 0);
  p.touched.clear();
  {
    ad::tape<double> t(memory, {1});
    t.backward(ad::mean(ad::row_dot(ad::gather<double, std::int32_t>(t, p, first), ad::gather<double, std::int32_t>(t, p, first))));
  }
  CHECK_FALSE(p.touched.all());
  CHECK(std::vector<index>(p.touched.rows().begin(), p.touched.rows().end()) == std::vector<index>{2, 0, 4});
  for (index row : {1, 3, 5, 6}) CHECK(p.gradient.row(row).isZero(0));
  {
    ad::tape<double> t(memory, {1}, ad::mode::inference);
    const auto rows = ad::gather<double, std::int32_t>(t, p, second);
    CHECK(rows.value().matrix_map().row(1) == p.value.row(6));
    CHECK_FALSE(rows.needs_grad());
    t.leaf(p);
  }
  CHECK_FALSE(p.touched.all());  // inference touches nothing
  ad::tape<double> t(memory, {1});
  t.leaf(p);
  CHECK(p.touched.all());
}

TEST_CASE("gradients of self-attention, causal or not, with and without dropout") {
  const matrices x{tokens(6, 1), tokens(6, 2), tokens(6, 3)};
  for (bool causal : {true, false})
    for (double rate : {0.0, 0.3}) {
      const kernel::attention_dropout dropped{rate, core::random(core::seed{9})};
      CHECK(gradient_error(x, [&](auto&, auto& v) { return ad::attention(v[0], v[1], v[2], layout, 2, causal, dropped); }) < bound);
    }
}

TEST_CASE("gradients of prefix attention, with and without dropout") {
  const matrices x{normal_matrix<double>(1, 6, 1), tokens(6, 2), tokens(6, 3)};
  for (double rate : {0.0, 0.3}) {
    const kernel::attention_dropout dropped{rate, core::random(core::seed{9})};
    CHECK(gradient_error(x, [&](auto&, auto& v) { return ad::prefix_attention(v[0], v[1], v[2], layout, 2, dropped); }) < bound);
  }
}

TEST_CASE("a mean counts further than float does") {
  const index N = (index{1} << 24) + (index{1} << 21);
  core::arena memory;
  ad::tape<float> t(memory, {1});
  autodiff::parameter<float> column(N, 1, 9.5f);
  const auto mean = ad::mean(t.leaf(column));
  CHECK(mean.scalar() == 9.5f);
  t.backward(mean);
  CHECK(column.gradient(N - 1, 0) == 1 / static_cast<float>(N));
}

TEST_CASE("the gradient check finds an op that is wrong") {
  const matrices x{tokens(3, 1)};
  const auto half_done = [](auto& t, auto& v) {
    auto [y, out] = t.make(v[0].rows(), v[0].cols(), true);
    for (index i = 0; i < out.size(); ++i) out.data()[i] = 2 * v[0].value().data()[i];
    t.record([y = y, x = v[0]] { kernel::add_scaled<double>(1.0, y.grad(), x.grad(), {1}); });
    return y;
  };
  CHECK(gradient_error(x, half_done) > 0.1);
  const auto overwrites = [](auto& t, auto& v) {
    auto [y, out] = t.make(v[0].rows(), v[0].cols(), true);
    for (index i = 0; i < out.size(); ++i) out.data()[i] = v[0].value().data()[i];
    t.record([y = y, x = v[0]] { std::copy_n(y.grad().data(), y.grad().size(), x.grad().data()); });
    return y;
  };
  CHECK(gradient_error(x, overwrites) > 0.1);
  const auto adds_to_output = [](auto& t, auto& v) {
    auto [y, out] = t.make(v[0].rows(), v[0].cols(), true);
    for (index i = 0; i < out.size(); ++i) out.data()[i] += v[0].value().data()[i];
    t.record([y = y, x = v[0]] { kernel::add_scaled<double>(1.0, y.grad(), x.grad(), {1}); });
    return y;
  };
  CHECK_FALSE(gradient_error(x, adds_to_output) < 1e3);
  // One entry that is not a number, with all others, and another input's, right behind it.
  const auto one_is_nothing = [](auto& t, auto& v) {
    const auto y = ad::add(v[0], v[1]);
    t.record([x = v[0]] { x.grad()(0, 0) = std::numeric_limits<double>::quiet_NaN(); });
    return y;
  };
  CHECK_FALSE(gradient_error({tokens(3, 1), tokens(3, 2)}, one_is_nothing) < 1e3);
  const auto without_gradient = [](auto& t, auto& v) { return t.constant(v[0].value()); };
  CHECK(gradient_error(x, without_gradient) > 0.9);
}

TEST_CASE("the gradient check takes an empty batch") {
  CHECK(gradient_error({core::matrix<double>(0, 3)}, [](auto&, auto& v) { return ad::gelu(v[0]); }) == 0);
}

}  // namespace cddrec::test
