// What training, saving and ranking take of memory: nothing that grows with pairs of items, with users, or with copies of a model.
#include "cddrec/baseline/item_knn.hpp"
#include "cddrec/loss/ranking.hpp"
#include "cddrec/train/fit.hpp"
#include "model/small_network.hpp"
#include "reliability/heap.hpp"
#include "reliability/models.hpp"

namespace cddrec::test {

namespace {

constexpr long MiB = 1 << 20;

/// The most that lies in the heap while f runs, beyond what lay there before.
template <class F>
long cost(F&& f) {
  heap::forget_peak();
  const long before = heap::now().bytes;
  f();
  return heap::now().peak_bytes - before;
}

data::split drawn(index users, index items, index length) {
  data::interactions log;
  log.items = item_names(items);
  const core::random draw(core::seed{3});
  for (index u = 0; u < users; ++u) {
    std::vector<data::item> own;
    for (index k = 0; k < length; ++k) own.push_back(static_cast<data::item>(draw.child(static_cast<std::uint64_t>(u)).below(k, items)));
    log.histories.push_back(own);
  }
  return data::leave_one_out(log);
}

}  // namespace

TEST_CASE("a file of lent values is saved without a copy of them") {
  if (!heap::watched()) return;
  const scratch directory;
  const core::matrix<float> large = normal_matrix<float>(1024, 1024, 1);  // 4 MiB
  io::tensor_file lent, copied;
  CHECK(cost([&] {
          io::put_matrix(lent, "large", large, io::values::lent);
          lent.save(directory / "lent");
        }) < MiB / 4);
  CHECK(cost([&] { io::put_matrix(copied, "large", large); }) > 4 * MiB);
  CHECK(cost([&] { copied.save(directory / "copied"); }) < MiB / 4);
  CHECK(directory.read("lent") == directory.read("copied"));
}

TEST_CASE("training holds a network six times, and a checkpoint needs no more") {
  if (!heap::watched()) return;
  const index items = 40000;
  const scratch directory;
  const data::split split = drawn(40, items, 6);
  auto net = make({.items = items, .width = 64, .layers = 1, .heads = 2, .max_length = 4});
  long weights = 0;
  net.visit([&](const std::string&, const auto& p) { weights += 4 * p.value.size(); });
  REQUIRE(weights > 9 * MiB);
  const long before = heap::now().bytes;
  long kept = 0, to_save = 0;
  const auto save = [&](const auto&, const train::fit_state<float>& state) {
    kept = heap::now().bytes - before;
    to_save = cost([&] {
      io::tensor_file file;
      io::put_weights(file, net, io::values::lent);
      for (const auto* list : {&state.first_moments, &state.second_moments, &state.trained, &state.best}) {
        CHECK(list->size() > 3);
        for (std::size_t k = 0; k < list->size(); ++k)
          io::put_matrix(file, std::to_string(list - &state.first_moments) + "." + std::to_string(k), (*list)[k], io::values::lent);
      }
      file.save(directory / "training");
    });
  };
  train::fit(net, loss::sampled_softmax{}, split, {.epochs = 2, .sampled_steps = 1, .candidates = 8, .ema_decay = 0.9},
             {.epoch_done = save});
  INFO(weights << " bytes of weights, " << kept << " kept beside them, " << to_save << " to save it all");
  CHECK(kept > 5 * weights);  // gradients, two moments, the best, the average
  CHECK(kept < 5 * weights + 20 * MiB);
  CHECK(to_save < MiB / 4);
}

TEST_CASE("neighbours take the memory of those that are kept, not of all that met") {
  if (!heap::watched()) return;
  const data::split split = drawn(3000, 2000, 32);  // so that most items meet most others: 2000 x 1300 pairs of 16 bytes
  for (const int threads : {1, 4}) CHECK(cost([&] { baseline::item_knn(split, {.neighbours = 20}, {threads}); }) < 8 * MiB);
}

TEST_CASE("encoding takes no more memory for more users") {
  if (!heap::watched()) return;
  const auto net = make();
  const auto encode = [&](index users) {
    const auto all = histories(users);
    const auto views = spans(all);
    return cost([&] { model::ranker<network>(net).encode(views, {1}); });
  };
  const long some = encode(2000);
  CHECK(encode(20000) < some + 20000 * 400);  // the predictions themselves
}

}  // namespace cddrec::test
