#include "cddrec/serve/network.hpp"

#include "model/small_network.hpp"
#include "serve/models.hpp"

namespace cddrec::test {

// The network whose type is chosen at run time is the one whose type is written down.
TEST_CASE("a network as its settings say has the weights and predictions of the type that they name") {
  const serve::network_settings s{
      .width = 12, .layers = 2, .heads = 3, .max_length = 20, .residual = false, .feed_forward = false, .steps = 4};
  const serve::network chosen = serve::make_network("cddrec", s, catalogue, core::seed{1});
  const network written({.items = catalogue, .width = 12, .layers = 2, .heads = 3, .max_length = 20, .dropout = 0.4},
                        diffusion::process<float>(diffusion::linear_schedule{.last = 0.04}, 4), core::seed{1});
  std::vector<std::string> names;
  written.visit([&](const std::string& name, const auto&) { names.push_back(name); });
  std::size_t k = 0;
  chosen.visit([&](const std::string& name, const auto&) {
    REQUIRE(k < names.size());
    CHECK(name == names[k++]);
  });
  CHECK(k == names.size());
  const lists users = histories(20);
  const bool same = eval::recommend(model::ranker<serve::network>(chosen), spans(users), 10) ==
                    eval::recommend(model::ranker<network>(written), spans(users), 10);
  CHECK(same);
}

TEST_CASE("an unknown choice is refused by name") {
  CHECK_THAT(message_of<input_error>([] { serve::make_network("cddrec", {.schedule = "square"}, 5, {}); }),
             ContainsSubstring("there is no schedule 'square'"));
  CHECK_THAT(message_of<input_error>([] { serve::make_network("sasrec", {.score = "luck"}, 5, {}); }),
             ContainsSubstring("there is no score 'luck'"));
}

}  // namespace cddrec::test
