#include "cddrec/model/denoiser.hpp"

#include "cddrec/model/cross_decoder.hpp"
#include "cddrec/model/transformer_decoder.hpp"
#include "layers.hpp"

namespace cddrec::test {

namespace {
struct not_a_denoiser {
  using scalar = double;
  struct settings {};
  not_a_denoiser(const settings&, const core::random&) {}
};
}  // namespace

TEST_CASE("what is a denoiser and what is not") {
  STATIC_REQUIRE(model::denoiser<model::cross_decoder<float>>);
  STATIC_REQUIRE(model::denoiser<model::cross_decoder<double>>);
  STATIC_REQUIRE(model::denoiser<model::transformer_decoder<float>>);
  STATIC_REQUIRE(model::denoiser<model::no_denoiser<float>>);
  STATIC_REQUIRE_FALSE(model::denoiser<not_a_denoiser>);
}

TEST_CASE("without a denoiser the encoding is the prediction, at every position and at the last") {
  const auto offsets = offsets_of(ragged_lengths());
  const core::ragged layout(offsets);
  const core::matrix<double> x = normal_matrix<double>(layout.rows(), 3, 1);
  core::arena memory;
  autodiff::tape<double> t(memory, {1}, autodiff::mode::inference);
  const model::no_denoiser<double> none;
  const auto encoded = t.constant(x);
  CHECK(none.predict(none.prepare(encoded, layout, {}), 0, {}).value().matrix_map() == x);
  const auto last = none.predict_last(encoded, layout, 0);
  for (index s = 0; s < layout.size(); ++s) CHECK(last.value().matrix_map().row(s) == x.row(layout.end(s) - 1));
  autodiff::parameter<double> nothing;
  model::no_denoiser<double>::visit(none, "denoiser", [](const std::string&, const auto&) { FAIL("it has no parameter"); });
}

namespace {
struct doubling {
  using scalar = double;
  struct settings {};
  using context = autodiff::variable<double>;
  doubling() = default;
  doubling(const settings&, const core::random&) {}
  context prepare(const autodiff::variable<double>& encoded, core::ragged, const core::random&) const { return encoded; }
  autodiff::variable<double> predict(const context& x, index t, const core::random&) const {
    return autodiff::affine(x, static_cast<double>(2 + t), 0);
  }
  template <class Self, class F>
  static void visit(Self&, const std::string&, F&&) {}
};
}  // namespace

TEST_CASE("a denoiser that does not predict the last position alone predicts all and gives the last") {
  const auto offsets = offsets_of(ragged_lengths());
  const core::ragged layout(offsets);
  const core::matrix<double> x = normal_matrix<double>(layout.rows(), 3, 1);
  core::arena memory;
  autodiff::tape<double> t(memory, {1}, autodiff::mode::inference);
  const auto last = model::predict_last(doubling(), t.constant(x), layout, 1);
  REQUIRE(last.rows() == layout.size());
  for (index s = 0; s < layout.size(); ++s) CHECK(last.value().matrix_map().row(s) == 3 * x.row(layout.end(s) - 1));
}

}  // namespace cddrec::test
