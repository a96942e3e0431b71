// An adversarial recommender in the manner of MFGAN (Ren et al., 2020): a generator recommends, and a discriminator reads a history with
// one more item and says whether that is the real next one or one that the generator drew. Its verdict is the generator's reward.
#pragma once

#include <array>

#include "cddrec/autodiff/objective_ops.hpp"
#include "cddrec/baseline/sasrec.hpp"
#include "cddrec/kernel/draw_items.hpp"
#include "cddrec/nn/positions.hpp"

namespace cddrec::baseline {

using autodiff::variable;
using core::index;

struct discriminator_settings {
  index items = 0;
  index width = 128;
  index layers = 1;
  index heads = 4;
  index max_length = 21;  // the history and the item that is judged
  double dropout = 0;
  double attention_dropout = 0.2;
};

/// Reads whole sequences both ways and gives one logit for each: above 0, its last item is real. It has embeddings of its own.
template <class T>
class discriminator {
 public:
  using settings = discriminator_settings;

  discriminator(const settings& s, const core::random& draw)
      : settings_(s), items_(s.items, s.width, nn::initial_deviation, draw.child(0)),
        positions_(s.max_length, s.width, nn::initial_deviation, draw.child(1)), norm_(s.width),
        encoder_({.width = s.width, .layers = s.layers, .heads = s.heads, .dropout = s.dropout, .attention_dropout = s.attention_dropout},
                 draw.child(2)),
        verdict_(s.width, 1, draw.child(3)) {}

  /// [sequences, 1]; positions are counted from the end. `inputs` must outlive the tape. input_error for a sequence longer than max_length.
  variable<T> operator()(autodiff::tape<T>& t, std::span<const data::item> inputs, core::ragged layout, const core::random& draw) const {
    const variable<T> x = autodiff::add(autodiff::gather<T, data::item>(t, items_, inputs), nn::positions(t.leaf(positions_), layout));
    return verdict_(
        autodiff::last_rows(encoder_(autodiff::dropout(norm_(x), settings_.dropout, draw.child(0)), layout, draw.child(1)), layout));
  }

  template <class Self, class F>
  static void visit(Self& self, const std::string& name, F&& f) {
    f(name + ".item_embedding.weight", self.items_);
    f(name + ".position_embedding.weight", self.positions_);
    nn::layer_norm<T>::visit(self.norm_, name + ".input_norm", f);
    nn::transformer<T, nn::bidirectional>::visit(self.encoder_, name + ".encoder", f);
    nn::linear<T>::visit(self.verdict_, name + ".verdict", f);
  }

 private:
  settings settings_;
  autodiff::parameter<T> items_;      // [V, d]
  autodiff::parameter<T> positions_;  // [max_length, d]
  nn::layer_norm<T> norm_;
  nn::transformer<T, nn::bidirectional> encoder_;
  nn::linear<T> verdict_;
};

/// mean softplus(-D(real)) + mean softplus(D(drawn)), of logits [B, 1].
template <class T>
variable<T> discriminator_loss(const variable<T>& real, const variable<T>& drawn) {
  return autodiff::add(autodiff::mean(autodiff::softplus(autodiff::affine(real, -1, 0))), autodiff::mean(autodiff::softplus(drawn)));
}

/// mean_i (R_i - mean R) (-log softmax(scale x_i items^T)[drawn_i]): its gradient is REINFORCE's with the batch's mean as the baseline.
/// Rewards are constants; `drawn` must outlive the tape. The mean holds R_i itself, so a batch of one teaches nothing.
template <class T>
variable<T> policy_loss(const variable<T>& x, const variable<T>& items, std::span<const data::item> drawn,
                        std::span<const std::type_identity_t<T>> rewards, std::type_identity_t<T> scale) {
  autodiff::tape<T>& t = x.owner();
  const core::view<T> advantage = t.memory().template matrix<T>(x.rows(), 1);
  T sum = 0;
  for (const T r : rewards) sum += r;
  for (index i = 0; i < x.rows(); ++i) advantage(i, 0) = rewards[static_cast<std::size_t>(i)] - sum / static_cast<T>(x.rows());
  return autodiff::mean(autodiff::row_dot(autodiff::softmax_over_items<T, data::item>(x, items, drawn, scale), t.constant(advantage)));
}

struct gan_settings {
  index discriminator_layers = 1;
  double discriminator_dropout = 0;  // hidden; that of attention is the generator's
  double discriminator_learning_rate = 5e-4;
  double reward_weight = 1;         // of the policy loss
  double objective_weight = 1;      // of the objective beside it, once the game has begun; 0 leaves the reward alone (MFGAN)
  double sample_temperature = 0.1;  // of the softmax that is drawn from; that of the objective makes it what was trained
  index pretraining = 1000;         // batches in which the generator has the objective alone, and the discriminator learns already
};

/// A generator, which is a recommender in everything, with a discriminator beside it. train::fit adds own_loss() to the objective. The
/// discriminator learns from the first batch on; the generator has the objective alone while pretraining, and then the reward, with as
/// much of the objective as is asked for.
template <class Generator>
class gan : public Generator {
 public:
  using typename Generator::scalar;
  using T = scalar;

