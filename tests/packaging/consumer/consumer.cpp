// What a stranger's program may look like: it includes the door, uses every floor a little and prints the same everywhere.
#include <cstdio>

#include "cddrec/cddrec.hpp"

using namespace cddrec;
using network = model::recommender<nn::transformer<float, nn::causal>, model::cross_decoder<float>>;

int main() {
  // Everybody goes round a ring of 12 items.
  data::interactions log;
  for (int user = 0; user < 48; ++user) {
    log.users.add("user" + std::to_string(user));
    std::vector<data::item> history;
    for (int i = 0; i < 6; ++i) history.push_back(log.items.add("item" + std::to_string((user + i) % 12)));
    log.histories.push_back(history);
  }
  const auto split = data::leave_one_out(log);

  const diffusion::process<float> process(diffusion::linear_schedule{}, 10);
  network net({.items = split.items(), .width = 16, .heads = 2}, process, core::seed{1});
  const core::execution how{core::available_threads()};
  train::fit(net, loss::item_softmax{}, split, {.epochs = 40, .batch_users = 12, .learning_rate = 1e-2, .how = how});
  for (const auto& [item, score] : net.recommend(log.histories[0], 1, how)) std::printf("after item5 comes %s\n", log.name(item).c_str());

  const baseline::markov rival(split);
  const auto ranks = eval::rank(rival, split.test(), how);
  std::printf("markov finds %td of %td\n", std::count(ranks.begin(), ranks.end(), 0), split.test().size());
}
