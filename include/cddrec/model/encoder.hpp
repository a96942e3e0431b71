// What the recommender asks of a sequence encoder.
// nn::transformer<float, nn::causal> is the paper's (Eq. 8); any type of this shape will do.
#pragma once

#include <concepts>

#include "cddrec/autodiff/tape.hpp"
#include "cddrec/core/ragged.hpp"

namespace cddrec::model {

/// Turns embedded packed sequences into encodings, row n seeing rows up to n only. One that knows the order of its rows by itself says
/// `static constexpr bool ordered = true;` (or a function ordered() const) and gets no position embeddings.
/// Of its settings the recommender fills width, layers, heads, dropout and attention_dropout, if there are such fields. A whole one:
///
///     struct bag_of_items {
///       using scalar = float;
///       struct settings { core::index width = 0; };
///       bag_of_items(const settings&, const core::random& draw);
///       autodiff::variable<float> operator()(autodiff::variable<float> x, core::ragged layout, const core::random& draw) const;
///       template <class Self, class F> static void visit(Self& self, const std::string& name, F&& f);  // f(name, parameter)
///     };
template <class E>
concept sequence_encoder = requires(const E& e, autodiff::variable<typename E::scalar> x, core::ragged layout, core::random draw,
                                    std::string name, autodiff::any_visitor f) {
  typename E::settings;
  requires std::constructible_from<E, typename E::settings, core::random>;
  { e(x, layout, draw) } -> std::same_as<autodiff::variable<typename E::scalar>>;
  E::visit(e, name, f);
};

/// Whether an encoder says that it knows the order of its rows.
template <class E>
bool knows_order(const E& encoder) {
  if constexpr (requires { encoder.ordered(); })
    return encoder.ordered();
  else if constexpr (requires { E::ordered; })
    return E::ordered;
  else
    return false;
}

}  // namespace cddrec::model
