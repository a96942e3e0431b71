// cddrec export: a model's item embeddings, its recommendations for everybody in a log, or its graph for other programs.
// The name of the output decides the format, so a file is what its name says.
#pragma once

#include "evaluate.hpp"
#include "onnx_graph.hpp"
#include "recommend.hpp"

namespace cddrec::cli {

struct export_options {
  std::string model, what, output;
  log_options log;  // whose users get recommendations
  std::string exclude, only;
  index top = 0;  // 0: the default of recommend
};

namespace detail {

/// A field of a CSV row (RFC 4180).
inline std::string csv_field(const std::string& field) {
  if (field.find_first_of(",\"") == field.npos) return field;
  std::string quoted = "\"";
  for (const char c : field) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + '"';
}

/// The format that a name asks for, of those that are possible.
inline std::string export_format(const fs::path& output, const std::vector<std::string>& possible) {
  std::string list;
  const std::string extension = io::extension_of(output);
  for (const std::string& p : possible) {
    if (extension == p) return p;
    list += (list.empty() ? "" : ", ") + p;
  }
  throw input_error(output.string() + ": its name must end in one of: " + list);
}

}  // namespace detail

/// What `.npy` files of floats begin with (version 1.0): its length makes the values aligned.
inline std::string npy_header(index rows, index cols) {
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + std::to_string(rows) + ", " + std::to_string(cols) + "), }";
  constexpr std::size_t before = 10;
  header.resize((before + header.size() + 1 + 63) / 64 * 64 - before, ' ');
  header.back() = '\n';
  const auto size = static_cast<std::uint16_t>(header.size());
  return std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(size & 0xFF) + static_cast<char>(size >> 8) + header;
}

/// Embeddings as they were trained; where the score is a cosine, their lengths do not matter to it.
inline void export_items(const loaded_model& m, const fs::path& output) {
  const std::string format = detail::export_format(output, {".csv", ".jsonl", ".npy"});
  const network* net = network_of(m);
  if (net == nullptr)
    throw input_error("export: the items of " + m.kind + " have no embeddings, since it only counts; export recommendations instead");
  const core::matrix<float>* table = nullptr;
  net->visit([&](const std::string& name, const auto& p) {
    if (name == "item_embedding.weight") table = &p.value;
  });
  const index items = m.ids.size(), width = table->cols();  // the row behind the last item is the mask
  const fs::path names = fs::path(output).replace_extension(".txt");
  std::string bytes;
  if (format == ".npy") {
    refuse_existing(names);
    bytes = npy_header(items, width);
    bytes.append(reinterpret_cast<const char*>(table->data()), static_cast<std::size_t>(items * width) * sizeof(float));
    std::string list;
    for (data::item i = 0; i < items; ++i) list += m.ids.name(i) + '\n';
    io::write_atomically(names, list);
  }
  if (format == ".csv") {
    bytes = "item";
    for (index j = 0; j < width; ++j) bytes += ",e" + std::to_string(j);
    bytes += '\n';
  }
  for (data::item i = 0; format != ".npy" && i < items; ++i) {
    const std::string& name = m.ids.name(i);
    bytes += format == ".csv" ? detail::csv_field(name) : "{\"item\":" + json(name).dump() + ",\"embedding\":[";
    for (index j = 0; j < width; ++j) bytes += (format == ".csv" || j > 0 ? "," : "") + to_text((*table)(i, j));
    bytes += format == ".csv" ? "\n" : "]}\n";
  }
  io::write_atomically(output, bytes);
  std::cerr << output.string() << ": " << items << " items, " << width << " values each"
            << (format == ".npy" ? "; their ids are in " + names.string() : "") << '\n';
}

/// The users of a log and their histories in the model's item numbers; items that the model does not know are dropped and counted.
inline data::interactions in_model_numbers(const data::interactions& log, const data::id_map& ids, index& dropped) {
  data::interactions mapped;
  std::vector<data::item> history;
  for (index u = 0; u < log.histories.size(); ++u) {
    history.clear();
    for (const data::item i : log.histories[u])
      if (const auto known = ids.find(log.name(i)))
        history.push_back(*known);
      else
        ++dropped;
    mapped.users.add(log.users.name(static_cast<data::item>(u)));
    mapped.histories.push_back(history);
  }
  return mapped;
}

/// The best unseen items for every user of a log.
inline void export_recommendations(const export_options& o, core::execution how) {
  const std::string format = detail::export_format(o.output, {".csv", ".jsonl"});
  if (o.log.data.empty()) throw input_error("export: recommendations are for the users of a log; name it with --data");
  one_standard_input("export", {o.log.data, o.exclude, o.only});
  const serve::recommender m(o.model, {}, how);
  index dropped = 0;
  const data::interactions log = in_model_numbers(o.log.read(), m.items(), dropped);
  refuse_strange_log(o.log, !log.histories.items.empty());
  if (dropped > 0) std::cerr << "cddrec: " << dropped << " interactions dropped: the model does not know their items\n";
  known_items known(m.items(), true);
  const std::vector<data::item> excluded = excluded_items(m, o.exclude, o.only, known);
  std::vector<std::span<const data::item>> histories;
  for (index u = 0; u < log.histories.size(); ++u) histories.push_back(log.histories[u]);
  if (const auto none = std::count_if(histories.begin(), histories.end(), [](const auto& h) { return h.empty(); }); none > 0)
    std::cerr << "cddrec: " << none << " users have no item that the model knows: nothing is recommended to them\n";
  std::string bytes = format == ".csv" ? "user,rank,item,score\n" : "";
  const auto add = [&](std::size_t u, const serve::recommender::list& list) {
    const std::string& user = log.users.name(static_cast<data::item>(u));
    std::string items;
    index rank = 0;
    for (const auto& [item, wide] : list) {
      const std::string& name = m.items().name(item);
      const auto score = static_cast<float>(wide);  // as it was made
      if (format == ".csv")
        bytes += detail::csv_field(user) + ',' + std::to_string(++rank) + ',' + detail::csv_field(name) + ',' + to_text(score) + '\n';
      else
        items += (items.empty() ? "" : ",") + ("{\"item\":" + json(name).dump()) + ",\"score\":" + to_text(score) + '}';
    }
    if (format == ".jsonl") bytes += "{\"user\":" + json(user).dump() + ",\"recommendations\":[" + items + "]}\n";
  };
  for_all_lists(m, histories, o.top > 0 ? o.top : recommend_options().top, excluded, false, how, [&](std::size_t first, const auto& lists) {
    for (std::size_t u = 0; u < lists.size(); ++u) add(first + u, lists[u]);
  });
  io::write_atomically(o.output, bytes);
  std::cerr << o.output << ": " << histories.size() << " users\n";
}

inline void run_export(const export_options& o, core::execution how) {
  if (o.what != "recommendations" && (o.top > 0 || !(o.log.data + o.exclude + o.only).empty() || !o.log.words().empty()))
    throw input_error("export: a log, --top, --exclude and --only are for recommendations, not for " + o.what);
  refuse_existing(o.output);
  if (o.what == "recommendations") return export_recommendations(o, how);
  const loaded_model m = load_model(o.model);
  if (o.what == "items") export_items(m, o.output);
  if (o.what != "onnx") return;
  detail::export_format(o.output, {".onnx"});
  const std::string bytes = onnx_network(m).serialise();
  io::write_atomically(o.output, bytes);
  std::cerr << o.output << ": tokens [batch, length], k [1] -> scores [batch, " << m.ids.size() << "], top_scores, top_items [batch, k]; "
            << bytes.size() / 1024 << " KiB\n";
}

}  // namespace cddrec::cli
