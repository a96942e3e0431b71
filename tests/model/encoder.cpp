#include "cddrec/model/encoder.hpp"

#include "cddrec/model/cross_decoder.hpp"
#include "cddrec/nn/transformer.hpp"
#include "test.hpp"

namespace cddrec::test {

namespace {
// The smallest stranger that encodes.
struct identity_encoder {
  using scalar = float;
  struct settings {
    index width = 64;
  };
  identity_encoder(const settings&, const core::random&) {}
  autodiff::variable<float> operator()(autodiff::variable<float> x, core::ragged, const core::random&) const { return x; }
  template <class Self, class F>
  static void visit(Self&, const std::string&, F&&) {}
};
struct without_settings {
  using scalar = float;
  autodiff::variable<float> operator()(autodiff::variable<float> x, core::ragged, const core::random&) const { return x; }
};
struct returns_nothing : identity_encoder {
  using identity_encoder::identity_encoder;
  void operator()(autodiff::variable<float>, core::ragged, const core::random&) const {}
};
struct of_another_scalar : identity_encoder {
  using identity_encoder::identity_encoder;
  using scalar = double;
};
}  // namespace

TEST_CASE("what is a sequence encoder and what is not") {
  STATIC_REQUIRE(model::sequence_encoder<identity_encoder>);
  STATIC_REQUIRE(model::sequence_encoder<nn::transformer<float, nn::causal>>);
  STATIC_REQUIRE(model::sequence_encoder<nn::transformer<double, nn::bidirectional>>);
  STATIC_REQUIRE_FALSE(model::sequence_encoder<without_settings>);
  STATIC_REQUIRE_FALSE(model::sequence_encoder<returns_nothing>);
  STATIC_REQUIRE_FALSE(model::sequence_encoder<of_another_scalar>);
  STATIC_REQUIRE_FALSE(model::sequence_encoder<model::cross_decoder<float>>);
}

}  // namespace cddrec::test
