// Trains on an interaction log (a line a user: `user item item …`, oldest first) and recommends for its first user.
#include <iostream>

#include "cddrec/cddrec.hpp"
#include "cddrec/io/interactions.hpp"

using namespace cddrec;
using network = model::recommender<nn::transformer<float, nn::causal>, model::cross_decoder<float>>;

int main(int argc, char** argv) {
  const auto log = io::read_interactions(argc > 1 ? argv[1] : "log.txt");
  const auto split = data::leave_one_out(log);
  const auto process = diffusion::process<float>(diffusion::linear_schedule{.last = 0.04}, 20);
  network net({.items = split.items(), .width = 256, .dropout = 0.5, .residual = true, .feed_forward = true}, process, core::seed{42});

  const loss::sampled_softmax softmax{.temperature = 0.1f, .augmented = true};
  const loss::cross_divergence<loss::dot_product> divergence{.weight = 0.1f};
  const loss::in_view in_view{.weight = 0.1f, .temperature = 0.2f};
  const loss::cross_view cross_view{.weight = 0.1f, .temperature = 0.2f};
  const auto objective = loss::combine(softmax, divergence, in_view, cross_view);

  const auto show = [](const train::epoch_report& report, const auto&) {
    std::cerr << "epoch " << report.epoch << ": validation NDCG@10 " << report.validation.ndcg_at_10 << '\n';
  };
  train::fit(net, objective, split,
             {.epochs = 20,
              .sampled_steps = 1,
              .candidates = 1024,
              .learning_rate = 0.002,
              .ema_decay = 0.999,
              .how = {core::available_threads()}},
             {.epoch_done = show});
  for (const auto& [item, score] : net.recommend(log.histories[0], 10)) std::cout << log.name(item) << ' ' << score << '\n';
}
