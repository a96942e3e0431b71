// The divergence of a variational network's latent variables from their prior, which keeps them a distribution.
// Its weight grows from 0: at full weight from the start, the latent variables would come to say nothing (posterior collapse).
#pragma once

#include "cddrec/autodiff/gaussian_ops.hpp"
#include "cddrec/loss/step.hpp"

namespace cddrec::loss {

/// weight min(1, batches trained / annealed_over) mean KL(q(z | s) || N(0, I)) over the tokens; of both views where there are two.
/// Its part, kl, is the main view's, without the weight.
struct latent_kl {
  float weight = 1;
  index annealed_over = 0;  // batches; 0: the whole weight from the start

  loss::needs needs() const { return {.latent = weight > 0}; }
  std::vector<std::string> names() const {
    detail::require_weight("latent_kl", weight);
    require(annealed_over >= 0, "loss::latent_kl", "annealed_over", annealed_over, "0 (not annealed) or more");
    if (weight == 0) return {};
    return {"kl"};
  }

  template <class T>
  variable<T> operator()(const step<T>& s, std::span<double> parts) const {
    if (weight == 0 || s.main.latent_mean.rows() == 0) return {};
    const auto of = [&](const side<T>& view) {
      return autodiff::mean(autodiff::gaussian_kl(view.latent_mean, view.latent_log_variance), view.weights);
    };
    variable<T> loss = of(s.main);
    parts[0] += static_cast<double>(loss.scalar());
    if (s.augmented.latent_mean.rows() > 0) loss = autodiff::add(loss, of(s.augmented));
    const double grown = annealed_over > 0 ? std::min(1.0, static_cast<double>(s.trained) / static_cast<double>(annealed_over)) : 1;
    return autodiff::affine(loss, static_cast<T>(static_cast<double>(weight) * grown), T(0));
  }
};

}  // namespace cddrec::loss
