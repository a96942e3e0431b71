// Recommends what the model directory `model`, as `cddrec train` leaves it, says of one history.
#include <iostream>

#include "cddrec/serve.hpp"

int main() {
  const cddrec::serve::recommender model("model");
  const std::vector<std::string> history{"i3", "i1", "i4"};
  for (const auto& [item, score] : model.recommend(history, {.top = 5}).items) std::cout << item << ' ' << score << '\n';
}
