// What a model file holds of the models that count: whole numbers as they were counted, and similarities.
// Each comes back through the constructor that checks it, so that one that loads can be used.
#pragma once

#include "cddrec/baseline/item_knn.hpp"
#include "cddrec/baseline/markov.hpp"
#include "cddrec/io/safetensors.hpp"

namespace cddrec::io {

namespace detail {

inline void put_indices(tensor_file& file, const std::string& name, const auto& values) {
  const std::vector<std::int64_t> wide(values.begin(), values.end());
  file.add<std::int64_t>(name, {static_cast<index>(wide.size())}, wide);
}
template <class To>
std::vector<To> get_as(const tensor_file& file, const std::string& name, const std::string& where) {
  const auto values = file.values<std::int64_t>(name);
  for (const std::int64_t v : values)
    if (!std::in_range<To>(v))
      throw input_error(where + ": damaged model: tensor " + name + " holds " + std::to_string(v) + ", which is out of range");
  return {values.begin(), values.end()};
}

// Rows without their values, of items that are called `items`.
template <class T>
void put_rows(tensor_file& file, const std::string& name, const char* items, const baseline::sparse_rows<T>& table) {
  put_indices(file, name + ".offsets", table.offsets);
  put_indices(file, name + items, table.items);
}
template <class T>
baseline::sparse_rows<T> get_rows(const tensor_file& file, const std::string& name, const char* items, const std::string& where) {
  baseline::sparse_rows<T> table;
  table.offsets = get_as<index>(file, name + ".offsets", where);
  table.items = get_as<data::item>(file, name + items, where);
  return table;
}

}  // namespace detail

/// Adds what a model has counted; its settings are not among it.
inline void put_counts(tensor_file& file, const baseline::popularity& model) { detail::put_indices(file, "counts", model.counts()); }
inline void put_counts(tensor_file& file, const baseline::markov& model) {
  put_counts(file, model.item_counts());
  detail::put_rows(file, "transitions", ".successors", model.transition_counts());
  detail::put_indices(file, "transitions.counts", model.transition_counts().values);
}
inline void put_counts(tensor_file& file, const baseline::item_knn& model) {
  put_counts(file, model.item_counts());
  detail::put_rows(file, "neighbours", ".items", model.neighbours());
  const auto& similarities = model.neighbours().values;
  file.add<double>("neighbours.similarities", {static_cast<index>(similarities.size())}, similarities);
}

/// These read what put_counts wrote, for a model of so many items. Each throws input_error for what is missing, damaged or of another size.
inline baseline::popularity get_popularity(const tensor_file& file, index items, const std::string& where) {
  baseline::popularity counts(detail::get_as<index>(file, "counts", where));
  if (counts.items() != items) throw input_error(where + ": damaged model: counts and item ids differ in number");
  return counts;
}
inline baseline::markov get_markov(const tensor_file& file, index items, const std::string& where) {
  auto table = detail::get_rows<index>(file, "transitions", ".successors", where);
  table.values = detail::get_as<index>(file, "transitions.counts", where);
  return {get_popularity(file, items, where), std::move(table)};
}
inline baseline::item_knn get_item_knn(const tensor_file& file, index items, const baseline::item_knn_settings& s,
                                       const std::string& where) {
  auto table = detail::get_rows<double>(file, "neighbours", ".items", where);
  const auto similarities = file.values<double>("neighbours.similarities");
  table.values.assign(similarities.begin(), similarities.end());
  return {get_popularity(file, items, where), std::move(table), s};
}

}  // namespace cddrec::io
