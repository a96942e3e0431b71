// What retrieves by hnswlib links cddrec::hnsw, where that is: 0 if the nearest of a hundred vectors on a circle is found.
#include "cddrec/serve/hnsw.hpp"

namespace {

using cddrec::core::index;
using cddrec::data::item;

struct circle {
  using scalar = float;
  using query = std::vector<float>;
  index items() const { return 100; }
  index width() const { return 2; }
  query encode(cddrec::eval::histories users, cddrec::core::execution) const {
    query q;
    for (const auto& user : users) q.insert(q.end(), {std::cos(angle(user.back())), std::sin(angle(user.back()))});
    return q;
  }
  float score_item(const query& q, index row, item i) const {
    const auto at = query_vector(q, row);
    return at[0] * std::cos(angle(i)) + at[1] * std::sin(angle(i));
  }
  void score_items(const query& q, index row, std::span<const item> all, std::span<float> out) const {
    for (std::size_t k = 0; k < all.size(); ++k) out[k] = score_item(q, row, all[k]);
  }
  void score(const query& q, index first, cddrec::core::view<float> out, cddrec::core::execution) const {
    for (index row = 0; row < out.rows(); ++row)
      for (index k = 0; k < out.cols(); ++k) out(row, k) = score_item(q, row, static_cast<item>(first + k));
  }
  std::span<const float> query_vector(const query& q, index row) const {
    return std::span(q).subspan(static_cast<std::size_t>(2 * row), 2);
  }
  void item_vectors(index first, cddrec::core::view<float> out) const {
    for (index k = 0; k < out.rows(); ++k) out(k, 0) = std::cos(angle(first + k)), out(k, 1) = std::sin(angle(first + k));
  }
  static float angle(index i) { return 0.06f * static_cast<float>(i); }
};

}  // namespace

int main() {
  const circle scorer;
  const std::vector<item> history{30};
  const std::vector<std::span<const item>> histories{history};
  const auto found = cddrec::serve::hnsw{{.ef = 10}}.prepare(scorer, {})(histories, 2, {}, {});
  return found[0][0].item + found[0][1].item == 29 + 31 ? 0 : 1;
}
