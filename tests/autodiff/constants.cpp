// What an op adds to the gradients of some inputs does not depend on whether the others want one.
#include <functional>

#include "cddrec/autodiff/fourier_ops.hpp"
#include "cddrec/autodiff/gaussian_ops.hpp"
#include "cddrec/autodiff/objective_ops.hpp"
#include "cddrec/autodiff/recurrent_ops.hpp"
#include "compare.hpp"
#include "test.hpp"

namespace cddrec::test {

namespace ad = cddrec::autodiff;

namespace {
using variable = ad::variable<double>;
struct op {
  std::string name;
  std::vector<core::matrix<double>> inputs;
  std::function<variable(const std::vector<variable>&)> apply;
};

/// The gradients of those inputs that `wanted` names by its bits, onto noise; the others are constants, whose gradients are empty.
std::vector<core::matrix<double>> gradients(const op& o, unsigned wanted) {
  core::arena memory;
  std::vector<ad::parameter<double>> leaves(o.inputs.size());
  ad::tape<double> t(memory, {2}, ad::mode::training, true);
  std::vector<variable> x;
  for (std::size_t k = 0; k < leaves.size(); ++k) {
    leaves[k].value = o.inputs[k];
    if (wanted >> k & 1) leaves[k].gradient = normal_matrix<double>(o.inputs[k].rows(), o.inputs[k].cols(), 50 + k);
    x.push_back(wanted >> k & 1 ? t.leaf(leaves[k]) : t.constant(leaves[k].value));
  }
  const variable y = o.apply(x);
  CHECK(y.needs_grad() == (wanted != 0));
  if (wanted) y.grad().matrix_map() = normal_matrix<double>(y.rows(), y.cols(), 70);
  t.backward();
  std::vector<core::matrix<double>> all;
  for (const auto& leaf : leaves) all.push_back(leaf.gradient);
  return all;
}
}  // namespace

TEST_CASE("with any of its inputs constant, an op gives the others the gradients that it gives with none") {
  static const std::vector<index> offsets = offsets_of(ragged_lengths());
  const core::ragged layout(offsets);
  const index N = layout.rows(), d = 6;
  const auto tokens = [&](index cols, std::uint64_t name) { return normal_matrix<double>(N, cols, name); };
  const auto row = [&](index cols, std::uint64_t name) { return normal_matrix<double>(1, cols, name); };
  const core::matrix<double> a = tokens(d, 1), b = tokens(d, 2), c = tokens(d, 3);
  const core::matrix<double> u = a.rowwise().normalized(), v = b.rowwise().normalized();
  static const std::vector<std::int32_t> ids{2, 0, 2, 4, 1, 2};
  static const std::vector<std::int32_t> targets(static_cast<std::size_t>(N), 3);
  static const std::vector<unsigned char> chosen(static_cast<std::size_t>(N), 1);
  const core::random draw(core::seed{5});
  const kernel::attention_dropout dropped{0.3, draw};
  const std::vector<op> ops{
      {"linear", {a, normal_matrix<double>(4, d, 4), row(4, 5)}, [](auto& x) { return ad::linear(x[0], x[1], x[2]); }},
      {"linear without bias", {a, normal_matrix<double>(4, d, 4)}, [](auto& x) { return ad::linear(x[0], x[1]); }},
      {"linear_combination", {a, b}, [](auto& x) { return ad::linear_combination(0.4, x[0], -2.0, x[1]); }},
      {"add_row", {a, row(d, 4)}, [](auto& x) { return ad::add_row(x[0], x[1]); }},
      {"affine", {a}, [](auto& x) { return ad::affine(x[0], 2, 1); }},
      {"gelu", {a}, [](auto& x) { return ad::gelu(x[0]); }},
      {"softplus", {a}, [](auto& x) { return ad::softplus(x[0]); }},
      {"layer_norm", {a, row(d, 4), row(d, 5)}, [](auto& x) { return ad::layer_norm(x[0], x[1], x[2]); }},
      {"dropout", {a}, [&](auto& x) { return ad::dropout(x[0], 0.3, draw); }},
      {"add_noise", {a}, [&](auto& x) { return ad::add_noise(x[0], 0.7, 0.2, draw); }},
      {"gather", {a}, [](auto& x) { return ad::gather<double, std::int32_t>(x[0], ids); }},
      {"last_rows", {a}, [&](auto& x) { return ad::last_rows(x[0], layout); }},
      {"normalize", {a}, [](auto& x) { return ad::normalize(x[0]); }},
      {"row_dot", {a, b}, [](auto& x) { return ad::row_dot(x[0], x[1]); }},
      {"squared_distance", {a, b}, [](auto& x) { return ad::squared_distance(x[0], x[1], 0.8); }},
      {"mean", {tokens(1, 4)}, [](auto& x) { return ad::mean(x[0]); }},
      {"attention", {a, b, c}, [&](auto& x) { return ad::attention(x[0], x[1], x[2], layout, 2, true, dropped); }},
      {"prefix_attention", {row(d, 4), b, c}, [&](auto& x) { return ad::prefix_attention(x[0], x[1], x[2], layout, 2, dropped); }},
      {"gaussian_sample", {a, b}, [&](auto& x) { return ad::gaussian_sample(x[0], x[1], draw); }},
      {"gaussian_kl", {a, b}, [](auto& x) { return ad::gaussian_kl(x[0], x[1]); }},
      {"gru",
       {tokens(3 * d, 4), normal_matrix<double>(3 * d, d, 5), row(3 * d, 6)},
       [&](auto& x) { return ad::gru(x[0], x[1], x[2], layout); }},
      {"info_nce", {u, v}, [](auto& x) { return ad::info_nce<double, std::int32_t>(x[0], x[1], {}, 0.5); }},
      {"fourier_info_nce", {u, v}, [&](auto& x) { return ad::fourier_info_nce<double>(x[0], x[1], 0.5, 40, draw).loss; }},
      {"softmax_over_items",
       {a, normal_matrix<double>(9, d, 4)},
       [](auto& x) { return ad::softmax_over_items<double, std::int32_t>(x[0], x[1], targets, 1.7); }},
      {"softplus_where", {tokens(1, 4)}, [](auto& x) { return ad::softplus_where(x[0], chosen); }},
  };
  for (const op& o : ops) {
    const unsigned all = (1u << o.inputs.size()) - 1;
    const auto whole = gradients(o, all);
    for (unsigned wanted = 0; wanted < all; ++wanted) {
      INFO(o.name << ", wanted by the inputs " << wanted);
      const auto some = gradients(o, wanted);
      for (std::size_t k = 0; k < some.size(); ++k) CHECK(same_bits(some[k], wanted >> k & 1 ? whole[k] : core::matrix<double>()));
    }
  }
}

}  // namespace cddrec::test
