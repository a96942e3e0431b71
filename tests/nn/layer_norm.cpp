#include "cddrec/nn/layer_norm.hpp"

#include "layers.hpp"
#include "test.hpp"

namespace cddrec::test {

TEST_CASE("layer normalisation starts plain and its gradients are right") {
  nn::layer_norm<double> layer(7);
  const auto x = normal_matrix<double>(20, 7, 1);
  {
    core::arena memory;
    autodiff::tape<double> t(memory, {1}, autodiff::mode::inference);
    const core::matrix<double> y = layer(t.constant(x)).value().matrix_map();
    CHECK(y.rowwise().mean().cwiseAbs().maxCoeff() < 1e-12);
    CHECK((y.rowwise().squaredNorm().array() / 7 - 1).abs().maxCoeff() < 1e-3);
  }
  const auto parameters = parameters_of(layer, "norm");
  CHECK(parameters.count("norm.weight") + parameters.count("norm.bias") == 2);
  make_wild(parameters);
  CHECK(layer_error(parameters, x, [&](auto&, const auto& v) { return layer(v); }) < 1e-6);
}

}  // namespace cddrec::test
