// The control of every diagnosis: a scorer that knows nothing. Users and items are directions of Gaussian noise, a score is their cosine.
// A model's vectors and lists say something only where they differ from these.
#pragma once

#include "cddrec/core/random.hpp"
#include "cddrec/eval/rank.hpp"
#include "cddrec/kernel/matmul.hpp"

namespace cddrec::eval {

/// Rows of length 1 in d dimensions. A user's is a function of the seed and of the history. Satisfies eval::scorer.
class noise {
 public:
  using scalar = float;

  /// input_error unless both numbers are 1 or more.
  noise(index items, index dimensions, core::seed seed) : draw_(seed), items_(check(items, "items"), check(dimensions, "dimensions")) {
    for (index i = 0; i < items; ++i) draw_row(items_, i, draw_.child(0).child(static_cast<std::uint64_t>(i)));
  }

  index items() const { return items_.rows(); }
  /// [V, d]
  core::view<const float> item_vectors() const { return items_; }

  /// The vectors of users [users, d], which score() takes.
  core::matrix<float> encode(histories users, core::execution how) const {
    core::matrix<float> x(std::ssize(users), items_.cols());
    core::parallel_for(how, x.rows(), 64, [&](index begin, index end) {
      for (index u = begin; u < end; ++u) {
        core::random own = draw_.child(1);
        for (const data::item i : users[static_cast<std::size_t>(u)]) own = own.child(static_cast<std::uint64_t>(i));
        draw_row(x, u, own);
      }
    });
    return x;
  }

  /// out [users, count]: their cosines with items first … first + count - 1.
  void score(const core::matrix<float>& users, index first, core::view<float> out, core::execution how) const {
    const auto a = kernel::plain(core::view<const float>(users));
    const auto b = kernel::transposed(item_vectors().middle_rows(first, out.cols()));
    core::buffer<float> workspace(static_cast<std::size_t>(kernel::matmul_workspace<float>(a, b, how)));
    kernel::matmul<float>(a, b, kernel::write::assign, out, workspace, how);
  }
  /// One of them, the same to the last bit.
  float score_item(const core::matrix<float>& users, index row, data::item i) const {
    core::matrix<float> one(1, 1);
    score(users.middleRows(row, 1), i, one, {});
    return one(0, 0);
  }

 private:
  static index check(index count, const char* name) {
    require(count >= 1, "eval::noise", name, count, "1 or more");
    return count;
  }
  static void draw_row(core::matrix<float>& x, index row, const core::random& draw) {
    draw.normal<float>(0, {x.data() + row * x.cols(), static_cast<std::size_t>(x.cols())});
    x.row(row).normalize();
  }

  core::random draw_;
  core::matrix<float> items_;
};

}  // namespace cddrec::eval
