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

TEST_CASE("one negative at a time: values and gradients are PyTorch's, several are averaged") {
  const auto r = reference::load();
  const diffusion::process<double> process(diffusion::linear_schedule{}, 2);
  const loss::binary_cross_entropy bce{.temperature = static_cast<float>(reference::scalar(r, "ranking.temperature"))};
  std::array<double, 1> parts{};
  const std::vector<core::matrix<double>> x{reference::get(r, "ranking.prediction"), reference::get(r, "ranking.target"),
                                            reference::get(r, "ranking.negative")};
  const auto run = [&](auto& v, std::span<const autodiff::variable<double>> negatives, bool cosine) {
    const loss::side<double> main{.mean = v[0], .x0 = v[1], .negatives = negatives};
    return bce(loss::step<double>{.process = process, .t = 0, .main = main, .cosine = cosine}, parts);
  };
  const auto [value, gradient] = value_and_gradients(x, [&](auto& v) { return run(v, {&v[2], 1}, false); });
  CHECK(value == Approx(reference::scalar(r, "ranking.bce.value")).epsilon(1e-12));
  CHECK(parts[0] == Approx(value));
  for (std::size_t k = 0; k < 3; ++k) {
    const char* name[] = {"prediction", "target", "negative"};
    CHECK(distance(gradient[k], reference::get(r, std::string("ranking.bce.") + name[k] + ".gradient")) < 1e-12);
  }
  const auto twice = value_and_gradients(x, [&](auto& v) {
    const std::vector<autodiff::variable<double>> two{v[2], v[2]};
    return run(v, two, false);
  });
  CHECK(twice.first == Approx(value).epsilon(1e-12));
  CHECK(distance(twice.second[2], gradient[2]) < 1e-12);
  CHECK(autodiff::gradient_error(x, [&](auto&, auto& v) { return run(v, {&v[2], 1}, true); }) < 1e-6);
}

TEST_CASE("a softmax over shared candidates is PyTorch's, with a target among them or not, shares corrected or not") {
  const auto r = reference::load();
  const diffusion::process<double> process(diffusion::linear_schedule{}, 2);
  const float temperature = static_cast<float>(reference::scalar(r, "ranking.temperature"));
  std::array<double, 1> parts{};
  core::matrix<double> table(8, 4);
  table << reference::get(r, "ranking.target"), reference::get(r, "ranking.others");
  const std::vector<core::matrix<double>> x{reference::get(r, "ranking.prediction"), table};
  const auto column = [&](const char* name) {
    const auto& m = reference::get(r, name);
    return std::vector<double>(m.data(), m.data() + m.size());
  };
  const std::vector<double> shares = column("ranking.log_shares"), own = column("ranking.target_log_shares");
  // Rows of the table, targets and others, that candidates and targets are: token 4 has the target of token 0.
  const std::vector<index> candidate_rows{2, 0, 5, 6, 7}, target_rows{0, 1, 2, 3, 0};
  const std::vector<unsigned char> not_candidates{0, 1, 0, 1, 0};
  for (bool corrected : {true, false}) {
    const loss::sampled_softmax sampled{.temperature = temperature, .correction = corrected};
    const auto run = [&](auto& v) {
      const loss::side<double> main{.mean = v[0],
                                    .x0 = autodiff::gather<double, index>(v[1], target_rows),
                                    .target_log_inclusion = own,
                                    .not_candidates = not_candidates};
      return sampled(loss::step<double>{.process = process,
                                        .t = 0,
                                        .main = main,
                                        .candidates = {autodiff::gather<double, index>(v[1], candidate_rows), shares},
                                        .cosine = false},
                     parts);
    };
    CHECK(autodiff::gradient_error(x, [&](auto&, auto& v) { return run(v); }) < 1e-6);
    if (!corrected) continue;
    const auto [value, gradient] = value_and_gradients(x, run);
    CHECK(value == Approx(reference::scalar(r, "ranking.sampled.value")).epsilon(1e-10));
    CHECK(distance(gradient[0], reference::get(r, "ranking.sampled.prediction.gradient")) < 1e-10);
    CHECK(distance(gradient[1].topRows(5), reference::get(r, "ranking.sampled.target.gradient")) < 1e-10);
    CHECK(distance(gradient[1].bottomRows(3), reference::get(r, "ranking.sampled.others.gradient")) < 1e-10);
  }
}

