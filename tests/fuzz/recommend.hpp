// Fuzzing of recommendations: the first bytes choose the model, the length of the list and an item to leave out, the rest is a history as
// the command reads it; the list must be sorted, new to the user, finite, and the same in company.
#pragma once

#include "fuzz/target.hpp"
#include "reliability/models.hpp"

namespace cddrec::fuzz::recommend {

using core::index;

inline std::vector<std::string> seeds() {
  std::vector<std::string> all;
  for (char kind = '0'; kind < '8'; ++kind) all.push_back(kind + std::string("\3\1i0 i1 unknown\ti1  i9"));
  all.push_back("0\xFF\xFFi3");
  all.push_back("1\1\1");
  return all;
}

struct models {
  static constexpr index items = 12;
  std::vector<serve::stored_model> all;
  models() {
    for (const std::string kind : {"cddrec", "sasrec", "gru4rec", "svae", "vae"}) {
      all.push_back({kind, test::item_names(items), cli::make_network(kind, test::small_settings(), items)});
    }
    data::interactions log = io::parse_sequences("u i0 i1 i2 i3 i4 i5\nv i5 i4 i6 i7 i8\nw i9 i10 i11 i0\n", "seed");
    const data::split split = data::leave_one_out(log);
    const auto add = [&](const char* kind, auto model) { all.push_back({kind, log.items, std::move(model)}); };
    add("popularity", baseline::popularity(split));
    add("markov", baseline::markov(split));
    add("item_knn", baseline::item_knn(split));
  }
};

inline void one(std::string_view bytes) {
  static const models known;
  if (bytes.size() < 3) return;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const serve::stored_model& m = known.all[byte(0) % known.all.size()];
  const index k = byte(1) % 16;
  std::vector<data::item> excluded;
  if (byte(2) < models::items) excluded.push_back(static_cast<data::item>(byte(2)));
  std::vector<data::item> history;
  const bool read = accepted([&] {
    for (const auto token : io::split_tokens(bytes.substr(3), "--history"))
      if (const auto number = m.ids.find(token)) history.push_back(*number);
  });
  if (!read || history.empty()) return;
  const std::vector<data::item> other{1, 2, 3};
  const std::vector<std::span<const data::item>> alone{history}, crowd{other, history, other};
  for (const auto way : {model::way::direct, model::way::ancestral, model::way::ddim}) {
    if (way != model::way::direct && m.kind != "cddrec") continue;
    serve::with_scorer(m, {1}, {.kind = way}, [&](const auto& scorer) {
      const auto list = eval::recommend(scorer, alone, k, {1}, {.excluded = excluded}).front();
      const auto again = eval::recommend(scorer, crowd, k, {1}, {.excluded = excluded})[1];
      promise(static_cast<index>(list.size()) <= k && list.size() == again.size(), "no more than was asked for");
      for (std::size_t i = 0; i < list.size(); ++i) {
        promise(std::isfinite(list[i].score), "scores are finite");
        promise(list[i].item >= 0 && list[i].item < models::items, "items are known");
        promise(std::find(history.begin(), history.end(), list[i].item) == history.end(), "nothing seen is recommended");
        promise(excluded.empty() || list[i].item != excluded[0], "nothing left out is recommended");
        promise(i == 0 || list[i - 1].score > list[i].score || (list[i - 1].score == list[i].score && list[i - 1].item < list[i].item),
                "the list is sorted");
        promise(list[i].item == again[i].item && list[i].score == again[i].score, "alone is as in company");
      }
    });
  }
}

}  // namespace cddrec::fuzz::recommend
