#include "cddrec/kernel/softmax_over_items.hpp"

#include "compare.hpp"
#include "test.hpp"

namespace cddrec::test {

namespace {
template <class T>
struct streamed {
  core::matrix<T> loss, log_sum, expected, dx, ditems;
};

// Forward into NaN, backward onto noise.
template <class T>
streamed<T> run(const core::matrix<T>& x, const core::matrix<T>& items, std::span<const std::int32_t> targets, T scale,
                const core::matrix<T>& up, int threads = 1, double kept = 0.6, std::span<const T> bias = {}) {
  const index n = x.rows(), V = items.rows(), d = x.cols();
  streamed<T> r{not_a_number<T>(n, 1), not_a_number<T>(n, 1), not_a_number<T>(n, d), normal_matrix<T>(n, d, 11),
                normal_matrix<T>(V, d, 12)};
  workspace<T> space(kernel::softmax_over_items_workspace<T>(n, V, d));
  workspace<T> scores(n * (kept < 1 ? static_cast<index>(kept * static_cast<double>(V)) / 256 * 256 : V));
  kernel::softmax_over_items_forward<T, std::int32_t>(x, items, bias, targets, scale, r.loss, r.log_sum, r.expected, scores, space,
                                                      {threads});
  kernel::softmax_over_items_backward<T, std::int32_t>(up, x, items, bias, targets, scale, r.log_sum, r.expected, std::span<T>(scores),
                                                       r.dx, r.ditems, space, {threads});
  return r;
}

std::vector<std::int32_t> drawn_targets(index count, index items) {
  std::vector<std::int32_t> targets;
  for (index i = 0; i < count; ++i) targets.push_back(static_cast<std::int32_t>(core::random(core::seed{5}).below(i, items)));
  targets[0] = static_cast<std::int32_t>(items - 1);
  return targets;
}
}  // namespace

TEMPLATE_TEST_CASE("cross-entropy over all items and its gradients", "", float, double) {
  using T = TestType;
  for (index n : {1, 5, 70, 300})
    for (index V : {1, 3, 256, 600, 2200})
      for (auto [d, scale] : {std::pair<index, double>{1, 1.0}, {5, 14.0}, {33, 0.5}}) {
        const auto x = normal_matrix<T>(n, d, 1), items = normal_matrix<T>(V, d, 2), up = normal_matrix<T>(n, 1, 3);
        const auto targets = drawn_targets(n, V);
        const core::matrix<double> xd = x.template cast<double>(), ed = items.template cast<double>();
        const bool biased = n % 2 == 1;
        const core::matrix<T> bias = normal_matrix<T>(1, V, 4);
        const std::span<const T> biases(bias.data(), biased ? static_cast<std::size_t>(V) : 0);
        core::matrix<double> scores = scale * (xd * ed.transpose());
        if (biased) scores.rowwise() += scale * bias.row(0).template cast<double>();
        core::matrix<double> loss(n, 1), dx = normal_matrix<T>(n, d, 11).template cast<double>(),
                                         ditems = normal_matrix<T>(V, d, 12).template cast<double>();
        for (index i = 0; i < n; ++i) {
          const index target = targets[static_cast<std::size_t>(i)];
          const double top = scores.row(i).maxCoeff(), total = (scores.row(i).array() - top).exp().sum();
          loss(i, 0) = top + std::log(total) - scores(i, target);
          core::matrix<double> p = (scores.row(i).array() - top).exp() / total;
          p(0, target) -= 1;
          p *= scale * static_cast<double>(up(i, 0));
          dx.row(i) += p * ed;
          ditems += p.transpose() * xd.row(i);
        }
        // Float scores of 100 and more are known to 1e-5 only.
        const double bound = tolerance<T> * std::max(1.0, scores.cwiseAbs().maxCoeff());
        for (double kept : {0.0, 0.6, 1.0}) {
          const auto got = run<T>(x, items, targets, static_cast<T>(scale), up, 1, kept, biases);
          CHECK(error_of(got.loss, loss) < bound);
          CHECK(error_of(got.dx, dx) < bound);
          CHECK(error_of(got.ditems, ditems) < bound);
        }
      }
}

TEST_CASE("a row's cross-entropy has the same bits alone, for any threads, with its expectation kept or not") {
  const auto x = normal_matrix<float>(130, 9, 1), items = normal_matrix<float>(2600, 9, 2), up = normal_matrix<float>(130, 1, 3);
  const auto targets = drawn_targets(130, 2600);
  const auto one = run<float>(x, items, targets, 3.0f, up);
  for (int threads : {2, 4}) {
    const auto many = run<float>(x, items, targets, 3.0f, up, threads);
    CHECK(same_bits(many.loss, one.loss));
    CHECK(same_bits(many.expected, one.expected));
    CHECK(same_bits(many.dx, one.dx));
    CHECK(same_bits(many.ditems, one.ditems));
  }
  for (index i : {0, 47, 48, 129}) {
    auto loss = not_a_number<float>(1, 1), log_sum = loss;
    workspace<float> space(kernel::softmax_over_items_workspace<float>(1, 2600, 9));
    const std::vector<std::int32_t> target{targets[static_cast<std::size_t>(i)]};
    kernel::softmax_over_items_forward<float, std::int32_t>(core::matrix<float>(x.row(i)), items, {}, target, 3.0f, loss, log_sum,
                                                            core::view<float>(), {}, space, {1});
    CHECK(same_bits<float>(loss, one.loss.row(i)));
  }
}

TEST_CASE("cross-entropy stays finite for enormous scores, whichever block holds the largest") {
  const auto x = normal_matrix<float>(5, 4, 1, 100.0f), items = normal_matrix<float>(2600, 4, 2, 100.0f),
             up = normal_matrix<float>(5, 1, 3);
  const auto got = run<float>(x, items, drawn_targets(5, 2600), 1.0f, up);
  CHECK((got.loss.allFinite() && got.dx.allFinite() && got.ditems.allFinite()));
  CHECK(got.loss.minCoeff() >= 0);
}

TEMPLATE_TEST_CASE("a bias of -infinity leaves items out, a whole block of them too", "", float, double) {
  using T = TestType;
  const index n = 5, V = 600, out = 300;
  const auto x = normal_matrix<T>(n, 4, 1), items = normal_matrix<T>(V, 4, 2), up = normal_matrix<T>(n, 1, 3);
  const std::vector<std::int32_t> targets{0, 299, 7, 298, 150}, shifted{300, 599, 307, 598, 450};
  std::vector<T> bias(static_cast<std::size_t>(V), T(0));
  std::fill_n(bias.begin(), out, -std::numeric_limits<T>::infinity());
  const core::matrix<T> rest = items.bottomRows(V - out);
  const auto got = run<T>(x, items, shifted, T(2), up, 1, 0.6, bias), expected = run<T>(x, rest, targets, T(2), up);
  CHECK(error_of<T>(got.loss, expected.loss.template cast<double>()) < tolerance<T>);
  CHECK(error_of<T>(got.expected, expected.expected.template cast<double>()) < tolerance<T>);
  CHECK(error_of<T>(got.dx, expected.dx.template cast<double>()) < tolerance<T>);
  CHECK(got.ditems.allFinite());
}

TEST_CASE("a score that is not a number is not hidden by the cross-entropy") {
  auto x = normal_matrix<float>(5, 4, 1);
  const auto items = normal_matrix<float>(600, 4, 2), up = normal_matrix<float>(5, 1, 3);
  x(2, 1) = std::numeric_limits<float>::quiet_NaN();
  const auto got = run<float>(x, items, drawn_targets(5, 600), 1.0f, up);
  for (index i = 0; i < 5; ++i) CHECK(std::isnan(got.log_sum(i, 0)) == (i == 2));
}

TEST_CASE("either gradient of the cross-entropy may be left out") {
  const auto x = normal_matrix<float>(70, 5, 1), items = normal_matrix<float>(300, 5, 2), up = normal_matrix<float>(70, 1, 3);
  const auto targets = drawn_targets(70, 300);
  const auto both = run<float>(x, items, targets, 1.0f, up, 1, 0.0);
  auto dx = normal_matrix<float>(70, 5, 11), ditems = normal_matrix<float>(300, 5, 12);
  workspace<float> space(kernel::softmax_over_items_workspace<float>(70, 300, 5));
  const auto backward = [&](core::view<float> to_x, core::view<float> to_items) {
    kernel::softmax_over_items_backward<float, std::int32_t>(up, x, items, {}, targets, 1.0f, both.log_sum, both.expected, {}, to_x,
                                                             to_items, space, {1});
  };
  backward(dx, {});
  backward({}, ditems);
  CHECK(same_bits(dx, both.dx));
  CHECK(same_bits(ditems, both.ditems));
}

TEST_CASE("no more than 32 MiB of scores are kept, in whole blocks of items") {
  using kernel::softmax_over_items_kept;
  CHECK(softmax_over_items_kept<float>(800, 2420) == 800 * 2420);
  for (index rows : {1, 1000, 4000, 100'000'000}) {
    const index kept = softmax_over_items_kept<float>(rows, 10'000'000);
    CHECK(kept <= index{8} << 20);
    CHECK(kept % (256 * rows) == 0);
  }
  CHECK(softmax_over_items_kept<float>(0, 5) == 0);
}

}  // namespace cddrec::test
