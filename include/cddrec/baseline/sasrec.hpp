// Sequence models without diffusion: the encoding of a position is the prediction, and training ranks by it.
// They are recommenders like ours with the denoiser taken out, so data, kernels, objectives, training and serving are the same.
// Their process has one step, diffusion::process(diffusion::linear_schedule{}, 1): with more, training computes the same loss
// for every step.
#pragma once

#include "cddrec/model/recommender.hpp"
#include "cddrec/nn/gru.hpp"
#include "cddrec/nn/transformer.hpp"

namespace cddrec::baseline {

using core::index;

/// Self-attention (Kang and McAuley, 2018). Its own objective is loss::binary_cross_entropy on dot products.
template <class T>
using sasrec = model::recommender<nn::transformer<T, nn::causal>, model::no_denoiser<T>>;

/// A gated recurrent network (Hidasi et al., 2016).
template <class T>
using gru4rec = model::recommender<nn::gru<T>, model::no_denoiser<T>>;

}  // namespace cddrec::baseline
