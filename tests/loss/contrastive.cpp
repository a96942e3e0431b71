#include "cddrec/loss/contrastive.hpp"

#include "cddrec/autodiff/gradcheck.hpp"
#include "loss/fixture.hpp"

namespace cddrec::test {

TEST_CASE("both contrastive terms agree with PyTorch, values and gradients") {
  const auto r = reference::load();
  const auto& a = reference::get(r, "info_nce.a");
  const auto& b = reference::get(r, "info_nce.b");
  const auto ids = reference::whole<data::item>(r, "info_nce.targets");
  const float temperature = static_cast<float>(reference::scalar(r, "info_nce.temperature"));
  const diffusion::process<double> process(diffusion::linear_schedule{}, 2);
  for (bool masked : {false, true}) {
    const std::string name = masked ? "info_nce.masked" : "info_nce";
    std::array<double, 1> parts{};
    const auto [value, gradient] = value_and_gradients({a, b}, [&](auto& v) {
      return run_objective(loss::in_view{.weight = 1, .temperature = temperature, .mask_same_target = masked},
                           {v[0], v[0], v[0], v[0], v[1]}, process, parts, ids);
    });
    CHECK(value == Approx(reference::scalar(r, name + ".value")).epsilon(1e-10));
    CHECK(parts[0] == Approx(value));
    CHECK(distance(gradient[0], reference::get(r, name + ".a.gradient")) < 1e-10);
    CHECK(distance(gradient[1], reference::get(r, name + ".b.gradient")) < 1e-10);
  }
}

TEST_CASE("gradients of the contrastive terms by central differences") {
  const diffusion::process<double> process(diffusion::linear_schedule{}, 2);
  const std::vector<core::matrix<double>> x{normal_matrix<double>(6, 4, 1), normal_matrix<double>(6, 4, 2)};
  std::array<double, 1> parts{};
  CHECK(autodiff::gradient_error(x, [&](auto&, auto& v) {
          return run_objective(loss::in_view{}, {v[0], v[0], v[0], v[0], v[1]}, process, parts);
        }) < 1e-6);
  CHECK(autodiff::gradient_error(x, [&](auto&, auto& v) {
          const loss::side<double> main{.mean = v[0], .x_hat = v[0]}, augmented{.mean = v[1], .x_hat = v[1]};
          const std::vector<index> p{0, 2, 3}, q{5, 1, 0};
          // The rows must outlive the tape's backward, which runs after this returns.
          static const std::vector<index> paired_main = p, paired_augmented = q;
          return loss::cross_view{}(loss::step<double>{.process = process,
                                                       .t = 0,
                                                       .main = main,
                                                       .augmented = augmented,
                                                       .paired_main = paired_main,
                                                       .paired_augmented = paired_augmented},
                                    parts);
        }) < 1e-6);
}

TEST_CASE("a part of weight zero asks for nothing and says nothing") {
  CHECK_FALSE(loss::in_view{.weight = 0}.needs().samples);
  CHECK_FALSE(loss::cross_view{.weight = 0}.needs().augmented);
  CHECK(loss::cross_view{}.needs().augmented);
}

}  // namespace cddrec::test
