// A network for a catalogue that has changed starts from the one that was trained before.
// Items are matched by name; a new item's row, and nothing else, stays as it was drawn.
#pragma once

#include <map>
#include <string>

#include "cddrec/core/tensor.hpp"
#include "cddrec/data/id_map.hpp"

namespace cddrec::model {

using core::index;

/// Copies to `net`, made for the items of `ids`, the weights of `before`, made for those of `known` and otherwise of the same settings.
/// Tables called `item_embedding.weight` go row by row, by the items' names; rows behind the last item, the mask's, stay behind it. Returns
/// how many items of `ids` were known. Throws input_error if a weight of one has another size in the other or is not there, or `known`
/// names more items than `before` has; `net` may then have some of the weights.
template <class Network>
index start_from(const Network& before, const data::id_map& known, Network& net, const data::id_map& ids) {
  using T = typename Network::scalar;
  std::map<std::string, const core::matrix<T>*> weights;
  before.visit([&](const std::string& name, const auto& p) { weights[name] = &p.value; });
  std::vector<std::pair<index, index>> rows;  // from, to
  for (index i = 0; i < ids.size(); ++i)
    if (const auto row = known.find(ids.name(static_cast<data::item>(i)))) rows.emplace_back(*row, i);
  net.visit([&](const std::string& name, auto& p) {
    const auto refuse = [&](const std::string& what) { throw input_error("model::start_from: " + name + " " + what); };
    const auto found = weights.find(name);
    if (found == weights.end()) refuse("is not in the network to start from; make both with the same settings");
    const core::matrix<T>& from = *found->second;
    weights.erase(found);
    const bool by_item = name.ends_with("item_embedding.weight");
    const index more = by_item ? from.rows() - known.size() : 0, wanted = by_item ? ids.size() + more : from.rows();
    if (more < 0)
      refuse("has " + std::to_string(from.rows()) + " rows in the network to start from, for " + std::to_string(known.size()) +
             " names; give the names of the items that it was made for");
    if (from.cols() != p.value.cols() || wanted != p.value.rows())
      refuse("has " + std::to_string(p.value.rows()) + " x " + std::to_string(p.value.cols()) + " values where " + std::to_string(wanted) +
             " x " + std::to_string(from.cols()) + " could be taken over; make both networks with the same settings");
    if (!by_item) {
      p.value = from;
      return;
    }
    for (const auto& [row, to] : rows) p.value.row(to) = from.row(row);
    for (index k = 0; k < more; ++k) p.value.row(ids.size() + k) = from.row(known.size() + k);
  });
  if (!weights.empty())
    throw input_error("model::start_from: " + weights.begin()->first +
                      " of the network to start from has no place in the new one; make both with the same settings");
  return static_cast<index>(rows.size());
}

}  // namespace cddrec::model
