#include "cddrec/loss/ranking.hpp"

#include "cddrec/autodiff/gradcheck.hpp"
#include "loss/fixture.hpp"

namespace cddrec::test {

TEST_CASE("the softmax over items agrees with PyTorch, values and gradients") {
  const auto r = reference::load();
  const auto targets = reference::whole<data::item>(r, "softmax.targets");
  const diffusion::process<double> process(diffusion::linear_schedule{}, 2);
  const double temperature = reference::scalar(r, "softmax.temperature");
  std::array<double, 1> parts{};
  const auto [value, gradient] =
      value_and_gradients({reference::get(r, "softmax.prediction"), reference::get(r, "softmax.items")}, [&](auto& v) {
        return run_objective(loss::item_softmax{.temperature = static_cast<float>(temperature)}, {v[0]}, process, parts, targets,
                             autodiff::normalize(v[1]));
      });
  // The setting is a float: 0.07 is known to 1e-8 of itself.
  CHECK(value == Approx(reference::scalar(r, "softmax.value")).epsilon(1e-6));
  CHECK(distance(gradient[0], reference::get(r, "softmax.prediction.gradient")) < 1e-5);
  CHECK(distance(gradient[1], reference::get(r, "softmax.items.gradient")) < 1e-5);
}

TEST_CASE("gradients of the softmax objective by central differences, one view and two") {
  const diffusion::process<double> process(diffusion::linear_schedule{}, 2);
  const std::vector<data::item> targets{0, 3, 3, 1, 6, 2};
  const std::vector<core::matrix<double>> x{normal_matrix<double>(6, 4, 1), normal_matrix<double>(7, 4, 2)};
  for (bool augmented : {false, true}) {
    std::array<double, 1> parts{};
    CHECK(autodiff::gradient_error(x, [&](auto&, auto& v) {
            return run_objective(loss::item_softmax{.weight = 0.5f, .temperature = 0.5f, .augmented = augmented}, {v[0]}, process, parts,
                                 targets, autodiff::normalize(v[1]));
          }) < 1e-6);
  }
}

}  // namespace cddrec::test
