// A denoiser of your own: what is predicted of the clean item from an encoded sequence at step t. It trains and serves as ours do.
#include <cstdio>

#include "cddrec/cddrec.hpp"

using namespace cddrec;

/// mu(e_s, t) = e_s + W_2 gelu(W_1 (e_s + step_t)), position by position.
struct step_feed_forward {
  using scalar = float;
  using variable = autodiff::variable<float>;
  struct settings {
    core::index width = 128;  // the recommender fills in these two
    core::index steps = 20;
  };
  struct context {  // what all steps of a batch share
    variable encoded, steps;
  };

  step_feed_forward(const settings& s, const core::random& draw)
      : step(s.steps, s.width, nn::initial_deviation, draw.child(0)), layers(s.width, 2, 0, draw.child(1)) {}

  context prepare(const variable& encoded, core::ragged, const core::random&) const { return {encoded, encoded.owner().leaf(step)}; }
  variable predict(const context& c, core::index t, const core::random& draw) const {
    return autodiff::add(c.encoded, layers(autodiff::add_row(c.encoded, c.steps.middle_rows(t, 1)), draw));
  }

  /// Names every parameter, for the optimiser and for files.
  template <class Self, class F>
  static void visit(Self& self, const std::string& name, F&& f) {
    f(name + ".step_embedding.weight", self.step);
    nn::feed_forward<float>::visit(self.layers, name, f);
  }

  autodiff::parameter<float> step;  // [T, d]
  nn::feed_forward<float> layers;
};
static_assert(model::denoiser<step_feed_forward>);

int main() {
  data::interactions log;  // everybody goes round a ring of 12 items
  for (int user = 0; user < 48; ++user) {
    std::vector<data::item> history;
    for (int i = 0; i < 6; ++i) history.push_back(log.items.add("item" + std::to_string((user + i) % 12)));
    log.histories.push_back(history);
  }
  const auto split = data::leave_one_out(log);
  const diffusion::process<float> process(diffusion::linear_schedule{}, 10);
  model::recommender<nn::transformer<float, nn::causal>, step_feed_forward> net({.items = split.items(), .width = 16}, process, {});
  const auto objective = loss::combine(loss::squared_error{.augmented = false}, loss::item_softmax{});
  train::fit(net, objective, split, {.epochs = 40, .batch_users = 12, .learning_rate = 1e-2});
  for (const auto& [item, score] : net.recommend(log.histories[0], 1)) std::printf("after item5 comes %s\n", log.name(item).c_str());
}
