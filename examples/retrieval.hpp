// --retrieval of the command and of the service: a model opened to find its items exactly or, where they are built with hnswlib, by a
// graph.
#pragma once

#include "cddrec/serve.hpp"
#ifdef CDDREC_HNSW
#include "cddrec/serve/hnsw.hpp"
#endif

namespace cddrec::cli {

using core::index;

struct retrieval_options {
  std::string kind = "exact";                   // or "hnsw"
  std::optional<index> m, ef_construction, ef;  // of hnsw; without them its own
};

/// Opens a model directory. `tell` hears of the items in the graph as it grows, and is not called without a graph.
inline serve::recommender open_model(const std::string& directory, const model::generation& made, core::execution how,
                                     const retrieval_options& o, [[maybe_unused]] const core::progress& tell = {}) {
  if (o.kind != "hnsw") {
    if (o.m || o.ef_construction || o.ef)
      throw input_error("--hnsw-m, --hnsw-ef-construction and --hnsw-ef are for --retrieval hnsw; add that or leave them out");
    return serve::recommender(directory, made, how);
  }
#ifdef CDDREC_HNSW
  serve::hnsw graph{.tell = tell};
  graph.settings.m = o.m.value_or(graph.settings.m);
  graph.settings.ef_construction = o.ef_construction.value_or(graph.settings.ef_construction);
  graph.settings.ef = o.ef.value_or(graph.settings.ef);
  return serve::recommender(directory, made, how, graph);
#else
  throw input_error(
      "--retrieval hnsw: this program was built without hnswlib\n"
      "install it (Debian, Ubuntu: apt-get install libhnswlib-dev), then configure and build again:\n"
      "cmake --preset release && cmake --build --preset release");
#endif
}

}  // namespace cddrec::cli
