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

TEST_CASE("L_cross contrasts the paired rows of both views' samples, or of the predictions themselves") {
  const diffusion::process<double> process(diffusion::linear_schedule{}, 2);
  const std::vector<core::matrix<double>> x{normal_matrix<double>(5, 4, 1), normal_matrix<double>(5, 4, 2), normal_matrix<double>(6, 4, 3),
                                            normal_matrix<double>(6, 4, 4)};
  const std::vector<index> paired_main{0, 2, 4}, paired_augmented{5, 1, 0};
  for (const bool samples : {true, false})
    for (const double temperature : {0.5, 0.25}) {
      std::array<double, 1> parts{};
      const loss::cross_view cross{.weight = 0.5f, .temperature = static_cast<float>(temperature), .samples = samples};
      const auto [value, gradient] = value_and_gradients(x, [&](auto& v) {
        return cross(loss::step<double>{.process = process,
                                        .t = 0,
                                        .main = {.mean = v[0], .x_hat = v[1]},
                                        .augmented = {.mean = v[2], .x_hat = v[3]},
                                        .paired_main = paired_main,
                                        .paired_augmented = paired_augmented},
                     parts);
      });
      // What in_view makes of the same rows, which agrees with PyTorch.
      core::matrix<double> a(3, 4), b(3, 4);
      for (index i = 0; i < 3; ++i) {
        a.row(i) = x[samples ? 1 : 0].row(paired_main[static_cast<std::size_t>(i)]);
        b.row(i) = x[samples ? 3 : 2].row(paired_augmented[static_cast<std::size_t>(i)]);
      }
      std::array<double, 1> same{};
      const auto [expected, expected_gradient] = value_and_gradients({a, b}, [&](auto& v) {
        return loss::in_view{.weight = 0.5f, .temperature = static_cast<float>(temperature)}(
            loss::step<double>{.process = process, .t = 0, .main = {.x_hat = v[0], .x_t = v[1]}}, same);
      });
      CHECK(value == Approx(expected).epsilon(1e-12));
      CHECK(parts[0] == Approx(same[0]).epsilon(1e-12));
      CHECK(parts[0] == Approx(2 * value).epsilon(1e-12));
      CHECK(gradient[samples ? 0 : 1].isZero(0));
      CHECK(gradient[samples ? 2 : 3].isZero(0));
      for (index i = 0; i < 3; ++i) {
        const index row_a = paired_main[static_cast<std::size_t>(i)], row_b = paired_augmented[static_cast<std::size_t>(i)];
        CHECK((gradient[samples ? 1 : 0].row(row_a) - expected_gradient[0].row(i)).cwiseAbs().maxCoeff() < 1e-12);
        CHECK((gradient[samples ? 3 : 2].row(row_b) - expected_gradient[1].row(i)).cwiseAbs().maxCoeff() < 1e-12);
      }
      CHECK(gradient[samples ? 1 : 0].row(1).isZero(0));
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

TEST_CASE("with features both terms estimate the exact loss, closer the more there are, and say how much they clamped") {
  const diffusion::process<double> process(diffusion::linear_schedule{}, 2);
  constexpr index d = 16, pairs = 100;
  const std::vector<core::matrix<double>> x{normal_matrix<double>(pairs, d, 1), normal_matrix<double>(pairs, d, 2)};
  const auto value = [&](const auto& objective) {
    std::vector<double> parts(objective.names().size(), 0);
    const double loss = value_and_gradients(x, [&](auto& v) {
                          return run_objective(objective, {v[0], v[0], v[0], v[0], v[1]}, process, parts);
                        }).first;
    CHECK(parts[0] == Approx(loss));
    if (parts.size() == 2) CHECK((parts[1] >= 0 && parts[1] < 0.1));
    return loss;
  };
  const double exact = value(loss::in_view{.weight = 1});
  const double few = value(loss::in_view{.weight = 1, .features = 8 * d}), many = value(loss::in_view{.weight = 1, .features = 64 * d});
  INFO(exact << " exact, " << few << " of 8 d features, " << many << " of 64 d");
  CHECK(std::abs(few - exact) < 0.1 * exact);
  CHECK(std::abs(many - exact) < 0.02 * exact);
  CHECK(std::abs(many - exact) < std::abs(few - exact));
  const double whole = value(loss::cross_view{.weight = 1}), estimated = value(loss::cross_view{.weight = 1, .features = 64 * d});
  CHECK(whole > 0.1);
  CHECK(std::abs(estimated - whole) < 0.1 * whole);
}

TEST_CASE("gradients of the contrastive terms with features by central differences") {
  const diffusion::process<double> process(diffusion::linear_schedule{}, 2);
  const std::vector<core::matrix<double>> x{normal_matrix<double>(6, 4, 1), normal_matrix<double>(6, 4, 2)};
  std::array<double, 2> parts{};
  CHECK(autodiff::gradient_error(x, [&](auto&, auto& v) {
          return run_objective(loss::in_view{.features = 64}, {v[0], v[0], v[0], v[0], v[1]}, process, parts);
        }) < 1e-6);
  CHECK(autodiff::gradient_error(x, [&](auto&, auto& v) {
          const loss::side<double> main{.mean = v[0], .x_hat = v[0]}, augmented{.mean = v[1], .x_hat = v[1]};
          static const std::vector<index> paired_main{0, 2, 3}, paired_augmented{5, 1, 0};
          return loss::cross_view{.features = 64}(loss::step<double>{.process = process,
                                                                     .t = 0,
                                                                     .main = main,
                                                                     .augmented = augmented,
                                                                     .paired_main = paired_main,
                                                                     .paired_augmented = paired_augmented,
                                                                     .draw = core::random(core::seed{2})},
                                                  parts);
        }) < 1e-6);
}

TEST_CASE("parts of an estimated term, and settings that are refused") {
  using names = std::vector<std::string>;
  CHECK(loss::in_view{}.names() == names{"in_view"});
  CHECK(loss::in_view{.features = 8}.names() == names{"in_view", "in_view_clamped"});
  CHECK(loss::cross_view{.features = 8}.names() == names{"cross_view", "cross_view_clamped"});
  CHECK(loss::cross_view{.weight = 0, .features = 8}.names().empty());
  const auto refused = [](const auto& objective, const char* what) {
    CHECK_THROWS_AS(objective.names(), input_error);
    CHECK_THROWS_WITH(objective.names(), ContainsSubstring(what));
  };
  refused(loss::in_view{.mask_same_target = true, .features = 8}, "mask_same_target");
  refused(loss::in_view{.features = 7}, "even");
  refused(loss::cross_view{.features = -2}, "even");
  for (const float bad : {-0.5f, 0.0f, 0.02f, std::nanf(""), std::numeric_limits<float>::infinity()}) {
    refused(loss::in_view{.temperature = bad}, "in_view: temperature must be 0.025 or more");
    refused(loss::cross_view{.temperature = bad}, "cross_view: temperature must be 0.025 or more");
    if (bad == 0.02f)
      CHECK_NOTHROW(loss::in_view{.temperature = bad, .features = 8}.names());
    else
      refused(loss::in_view{.temperature = bad, .features = 8}, "with features, positive");
  }
  CHECK_NOTHROW(loss::in_view{.temperature = 0.025f}.names());
  CHECK_THROWS_AS(loss::combine(loss::in_view{.mask_same_target = true, .features = 8}), input_error);
}

TEST_CASE("a part of weight zero asks for nothing and says nothing") {
  CHECK_FALSE(loss::in_view{.weight = 0}.needs().samples);
  CHECK_FALSE(loss::cross_view{.weight = 0}.needs().augmented);
  CHECK(loss::cross_view{}.needs().augmented);
}

TEST_CASE("an estimated term is of its own temperature and draw, and tells the share of anchors that were clamped") {
  const diffusion::process<double> process(diffusion::linear_schedule{}, 2);
  const std::vector<core::matrix<double>> x{normal_matrix<double>(100, 16, 1), normal_matrix<double>(100, 16, 2)};
  static const std::vector<index> all = [] {
    std::vector<index> rows(100);
    std::iota(rows.begin(), rows.end(), 0);
    return rows;
  }();
  const auto value = [&](const auto& objective, std::uint64_t seed) {
    std::vector<double> parts(objective.names().size(), 0);
    return value_and_gradients(x, [&](auto& v) {
             const loss::side<double> main{.x_hat = v[0], .x_t = v[1]}, augmented{.x_hat = v[1]};
             return objective(loss::step<double>{.process = process,
                                                 .t = 0,
                                                 .main = main,
                                                 .augmented = augmented,
                                                 .paired_main = all,
                                                 .paired_augmented = all,
                                                 .draw = core::random(core::seed{seed})},
                              parts);
           })
        .first;
  };
  const auto check = [&](auto objective) {
    objective.weight = 1;
    for (const float temperature : {0.5f, 2.0f}) {
      objective.temperature = temperature, objective.features = 0;
      const double exact = value(objective, 1);
      objective.features = 64 * 16;
      const double first = value(objective, 1);
      CHECK(std::abs(first - exact) < 0.02 * exact);
      CHECK(value(objective, 1) == first);
      CHECK(value(objective, 2) != first);
    }
  };
  check(loss::in_view{}), check(loss::cross_view{});

  // The only two anchors of two opposite rows fare alike: both are clamped or neither.
  core::matrix<double> a(1, 3), b(1, 3);
  a << 1, 0, 0;
  b << -1, 0, 0;
  double most = 0, least = 1;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    std::array<double, 2> parts{};
    value_and_gradients({a, b}, [&](auto& v) {
      const loss::side<double> main{.x_hat = v[0], .x_t = v[1]};
      return loss::in_view{.temperature = 0.05f, .features = 8}(
          loss::step<double>{.process = process, .t = 0, .main = main, .draw = core::random(core::seed{seed})}, parts);
    });
    CHECK((parts[1] == 0 || parts[1] == 1));
    most = std::max(most, parts[1]), least = std::min(least, parts[1]);
  }
  CHECK((most == 1 && least == 0));
}

}  // namespace cddrec::test
