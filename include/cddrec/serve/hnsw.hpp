// Retrieval from a catalogue so large that looking at every item takes too long: a navigable graph of the item vectors (Malkov and
// Yashunin, 2018), by hnswlib. What the graph finds gets its proper scores: a list may miss an item, and is exact in all else.
#pragma once

// hnswlib uses some of these without including them
#include <fstream>
#include <limits>
#include <mutex>
#include <unordered_map>

#include <hnswlib/hnswlib.h>

#include <memory>
#include <optional>

#include "cddrec/core/simd.hpp"
#include "cddrec/serve/retrieval.hpp"

namespace cddrec::serve {

/// A scorer whose score of an item is the product of a vector of the history and one of the item. What it has beside a scorer's:
///
///   index width() const;                                                                 // d
///   void item_vectors(index first, core::view<float> out) const;                         // out [count, d]: of items first, first + 1 …
///   std::span<const float> query_vector(const my_query& query, index row) const;         // [d]
///   void score_items(const my_query& query, index row, std::span<const data::item> items, std::span<float> out) const;   // as score_item
template <class S>
concept vector_scorer = eval::scorer<S> && std::same_as<typename S::scalar, float> &&
    requires(const S& s, eval::histories users, core::execution how, index i, std::span<const data::item> items) {
  { s.width() } -> std::convertible_to<index>;
  s.item_vectors(i, core::view<float>());
  { s.query_vector(s.encode(users, how), i) } -> std::convertible_to<std::span<const float>>;
  s.score_items(s.encode(users, how), i, items, std::span<float>());
};

/// How the graph is made and searched, under the names of the paper.
struct hnsw_settings {
  index m = 16;                 // links that an item gets on every layer, 2 to 512; twice as many may stay on the lowest
  index ef_construction = 200;  // candidates among which they are chosen
  index ef = 200;               // candidates of a search: more find more and take longer
  std::uint64_t seed = 42;      // of the layers that items reach
};

/// The graph. It is built by one thread, item by item, so that the same vectors and settings give the same graph; const, any number of
/// threads search it.
class hnsw_graph {
 public:
  /// numeric_error for a vector that is not finite, stopped if `tell`, which is told how many items are in, returns false. That the
  /// settings are in range is for hnsw to check.
  template <vector_scorer S>
  hnsw_graph(const S& scorer, const hnsw_settings& s, const core::progress& tell = {}) : width_(scorer.width()) {
    const index V = scorer.items();
    core::progress_count done(tell, V);
    space_.width = width_;
    graph_.emplace(&space_, static_cast<std::size_t>(std::max<index>(V, 1)), static_cast<std::size_t>(s.m),
                   static_cast<std::size_t>(s.ef_construction), s.seed);
    core::buffer<float> memory(static_cast<std::size_t>(block * width_));
    for (index first = 0; first < V; first += block) {
      done.add(0);
      const core::view<float> rows(memory.data(), std::min(block, V - first), width_);
      scorer.item_vectors(first, rows);
      for (index i = 0; i < rows.rows(); ++i) {
        const double length = length_of(rows.row(i));
        if (!std::isfinite(length))
          throw numeric_error("serve::hnsw: the vector of item " + std::to_string(first + i) +
                              " is not finite: the model has diverged; train it again with a lower learning rate");
        longest_ = std::max(longest_, length);
        graph_->addPoint(rows.row(i), static_cast<hnswlib::labeltype>(first + i));
      }
      done.add(rows.rows());
    }
  }
  hnsw_graph(const hnsw_graph&) = delete;
  hnsw_graph& operator=(const hnsw_graph&) = delete;

  /// The items that a search with so many candidates finds nearest to a vector, with their products; `ef` of them unless it reaches fewer,
  /// in no order.
  std::vector<kernel::scored<float>> nearest(std::span<const float> query, index ef) const {
    auto found = graph_->searchKnn(query.data(), static_cast<std::size_t>(ef));
    std::vector<kernel::scored<float>> items;
    for (items.reserve(found.size()); !found.empty(); found.pop())
      items.push_back({static_cast<data::item>(found.top().second), -found.top().first});
    return items;
  }

  /// How far, by rounding, the product of a vector with an item's may be from the same sum in another order.
  float product_error(std::span<const float> query) const {
    return static_cast<float>(length_of(query.data()) * longest_ * static_cast<double>(width_) * std::numeric_limits<float>::epsilon());
  }

 private:
  // hnswlib's own distances are chosen by macros and would not be those of one build; this is as wide as our vectors are.
  struct product_space : hnswlib::SpaceInterface<float> {
    index width = 0;
    std::size_t get_data_size() override { return static_cast<std::size_t>(width) * sizeof(float); }
    hnswlib::DISTFUNC<float> get_dist_func() override {
      return [](const void* a, const void* b, const void* width) {
        return -core::simd::dot(static_cast<const float*>(a), static_cast<const float*>(b), *static_cast<const index*>(width));
      };
    }
    void* get_dist_func_param() override { return &width; }
  };

  double length_of(const float* vector) const { return std::sqrt(static_cast<double>(core::simd::dot(vector, vector, width_))); }

  static constexpr index block = 256;  // vectors that are laid out at a time
  index width_;
  double longest_ = 0;  // length of an item's vector
  product_space space_;
  std::optional<hnswlib::HierarchicalNSW<float>> graph_;
};

/// Finds by the graph. Models that count have no vectors: input_error.
///
///   const serve::recommender model("model", {}, {}, serve::hnsw{{.ef = 400}});
struct hnsw {
  hnsw_settings settings = {};
  core::progress tell = {};  // of items that are in the graph

