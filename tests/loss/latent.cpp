#include "cddrec/loss/latent.hpp"

#include "cddrec/autodiff/gradcheck.hpp"
#include "loss/fixture.hpp"

namespace cddrec::test {

TEST_CASE("the latent divergence is the mean over the tokens, of both views, and grows to its weight") {
  const diffusion::process<double> process(diffusion::linear_schedule{}, 1);
  const std::vector<core::matrix<double>> x{normal_matrix<double>(4, 3, 1), normal_matrix<double>(4, 3, 2)};
  double expected = 0;
  for (index i = 0; i < 12; ++i) {
    const double m = x[0].data()[i], v = x[1].data()[i];
    expected += 0.5 * (std::exp(v) + m * m - 1 - v) / 4;
  }
  for (bool two : {false, true})
    for (index trained : {0, 30, 100, 1000}) {
      std::array<double, 1> parts{};
      const loss::latent_kl kl{.weight = 0.5f, .annealed_over = 100};
      const auto run = [&](auto& v) {
        const loss::side<double> side{.latent_mean = v[0], .latent_log_variance = v[1]};
        return kl(
            loss::step<double>{
                .process = process, .t = 0, .main = side, .augmented = two ? side : loss::side<double>{}, .trained = trained},
            parts);
      };
      const double grown = std::min(1.0, static_cast<double>(trained) / 100);
      CHECK(value_and_gradients(x, run).first == Approx((two ? 2 : 1) * 0.5 * grown * expected).margin(1e-12));
      CHECK(parts[0] == Approx(expected));
      CHECK(autodiff::gradient_error(x, [&](auto&, auto& v) { return run(v); }) < 1e-6);
    }
}

TEST_CASE("the latent divergence leaves out rows of the second view that leak") {
  const diffusion::process<double> process(diffusion::linear_schedule{}, 1);
  const std::vector<core::matrix<double>> x{normal_matrix<double>(3, 2, 1), normal_matrix<double>(3, 2, 2), normal_matrix<double>(3, 2, 3),
                                            normal_matrix<double>(3, 2, 4)};
  const std::vector<double> clean{0, 1, 0};
  std::array<double, 1> parts{};
  const auto value = [&](const loss::latent_kl& kl) {
    return value_and_gradients(x, [&](auto& v) {
             const loss::side<double> main{.latent_mean = v[0], .latent_log_variance = v[1]};
             const loss::side<double> augmented{.latent_mean = v[2], .latent_log_variance = v[3], .weights = clean};
             return kl(loss::step<double>{.process = process, .t = 0, .main = main, .augmented = augmented}, parts);
           })
        .first;
  };
  double expected = 0;
  for (index k = 0; k < 2; ++k)
    for (index i = 0; i < 3; ++i)
      for (index j = 0; j < 2; ++j) {
        const double m = x[static_cast<std::size_t>(2 * k)](i, j), v = x[static_cast<std::size_t>(2 * k + 1)](i, j);
        const double share = k == 0 ? 1.0 / 3 : clean[static_cast<std::size_t>(i)];
        expected += share * 0.5 * (std::exp(v) + m * m - 1 - v);
      }
  CHECK(value({}) == Approx(expected).epsilon(1e-12));
}

TEST_CASE("the latent divergence is that of PyTorch's distributions, value and gradients") {
  const auto r = reference::load();
  const diffusion::process<double> process(diffusion::linear_schedule{}, 1);
  std::array<double, 1> parts{};
  const auto [value, gradient] =
      value_and_gradients({reference::get(r, "latent.mean"), reference::get(r, "latent.log_variance")}, [&](auto& v) {
        const loss::side<double> side{.latent_mean = v[0], .latent_log_variance = v[1]};
        return loss::latent_kl{}(loss::step<double>{.process = process, .t = 0, .main = side}, parts);
      });
  CHECK(value == Approx(reference::scalar(r, "latent.value")).epsilon(1e-12));
  CHECK(distance(gradient[0], reference::get(r, "latent.mean.gradient")) < 1e-12);
  CHECK(distance(gradient[1], reference::get(r, "latent.log_variance.gradient")) < 1e-12);
}

TEST_CASE("a network without latent variables has no such loss, and none is annealed backwards") {
  const diffusion::process<double> process(diffusion::linear_schedule{}, 1);
  std::array<double, 1> parts{};
  CHECK(loss::latent_kl{}(loss::step<double>{.process = process, .t = 0}, parts).rows() == 0);
  CHECK_THROWS_WITH((loss::latent_kl{.annealed_over = -5}.names()),
                    ContainsSubstring("annealed_over must be 0 (not annealed) or more, not -5"));
  CHECK(loss::latent_kl{.weight = 0}.names().empty());
}

}  // namespace cddrec::test
