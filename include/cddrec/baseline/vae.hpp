// Variational sequence models: every position has a Gaussian over latent variables, a draw of which is decoded to the prediction.
// The Gaussian takes the denoiser's place, so such a model is a recommender; its objective adds loss::latent_kl to a ranking loss.
// The process has one step, see sasrec.hpp.
#pragma once

#include "cddrec/autodiff/gaussian_ops.hpp"
#include "cddrec/baseline/sasrec.hpp"
#include "cddrec/nn/feed_forward.hpp"

namespace cddrec::baseline {

/// W2 gelu(W1 z), position by position.
template <class T>
struct row_decoder {
  using scalar = T;
  struct settings {
    index width = 128;
    double dropout = 0;  // of the hidden values
  };
  nn::feed_forward<T> feed;

  row_decoder(const settings& s, const core::random& draw) : feed(s.width, 4, s.dropout, draw) {}
  autodiff::variable<T> operator()(const autodiff::variable<T>& z, core::ragged, const core::random& draw) const { return feed(z, draw); }

  template <class Self, class F>
  static void visit(Self& self, const std::string& name, F&& f) {
    nn::feed_forward<T>::visit(self.feed, name, f);
  }
};

/// mu = W_mu e_s, log sigma^2 = W_sigma e_s; z ~ N(mu, sigma^2) in training, mu in serving; the prediction is Decoder(z), a causal
/// model::sequence_encoder. As wide as the encoding.
template <model::sequence_encoder Decoder>
class variational {
 public:
  using scalar = typename Decoder::scalar;
  using T = scalar;
  using settings = typename Decoder::settings;

  variational(const settings& s, const core::random& draw)
      : mean_(s.width, s.width, draw.child(0)), log_variance_(s.width, s.width, draw.child(1)), decoder_(s, draw.child(2)) {}

  struct context {
    model::latent<T> z;
    core::ragged layout;
  };
  context prepare(const autodiff::variable<T>& encoded, core::ragged layout, const core::random&) const {
    return {{mean_(encoded), log_variance_(encoded)}, layout};
  }
  autodiff::variable<T> predict(const context& c, index, const core::random& draw) const {
    return decoder_(autodiff::gaussian_sample(c.z.mean, c.z.log_variance, draw.child(0)), c.layout, draw.child(1));
  }
  model::latent<T> latent(const context& c) const { return c.z; }

  template <class Self, class F>
  static void visit(Self& self, const std::string& name, F&& f) {
    nn::linear<T>::visit(self.mean_, name + ".mean", f);
    nn::linear<T>::visit(self.log_variance_, name + ".log_variance", f);
    Decoder::visit(self.decoder_, name + ".decoder", f);
  }

 private:
  nn::linear<T> mean_, log_variance_;
  Decoder decoder_;
};

/// Attentive: transformers on both sides of the latent variables (in the manner of ContrastVAE's attentive one, Wang et al., 2022).
template <class T>
using vae = model::recommender<nn::transformer<T, nn::causal>, variational<nn::transformer<T, nn::causal>>>;

/// Recurrent (SVAE, Sachdeva et al., 2019): a GRU before them, a feed-forward layer behind.
template <class T>
using svae = model::recommender<nn::gru<T>, variational<row_decoder<T>>>;

}  // namespace cddrec::baseline
