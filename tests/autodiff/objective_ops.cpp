#include "cddrec/autodiff/objective_ops.hpp"

#include "cddrec/autodiff/gradcheck.hpp"
#include "test.hpp"

namespace cddrec::test {

namespace ad = cddrec::autodiff;
using ad::gradient_error;

TEST_CASE("gradients of InfoNCE, with and without false negatives masked") {
  for (index pairs : {1, 2, 40}) {
    const std::vector<core::matrix<double>> x{normal_matrix<double>(pairs, 5, 1), normal_matrix<double>(pairs, 5, 2)};
    std::vector<std::int32_t> ids(static_cast<std::size_t>(pairs));
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>(i % 7);
    for (bool masked : {false, true}) {
      const std::span<const std::int32_t> used = masked ? std::span<const std::int32_t>(ids) : std::span<const std::int32_t>();
      CHECK(gradient_error(x, [&](auto&, auto& v) {
              return ad::info_nce<double, std::int32_t>(ad::normalize(v[0]), ad::normalize(v[1]), used, 0.5);
            }) < 1e-6);
    }
  }
}

TEST_CASE("gradients of the softmax over items, over several blocks of both sides") {
  for (index items : {3, 300}) {
    const std::vector<core::matrix<double>> x{normal_matrix<double>(70, 3, 1), normal_matrix<double>(items, 3, 2)};
    std::vector<std::int32_t> targets(70);
    for (std::size_t i = 0; i < targets.size(); ++i) targets[i] = static_cast<std::int32_t>((i * 17) % static_cast<std::size_t>(items));
    CHECK(gradient_error(x, [&](auto&, auto& v) { return ad::softmax_over_items<double, std::int32_t>(v[0], v[1], targets, 1.7); }) < 1e-6);
  }
}

}  // namespace cddrec::test
