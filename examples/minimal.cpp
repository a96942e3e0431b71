// Trains on an interaction log (a line a user: `user item item …`, oldest first) and recommends for its first user.
#include <iostream>

#include "cddrec/cddrec.hpp"
#include "cddrec/io/interactions.hpp"

using namespace cddrec;
using network = model::recommender<nn::transformer<float, nn::causal>, model::cross_decoder<float>>;

int main(int argc, char** argv) {
  const auto log = io::read_interactions(argc > 1 ? argv[1] : "log.txt");
  const auto split = data::leave_one_out(log);
  const auto process = diffusion::process<float>(diffusion::linear_schedule{.last = 0.002}, 30);
  network net({.items = split.items(), .width = 128}, process, core::seed{42});
  const loss::cross_divergence<loss::kl> divergence;
  const auto objective = loss::combine(divergence, loss::in_view{.weight = 0.3f}, loss::cross_view{.weight = 0.3f});
  train::fit(net, objective, split, {.epochs = 3, .batch_users = 128});
  for (const auto& [item, score] : net.recommend(log.histories[0], 10)) std::cout << log.name(item) << ' ' << score << '\n';
}
