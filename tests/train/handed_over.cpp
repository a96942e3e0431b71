// What training hands an objective, against the network, the process and the batch, asked one by one.
#include <set>

#include "cddrec/baseline/vae.hpp"
#include "train/small_training.hpp"

namespace cddrec::test {

namespace {
using matrix = core::matrix<float>;

template <class All, class Got>
bool are_entries(const Got& got, const All& all, index first, index count) {
  return std::ssize(got) == count && std::equal(got.begin(), got.end(), all.begin() + first);
}
bool are_rows(const autodiff::variable<float>& got, const matrix& all, index first, index count) {
  return got.rows() == count && matrix(got.value().matrix_map()).isApprox(all.middleRows(first, count), 1e-5f);
}
matrix standard_normals(index rows, index cols, const core::random& draw) {
  matrix out = matrix::Zero(rows, cols);
  kernel::add_noise<float>(out, 0, 1, draw, out, {});
  return out;
}

/// An objective without a loss of its own that compares what it is given.
template <class Network>
struct inspector {
  const Network& net;
  const train::views& batch;
  core::random draw;  // of the batch
  std::vector<index>* seen;

  loss::needs needs() const { return {.augmented = true, .negatives = true, .samples = true, .items = true, .candidates = true}; }
  std::vector<std::string> names() const { return {}; }

  matrix rows_of_table(const std::vector<data::item>& ids) const {
    matrix rows(std::ssize(ids), net.settings().width);
    net.visit([&](const std::string& name, const auto& p) {
      for (index i = 0; name == "item_embedding.weight" && i < rows.rows(); ++i)
        rows.row(i) = p.value.row(ids[static_cast<std::size_t>(i)]);
    });
    return rows;
  }
  matrix scored(const matrix& rows) const {
    return net.settings().score == model::similarity::cosine ? matrix(rows.rowwise().normalized()) : rows;
  }

