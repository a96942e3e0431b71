// cddrec_retrieval ITEMS WIDTH [EF…]: retrieval by a graph beside exact, on one thread, as docs/serve.md shows it: a row for each EF,
// recall@10, milliseconds of a history alone and of one of many. The items lie in clusters of a hundred that overlap, and a history is of
// one: such catalogues are neither the easiest nor the hardest.
#include <ctime>
#include <iomanip>
#include <iostream>

#include "cddrec/serve.hpp"
#include "cddrec/serve/hnsw.hpp"

namespace cddrec::bench {
namespace {

using core::index;

serve::network clusters(index items, index width) {
  auto net = serve::make_network("sasrec", {.width = width, .heads = 4}, items, core::seed{7});
  net.visit([&](const std::string& name, auto& p) {
    if (name != "item_embedding.weight") return;
    std::vector<float> middle(static_cast<std::size_t>(width)), apart(static_cast<std::size_t>(width));
    for (index i = 0; i < items; ++i) {
      core::random(core::seed{1}).child(static_cast<std::uint64_t>(i / 100)).normal<float>(0, middle);
      core::random(core::seed{2}).child(static_cast<std::uint64_t>(i)).normal<float>(0, apart);
      for (index j = 0; j < width; ++j) p.value(i, j) = middle[static_cast<std::size_t>(j)] + 1.5f * apart[static_cast<std::size_t>(j)];
    }
  });
  return net;
}

/// Of the processor, so that other programs count little.
template <class F>
double milliseconds(F&& f) {
  const std::clock_t started = std::clock();
  f();
  return 1e3 * static_cast<double>(std::clock() - started) / CLOCKS_PER_SEC;
}

void run(index items, index width, const std::vector<index>& efs) {
  constexpr index users = 480;
  std::vector<std::vector<data::item>> histories;
  for (index u = 0; u < users; ++u) {
    const core::random draw = core::random(core::seed{9}).child(static_cast<std::uint64_t>(u));
    const index cluster = draw.below(0, core::block_count(items, 100));
    histories.emplace_back();
    for (index k = 0; k < 5; ++k)
      histories.back().push_back(static_cast<data::item>(std::min(100 * cluster + draw.below(1 + k, 100), items - 1)));
  }
  const std::vector<std::span<const data::item>> views(histories.begin(), histories.end());
  const serve::network net = clusters(items, width);
  const model::ranker<serve::network> scorer(net);
  using lists = std::vector<std::vector<kernel::scored<float>>>;
  const auto measure = [&](const auto& found, const lists* exact) {
    lists made;
    const double together = milliseconds([&] { made = found(views, 10, {}, {}); }) / users;
    constexpr std::size_t few = 60;
    const auto one_by_one = [&] {
      for (std::size_t u = 0; u < few; ++u) found(std::span(views).subspan(u, 1), 10, {}, {});
    };
    const double alone = milliseconds(one_by_one) / few;
    std::cout << std::setw(9) << std::setprecision(4) << (exact ? serve::recall_against(made, *exact) : 1) << std::setw(10)
              << std::setprecision(3) << alone << std::setw(10) << together << '\n'
              << std::flush;
    return made;
  };
  std::cout << std::fixed << items << " items of width " << width << "\n      ef  graph s   recall  alone ms  batch ms\n   exact        -";
  const lists exact = measure(serve::exact().prepare(scorer, {}), nullptr);
  std::shared_ptr<const serve::hnsw_graph> graph;
  const double seconds = 1e-3 * milliseconds([&] { graph = std::make_shared<serve::hnsw_graph>(scorer, serve::hnsw_settings{}); });
  for (const index ef : efs) {
    std::cout << std::setw(8) << ef << std::setw(9) << std::setprecision(1) << seconds;
    measure(serve::hnsw{{.ef = ef}}.over(scorer, graph), &exact);
  }
}

}  // namespace
}  // namespace cddrec::bench

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "cddrec_retrieval ITEMS WIDTH [EF…]\n";
    return 2;
  }
  std::vector<cddrec::core::index> efs;
  for (int i = 3; i < argc; ++i) efs.push_back(std::stoll(argv[i]));
  cddrec::bench::run(std::stoll(argv[1]), std::stoll(argv[2]), efs.empty() ? std::vector<cddrec::core::index>{50, 100, 200, 400} : efs);
}