  /// Whether a search with so many candidates is by the graph; where it would look through more than a quarter of the catalogue, every
  /// item is looked at.
  static bool by_graph(double ef, index items) { return 4 * ef <= static_cast<double>(items); }

  template <eval::scorer S>
  auto prepare(const S& scorer, core::execution how) const {
    check();
    if constexpr (vector_scorer<S>) {
      std::shared_ptr<const hnsw_graph> graph;
      if (by_graph(static_cast<double>(settings.ef), scorer.items())) graph = std::make_shared<hnsw_graph>(scorer, settings, tell);
      return over(scorer, std::move(graph));
    } else {
      throw input_error("serve::hnsw: a model that counts has no vectors to find its items by; use exact retrieval");
      return exact().prepare(scorer, how);  // for its type
    }
  }

  /// The same with a graph of the scorer's that is there already; without one every item is looked at.
  template <vector_scorer S>
  auto over(const S& scorer, std::shared_ptr<const hnsw_graph> graph) const {
    return finder<S>{scorer, std::move(graph), settings.ef};
  }

 private:
  void check() const {
    const auto expect = [](bool good, const char* what, index is) {
      if (!good) throw input_error(std::string("serve::hnsw: ") + what + ", not " + std::to_string(is));
    };
    expect(settings.m >= 2 && settings.m <= 512, "m must be from 2 to 512", settings.m);
    expect(settings.ef_construction >= 1, "ef_construction must be 1 or more", settings.ef_construction);
    expect(settings.ef >= 1, "ef must be 1 or more", settings.ef);
  }

  template <class S>
  struct finder {
    const S& scorer;
    std::shared_ptr<const hnsw_graph> graph;  // none where every item is looked at
    index ef;

    using list = std::vector<kernel::scored<float>>;

    std::vector<list> operator()(eval::histories users, index k, std::span<const data::item> excluded, core::execution how) const {
      k = std::min(k, scorer.items());
      if (!graph || k <= 0) return exact().prepare(scorer, how)(users, k, excluded, how);
      std::vector<data::item> hidden(excluded.begin(), excluded.end());
      std::sort(hidden.begin(), hidden.end());
      hidden.erase(std::unique(hidden.begin(), hidden.end()), hidden.end());
      std::vector<std::optional<list>> found(users.size());
      const index all = static_cast<index>(users.size());
      const core::execution inner = all > block ? core::execution{1} : how;
      core::parallel_for(how, all, block, [&](index begin, index end) {
        const auto query = scorer.encode(users.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)), inner);
        for (index u = begin; u < end; ++u)
          found[static_cast<std::size_t>(u)] = search(query, u - begin, users[static_cast<std::size_t>(u)], k, hidden);
      });
      std::vector<std::span<const data::item>> rest;  // of whom the graph found too few
      for (std::size_t u = 0; u < users.size(); ++u)
        if (!found[u]) rest.push_back(users[u]);
      auto looked_through = exact().prepare(scorer, how)(rest, k, excluded, how);
      std::vector<list> lists;
      for (auto next = looked_through.begin(); auto& one : found) lists.push_back(one ? std::move(*one) : std::move(*next++));
      return lists;
    }

   private:
    static constexpr index block = 16;  // histories that are encoded together

    // The k best of what the graph finds, or nothing where it would have to look through too much of the catalogue.
    template <class Query>
    std::optional<list> search(const Query& query, index row, std::span<const data::item> history, index k,
                               const std::vector<data::item>& hidden) const {
      std::vector<data::item> seen(history.begin(), history.end());
      std::sort(seen.begin(), seen.end());
      const auto holds = [](const auto& sorted, data::item i) { return std::binary_search(sorted.begin(), sorted.end(), i); };
      const index V = scorer.items(), least = std::max(k, (ef + 1) / 2);  // that must be left when the kept out are out
      // Of candidates that are spread like all items, so many are not kept out.
      double wanted = static_cast<double>(std::max(2 * k, ef)) * static_cast<double>(V) /
                      static_cast<double>(std::max<index>(V - static_cast<index>(hidden.size()), 1));
      for (; by_graph(wanted, V); wanted *= 2) {
        const auto vector = scorer.query_vector(query, row);
        auto near = graph->nearest(vector, static_cast<index>(wanted));
        near.erase(
            std::remove_if(near.begin(), near.end(), [&](const auto& one) { return holds(seen, one.item) || holds(hidden, one.item); }),
            near.end());
        if (static_cast<index>(near.size()) < least) continue;
        for (const auto& [item, product] : near)
          if (!std::isfinite(product))
            throw numeric_error("serve::hnsw: the score of item " + std::to_string(item) + " is " + std::to_string(product) +
                                ": the model has diverged; train it again with a lower learning rate");
        // What is further below the k-th than rounding explains is not among the k best.
        std::nth_element(near.begin(), near.begin() + (k - 1), near.end(), kernel::better<float>);
        const float enough = near[static_cast<std::size_t>(k - 1)].score - 2 * graph->product_error(vector);
        std::vector<data::item> items;
        for (const auto& one : near)
          if (!(one.score < enough)) items.push_back(one.item);
        std::vector<float> scores(items.size());
        scorer.score_items(query, row, items, scores);
        list best;
        for (std::size_t i = 0; i < items.size(); ++i) best.push_back({items[i], scores[i]});
        kernel::sort_best(best);
        best.resize(static_cast<std::size_t>(k));
        return best;
      }
      return std::nullopt;
    }
  };
};

}  // namespace cddrec::serve