TEST_CASE("the augmented view counts as much as the first, by its clean rows") {
  const diffusion::process<double> process(diffusion::linear_schedule{}, 2);
  const std::vector<data::item> targets{0, 3, 1, 2};
  const std::vector<unsigned char> outside{0, 1, 1, 0};
  const std::vector<double> clean{1, 0, 1, 1}, shares{-1, -2, -3, -4};
  const std::vector<core::matrix<double>> x{normal_matrix<double>(4, 3, 1), normal_matrix<double>(4, 3, 2), normal_matrix<double>(5, 3, 3),
                                            normal_matrix<double>(4, 3, 4), normal_matrix<double>(4, 3, 5)};
  // First view: predictions 0, its targets 3; second: predictions 1, its targets 4. Items and candidates are 2, the negative is 3.
  const auto check = [&](auto objective) {
    std::array<double, 1> parts{};
    const auto run = [&](auto& v, bool first, bool second) {
      const auto view = [&](std::size_t mean, std::size_t x0, std::span<const double> weights) {
        return loss::side<double>{.mean = v[mean],
                                  .x0 = v[x0],
                                  .negatives = {&v[3], 1},
                                  .targets = targets,
                                  .target_log_inclusion = shares,
                                  .not_candidates = outside,
                                  .weights = weights};
      };
      loss::step<double> s{.process = process,
                           .t = 0,
                           .main = first ? view(0, 3, {}) : view(1, 4, clean),
                           .items = v[2],
                           .candidates = {v[2], std::span<const double>(x[2].data(), 5)},
                           .cosine = false};
      s.augmented = view(1, 4, clean);
      auto asked = objective;
      asked.augmented = second;
      return asked(s, parts);
    };
    const auto value = [&](bool first, bool second) {
      return value_and_gradients(x, [&](auto& v) { return run(v, first, second); }).first;
    };
    CHECK(objective.needs().augmented);
    CHECK(value(true, true) == Approx(value(true, false) + value(false, false)).epsilon(1e-12));
    CHECK(autodiff::gradient_error(x, [&](auto&, auto& v) { return run(v, true, true); }) < 1e-6);
  };
  check(loss::item_softmax{.temperature = 0.5f, .augmented = true});
  check(loss::sampled_softmax{.temperature = 0.5f, .augmented = true});
  check(loss::binary_cross_entropy{.augmented = true});
}

TEST_CASE("a weight scales the loss and not what is reported, and a cosine is the dot product of unit rows") {
  const diffusion::process<double> process(diffusion::linear_schedule{}, 2);
  const std::vector<data::item> targets{0, 3, 1, 2};
  const std::vector<unsigned char> outside{0, 1, 1, 0};
  const std::vector<double> own{-1, -2, -3, -4}, shares{-2, -1, -4, -3, -2};
  // Predictions, their targets, a negative, and items that are candidates, too.
  const std::vector<core::matrix<double>> x{normal_matrix<double>(4, 3, 1), normal_matrix<double>(4, 3, 2), normal_matrix<double>(4, 3, 3),
                                            normal_matrix<double>(5, 3, 4)};
  std::vector<core::matrix<double>> unit;
  for (const auto& m : x) unit.push_back(m.rowwise().normalized());
  const auto check = [&](auto objective) {
    const auto run = [&](float weight, const std::vector<core::matrix<double>>& rows, bool cosine) {
      auto asked = objective;
      asked.weight = weight;
      std::array<double, 1> parts{};
      core::arena memory;
      autodiff::tape<double> t(memory, {1});
      const auto negative = t.constant(rows[2]), items = t.constant(unit[3]);  // these come as scores multiply them
      const loss::side<double> view{.mean = t.constant(rows[0]),
                                    .x0 = t.constant(rows[1]),
                                    .negatives = {&negative, 1},
                                    .targets = targets,
                                    .target_log_inclusion = own,
                                    .not_candidates = outside};
      const loss::step<double> s{
          .process = process, .t = 0, .main = view, .augmented = view, .items = items, .candidates = {items, shares}, .cosine = cosine};
      const double value = asked(s, parts).scalar();
      return std::pair(value, parts[0]);
    };
    const auto whole = run(1, x, true), half = run(0.5f, x, true), dots = run(1, unit, false);
    CHECK(half.first == Approx(whole.first / 2).epsilon(1e-12));
    CHECK(half.second == whole.second);
    CHECK(whole.first == Approx((objective.augmented ? 2 : 1) * whole.second).epsilon(1e-12));
    CHECK(dots.first == Approx(whole.first).epsilon(1e-12));
    CHECK(std::abs(run(1, x, false).first - whole.first) > 1e-3);  // or the lengths would not matter
  };
  for (const bool augmented : {false, true}) {
    check(loss::item_softmax{.temperature = 0.5f, .augmented = augmented});
    check(loss::sampled_softmax{.temperature = 0.5f, .augmented = augmented});
    check(loss::binary_cross_entropy{.temperature = 0.5f, .augmented = augmented});
  }
}