  template <class T>
  autodiff::variable<T> operator()(const loss::step<T>& s, std::span<double>) const {
    INFO("step " << s.t);
    seen->push_back(s.t);
    core::arena memory;
    autodiff::tape<T> t(memory, {1});
    const core::ragged layout(batch.offsets);
    const core::random r = draw.child(1).child(static_cast<std::uint64_t>(s.t));
    const auto context = net.prepare(net.encode(t, batch.inputs, layout, draw.child(0)), layout, draw.child(2));
    const auto latent = net.latent_of(context);
    const matrix mean = net.predict(context, s.t, r.child(0)).value().matrix_map(), x0 = rows_of_table(batch.targets);
    // Eq. 10 and 11, each with noise of its own.
    const auto q = s.process.q_mean_variance(s.t);
    const matrix x_hat = mean + std::sqrt(s.process.posterior_variance(s.t)) * standard_normals(mean.rows(), mean.cols(), r.child(1));
    const matrix x_t = q.scale * x0 + std::sqrt(q.variance) * standard_normals(x0.rows(), x0.cols(), r.child(2));

    const index n = batch.main.tokens();
    for (const bool first_view : {true, false}) {
      INFO((first_view ? "main" : "augmented"));
      const loss::side<T>& view = first_view ? s.main : s.augmented;
      const index first = first_view ? 0 : n, count = first_view ? n : batch.augmented.tokens();
      CHECK(are_rows(view.mean, mean, first, count));
      CHECK(are_rows(view.x0, x0, first, count));
      CHECK(are_rows(view.x_hat, x_hat, first, count));
      CHECK(are_rows(view.x_t, x_t, first, count));
      REQUIRE(view.negatives.size() == batch.negatives.size());
      for (std::size_t k = 0; k < view.negatives.size(); ++k)
        CHECK(are_rows(view.negatives[k], rows_of_table(batch.negatives[k]), first, count));
      CHECK(are_entries(view.targets, batch.targets, first, count));
      CHECK(are_entries(view.not_candidates, batch.not_candidates, first, count));
      const std::vector<T> inclusion(batch.target_log_inclusion.begin(), batch.target_log_inclusion.end());
      CHECK(are_entries(view.target_log_inclusion, inclusion, first, count));
      if (latent.mean.rows() > 0) {
        CHECK(are_rows(view.latent_mean, latent.mean.value().matrix_map(), first, count));
        CHECK(are_rows(view.latent_log_variance, latent.log_variance.value().matrix_map(), first, count));
      } else {
        CHECK((view.latent_mean.rows() == 0 && view.latent_log_variance.rows() == 0));
      }
    }
    CHECK(s.main.weights.empty());
    CHECK(are_entries(s.augmented.weights, batch.clean, 0, batch.augmented.tokens()));
    CHECK(are_entries(s.paired_main, batch.paired_main, 0, std::ssize(batch.paired_main)));
    CHECK(are_entries(s.paired_augmented, batch.paired_augmented, 0, std::ssize(batch.paired_main)));

    std::vector<data::item> every(static_cast<std::size_t>(net.items()));
    std::iota(every.begin(), every.end(), 0);
    CHECK(are_rows(s.items, scored(rows_of_table(every)), 0, net.items()));
    CHECK(are_rows(s.candidates.items, scored(rows_of_table(batch.candidates)), 0, std::ssize(batch.candidates)));
    const std::vector<T> inclusion(batch.candidate_log_inclusion.begin(), batch.candidate_log_inclusion.end());
    CHECK(are_entries(s.candidates.log_inclusion, inclusion, 0, std::ssize(inclusion)));

    CHECK(s.process.steps() == net.process().steps());
    CHECK(s.cosine == (net.settings().score == model::similarity::cosine));
    CHECK(s.trained == batch.trained);
    CHECK(s.draw.bits(0) == r.child(3).bits(0));
    return {};
  }
};

template <class Network>
void check_handed_over(model::similarity score) {
  const data::split split = data::leave_one_out(log().log());
  const Network net({.items = split.items(), .width = 16, .heads = 2, .max_length = 8, .dropout = 0.2, .score = score},
                    diffusion::process<float>(diffusion::linear_schedule{}, 4), core::seed{5});
  train::views batch;
  std::vector<index> seen;
  const core::random draw(core::seed{3});
  const inspector<Network> goal{net, batch, draw, &seen};
  batch.build(20, [&](index i) { return split.training(i); }, 8, split.items(), goal.needs(), {}, core::random(core::seed{1}),
              {data::negative_sampler(split, data::negative_law::popularity, 8), 2, 40});
  batch.trained = 7;
  REQUIRE(std::set<unsigned char>(batch.clean.begin(), batch.clean.end()).size() == 2);
  REQUIRE(std::set<unsigned char>(batch.not_candidates.begin(), batch.not_candidates.end()).size() == 2);
  core::arena memory;
  train::accumulate_gradient(net, goal, batch, std::vector<train::weighted_step>{{0, 1.0}, {2, 0.7}}, draw, memory, {2}, {});
  CHECK(seen == std::vector<index>{0, 2});
}
}  // namespace

TEST_CASE("an objective is handed what the network predicts, what the process draws and what the batch holds, view by view") {
  check_handed_over<network>(model::similarity::cosine);
  check_handed_over<network>(model::similarity::dot_product);
  check_handed_over<baseline::vae<float>>(model::similarity::cosine);
}

TEST_CASE("users of the same history get views of their own") {
  const std::vector<data::item> sequence{3, 1, 4, 15, 9, 2, 6, 5};
  const core::random draw(core::seed{2});
  train::views batch;
  batch.build(
      12, [&](index) { return std::span<const data::item>(sequence); }, 8, 20, {.augmented = true}, {}, draw);
  std::set<std::vector<data::item>> views;
  const core::ragged layout = batch.augmented.layout();
  for (index i = 0; i < 12; ++i) {
    const std::vector<data::item> got(batch.augmented.inputs.begin() + layout.begin(i), batch.augmented.inputs.begin() + layout.end(i));
    data::batch alone;
    std::vector<unsigned char> clean;
    data::add_augmented(alone, clean, sequence, 8, 20, {}, draw.child(0).child(static_cast<std::uint64_t>(i)));
    CHECK(got == alone.inputs);
    views.insert(got);
  }
  CHECK(views.size() > 6);
}

TEST_CASE("candidates are drawn where nothing is said of their number") {
  const std::vector<data::item> sequence{1, 2, 3, 4};
  train::views batch;
  batch.build(
      1, [&](index) { return std::span<const data::item>(sequence); }, 8, 9, {.candidates = true}, {}, core::random(core::seed{1}));
  CHECK(!batch.candidates.empty());
}

}  // namespace cddrec::test
