// A network ready to serve: direct generation mu(e_s, 0), the score of an item is its cosine.
// Everything that does not depend on the history is laid out once; a catalogue too large for that is laid out block by block.
#pragma once

#include <memory>
#include <string>

#include "cddrec/autodiff/ops.hpp"
#include "cddrec/data/batch.hpp"
#include "cddrec/eval/rank.hpp"

namespace cddrec::model {

using core::index;

/// A const snapshot that scores. Satisfies eval::scorer; one ranker may be used by many threads.
/// The network must stay alive and unchanged.
template <class Network>
class ranker {
 public:
  using scalar = typename Network::scalar;
  using T = scalar;
  using query = core::buffer<T>;  // [users, d], unit rows

  /// Keeps a second copy of the item embeddings, laid out for products, if it takes at most `most_bytes`.
  explicit ranker(const Network& network, core::execution how = {}, std::size_t most_bytes = std::size_t{64} << 20)
      : network_(network), memory_(std::make_unique<core::arena_pool>()) {
    const data::item any = 0;
    const core::arena_pool::loan memory(*memory_);
    autodiff::tape<T> gathering(*memory, how, weights_);
    predict({&any, 1}, one_row, gathering);
    const index V = items(), d = width();
    const std::size_t size = static_cast<std::size_t>(kernel::packed_size<T>(d, V));
    if (size * sizeof(T) > most_bytes) return;
    packed_.resize(size);
    core::parallel_for(how, V, block, [&](index begin, index end) { lay_out(begin, end - begin, packed_.data() + begin * d); });
  }

  index items() const { return network_.items(); }

  /// Unit predictions for histories, of which the newest max_length items are read. input_error for an unknown item.
  query encode(eval::histories users, core::execution how) const {
    data::batch batch;
    for (const auto& history : users) batch.add_history(history, network_.settings().max_length);
    for (const data::item i : batch.inputs)
      if (i < 0 || i >= items())
        throw input_error("model::ranker: item " + std::to_string(i) + " of a history is not one of the network's " +
                          std::to_string(items()) + " items; leave unknown items out");
    const core::arena_pool::loan memory(*memory_);
    autodiff::tape<T> t(*memory, how, weights_);
    const core::view<const T> predicted = predict(batch.inputs, batch.offsets, t);
    return query(predicted.data(), predicted.data() + predicted.size());
  }

  /// out [users, count]: cosines of items first … first + count - 1.
  void score(const query& q, index first, core::view<T> out, core::execution how) const {
    const index d = width();
    const auto a = kernel::plain(core::view<const T>(q.data(), out.rows(), d));
    if (!packed_.empty() && first % kernel::detail::panel<T> == 0) {
      kernel::matmul_packed<T>(a, packed_.data(), first, kernel::write::assign, out, how);
      return;
    }
    core::parallel_for(how, out.cols(), block, [&](index begin, index end) {
      const core::arena_pool::loan memory(*memory_);
      T* panels = (*memory).template array<T>(kernel::packed_size<T>(d, end - begin)).data();
      lay_out(first + begin, end - begin, panels);
      kernel::detail::multiply_packed<T>(a, 0, a.rows, panels, end - begin, out.data() + begin, out.cols(), kernel::write::assign);
    });
  }

  T score_item(const query& q, index row, data::item i) const {
    T cosine;
    score({q.begin() + row * width(), q.begin() + (row + 1) * width()}, i, core::view<T>(&cosine, 1, 1), {});
    return cosine;
  }

 private:
  static constexpr index block = 256;  // items that are laid out at a time: whole panels
  static constexpr index one_row[] = {0, 1};

  index width() const { return network_.settings().width; }

  core::view<const T> predict(std::span<const data::item> inputs, std::span<const index> offsets, autodiff::tape<T>& t) const {
    const core::ragged layout(offsets);
    return autodiff::normalize(network_.predict_last(network_.encode(t, inputs, layout, {}), layout, 0)).value();
  }

  // Panels of the unit embeddings of items first … first + count - 1.
  void lay_out(index first, index count, T* panels) const {
    const core::arena_pool::loan memory(*memory_);
    autodiff::tape<T> t(*memory, {}, autodiff::mode::inference);
    const auto unit = autodiff::normalize(network_.item_table(t).middle_rows(first, count));
    kernel::pack<T>(kernel::transposed(unit.value()), panels, {});
  }

  const Network& network_;
  std::unique_ptr<core::arena_pool> memory_;
  autodiff::packed_weights<T> weights_;
  core::buffer<T> packed_;  // unit item embeddings, or empty
};

}  // namespace cddrec::model
