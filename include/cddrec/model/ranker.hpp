// A network ready to serve: direct generation mu(e_s, 0) unless another is asked for. The score of an item is its cosine with that or, if
// the network says so, the dot product.
// Everything that does not depend on the history is laid out once. Items are kept in 16-bit fixed point: their rough scores leave
// few items open, and the proper scores of those are computed from the network itself.
#pragma once

#include <memory>
#include <string>

#include "cddrec/autodiff/ops.hpp"
#include "cddrec/data/batch.hpp"
#include "cddrec/eval/rank.hpp"
#include "cddrec/kernel/fixed_point.hpp"
#include "cddrec/model/generation.hpp"

namespace cddrec::model {

using core::index;

/// What the score of an item is: the cosine of prediction and item, or their dot product.
enum class similarity { cosine, dot_product };

/// A const snapshot that scores. Satisfies eval::rough_scorer; one ranker may be used by many threads.
/// The network must stay alive and unchanged, so it can't be a temporary.
template <class Network>
class ranker {
 public:
  using scalar = typename Network::scalar;
  using T = scalar;

  /// What scoring needs to know of users.
  struct query {
    core::buffer<T> unit;                    // [users, d]: predictions, of length 1 where the score is a cosine
    core::buffer<kernel::fixed_pair> fixed;  // [users, fixed_pairs(d)]: the same in fixed point, if the items are in it
    core::buffer<T> error;                   // [users]: how far the fixed point is off; or empty
  };

  /// Keeps the items in fixed point if that takes at most `most_bytes`; otherwise eval goes by proper scores alone.
  /// Of several draws the query is the mean: of unit draws, normalised again, where the score is a cosine.
  explicit ranker(const Network& network, core::execution how = {}, std::size_t most_bytes = std::size_t{64} << 20,
                  const generation& made = {})
      : network_(network), memory_(std::make_unique<core::arena_pool>()), generator_(network.process(), width(), made) {
    const data::item any = 0;
    const core::arena_pool::loan memory(*memory_);
    autodiff::tape<T> gathering(*memory, how, weights_);
    predict({&any, 1}, one_row, false, gathering);
    const index V = items(), pairs = kernel::fixed_pairs(width());
    const std::size_t size = static_cast<std::size_t>(kernel::packed_size<kernel::fixed_pair>(pairs, V));
    // Fixed point holds unit vectors only.
    if (network.settings().score != similarity::cosine || size * sizeof(kernel::fixed_pair) > most_bytes) return;
    fixed_.resize(size);
    core::buffer<T> errors(static_cast<std::size_t>(core::block_count(V, block)));
    core::parallel_for(how, V, block, [&](index begin, index end) {
      errors[static_cast<std::size_t>(begin / block)] = lay_out_fixed(begin, end - begin, fixed_.data() + begin * pairs);
    });
    fixed_error_ = *std::max_element(errors.begin(), errors.end());
  }

  ranker(const Network&&, core::execution = {}, std::size_t = 0, const generation& = {}) = delete;

  index items() const { return network_.items(); }
  index width() const { return network_.settings().width; }
  index draws() const { return generator_.draws(); }

  /// Predictions for histories, of each of which the newest max_length items are read, as they are multiplied by items. input_error for an
  /// empty history or an unknown item. With `every_draw`, all draws in place of their mean: row u * draws() + k is draw k of user u.
  query encode(eval::histories users, core::execution how, bool every_draw = false) const {
    query q;
    data::batch batch;
    for (auto next = users.begin(); next != users.end();) {
      batch.clear();
      while (next != users.end() && batch.tokens() < most_tokens) batch.add_history(*next++, network_.settings().max_length);
      for (const data::item i : batch.inputs)
        if (i < 0 || i >= items())
          throw input_error("model::ranker: item " + std::to_string(i) + " of a history is not one of the network's " +
                            std::to_string(items()) + " items; leave unknown items out");
      const core::arena_pool::loan memory(*memory_);
      autodiff::tape<T> t(*memory, how, weights_);
      const core::view<const T> predicted = predict(batch.inputs, batch.offsets, every_draw, t);
      q.unit.insert(q.unit.end(), predicted.data(), predicted.data() + predicted.size());
    }
    if (fixed_.empty()) return q;
    const index rows = std::ssize(q.unit) / width(), pairs = kernel::fixed_pairs(width());
    q.fixed.resize(static_cast<std::size_t>(rows * pairs));
    q.error.resize(static_cast<std::size_t>(rows));
    for (index u = 0; u < rows; ++u)
      q.error[static_cast<std::size_t>(u)] = kernel::to_fixed_point(q.unit.data() + u * width(), width(), q.fixed.data() + u * pairs);
    return q;
  }

  /// out [users, count]: scores of items first … first + count - 1.
  void score(const query& q, index first, core::view<T> out, core::execution how) const {
    core::parallel_for(how, out.cols(), block, [&](index begin, index end) {
      const core::arena_pool::loan memory(*memory_);
      autodiff::tape<T> t(*memory, {}, autodiff::mode::inference);
      multiply(q, 0, out.rows(), scored_items(t, first + begin, end - begin), out.data() + begin, out.cols(), *memory);
    });
  }

