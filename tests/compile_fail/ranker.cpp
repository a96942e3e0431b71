// says: deleted
#include "cddrec/model/cross_decoder.hpp"
#include "cddrec/model/recommender.hpp"
#include "cddrec/nn/transformer.hpp"

using namespace cddrec;

using network = model::recommender<nn::transformer<float, nn::causal>, model::cross_decoder<float>>;

// The network would be gone by the end of the line.
auto serve(const diffusion::process<float>& process) { return model::ranker(network({.items = 5}, process, {})); }
