#include "cddrec/nn/linear.hpp"

#include "layers.hpp"
#include "test.hpp"

namespace cddrec::test {

TEST_CASE("a linear map is x W^T + b, and so are its gradients") {
  for (bool biased : {true, false}) {
    nn::linear<double> layer(3, 5, core::random(core::seed{1}), biased);
    const auto parameters = parameters_of(layer, "map");
    CHECK(parameters.size() == (biased ? 2 : 1));
    CHECK(parameters.count("map.weight") == 1);
    CHECK(parameters.count("map.bias") == (biased ? 1 : 0));
    make_wild(parameters);
    const auto x = normal_matrix<double>(20, 3, 2);
    core::arena memory;
    autodiff::tape<double> t(memory, {1}, autodiff::mode::inference);
    const auto y = layer(t.constant(x));
    core::matrix<double> expected = x * layer.weight.value.transpose();
    if (biased) expected.rowwise() += layer.bias.value.row(0);
    CHECK((y.value().matrix_map() - expected).cwiseAbs().maxCoeff() < 1e-13);
    CHECK(layer_error(parameters, x, [&](auto&, const auto& v) { return layer(v); }) < 1e-6);
  }
}

TEST_CASE("a fresh linear map has small normal weights, no bias, and is the same for the same draw") {
  const nn::linear<float> a(64, 64, core::random(core::seed{1})), b(64, 64, core::random(core::seed{1}));
  CHECK(a.weight.value == b.weight.value);
  CHECK(a.bias.value.isZero());
  CHECK(std::sqrt(a.weight.value.squaredNorm() / 4096) == Approx(nn::initial_deviation).margin(0.001));
}

}  // namespace cddrec::test
