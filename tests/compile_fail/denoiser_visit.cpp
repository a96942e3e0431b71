// concept: denoiser
// missing: D::visit(d, name, f)
#include "cddrec/model/recommender.hpp"
#include "cddrec/nn/transformer.hpp"

using namespace cddrec;

struct wrong {
  using scalar = float;
  struct settings {};
  using context = autodiff::variable<float>;
  wrong(const settings&, const core::random&) {}
  context prepare(const context& encoded, core::ragged, const core::random&) const { return encoded; }
  context predict(const context& encoded, core::index, const core::random&) const { return encoded; }
};

void serve(const model::recommender<nn::transformer<float, nn::causal>, wrong>& net);