  T score_item(const query& q, index row, data::item i) const {
    T score;
    score_items(q, row, {&i, 1}, {&score, 1});
    return score;
  }

  /// Scores of some items for one user. That items exist, here and in score_item(), is not checked.
  void score_items(const query& q, index row, std::span<const data::item> items, std::span<T> out) const {
    if (items.empty()) return;
    const core::arena_pool::loan memory(*memory_);
    autodiff::tape<T> t(*memory, {}, autodiff::mode::inference);
    const auto scored = network_.scored(network_.embed(t, items));
    multiply(q, row, 1, scored.value(), out.data(), scored.rows(), *memory);
  }

  /// What a user's vector is multiplied by: out [count, d] of items first, first + 1 …, of length 1 where the score is a cosine.
  void item_vectors(index first, core::view<T> out) const {
    const core::arena_pool::loan memory(*memory_);
    autodiff::tape<T> t(*memory, {}, autodiff::mode::inference);
    const core::view<const T> rows = scored_items(t, first, out.rows());
    std::copy(rows.data(), rows.data() + rows.size(), out.data());
  }
  /// A user's vector.
  std::span<const T> query_vector(const query& q, index row) const {
    return std::span<const T>(q.unit).subspan(static_cast<std::size_t>(row * width()), static_cast<std::size_t>(width()));
  }

  /// Scores as score() gives them, from fixed point.
  void score_roughly(const query& q, index first, core::view<T> out, core::execution how) const {
    const core::arena_pool::loan memory(*memory_);
    const index pairs = kernel::fixed_pairs(width());
    kernel::matmul_fixed_point<T>(core::view<const kernel::fixed_pair>(q.fixed.data(), out.rows(), pairs), fixed_.data(), first, out,
                                  (*memory).template array<kernel::fixed_pair>(kernel::fixed_point_workspace(out.rows(), out.cols())), how);
  }

  /// How far a rough score may be off; infinity if there are none.
  T rough_error(const query& q, index row) const {
    if (fixed_.empty()) return std::numeric_limits<T>::infinity();
    return kernel::fixed_point_error(q.error[static_cast<std::size_t>(row)], fixed_error_, width());
  }

 private:
  static constexpr index block = 256;            // items that are laid out at a time: whole panels
  static constexpr index most_tokens = 1 << 14;  // of histories that are encoded together, so that memory does not grow with the users
  static constexpr index one_row[] = {0, 1};

  core::view<const T> predict(std::span<const data::item> inputs, std::span<const index> offsets, bool every_draw,
                              autodiff::tape<T>& t) const {
    const core::ragged layout(offsets);
    const auto drawn = network_.scored(generator_(network_, network_.encode(t, inputs, layout, {}), layout));
    return (every_draw || draws() == 1 ? drawn : network_.scored(generator_.mean(drawn))).value();
  }

  // Embeddings of items first … first + count - 1.
  core::view<const T> scored_items(autodiff::tape<T>& t, index first, index count) const {
    return network_.scored(network_.item_table(t).middle_rows(first, count)).value();
  }

  // out [users, items] = q items^T for users row … row + rows - 1. The one way to a proper score.
  void multiply(const query& q, index row, index rows, core::view<const T> items, T* out, index stride, core::arena& memory) const {
    T* panels = memory.array<T>(kernel::packed_size<T>(width(), items.rows())).data();
    kernel::pack<T>(kernel::transposed(items), panels, {});
    const auto users = kernel::plain(core::view<const T>(q.unit.data() + row * width(), rows, width()));
    kernel::matmul_packed<T>(users, panels, kernel::write::assign, out, items.rows(), stride);
  }

  // Panels of items first … first + count - 1 in fixed point; returns the largest error of one.
  T lay_out_fixed(index first, index count, kernel::fixed_pair* panels) const {
    const core::arena_pool::loan memory(*memory_);
    autodiff::tape<T> t(*memory, {}, autodiff::mode::inference);
    const auto unit = scored_items(t, first, count);
    const core::view<kernel::fixed_pair> fixed((*memory).template array<kernel::fixed_pair>(count * kernel::fixed_pairs(width())).data(),
                                               count, kernel::fixed_pairs(width()));
    T error = 0;
    for (index i = 0; i < count; ++i) error = std::max(error, kernel::to_fixed_point(unit.row(i), width(), fixed.row(i)));
    kernel::pack<kernel::fixed_pair>(kernel::transposed(core::view<const kernel::fixed_pair>(fixed)), panels, {});
    return error;
  }

  const Network& network_;
  std::unique_ptr<core::arena_pool> memory_;
  generator<T> generator_;
  autodiff::packed_weights<T> weights_;
  core::buffer<kernel::fixed_pair> fixed_;  // unit item embeddings in panels, or empty
  T fixed_error_ = 0;
};

}  // namespace cddrec::model
