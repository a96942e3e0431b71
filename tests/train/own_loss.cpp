// What a network's own loss is given in training, and what comes of one that is not finite.
#include <array>
#include <limits>
#include <set>

#include "train/small_training.hpp"

namespace cddrec::test {

namespace {
/// Trains nothing.
struct onlooker {
  loss::needs needs() const { return {}; }
  std::vector<std::string> names() const { return {"one"}; }
  template <class T>
  autodiff::variable<T> operator()(const loss::step<T>& s, std::span<double> parts) const {
    parts[0] += 1;
    return autodiff::affine(autodiff::mean(autodiff::squared_distance(s.main.mean, s.main.x0)), T(0), T(1));
  }
};
/// A network whose own loss looks at what it is given.
struct listening : network {
  static constexpr std::array<const char*, 1> own_names{"own"};
  std::set<std::uint32_t>* numbers;
  float value;
  listening(std::set<std::uint32_t>* seen, float loss)
      : network({.items = log().log().items.size(), .width = 16, .heads = 2, .max_length = 8, .attention_dropout = 0},
                diffusion::process<float>(diffusion::linear_schedule{}, 6), core::seed{5}),
        numbers(seen), value(loss) {
    visit([](const std::string& name, auto& p) {  // fresh steps are all but the same
      if (name.starts_with("denoiser.")) p.value *= 20.0f;
    });
  }
  autodiff::variable<float> own_loss(const autodiff::variable<float>& x, const data::batch& main, index, const core::random& draw,
                                     std::span<double>) const {
    numbers->insert(draw.bits(0));
    const auto encoded = encode(x.owner(), main.inputs, main.layout(), {});
    const auto context = prepare(encoded, main.layout(), {});
    const core::matrix<float> got = x.value().matrix_map(), first = predict(context, 0, {}).value().matrix_map(),
                              last = predict(context, 5, {}).value().matrix_map();
    CHECK(got.isApprox(first, 1e-5f));
    CHECK_FALSE(got.isApprox(last, 1e-3f));
    return autodiff::affine(autodiff::mean(autodiff::row_dot(x, x)), 0.0f, value);
  }
  double objective_weight(index) const { return 1; }
  double learning_rate(const std::string&, double rate) const { return rate; }
};
}  // namespace

TEST_CASE("the network's own loss sees the prediction of the least noisy step, with other numbers in every batch") {
  std::set<std::uint32_t> numbers;
  listening net(&numbers, 10);
  train::fit(net, onlooker{}, data::leave_one_out(log().log()), settings(2));
  CHECK(numbers.size() == 8);  // of four batches an epoch
}

TEST_CASE("a network's own loss that is not finite stops training as such") {
  std::set<std::uint32_t> numbers;
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    listening net(&numbers, bad);
    CHECK_THROWS_WITH(train::fit(net, onlooker{}, data::leave_one_out(log().log()), settings(1)),
                      ContainsSubstring("epoch 1, batch 1: train: the network's own loss is not finite"));
  }
}

}  // namespace cddrec::test