  /// The discriminator is as wide and as long as the generator and has its heads and its dropout of attention. input_error for a setting
  /// out of range.
  gan(Generator generator, const gan_settings& s, core::seed seed)
      : Generator(std::move(generator)), settings_(check(s)), discriminator_(of_discriminator(s), core::random(seed).child(4)) {}

  const gan_settings& adversarial() const { return settings_; }

  /// The generator's parameters under their usual names, then the discriminator's.
  template <class F>
  void visit(F&& f) {
    Generator::visit(f);
    discriminator<T>::visit(discriminator_, "discriminator", f);
  }
  template <class F>
  void visit(F&& f) const {
    Generator::visit(f);
    discriminator<T>::visit(discriminator_, "discriminator", f);
  }

  /// The weight of the objective after `trained` batches.
  double objective_weight(index trained) const { return trained < settings_.pretraining ? 1 : settings_.objective_weight; }

  /// The learning rate of a parameter; `generator` is the generator's, which training was given.
  double learning_rate(const std::string& parameter, double generator) const {
    return parameter.starts_with("discriminator.") ? settings_.discriminator_learning_rate : generator;
  }

  /// What own_loss() adds to parts: the discriminator's loss, the share of its verdicts that are right, the mean reward.
  static constexpr std::array<const char*, 3> own_names{"gan_d", "gan_accuracy", "gan_reward"};

  /// One move: of the discriminator while pretraining (`trained` batches so far), of both sides then. `predicted` [N or more, d] are the
  /// predictions for the rows of `batch`. Of every sequence one row is drawn, evenly: its history is the inputs up to there, its real item
  /// the target, and the generator draws another from its softmax over all items, dropout as training has it. Nothing is excluded: an item
  /// of the history may be drawn, and the real one, which is then judged both ways.
  variable<T> own_loss(const variable<T>& predicted, const data::batch& batch, index trained, const core::random& draw,
                       std::span<double> parts) const {
    autodiff::tape<T>& t = predicted.owner();
    const core::ragged layout = batch.layout();
    const index B = layout.size();
    const core::random which = draw.child(0);
    const std::span<index> rows = t.memory().template array<index>(B);
    for (index s = 0; s < B; ++s) rows[static_cast<std::size_t>(s)] = layout.begin(s) + which.below(s, layout.length(s));
    const variable<T> x = this->scored(autodiff::gather<T, index>(predicted, rows)), items = this->scored(this->item_table(t));
    const std::span<data::item> drawn = t.memory().template array<data::item>(B);
    {
      const core::arena_scope scope(t.memory());
      const auto space = t.memory().template array<T>(kernel::draw_items_workspace<T>(B, items.rows(), x.cols()));
      kernel::draw_items<T, data::item>(x.value(), items.value(), scale(), draw.child(1), drawn, space, t.how());
    }
    return play(x, items, batch, rows, drawn, trained < settings_.pretraining ? 0 : settings_.reward_weight, draw.child(2), parts);
  }

