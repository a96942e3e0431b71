#include "cddrec/loss/combine.hpp"

#include "loss/fixture.hpp"

namespace cddrec::test {

TEST_CASE("a combination is the sum of its parts and asks for what any of them needs") {
  const diffusion::process<double> process(schedule_for{0.6, 0.3}, 2);
  const auto whole = loss::combine(loss::cross_divergence<loss::kl_mean>{}, loss::in_view{}, loss::cross_view{.weight = 0});
  static_assert(loss::objective<std::remove_const_t<decltype(whole)>>);
  CHECK(whole.names() == std::vector<std::string>{"cd", "cd_aug", "negative_gradient", "in_view"});  // cross_view is off
  CHECK(whole.needs().augmented);
  CHECK(whole.needs().negatives);
  CHECK(whole.needs().samples);
  CHECK_FALSE(whole.needs().items);
  CHECK(std::get<loss::cross_view>(whole.parts()).weight == 0);
  const std::vector<core::matrix<double>> x{normal_matrix<double>(6, 4, 1), normal_matrix<double>(6, 4, 2), normal_matrix<double>(6, 4, 3)};
  std::array<double, 4> parts{};
  std::array<double, 3> of_divergence{};
  std::array<double, 1> of_view{};
  const double total = value_and_gradients(x, [&](auto& v) { return run_objective(whole, v, process, parts); }).first;
  const double divergence = value_and_gradients(x, [&](auto& v) {
                              return run_objective(loss::cross_divergence<loss::kl_mean>{}, v, process, of_divergence);
                            }).first;
  const double view = value_and_gradients(x, [&](auto& v) { return run_objective(loss::in_view{}, v, process, of_view); }).first;
  CHECK(total == Approx(divergence + view));
  CHECK(parts[3] == Approx(of_view[0]));
}

TEST_CASE("parts of the same name are told apart") {
  const auto views = loss::combine(loss::in_view{}, loss::in_view{.temperature = 0.1f}, loss::cross_view{}, loss::in_view{});
  CHECK(views.names() == std::vector<std::string>{"in_view", "in_view_2", "cross_view", "in_view_3"});
}

}  // namespace cddrec::test
