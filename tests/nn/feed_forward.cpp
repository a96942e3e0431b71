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

TEST_CASE("in training the widened rows are dropped out, by the draw that is given") {
  const nn::feed_forward<double> layer(5, 3, 0.5, core::random(core::seed{1})), still(5, 3, 0, core::random(core::seed{1}));
  const auto x = normal_matrix<double>(20, 5, 2);
  const core::random draw(core::seed{3});
  const auto run = [&](const auto& own, std::uint64_t name) {
    return in_training(x, [&](const auto& v) { return own(v, draw.child(name)); });
  };
  const auto by_hand =
      in_training(x, [&](const auto& v) { return layer.second(autodiff::dropout(autodiff::gelu(layer.first(v)), 0.5, draw.child(1))); });
  CHECK(run(layer, 1) == by_hand);
  CHECK(run(layer, 1) != run(layer, 2));
  CHECK(run(layer, 1) != run(still, 1));
  CHECK(run(still, 1) == run(still, 2));
}

TEST_CASE("a feed-forward layer without an inner width is refused, with what was given") {
  for (const index bad : {0, -1})
    CHECK_THROWS_WITH(nn::feed_forward<double>(5, bad, 0, {}),
                      ContainsSubstring("nn::feed_forward: the factor must be 1 or more, not " + std::to_string(bad)));
}

}  // namespace cddrec::test
