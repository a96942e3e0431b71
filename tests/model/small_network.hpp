// A small network over 150 items, histories for it, and its predictions as serving makes them.
#pragma once

#include "cddrec/model/cross_decoder.hpp"
#include "cddrec/model/recommender.hpp"
#include "cddrec/nn/transformer.hpp"
#include "compare.hpp"

namespace cddrec::test {

using network = model::recommender<nn::transformer<float, nn::causal>, model::cross_decoder<float>>;
using data::item;
using lists = std::vector<std::vector<item>>;

inline constexpr index catalogue = 150;

inline network make(model::recommender_settings s = {.items = catalogue, .width = 12, .layers = 2, .heads = 3, .max_length = 20}) {
  return network(s, diffusion::process<float>(diffusion::linear_schedule{}, 4), core::seed{1});
}

// Histories of 1 to 30 items, so that some are longer than max_length.
inline lists histories(index users) {
  lists all;
  const core::random draw(core::seed{2});
  for (index u = 0; u < users; ++u) {
    all.emplace_back();
    const core::random own = draw.child(static_cast<std::uint64_t>(u));
    for (index i = 0; i <= own.below(0, 30); ++i) all.back().push_back(static_cast<item>(own.below(1 + i, catalogue)));
  }
  return all;
}

inline std::vector<std::span<const item>> spans(const lists& all) { return {all.begin(), all.end()}; }

// Unit predictions [users, width] as serving makes them.
inline core::matrix<float> predictions(const network& net, const lists& users, int threads = 1) {
  const auto views = spans(users);
  const auto q = model::ranker<network>(net).encode(views, {threads}).unit;
  return core::view<const float>(q.data(), static_cast<index>(users.size()), net.settings().width).matrix_map();
}

}  // namespace cddrec::test
