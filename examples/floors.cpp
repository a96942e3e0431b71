// Every floor of the library by itself: the snippets of docs/floors/, a section each, which prints a line.
#include <cstdio>

#include "cddrec/cddrec.hpp"
#include "cddrec/io/interactions.hpp"
#include "cddrec/io/safetensors.hpp"
#include "cddrec/serve.hpp"

using namespace cddrec;

namespace {

// ---- core ----
void core_alone() {
  core::arena memory;
  const core::view<float> noise = memory.matrix<float>(4, 64);  // not initialised
  const core::random draw = core::random(core::seed{42}).child(7);
  core::parallel_for({.threads = 2}, noise.rows(), 1, [&](core::index begin, core::index end) {
    for (core::index i = begin; i < end; ++i) draw.normal(64 * i, std::span<float>(noise.row(i), 64));
  });
  std::printf("core: row 3 begins with %.2f on any number of threads\n", static_cast<double>(noise(3, 0)));
}

// ---- kernel ----
void kernel_alone() {
  core::matrix<float> a(2, 3), b(3, 2), out(2, 2);
  a << 1, 2, 3, 4, 5, 6;
  b << 1, 0, 0, 1, 1, 1;
  const auto x = kernel::plain<float>(a), y = kernel::plain<float>(b);
  const core::execution how{.threads = 2};
  core::buffer<float> space(static_cast<std::size_t>(kernel::matmul_workspace<float>(x, y, how)));
  kernel::matmul<float>(x, y, kernel::write::assign, out, space, how);
  kernel::matmul<float>(x, y, kernel::write::add, out, space, how);
  std::printf("kernel: twice the product ends with %.0f\n", static_cast<double>(out(1, 1)));
}

// ---- data ----
void data_alone() {
  data::interactions log;
  log.users.add("ann");
  const std::vector<data::item> history{log.items.add("tea"), log.items.add("milk"), log.items.add("bread"), log.items.add("jam")};
  log.histories.push_back(history);
  const data::split split = data::leave_one_out(log);
  data::batch batch;
  batch.add_training(split.training(0), 20);  // the newest 20 pairs
  std::printf("data: %s is followed by %s; the test asks for %s\n", log.name(batch.inputs[0]).c_str(), log.name(batch.targets[0]).c_str(),
              log.name(split.test().target(0)).c_str());
}

// ---- autodiff ----
void autodiff_alone() {
  core::arena memory;
  autodiff::parameter<double> weight(1, 3, 0.5);
  core::matrix<double> rows(2, 3);
  rows << 1, 2, 3, 4, 5, 6;
  autodiff::tape<double> tape(memory, {.threads = 1});
  const auto y = autodiff::mean(autodiff::gelu(autodiff::linear(tape.constant(rows), tape.leaf(weight))));
  tape.backward(y);  // adds to weight.gradient
  std::printf("autodiff: the mean is %.3f, its slope in the first weight %.3f\n", y.scalar(), weight.gradient(0, 0));
}

// ---- eval ----
void eval_alone() {
  const std::vector<core::index> ranks{0, 4, 11, eval::missed};  // one a user; the best is 0
  const std::vector<core::index> others(4, 1000);                // so many items each target was ranked among
  const eval::metrics full = eval::measure(ranks), sampled = eval::sampled_metrics(ranks, others, 100);
  const core::matrix<float> same = core::matrix<float>::Ones(8, 4);
  std::printf("eval: recall@5 is %.2f, against 100 sampled items %.2f; collapsed rows have cosine %.0f\n", full.recall_at_5,
              sampled.recall_at_5, eval::mean_cosine<float>(same));
}

// ---- nn ----
void nn_alone() {
  using encoder_type = nn::transformer<float, nn::causal>;
  const encoder_type encoder({.width = 8, .layers = 2, .heads = 2}, core::random(core::seed{42}));
  core::index weights = 0;
  encoder_type::visit(encoder, "encoder", [&](const std::string&, const auto& p) { weights += p.value.size(); });
  const std::vector<core::index> offsets{0, 3, 5};  // two sequences, of 3 and of 2 rows
  const core::matrix<float> x = core::matrix<float>::Ones(5, 8);
  core::arena memory;
  autodiff::tape<float> tape(memory, {}, autodiff::mode::inference);
  const auto y = encoder(tape.constant(x), core::ragged(offsets), {});
  std::printf("nn: %td weights make [%td, %td] of [5, 8]\n", weights, y.rows(), y.cols());
}

// ---- diffusion ----
void diffusion_alone() {
  const diffusion::process<float> process(diffusion::linear_schedule{.last = 0.02}, 100);
  const core::matrix<float> x0 = core::matrix<float>::Ones(2, 4);
  core::matrix<float> xt(2, 4), mean(2, 4);
  process.q_sample(x0, 99, core::random(core::seed{42}), xt);                  // x_t of x_0
  const float variance = process.q_posterior_mean_variance(x0, xt, 99, mean);  // of x_{t-1}, given both
  const diffusion::path way = diffusion::ddim(process, 10);
  std::printf("diffusion: %.2f of the signal is left, a step back has variance %.3f, a way of 10 states %zu moves\n",
              static_cast<double>(process.alpha_bar(99)), static_cast<double>(variance), way.moves.size());
}

// ---- optim ----
void optim_alone() {
  autodiff::parameter<float> weight(1, 2, 1.0f);
  optim::adam<float> adam({&weight}, {.learning_rate = 0.1});
  for (int step = 0; step < 3; ++step) {
    weight.grad().matrix_map() = 2 * weight.value;  // of |w|^2
    adam.step({.threads = 1});                      // and zeroes it
  }
  std::printf("optim: %.2f after 3 steps, the gradient is %.0f again\n", static_cast<double>(weight.value(0, 0)),
              static_cast<double>(weight.gradient(0, 0)));
}

// ---- loss ----
void loss_alone() {
  core::arena memory;
  autodiff::tape<float> tape(memory, {});
  const diffusion::process<float> process(diffusion::linear_schedule{}, 10);
  const autodiff::parameter<float> mean(2, 4, 0.5f), x0(2, 4, 1.0f);
  const loss::step<float> step{.process = process, .t = 3, .main = {.mean = tape.leaf(mean), .x0 = tape.leaf(x0)}};
  const loss::squared_error objective{.augmented = false};
  double part = 0;
  tape.backward(objective(step, {&part, 1}));
  std::printf("loss: %s is %.2f, its slope in a prediction %.3f\n", objective.names()[0].c_str(), part,
              static_cast<double>(mean.gradient(0, 0)));
}

// ---- model ----
void model_alone() {
  using network = model::recommender<nn::transformer<float, nn::causal>, model::cross_decoder<float>>;
  const network net({.items = 50, .width = 16}, {diffusion::linear_schedule{}, 5}, core::seed{42});
  const model::ranker<network> ranker(net);  // a snapshot: net stays alive and unchanged
  const std::vector<data::item> history{3, 14, 15};
  const std::vector<std::span<const data::item>> users{history};
  const auto lists = eval::recommend(ranker, users, 50);
  std::printf("model: %zu of 50 items are ranked, those of the history are not\n", lists[0].size());
}

// ---- baseline ----
void baseline_alone() {
  const data::synthetic_log made({.users = 200, .items = 100, .cluster_size = 25}, core::seed{42});
  const data::split split = data::leave_one_out(made.log());
  const auto ndcg = [&](const auto& scorer) { return eval::measure(eval::rank(scorer, split.test())).ndcg_at_10; };
  const double markov = ndcg(baseline::markov(split)), popular = ndcg(baseline::popularity(split));
  std::printf("baseline: ndcg@10 is %.2f by the newest item, %.2f by popularity\n", markov, popular);
}

// ---- train ----
void train_alone() {
  using network = model::recommender<nn::transformer<float, nn::causal>, model::cross_decoder<float>>;
  const data::synthetic_log made({.users = 100, .items = 60, .cluster_size = 30}, core::seed{42});
  const data::split split = data::leave_one_out(made.log());
  network net({.items = split.items(), .width = 16}, {diffusion::linear_schedule{}, 5}, core::seed{42});
  std::vector<double> losses;
  train::fit_hooks<float> hooks;
  hooks.epoch_done = [&](const train::epoch_report& r, const auto&) { losses.push_back(r.loss); };
  const auto result = train::fit(net, loss::item_softmax{}, split, {.epochs = 3, .batch_users = 32}, hooks);
  std::printf("train: %td epochs, the loss %s\n", result.epochs, losses.back() < losses.front() ? "fell" : "did not fall");
}

// ---- io ----
void io_alone() {
  const data::interactions log = io::parse_sequences("ann tea milk bread\nbob milk jam\n", "a log");
  io::tensor_file file;
  file.add<float>("weight", {2, 2}, std::vector<float>{1, 2, 3, 4});
  std::string bytes = file.serialise();
  bytes.back() = '!';
  try {
    io::tensor_file::parse(bytes, "weights");
  } catch (const input_error& e) {
    std::printf("io: %td items. %s\n", log.items.size(), e.what());
  }
}

// ---- serve ----
void serve_alone() {
  data::id_map ids;
  for (const char* token : {"tea", "milk", "bread"}) ids.add(token);
  const baseline::popularity counts(std::vector<core::index>{5, 3, 8});
  const serve::recommender model(serve::stored_model{"popularity", ids, counts});  // or recommender("a directory")
  const std::vector<std::string> history{"bread", "moon"};
  const auto [items, unknown] = model.recommend(history, {.top = 1});
  std::printf("serve: %s; items that are not known: %td\n", items.front().item.c_str(), unknown);
}

}  // namespace

int main() {
  core_alone(), kernel_alone(), data_alone(), autodiff_alone(), eval_alone(), nn_alone(), diffusion_alone(), optim_alone(), loss_alone();
  model_alone(), baseline_alone(), train_alone(), io_alone(), serve_alone();
}