TEST_CASE("without the correction every candidate counts as it scores, in closed form") {
  const diffusion::process<double> process(diffusion::linear_schedule{}, 2);
  const std::vector<index> candidate_rows{2, 0, 5, 6, 7}, target_rows{0, 1, 2, 3, 0};
  const std::vector<unsigned char> not_candidates{0, 1, 0, 1, 0};
  const std::vector<double> shares{-1, -2, -3, -4, -5}, own{-5, -4, -3, -2, -1};
  const std::vector<core::matrix<double>> x{normal_matrix<double>(5, 4, 1), normal_matrix<double>(8, 4, 2)};
  std::array<double, 1> parts{};
  const double value = value_and_gradients(x, [&](auto& v) {
                         const loss::side<double> main{.mean = v[0],
                                                       .x0 = autodiff::gather<double, index>(v[1], target_rows),
                                                       .target_log_inclusion = own,
                                                       .not_candidates = not_candidates};
                         return loss::sampled_softmax{.temperature = 0.5f, .correction = false}(
                             loss::step<double>{.process = process,
                                                .t = 0,
                                                .main = main,
                                                .candidates = {autodiff::gather<double, index>(v[1], candidate_rows), shares},
                                                .cosine = false},
                             parts);
                       }).first;
  const core::matrix<double> scores = 2 * x[0] * x[1].transpose();
  double expected = 0;
  for (index i = 0; i < 5; ++i) {
    const double target = scores(i, target_rows[static_cast<std::size_t>(i)]);
    double others = 0;
    for (const index c : candidate_rows)
      if (c != target_rows[static_cast<std::size_t>(i)]) others += std::exp(scores(i, c) - target);
    expected += std::log1p(others) / 5;
  }
  CHECK(value == Approx(expected).epsilon(1e-12));
  CHECK(parts[0] == Approx(expected).epsilon(1e-12));
}

TEST_CASE("of several negatives one at a time each counts, as the mean of what it is alone") {
  const diffusion::process<double> process(diffusion::linear_schedule{}, 2);
  const std::vector<core::matrix<double>> x{normal_matrix<double>(6, 4, 1), normal_matrix<double>(6, 4, 2), normal_matrix<double>(6, 4, 3),
                   normal_matrix<double>(6, 4, 4)};
  std::array<double, 1> parts{};
  for (const bool cosine : {false, true}) {
    const auto run = [&](const std::vector<std::size_t>& chosen) {
      return value_and_gradients(x, [&](auto& v) {
        std::vector<autodiff::variable<double>> negatives;
        for (const std::size_t k : chosen) negatives.push_back(v[k]);
        const loss::side<double> main{.mean = v[0], .x0 = v[1], .negatives = negatives};
        return loss::binary_cross_entropy{.temperature = 0.5f}(
            loss::step<double>{.process = process, .t = 0, .main = main, .cosine = cosine}, parts);
      });
    };
    const auto one = run({2}), other = run({3}), both = run({2, 3});
    CHECK(std::abs(one.first - other.first) > 1e-3);
    CHECK(both.first == Approx((one.first + other.first) / 2).epsilon(1e-12));
    for (std::size_t k = 0; k < 4; ++k) CHECK(distance(both.second[k], (one.second[k] + other.second[k]) / 2) < 1e-12);
  }
}

}  // namespace cddrec::test
