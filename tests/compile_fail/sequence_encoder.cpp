// concept: sequence_encoder
// missing: e(x, layout, draw)
#include "cddrec/model/cross_decoder.hpp"
#include "cddrec/model/recommender.hpp"

using namespace cddrec;

struct wrong {
  using scalar = float;
  struct settings {};
  wrong(const settings&, const core::random&) {}
};

void serve(const model::recommender<wrong, model::cross_decoder<float>>& net);
