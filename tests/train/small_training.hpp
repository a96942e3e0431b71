// A log, a network and an objective that train in a moment.
#pragma once

#include "cddrec/data/synthetic.hpp"
#include "cddrec/loss/combine.hpp"
#include "cddrec/model/cross_decoder.hpp"
#include "cddrec/nn/transformer.hpp"
#include "cddrec/train/fit.hpp"
#include "test.hpp"

namespace cddrec::test {

using network = model::recommender<nn::transformer<float, nn::causal>, model::cross_decoder<float>>;

inline const data::synthetic_log& log() {
  static const data::synthetic_log made({.users = 120, .items = 100, .cluster_size = 25, .min_length = 3, .max_length = 12}, core::seed{3});
  return made;
}
inline network fresh() {
  return network(
      {.items = log().log().items.size(), .width = 16, .heads = 2, .max_length = 8, .dropout = 0.2, .residual = true, .feed_forward = true},
      diffusion::process<float>(diffusion::linear_schedule{}, 6), core::seed{5});
}
inline auto objective() {
  return loss::combine(loss::cross_divergence<loss::dot_product>{}, loss::in_view{}, loss::cross_view{}, loss::item_softmax{});
}
inline train::fit_settings settings(index epochs, int threads = 1) {
  return {.epochs = epochs, .batch_users = 32, .sampled_steps = 2, .seed = {9}, .how = {threads}};
}
inline std::vector<core::matrix<float>> weights(const network& net) {
  std::vector<core::matrix<float>> all;
  net.visit([&](const std::string&, const auto& p) { all.push_back(p.value); });
  return all;
}

}  // namespace cddrec::test
