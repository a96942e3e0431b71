// Settings that no objective can be trained with are refused where its parts are named, not by a loss that goes bad.
#include "cddrec/loss/combine.hpp"
#include "cddrec/loss/latent.hpp"
#include "test.hpp"

namespace cddrec::test {

namespace {
constexpr float infinite = std::numeric_limits<float>::infinity();

/// The objective by itself and in a sum.
template <class Objective>
void check_refused(const Objective& objective, const std::string& message) {
  INFO(message);
  CHECK_THROWS_AS(objective.names(), input_error);
  CHECK_THROWS_WITH(objective.names(), ContainsSubstring(message));
  CHECK_THROWS_WITH(loss::combine(loss::squared_error{}, objective), ContainsSubstring(message));
}
template <class Objective>
void check_weight(const std::string& name) {
  for (const float bad : {-1.0f, -1e-6f, std::nanf(""), infinite})
    check_refused(Objective{.weight = bad}, "loss::" + name + ": weight must be 0 (left out) or more, not " + to_text(bad));
  CHECK(Objective{.weight = 0}.names().empty());
  CHECK_FALSE(Objective{.weight = 1e-6f}.names().empty());
}
template <class Objective>
void check_temperature(const std::string& name) {
  for (const float bad : {0.0f, -0.1f, std::nanf(""), infinite})
    for (const float weight : {0.0f, 1.0f})
      check_refused(Objective{.weight = weight, .temperature = bad},
                    "loss::" + name + ": temperature must be positive, not " + to_text(bad));
  CHECK_NOTHROW(Objective{.temperature = 1e-3f}.names());
}
}  // namespace

TEST_CASE("a weight that is negative or not finite is refused, with the loss and the value") {
  check_weight<loss::item_softmax>("item_softmax");
  check_weight<loss::sampled_softmax>("sampled_softmax");
  check_weight<loss::binary_cross_entropy>("binary_cross_entropy");
  check_weight<loss::in_view>("in_view");
  check_weight<loss::cross_view>("cross_view");
  check_weight<loss::squared_error>("squared_error");
  check_weight<loss::latent_kl>("latent_kl");
  for (const float bad : {-1.0f, std::nanf(""), infinite})
    check_refused(loss::cross_divergence<loss::kl>{.weight = bad}, "loss::cross_divergence: weight must be 0 (left out) or more, not ");
}

TEST_CASE("a temperature that is not positive is refused, with the loss and the value") {
  check_temperature<loss::item_softmax>("item_softmax");
  check_temperature<loss::sampled_softmax>("sampled_softmax");
  check_temperature<loss::binary_cross_entropy>("binary_cross_entropy");
  check_refused(loss::in_view{.temperature = 0}, "loss::in_view: temperature must be 0.025 or more");
  check_refused(loss::cross_view{.temperature = 0}, "loss::cross_view: temperature must be 0.025 or more");
}

TEST_CASE("a divergence with a variance that is not positive is refused") {
  for (const double bad : {0.0, -1.0, std::nan("")})
    check_refused(loss::cross_divergence<loss::kl_mean>{.divergence = {.variance = bad}},
                  "loss::cross_divergence: variance must be positive, not " + to_text(bad));
  CHECK_NOTHROW(loss::cross_divergence<loss::kl_mean>{.divergence = {.variance = 1e-3}}.names());
}

}  // namespace cddrec::test
