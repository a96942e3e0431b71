#include "cddrec/loss/cross_divergence.hpp"

#include "cddrec/autodiff/gradcheck.hpp"
#include "loss/fixture.hpp"

namespace cddrec::test {

namespace {
using matrices = std::vector<core::matrix<double>>;
using reference::get;
using reference::scalar;

/// Steps that are all different: beta 0.1, 0.2, 0.3 …
struct rising {
  double beta(index t, index) const { return 0.1 * static_cast<double>(t + 1); }
};

// Both views are the same, so everything is twice the reference.
template <class Divergence>
void compare(const reference::tensors& r, const std::string& name, Divergence divergence, const matrices& inputs,
             const std::vector<std::string>& gradients, schedule_for schedule) {
  const diffusion::process<double> process(schedule, 2);
  std::array<double, 3> parts{};
  const auto [value, gradient] = value_and_gradients(
      inputs, [&](auto& v) { return run_objective(loss::cross_divergence<Divergence>{.divergence = divergence}, v, process, parts); });
  CHECK(value == Approx(2 * scalar(r, name + ".value")).epsilon(1e-10));
  CHECK(parts[0] == Approx(scalar(r, name + ".value")).epsilon(1e-10));
  for (std::size_t k = 0; k < gradients.size(); ++k)
    if (!gradients[k].empty()) CHECK(distance(gradient[k], 2 * get(r, name + "." + gradients[k] + ".gradient")) < 1e-10);
}
}  // namespace

TEST_CASE("cross-divergences agree with PyTorch, values and gradients") {
  const auto r = reference::load();
  const matrices gaussian{get(r, "divergence.mean"), get(r, "divergence.x0"), get(r, "divergence.negative")};
  for (const std::string name : {"kl", "kl_saturated"})
    compare(r, name, loss::kl{}, gaussian, {"mean", "x0", "negative"},
            {scalar(r, name + ".alpha_bar"), scalar(r, name + ".posterior_variance")});
  compare(r, "kl_mean", loss::kl_mean{.variance = scalar(r, "kl_mean.variance")}, gaussian, {"mean", "x0", "negative"},
          {scalar(r, "kl_mean.alpha_bar"), 0.3});
  const auto& x_hat = get(r, "dot_product.prediction");
  compare(r, "dot_product", loss::dot_product{}, {x_hat, x_hat, get(r, "dot_product.negative"), x_hat, get(r, "dot_product.xt")},
          {"", "", "negative", "prediction", "xt"}, {0.6, 0.3});
  compare(r, "squared_distance", loss::squared_distance{}, {x_hat, x_hat, get(r, "dot_product.negative"), x_hat, get(r, "dot_product.xt")},
          {"", "", "negative", "prediction", "xt"}, {0.6, 0.3});
}

TEST_CASE("the mean squared error is PyTorch's, value and gradients") {
  const auto r = reference::load();
  const diffusion::process<double> process(schedule_for{0.6, 0.3}, 2);
  for (const bool augmented : {false, true}) {
    std::array<double, 1> parts{};
    const auto [value, gradient] = value_and_gradients({get(r, "divergence.mean"), get(r, "divergence.x0")}, [&](auto& v) {
      return run_objective(loss::squared_error{.augmented = augmented}, v, process, parts);
    });
    const double views = augmented ? 2 : 1;
    CHECK(value == Approx(views * scalar(r, "mean_squared_error.value")).epsilon(1e-12));
    CHECK(parts[0] == Approx(scalar(r, "mean_squared_error.value")).epsilon(1e-12));
    CHECK(distance(gradient[0], views * get(r, "mean_squared_error.mean.gradient")) < 1e-12);
    CHECK(distance(gradient[1], views * get(r, "mean_squared_error.x0.gradient")) < 1e-12);
  }
}

TEST_CASE("KL is never negative, and zero for equal Gaussians") {
  core::arena memory;
  autodiff::tape<double> t(memory, {1});
  // alpha_bar = 0.5 and v2 = v1 = 0.5 asks for beta_1 = 0.5 * 0.5 / (0.5 - 0.25) = 1: just below it.
  const diffusion::process<double> process(schedule_for{0.5, 0.49999}, 2);
  const core::matrix<double> x = normal_matrix<double>(20, 6, 1);
  const core::matrix<double> mean = std::sqrt(0.5) * x, other = normal_matrix<double>(20, 6, 2);
  loss::side<double> view;
  view.mean = t.constant(core::view<const double>(mean));
  const loss::step<double> s{process, 0, view, view, {}, {}, {}, {}};
  const auto equal = loss::kl{}(s, view, t.constant(core::view<const double>(x)));
  const auto different = loss::kl{}(s, view, t.constant(core::view<const double>(other)));
  for (index i = 0; i < 20; ++i) {
    CHECK(equal.value()(i, 0) >= 0);
    CHECK(equal.value()(i, 0) < 1e-8);
    CHECK(different.value()(i, 0) > 0);
  }
}

TEST_CASE("gradients of the divergences by central differences") {
  const diffusion::process<double> process(schedule_for{0.6, 0.3}, 2);
  const matrices x{normal_matrix<double>(9, 4, 1, 0.4), normal_matrix<double>(9, 4, 2, 0.4), normal_matrix<double>(9, 4, 3, 0.4),
                   normal_matrix<double>(9, 4, 4, 0.4), normal_matrix<double>(9, 4, 5, 0.4)};
  const auto error = [&](auto divergence) {
    return autodiff::gradient_error(x, [&](auto&, auto& v) {
      std::array<double, 3> parts{};
      return run_objective(loss::cross_divergence<decltype(divergence)>{.divergence = divergence, .weight = 0.7f}, v, process, parts);
    });
  };
  CHECK(error(loss::kl{}) < 1e-6);
  CHECK(error(loss::kl_mean{.variance = 0.5}) < 1e-6);
  CHECK(error(loss::dot_product{}) < 1e-6);
  CHECK(error(loss::squared_distance{}) < 1e-6);
}

TEST_CASE("the squared distance is that of the samples, in closed form") {
  const diffusion::process<double> process(schedule_for{0.6, 0.3}, 2);
  const matrices x{normal_matrix<double>(9, 4, 1), normal_matrix<double>(9, 4, 2), normal_matrix<double>(9, 4, 3),
                   normal_matrix<double>(9, 4, 4), normal_matrix<double>(9, 4, 5)};
  std::array<double, 3> parts{};
  value_and_gradients(x, [&](auto& v) { return run_objective(loss::cross_divergence<loss::squared_distance>{}, v, process, parts); });
  double expected = 0, slopes = 0;
  for (index i = 0; i < 9; ++i) {  // of a negative, a sample, and the noised target: inputs 2, 3 and 4
    const double near = (x[3].row(i) - x[4].row(i)).squaredNorm(), far = (x[3].row(i) - x[2].row(i)).squaredNorm();
    expected += std::log1p(std::exp(near)) + std::log1p(std::exp(-far));
    slopes += 4 * far / std::pow(1 + std::exp(far), 2);
  }
  CHECK(parts[0] == Approx(expected / 9).epsilon(1e-12));
  CHECK(parts[2] == Approx(std::sqrt(slopes) / 9).epsilon(1e-12));
}

TEST_CASE("a later step has its own scale and variances, in closed form") {
  const diffusion::process<double> process(rising{}, 4);
  const double alpha_bar = 0.9 * 0.8 * 0.7, v1 = 1 - alpha_bar, v2 = 0.3 * (1 - 0.9 * 0.8) / v1;
  const matrices x{normal_matrix<double>(9, 4, 1), normal_matrix<double>(9, 4, 2)};
  core::arena memory;
  autodiff::tape<double> t(memory, {1});
  const loss::side<double> view{.mean = t.constant(x[0])};
  const loss::step<double> s{.process = process, .t = 2, .main = view};
  const auto full = loss::kl{}(s, view, t.constant(x[1])), mean = loss::kl_mean{.variance = 0.5}(s, view, t.constant(x[1]));
  for (index i = 0; i < 9; ++i) {
    const double distance = (std::sqrt(alpha_bar) * x[1].row(i) - x[0].row(i)).squaredNorm();
    CHECK(full.value()(i, 0) == Approx((4 * (v1 / v2 - 1 - std::log(v1 / v2)) + distance / v2) / 2).epsilon(1e-12));
    CHECK(mean.value()(i, 0) == Approx(distance / (2 * 0.5)).epsilon(1e-12));
  }
}

TEST_CASE("the reported gradient of the negatives is that of the loss, and of several the root of the sum of squares") {
  const diffusion::process<double> process(rising{}, 4);
  const matrices x{normal_matrix<double>(9, 4, 1, 0.4), normal_matrix<double>(9, 4, 2, 0.4), normal_matrix<double>(9, 4, 3, 0.4)};
  const auto check = [&](auto divergence) {
    // The prediction is what every divergence measures from, as the mean or as a sample.
    const auto step = [&](const loss::side<double>& view) { return loss::step<double>{.process = process, .t = 2, .main = view}; };
    const auto reported = [&](const std::vector<std::size_t>& chosen) {
      std::array<double, 2> parts{};
      value_and_gradients(x, [&](auto& v) {
        std::vector<autodiff::variable<double>> negatives;
        for (const std::size_t k : chosen) negatives.push_back(v[k]);
        return loss::cross_divergence<decltype(divergence)>{.divergence = divergence, .augmented = false}(
            step({.mean = v[0], .x0 = v[1], .negatives = negatives, .x_hat = v[0], .x_t = v[1]}), parts);
      });
      return parts[1];
    };
    for (const std::size_t k : {std::size_t(1), std::size_t(2)}) {
      // mean softplus(-D): only the negatives' term, on the prediction.
      const auto term = value_and_gradients({x[0], x[k]}, [&](auto& v) {
        const loss::side<double> view{.mean = v[0], .x_hat = v[0]};
        return autodiff::mean(autodiff::softplus(autodiff::affine(divergence(step(view), view, v[1]), -1.0, 0.0)));
      });
      CHECK(reported({k}) == Approx(term.second[0].norm()).epsilon(1e-10));
    }
    CHECK(reported({1, 2}) == Approx(std::hypot(reported({1}), reported({2})) / 2).epsilon(1e-12));
  };
  check(loss::kl{}), check(loss::kl_mean{.variance = 0.5}), check(loss::dot_product{}), check(loss::squared_distance{});
}

TEST_CASE("several negatives are averaged, and one view is half of two that are the same") {
  const diffusion::process<double> process(schedule_for{0.6, 0.3}, 2);
  const matrices x{normal_matrix<double>(9, 4, 1), normal_matrix<double>(9, 4, 2), normal_matrix<double>(9, 4, 3),
                   normal_matrix<double>(9, 4, 4)};
  std::array<double, 2> parts{};
  const auto run = [&](const std::vector<std::size_t>& chosen) {
    return value_and_gradients(x, [&](auto& v) {
      std::vector<autodiff::variable<double>> negatives;
      for (std::size_t k : chosen) negatives.push_back(v[k]);
      const loss::side<double> view{.mean = v[0], .x0 = v[1], .negatives = negatives};
      return loss::cross_divergence<loss::kl_mean>{.augmented = false}(
          loss::step<double>{.process = process, .t = 0, .main = view, .augmented = view}, parts);
    });
  };
  const auto one = run({2}), other = run({3}), both = run({2, 3});
  CHECK(both.first == Approx((one.first + other.first) / 2).epsilon(1e-12));
  for (std::size_t k = 0; k < 4; ++k) CHECK(distance(both.second[k], (one.second[k] + other.second[k]) / 2) < 1e-12);
  std::array<double, 3> of_two{};
  const auto two = value_and_gradients(matrices{x[0], x[1], x[2]},
                                       [&](auto& v) { return run_objective(loss::cross_divergence<loss::kl_mean>{}, v, process, of_two); });
  CHECK(two.first == Approx(2 * one.first).epsilon(1e-12));
  CHECK_FALSE(loss::cross_divergence<loss::kl>{.augmented = false}.needs().augmented);
}

TEST_CASE("the augmented view has its own rows, and those of weight zero count for nothing") {
  const diffusion::process<double> process(schedule_for{0.6, 0.3}, 2);
  matrices x;  // mean, x_0, negative, x_hat and x_t of the first view, then of the second
  for (std::uint64_t k = 0; k < 10; ++k) x.push_back(normal_matrix<double>(4, 3, 1 + k));
  const std::vector<double> clean{1, 0, 1, 1};
  const std::vector<index> kept{0, 2, 3};
  const auto view = [](auto& v, std::size_t first) {
    return loss::side<double>{
        .mean = v[first], .x0 = v[first + 1], .negatives = {&v[first + 2], 1}, .x_hat = v[first + 3], .x_t = v[first + 4]};
  };
  const auto check = [&](const auto& both, const auto& alone, std::size_t parts_of_both) {
    std::vector<double> parts(3, 0), main_parts(3, 0), other_parts(3, 0);
    const auto run = [&](auto& v) {
      loss::step<double> s{.process = process, .t = 0, .main = view(v, 0), .augmented = view(v, 5)};
      s.augmented.weights = clean;
      return both(s, parts);
    };
    const double value = value_and_gradients(x, run).first;
    const std::vector<double> once = parts;
    const double main = value_and_gradients(x, [&](auto& v) {
                          return alone(loss::step<double>{.process = process, .t = 0, .main = view(v, 0)}, main_parts);
                        }).first;
    matrices rows;
    for (std::size_t k = 5; k < 10; ++k) rows.push_back(x[k](Eigen::Map<const Eigen::VectorX<index>>(kept.data(), 3), Eigen::all));
    const double other = value_and_gradients(rows, [&](auto& v) {
                           return alone(loss::step<double>{.process = process, .t = 0, .main = view(v, 0)}, other_parts);
                         }).first;
    CHECK(value == Approx(main + other).epsilon(1e-12));
    CHECK(std::abs(main - other) > 1e-3);  // or exchanged views would pass
    CHECK(once[0] == Approx(main_parts[0]).epsilon(1e-12));
    if (parts_of_both > 1) CHECK(once[1] == Approx(other_parts[0]).epsilon(1e-12));
    CHECK(autodiff::gradient_error(x, [&](auto&, auto& v) { return run(v); }) < 1e-6);
  };
  const auto divergence = [&](auto d) {
    check(loss::cross_divergence<decltype(d)>{.divergence = d, .weight = 0.5f},
          loss::cross_divergence<decltype(d)>{.divergence = d, .weight = 0.5f, .augmented = false}, 2);
  };
  divergence(loss::kl{}), divergence(loss::kl_mean{2}), divergence(loss::dot_product{}), divergence(loss::squared_distance{});
  check(loss::squared_error{.weight = 0.5f}, loss::squared_error{.weight = 0.5f, .augmented = false}, 1);
}

TEST_CASE("the plain denoising loss is the mean squared error of the prediction") {
  const diffusion::process<double> process(schedule_for{0.6, 0.3}, 2);
  const matrices x{normal_matrix<double>(9, 4, 1), normal_matrix<double>(9, 4, 2)};
  for (bool two : {false, true}) {
    std::array<double, 1> parts{};
    const loss::squared_error mse{.weight = 0.5f, .augmented = two};
    const auto run = [&](auto& v) {
      const loss::side<double> view{.mean = v[0], .x0 = v[1]};
      return mse(loss::step<double>{.process = process, .t = 0, .main = view, .augmented = view}, parts);
    };
    const double error = (x[0] - x[1]).squaredNorm() / 36;
    CHECK(value_and_gradients(x, run).first == Approx((two ? 1 : 0.5) * error));
    CHECK(parts[0] == Approx(error));
    CHECK(autodiff::gradient_error(x, [&](auto&, auto& v) { return run(v); }) < 1e-6);
    CHECK(mse.needs().augmented == two);
  }
}

TEST_CASE("a weight scales the divergence and its gradients, and not what is reported") {
  const diffusion::process<double> process(schedule_for{0.6, 0.3}, 2);
  const matrices x{normal_matrix<double>(9, 4, 1), normal_matrix<double>(9, 4, 2), normal_matrix<double>(9, 4, 3),
                   normal_matrix<double>(9, 4, 4), normal_matrix<double>(9, 4, 5)};
  const auto check = [&](auto divergence) {
    for (const bool augmented : {false, true}) {
      const auto run = [&](float weight) {
        std::vector<double> parts(augmented ? 3 : 2, 0);
        const auto result = value_and_gradients(x, [&](auto& v) {
          return run_objective(
              loss::cross_divergence<decltype(divergence)>{.divergence = divergence, .weight = weight, .augmented = augmented}, v, process,
              parts);
        });
        return std::pair(result, parts);
      };
      const auto whole = run(1), quarter = run(0.25f);
      CHECK(quarter.first.first == Approx(whole.first.first / 4).epsilon(1e-12));
      for (std::size_t k = 0; k < x.size(); ++k) CHECK(distance(4 * quarter.first.second[k], whole.first.second[k]) < 1e-12);
      CHECK(quarter.second == whole.second);
    }
  };
  check(loss::kl{}), check(loss::kl_mean{}), check(loss::dot_product{}), check(loss::squared_distance{});
}

}  // namespace cddrec::test
