#include "cddrec/nn/feed_forward.hpp"

#include "layers.hpp"
#include "test.hpp"

namespace cddrec::test {

TEST_CASE("gradients of the feed-forward layer, with and without dropout") {
  const core::random draw(core::seed{3});
  for (double rate : {0.0, 0.3}) {
    nn::feed_forward<double> layer(5, 3, rate, core::random(core::seed{1}));
    CHECK(layer.first.weight.value.rows() == 15);
    const auto parameters = parameters_of(layer, "block");
    CHECK(parameters.count("block.linear1.weight") + parameters.count("block.linear2.bias") == 2);
    make_wild(parameters);
    CHECK(layer_error(parameters, normal_matrix<double>(20, 5, 2), [&](auto&, const auto& v) { return layer(v, draw); }) < 1e-6);
  }
}

}  // namespace cddrec::test
