// concept: sequence_encoder
// missing: E::visit(e, name, f)
#include "cddrec/model/cross_decoder.hpp"
#include "cddrec/model/recommender.hpp"

using namespace cddrec;

struct wrong {
  using scalar = float;
  struct settings {};
  wrong(const settings&, const core::random&) {}
  autodiff::variable<float> operator()(autodiff::variable<float> x, core::ragged, const core::random&) const { return x; }
};

void serve(const model::recommender<wrong, model::cross_decoder<float>>& net);
