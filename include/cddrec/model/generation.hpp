// How a prediction is generated for serving: direct (the paper's choice), or by a sampler's way through the steps, in several draws.
// mu(e_s, t) never sees x_t, so one encoding and one prediction a visited step serve all draws; a draw adds one noise vector to them.
#pragma once

#include "cddrec/autodiff/ops.hpp"
#include "cddrec/diffusion/sampler.hpp"

namespace cddrec::model {

using autodiff::variable;
using core::index;

/// direct: mu(e_s, 0), without noise. ancestral, ddim: y_stop of diffusion/sampler.hpp.
enum class way { direct, ancestral, ddim };

struct generation {
  way kind = way::direct;
  index steps = 0;       // states visited; 0: all
  index stop = 0;        // the step whose state is the result; a higher one has more noise, -1 none: mu(e_s, 0) again
  index draws = 1;       // the prediction is their mean
  core::seed seed = {};  // of the noise: another than the network's, whose weights were drawn from the same streams
};

/// Far more than change a mean, and few enough for every product with them.
inline constexpr index most_draws = 1'000'000;

/// A `generation` made ready for a process: moves and noise are laid out once.
template <class T>
class generator {
 public:
  /// input_error for settings out of range, and for steps, stop or draws with direct, which has neither way nor noise.
  generator(const diffusion::process<T>& process, index width, const generation& g) : draws_(g.draws) {
    require(g.draws >= 1 && g.draws <= most_draws, "model::generation", "draws", g.draws, "1 to " + to_text(most_draws));
    if (g.kind == way::direct) {
      std::string given;
      const auto add = [&](const std::string& name, index value, index as_it_comes) {
        if (value != as_it_comes) given += (given.empty() ? "" : ", ") + name + std::to_string(value);
      };
      add("draws ", g.draws, 1), add("steps ", g.steps, 0), add("stop ", g.stop, 0);
      if (!given.empty())
        throw input_error("model::generation: direct makes one prediction without noise, so " + given +
                          " would change nothing; choose ancestral or ddim, or leave that out");
      return;
    }
    way_ = g.kind == way::ancestral ? diffusion::ancestral(process, g.steps, g.stop) : diffusion::ddim(process, g.steps, g.stop);
    noise_.resize(static_cast<std::size_t>(g.draws * width));
    for (index k = 0; k < g.draws; ++k)
      diffusion::noise_of<T>(way_, core::random(g.seed).child(static_cast<std::uint64_t>(k)),
                             std::span<T>(noise_).subspan(static_cast<std::size_t>(k * width), static_cast<std::size_t>(width)));
  }

  index draws() const { return draws_; }

  /// Every draw for the last position of every sequence, on the inference tape of `encoded`: [sequences * draws, d]. Row
  /// s * draws + k is draw k of sequence s; its noise is a function of (seed, k) and the steps visited alone.
  template <class Network>
  variable<T> operator()(const Network& network, const variable<T>& encoded, core::ragged layout) const {
    if (way_.moves.empty()) return network.predict_last(encoded, layout, 0);
    autodiff::tape<T>& t = encoded.owner();
    CDDREC_ASSERT(!t.recording());
    const index d = encoded.cols();
    const auto y = t.make(layout.size() * draws_, d, false);
    const core::view<T> mean = t.memory().template matrix<T>(layout.size(), d);
    const core::arena_scope scope(t.memory());
    const auto place = t.memory().mark();
    const auto predict = [&](index step) {
      t.memory().rewind(place);  // the prediction before has been read
      return network.predict_last(encoded, layout, step).value();
    };
    diffusion::follow<T>(way_, predict, mean, t.how());
    core::parallel_for(t.how(), y.value.rows(), 64, [&](index begin, index end) {
      for (index i = begin; i < end; ++i) {
        std::copy_n(mean.row(i / draws_), d, y.value.row(i));
        core::simd::add_scaled(y.value.row(i), T(1), noise_.data() + i % draws_ * d, d);
      }
    });
    return y.variable;
  }

  /// The mean over a sequence's draws: [sequences * draws, d] -> [sequences, d], on an inference tape.
  variable<T> mean(const variable<T>& drawn) const {
    const auto y = drawn.owner().make(drawn.rows() / draws_, drawn.cols(), false);
    const T share = T(1) / static_cast<T>(draws_);
    core::parallel_for(drawn.owner().how(), y.value.rows(), 64, [&](index begin, index end) {
      for (index s = begin; s < end; ++s) {
        std::fill_n(y.value.row(s), drawn.cols(), T(0));
        for (index k = 0; k < draws_; ++k) core::simd::add_scaled(y.value.row(s), share, drawn.value().row(s * draws_ + k), drawn.cols());
      }
    });
    return y.variable;
  }

 private:
  index draws_;
  diffusion::path way_;
  core::buffer<T> noise_;  // [draws, d]
};

}  // namespace cddrec::model
