// Small models of every kind over items named t0, t1 …, as a model directory keeps them.
#pragma once

#include "cddrec/serve.hpp"
#include "io/scratch.hpp"

namespace cddrec::test {

using tokens = std::vector<std::string>;

inline std::string token(data::item i) { return "t" + std::to_string(i); }

inline data::id_map names(index items) {
  data::id_map ids;
  for (data::item i = 0; i < items; ++i) ids.add(token(i));
  return ids;
}

inline const std::vector<std::string>& all_kinds() {
  static const std::vector<std::string> kinds{"cddrec", "sasrec", "gru4rec", "svae", "vae", "gan", "popularity", "markov", "item_knn"};
  return kinds;
}

inline data::interactions small_log(index items) {
  data::interactions log;
  log.items = names(items);
  const core::random draw(core::seed{5});
  for (index u = 0; u < 40; ++u) {
    std::vector<data::item> history;
    for (index k = 0; k < 8; ++k) history.push_back(static_cast<data::item>(draw.child(static_cast<std::uint64_t>(u)).below(k, items)));
    log.histories.push_back(history);
  }
  return log;
}

/// The file of an untrained network, or of counts of a small log.
inline io::tensor_file model_file(const std::string& kind, index items, const serve::network_settings& s) {
  io::tensor_file file = serve::describe(kind, names(items));
  if (serve::is_network(kind)) {
    serve::put_settings(file, s);
    io::put_weights(file, serve::make_network(kind, s, items, core::seed{7}));
    return file;
  }
  const auto split = data::leave_one_out(small_log(items));
  if (kind == "popularity") io::put_counts(file, baseline::popularity(split));
  if (kind == "markov") io::put_counts(file, baseline::markov(split));
  if (kind == "item_knn") io::put_counts(file, baseline::item_knn(split));
  return file;
}

inline serve::network_settings small_settings() { return {.width = 16, .heads = 2, .max_length = 10, .steps = 6}; }

inline serve::recommender small_model(const std::string& kind, index items = 90, const model::generation& made = {}) {
  return serve::recommender(serve::read_model(model_file(kind, items, small_settings()), kind), made);
}

/// Histories of 1 to 15 items.
inline std::vector<tokens> small_histories(index users, index items = 90) {
  std::vector<tokens> all;
  for (index u = 0; u < users; ++u) {
    const core::random draw = core::random(core::seed{9}).child(static_cast<std::uint64_t>(u));
    all.emplace_back();
    for (index k = 0; k <= draw.below(0, 15); ++k) all.back().push_back(token(static_cast<data::item>(draw.below(1 + k, items))));
  }
  return all;
}

}  // namespace cddrec::test
