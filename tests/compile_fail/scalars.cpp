// says: encoder and denoiser of a model::recommender must have the same scalar: make both float, or both double
#include "cddrec/loss/combine.hpp"
#include "cddrec/model/cross_decoder.hpp"
#include "cddrec/nn/transformer.hpp"
#include "cddrec/train/fit.hpp"

using namespace cddrec;

using network = model::recommender<nn::transformer<float, nn::causal>, model::cross_decoder<double>>;

void learn(const diffusion::process<float>& process, const data::split& split) {
  network net({.items = split.items()}, process, {});
  train::fit(net, loss::item_softmax{}, split, {});
}
