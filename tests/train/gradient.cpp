#include "cddrec/train/gradient.hpp"

#include <atomic>
#include <cstdlib>
#include <new>
#include <set>

#include "cddrec/baseline/gan.hpp"
#include "cddrec/loss/combine.hpp"
#include "cddrec/model/cross_decoder.hpp"
#include "cddrec/model/recommender.hpp"
#include "cddrec/model/transformer_decoder.hpp"
#include "cddrec/nn/transformer.hpp"
#include "cddrec/optim/adam.hpp"
#include "network_gradients.hpp"

// Every C++ allocation of this binary is counted, unless a sanitizer wants to see them itself.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CDDREC_TEST_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CDDREC_TEST_SANITIZED
#endif
#endif

#ifndef CDDREC_TEST_SANITIZED
namespace {
std::atomic<long> allocations{0};

void* counted(std::size_t size, std::size_t alignment) {
  ++allocations;
  void* p = alignment > alignof(std::max_align_t) ? std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment)
                                                  : std::malloc(size > 0 ? size : 1);
  if (!p) throw std::bad_alloc();
  return p;
}
}  // namespace

void* operator new(std::size_t size) { return counted(size, 0); }
void* operator new(std::size_t size, std::align_val_t alignment) { return counted(size, static_cast<std::size_t>(alignment)); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
#endif

namespace cddrec::test {

namespace {

constexpr index items = 30;

template <class T>
using network = model::recommender<nn::transformer<T, nn::causal>, model::cross_decoder<T>>;

template <class T>
network<T> fresh(index width) {
  return network<T>({.items = items, .width = width, .heads = 2, .max_length = 6, .dropout = 0.2, .residual = true, .feed_forward = true},
                    diffusion::process<T>(diffusion::linear_schedule{}, 4), core::seed{5});
}

/// Training sequences of 2 to 9 items.
std::vector<std::vector<data::item>> sequences() {
  const core::random draw(core::seed{8});
  std::vector<std::vector<data::item>> all;
  for (index u = 0; u < 12; ++u) {
    all.emplace_back();
    for (index i = 0; i < 2 + u % 8; ++i) all.back().push_back(static_cast<data::item>(draw.below(20 * u + i, items)));
  }
  return all;
}

void build(train::views& batch, loss::needs what, std::uint64_t name, const train::negatives& against = {}) {
  static const auto users = sequences();
  batch.build(
      static_cast<index>(users.size()), [&](index u) { return std::span<const data::item>(users[static_cast<std::size_t>(u)]); }, 6, items,
      what, {}, core::random(core::seed{name}), against);
}

auto objective() {
  return loss::combine(loss::cross_divergence<loss::dot_product>{}, loss::in_view{}, loss::cross_view{.weight = 0.5f},
                       loss::item_softmax{.temperature = 0.5f, .augmented = true});
}

}  // namespace

TEST_CASE("a batch holds both views back to back, and negatives that are not their targets") {
  train::views batch;
  build(batch, {.augmented = true, .negatives = true}, 1);
  const index n = batch.main.tokens(), all = static_cast<index>(batch.targets.size());
  REQUIRE(all == n + batch.augmented.tokens());
  CHECK(batch.offsets.back() == all);
  CHECK(batch.offsets.size() == 1 + 2 * 12);
  CHECK(std::equal(batch.targets.begin() + n, batch.targets.end(), batch.augmented.targets.begin(), batch.augmented.targets.end()));
  REQUIRE(batch.negatives.size() == 1);
  REQUIRE(batch.negatives[0].size() == batch.targets.size());
  for (std::size_t i = 0; i < batch.targets.size(); ++i) {
    CHECK(batch.negatives[0][i] != batch.targets[i]);
    CHECK((batch.negatives[0][i] >= 0 && batch.negatives[0][i] < items));
  }
  for (std::size_t k = 0; k < batch.paired_main.size(); ++k) {
    CHECK(batch.clean[static_cast<std::size_t>(batch.paired_augmented[k])] == 1);
    CHECK(batch.paired_main[k] < n);
  }
  build(batch, {}, 1);
  CHECK(static_cast<index>(batch.targets.size()) == n);
  CHECK(batch.negatives.empty());
}

namespace {
data::split split_of_sequences() {
  data::interactions log;
  for (index i = 0; i < items; ++i) log.items.add(std::to_string(i));
  for (const auto& s : sequences()) log.users.add(std::to_string(log.histories.size())), log.histories.push_back(s);
  return data::leave_one_out(log);
}
auto candidate_objective() {
  return loss::combine(loss::sampled_softmax{.temperature = 0.5f}, loss::binary_cross_entropy{.weight = 0.5f, .temperature = 0.5f});
}
}  // namespace

TEST_CASE("candidates are drawn once each, and targets among them are known") {
  const data::split split = split_of_sequences();
  for (const auto law : {data::negative_law::uniform, data::negative_law::popularity, data::negative_law::in_batch}) {
    const train::negatives against{data::negative_sampler(split, law, 8), 3, 20};
    train::views batch;
    build(batch, {.augmented = true, .negatives = true, .candidates = true}, 1, against);
    CHECK((batch.negatives.size() == 3 && batch.negatives[0] != batch.negatives[1]));
    const std::set<data::item> candidates(batch.candidates.begin(), batch.candidates.end());
    CHECK(candidates.size() == batch.candidates.size());
    const std::set<data::item> targets(batch.targets.begin(), batch.targets.end());
    if (law == data::negative_law::in_batch)
      CHECK(candidates == targets);
    else
      CHECK((candidates.size() > 5 && candidates.size() <= 20));
    REQUIRE(batch.not_candidates.size() == batch.targets.size());
    const index draws = law == data::negative_law::in_batch ? std::ssize(batch.main.targets) : 20;
    for (std::size_t i = 0; i < batch.targets.size(); ++i) {
      CHECK(batch.not_candidates[i] == !candidates.contains(batch.targets[i]));
      CHECK(batch.target_log_inclusion[i] == against.sampler.log_inclusion(batch.targets[i], draws));
    }
    for (std::size_t i = 0; i < batch.candidates.size(); ++i)
      CHECK(batch.candidate_log_inclusion[i] == against.sampler.log_inclusion(batch.candidates[i], draws));
    build(batch, {}, 1, against);
    CHECK((batch.candidates.empty() && batch.negatives.empty() && batch.not_candidates.empty()));
  }
}

TEST_CASE("the gradient of a batch with candidates and several negatives, by central differences") {
  const data::split split = split_of_sequences();
  const train::negatives against{data::negative_sampler(split, data::negative_law::popularity, 8), 2, 20};
  network<double> net = fresh<double>(4);
  train::views batch;
  const auto goal = candidate_objective();
  build(batch, goal.needs(), 2, against);
  core::arena memory;
  std::vector<double> parts(goal.names().size());
  const auto value = [&] {
    return train::accumulate_gradient(net, goal, batch, std::vector<train::weighted_step>{{1, 1.0}}, core::random(core::seed{3}), memory,
                                      {2}, parts);
  };
  check_gradients(
      net, value, [](const std::string& name) { return name == "item_embedding.weight"; }, 18);
}

TEST_CASE("the gradient of a whole batch, all losses, both views and sampled steps, by central differences") {
  network<double> net = fresh<double>(4);
  train::views batch;
  const auto goal = objective();
  build(batch, goal.needs(), 2);
  const std::vector<train::weighted_step> steps{{0, 1.0}, {2, 0.7}};
  core::arena memory;
  std::vector<double> parts(goal.names().size());
  const auto value = [&] { return train::accumulate_gradient(net, goal, batch, steps, core::random(core::seed{3}), memory, {2}, parts); };
  check_gradients(net, value, [](const std::string&) { return true; });
}

namespace {
/// Of a network and a batch whose every size is drawn.
template <class Denoiser>
void check_random_shapes(std::uint64_t name) {
  const core::random draw(core::seed{name});
  index n = 0;
  const auto between = [&](index least, index most) { return least + static_cast<index>(draw.below(n++, most - least + 1)); };
  // Dropout is to leave no prediction of zeros, whose direction has no gradient: rows are wide, and attention keeps its only key where
  // nothing is added to it.
  const bool residual = between(0, 1) == 1;
  const index heads = between(1, 3), width = heads * between(8 / heads + 1, 12), steps = between(1, 5), catalogue = between(6, 40);
  model::recommender<nn::transformer<double, nn::causal>, Denoiser> net(
      {.items = catalogue,
       .width = width,
       .layers = between(1, 2),
       .heads = heads,
       .max_length = between(2, 9),
       .dropout = 0.1 * static_cast<double>(between(0, 2)),
       .attention_dropout = residual ? 0.3 : 0,
       .residual = residual,
       .feed_forward = between(0, 1) == 1,
       .score = between(0, 1) == 1 ? model::similarity::cosine : model::similarity::dot_product},
      diffusion::process<double>(diffusion::linear_schedule{}, steps), core::seed{name + 1});
  INFO("seed " << name << ", width " << width << ", heads " << heads << ", items " << catalogue << ", steps " << steps);
  std::vector<std::vector<data::item>> users(static_cast<std::size_t>(between(1, 9)));
  for (auto& sequence : users)
    for (index i = between(2, 12); i > 0; --i) sequence.push_back(static_cast<data::item>(between(0, catalogue - 1)));
  train::views batch;
  const auto goal = objective();
  batch.build(static_cast<index>(users.size()), [&](index u) { return std::span<const data::item>(users[static_cast<std::size_t>(u)]); },
              net.settings().max_length, catalogue, goal.needs(), {}, draw.child(1), {});
  const std::vector<train::weighted_step> drawn{{between(0, steps - 1), 0.8}};
  core::arena memory;
  std::vector<double> parts(goal.names().size());
  const auto value = [&] { return train::accumulate_gradient(net, goal, batch, drawn, draw.child(2), memory, {2}, parts); };
  check_gradients(
      net, value, [](const std::string&) { return true; }, 3);
}
}  // namespace

TEST_CASE("gradients of networks and batches of drawn shapes, by central differences") {
  for (std::uint64_t name = 1; name <= 8; ++name) {
    check_random_shapes<model::cross_decoder<double>>(name);
    check_random_shapes<model::transformer_decoder<double>>(100 + name);
  }
}

TEST_CASE("only the items of a batch are touched, unless the objective looks at all of them") {
  const auto touched = [](const auto& goal, train::views& batch) {
    network<double> net = fresh<double>(4);
    build(batch, goal.needs(), 2);
    core::arena memory;
    std::vector<double> parts(goal.names().size());
    train::accumulate_gradient(net, goal, batch, std::vector<train::weighted_step>{{1, 1.0}}, core::random(core::seed{3}), memory, {1},
                               parts);
    autodiff::parameter<double> items_of;
    net.visit([&](const std::string& name, auto& p) {
      if (name == "item_embedding.weight")
        items_of = p;
      else
        CHECK(p.touched.all());
    });
    return items_of;
  };
  train::views batch;
  CHECK(touched(objective(), batch).touched.all());
  const auto table = touched(loss::combine(loss::cross_divergence<loss::dot_product>{}), batch);
  CHECK_FALSE(table.touched.all());
  std::set<index> expected, got(table.touched.rows().begin(), table.touched.rows().end());
  for (const auto* ids : {&batch.inputs, &batch.targets, &batch.negatives[0]}) expected.insert(ids->begin(), ids->end());
  CHECK(got == expected);
  CHECK(got.count(items) == 1);  // the mask is a row like any other
  for (index row = 0; row <= items; ++row)
    if (got.count(row) == 0) CHECK(table.gradient.row(row).isZero(0));
}

namespace {
// Says which numbers it was given.
struct witness {
  std::vector<std::uint32_t>* seen;
  loss::needs needs() const { return {}; }
  std::vector<std::string> names() const { return {}; }
  template <class T>
  autodiff::variable<T> operator()(const loss::step<T>& s, std::span<double>) const {
    seen->push_back(s.draw.bits(0));
    return {};
  }
};

// Part k is k.
struct many_parts {
  loss::needs needs() const { return {}; }
  std::vector<std::string> names() const { return std::vector<std::string>(20, "part"); }
  template <class T>
  autodiff::variable<T> operator()(const loss::step<T>& s, std::span<double> values) const {
    for (std::size_t k = 0; k < values.size(); ++k) values[k] += static_cast<double>(k);
    return autodiff::mean(autodiff::squared_distance(s.main.mean, s.main.x0));
  }
};

template <class Objective>
void accumulate(const Objective& goal, const std::vector<train::weighted_step>& steps, std::uint64_t name, std::span<double> parts) {
  train::views batch;
  build(batch, {}, 2);
  core::arena memory;
  train::accumulate_gradient(fresh<double>(4), goal, batch, steps, core::random(core::seed{name}), memory, {1}, parts);
}
}  // namespace

TEST_CASE("an objective is given other random numbers at each step of each batch, and the same for the same draw") {
  std::vector<std::uint32_t> seen;
  for (std::uint64_t name : {3u, 4u, 3u}) accumulate(witness{&seen}, {{0, 1.0}, {1, 1.0}}, name, {});
  REQUIRE(seen.size() == 6);
  CHECK(std::set<std::uint32_t>(seen.begin(), seen.begin() + 4).size() == 4);
  CHECK(std::equal(seen.begin(), seen.begin() + 2, seen.begin() + 4));
}

TEST_CASE("an objective may have any number of parts") {
  std::vector<double> parts(20, 0);
  accumulate(many_parts{}, {{0, 0.5}, {1, 0.25}}, 3, parts);
  for (std::size_t k = 0; k < 20; ++k) CHECK(parts[k] == 0.75 * static_cast<double>(k));
}

#ifndef CDDREC_TEST_SANITIZED
template <class Objective, class Network = network<float>>
static void check_steady(const Objective& goal, optim::adam_rows rows, Network net = fresh<float>(16),
                         const train::negatives& against = {}) {
  std::vector<autodiff::parameter<float>*> parameters;
  net.visit([&](const std::string&, auto& p) { parameters.push_back(&p); });
  optim::adam<float> adam(parameters, {.rows = rows});
  const loss::needs what = goal.needs();
  train::views batch;
  std::vector<train::weighted_step> steps;
  std::vector<double> parts(goal.names().size() + train::own_parts<Network>);
  core::arena memory;
  const auto step = [&](std::uint64_t name) {
    build(batch, what, 1 + name % 3, against);
    train::choose_steps(4, 2, core::random(core::seed{name % 3}), steps);
    train::accumulate_gradient(net, goal, batch, steps, core::random(core::seed{name}), memory, {2}, parts);
    adam.step({2});
  };
  for (std::uint64_t i = 0; i < 6; ++i) step(i);
  const long before = allocations;
  CHECK(before > 0);
  for (std::uint64_t i = 6; i < 12; ++i) step(i);
  CHECK(allocations - before == 0);
}

TEST_CASE("a steady training step allocates nothing") {
  check_steady(objective(), optim::adam_rows::all);
  check_steady(many_parts{}, optim::adam_rows::all);
}

TEST_CASE("a steady training step with features allocates nothing") {
  check_steady(loss::combine(loss::in_view{.features = 64}, loss::cross_view{.features = 64}), optim::adam_rows::touched);
}

TEST_CASE("a steady training step with candidates and several negatives allocates nothing") {
  const data::split split = split_of_sequences();
  check_steady(candidate_objective(), optim::adam_rows::touched, fresh<float>(16),
               {data::negative_sampler(split, data::negative_law::popularity, 8), 2, 20});
}

TEST_CASE("a steady training step of touched rows allocates nothing") {
  check_steady(loss::combine(loss::cross_divergence<loss::dot_product>{}, loss::in_view{}, loss::cross_view{}), optim::adam_rows::touched);
}

TEST_CASE("a steady training step with an adversary allocates nothing") {
  check_steady(objective(), optim::adam_rows::touched, baseline::gan(fresh<float>(16), {.pretraining = 0}, core::seed{6}));
}
#endif

}  // namespace cddrec::test
