// The door for those who serve: a model directory is loaded and recommends. Nothing here trains.
//
//   const cddrec::serve::recommender model("model");
//   const std::vector<std::string> history{"i611", "i558", "i266"};
//   for (const auto& [item, score] : model.recommend(history, {.top = 5}).items) std::cout << item << ' ' << score << '\n';
#pragma once

#include "cddrec/serve/model_file.hpp"
#include "cddrec/serve/network.hpp"
#include "cddrec/serve/recommender.hpp"
#include "cddrec/serve/retrieval.hpp"