  /// The same for items that are drawn already; a reward_weight of 0 leaves the policy loss out. The two losses share
  /// no parameter: what the discriminator reads are item numbers, and rewards are constants. So their sum, one backward and one Adam serve
  /// both sides.
  variable<T> play(const variable<T>& x, const variable<T>& items, const data::batch& batch, std::span<const index> rows,
                   std::span<const data::item> drawn, double reward_weight, const core::random& draw, std::span<double> parts) const {
    autodiff::tape<T>& t = x.owner();
    const index B = x.rows();
    const core::ragged layout = batch.layout();
    index tokens = 0;
    for (index s = 0; s < B; ++s) tokens += rows[static_cast<std::size_t>(s)] - layout.begin(s) + 2;
    const std::span<data::item> inputs = t.memory().template array<data::item>(2 * tokens);
    const std::span<index> offsets = t.memory().template array<index>(2 * B + 1);
    offsets[0] = 0;
    for (index s = 0; s < 2 * B; ++s) {  // all with their real items, then all with those drawn
      const std::size_t row = static_cast<std::size_t>(rows[static_cast<std::size_t>(s % B)]);
      const index first = layout.begin(s % B), length = static_cast<index>(row) + 1 - first;
      data::item* const to = inputs.data() + offsets[static_cast<std::size_t>(s)];
      to[length] = s < B ? batch.targets[row] : drawn[static_cast<std::size_t>(s - B)];
      std::copy_n(batch.inputs.data() + first, length, to);
      offsets[static_cast<std::size_t>(s) + 1] = offsets[static_cast<std::size_t>(s)] + length + 1;
    }
    const variable<T> verdicts = discriminator_(t, inputs, core::ragged(offsets), draw);
    const variable<T> real = verdicts.middle_rows(0, B), fake = verdicts.middle_rows(B, B);
    const variable<T> loss = discriminator_loss(real, fake);

    const std::span<T> rewards = t.memory().template array<T>(B);
    double right = 0, reward = 0;
    for (index s = 0; s < B; ++s) {
      const T r = rewards[static_cast<std::size_t>(s)] = kernel::sigmoid(fake.value()(s, 0));
      reward += static_cast<double>(r);
      right += (real.value()(s, 0) > 0 ? 0.5 : 0) + (fake.value()(s, 0) < 0 ? 0.5 : 0);
    }
    parts[0] += static_cast<double>(loss.scalar());
    parts[1] += right / static_cast<double>(B);
    parts[2] += reward / static_cast<double>(B);
    if (reward_weight == 0) return loss;
    return autodiff::linear_combination(T(1), loss, static_cast<T>(reward_weight), policy_loss(x, items, drawn, rewards, scale()));
  }

 private:
  static const gan_settings& check(const gan_settings& s) {
    const char* const where = "baseline::gan";
    require(s.discriminator_layers >= 1, where, "discriminator_layers", s.discriminator_layers, "1 or more");
    require(s.discriminator_dropout >= 0 && s.discriminator_dropout < 1, where, "discriminator_dropout", s.discriminator_dropout,
            "in [0, 1)");
    require(s.discriminator_learning_rate > 0 && std::isfinite(s.discriminator_learning_rate), where, "discriminator_learning_rate",
            s.discriminator_learning_rate, "positive");
    require(s.reward_weight >= 0 && std::isfinite(s.reward_weight), where, "reward_weight", s.reward_weight, "0 or more");
    require(s.objective_weight >= 0 && std::isfinite(s.objective_weight), where, "objective_weight", s.objective_weight, "0 or more");
    require(s.sample_temperature > 0 && std::isfinite(s.sample_temperature), where, "sample_temperature", s.sample_temperature, "positive");
    require(s.pretraining >= 0, where, "pretraining", s.pretraining, "0 or more");
    return s;
  }
  discriminator_settings of_discriminator(const gan_settings& s) const {
    const model::recommender_settings& g = this->settings();
    return {.items = g.items,
            .width = g.width,
            .layers = s.discriminator_layers,
            .heads = g.heads,
            .max_length = g.max_length + 1,
            .dropout = s.discriminator_dropout,
            .attention_dropout = g.attention_dropout};
  }
  T scale() const { return static_cast<T>(1 / settings_.sample_temperature); }

  gan_settings settings_;
  discriminator<T> discriminator_;
};

}  // namespace cddrec::baseline
