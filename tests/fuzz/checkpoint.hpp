// Fuzzing of model files: read as a network or as counts, and if that works, used.
// A random file has a wrong checksum, so bytes are also taken as a header without its beginning, a zero byte, and data: that is sealed.
#pragma once

#include "fuzz/target.hpp"
#include "reliability/models.hpp"

namespace cddrec::fuzz::checkpoint {

/// Header text behind the checksum and data, parted by a zero byte, of a file.
inline std::string unsealed(const io::tensor_file& from) {
  const std::string file = from.serialise();
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof length);
  const std::size_t begin = io::detail::digits_begin + io::detail::no_digits.size() + 1, end = io::detail::length_bytes + length;
  return file.substr(begin, file.find_last_not_of(' ', end - 1) + 1 - begin) + '\0' + file.substr(end);
}

inline std::vector<std::string> seeds() {
  std::vector<std::string> all{test::small_model().serialise()};
  for (const std::string kind : {"cddrec", "sasrec", "gru4rec", "svae", "vae"}) {
    auto s = test::small_settings();
    s.width = 2, s.heads = 1, s.max_length = 2, s.residual = s.feed_forward = kind != "cddrec";
    all.push_back(unsealed(test::network_file(kind, s, 3)));
  }
  const data::split split = data::leave_one_out(io::parse_sequences("u a b c a b c\nv b c a b c a\n", "seed"));
  const baseline::popularity counts(split);
  const baseline::markov markov(split);
  const baseline::item_knn near(split);
  const auto add = [&](const std::string& kind, const auto& model) {
    io::tensor_file file = cli::describe(kind, cli::defaults(), test::item_names(3));
    io::put_counts(file, model);
    all.push_back(unsealed(file));
  };
  add("popularity", counts), add("markov", markov), add("item_knn", near);
  return all;
}

/// What is read is what is written again, and a model that loads recommends, or says that its numbers are bad.
inline void use(const std::string& bytes) {
  std::optional<io::tensor_file> file;
  if (!accepted([&] { file = io::tensor_file::parse(bytes, "FILE"); })) return;
  const std::string again = file->serialise();
  promise(io::tensor_file::parse(again, "FILE").serialise() == again, "a file is written as it is read");
  accepted([&] { cli::training_progress(*file, "FILE"); });
  std::optional<cli::loaded_model> m;
  if (!accepted([&] { m = cli::read_model(*file, "FILE"); })) return;
  const data::item last = static_cast<data::item>(m->ids.size() - 1);
  const std::vector<std::vector<data::item>> users{{last}, {0, last, 0, last, 0}};
  const std::vector<std::span<const data::item>> histories(users.begin(), users.end());
  if (last < 0) return;
  accepted([&] {
    serve::with_scorer(*m, {1}, {}, [&](const auto& scorer) {
      for (const auto& list : eval::recommend(scorer, histories, 3))
        for (const auto& [item, score] : list) promise(item >= 0 && item < last && std::isfinite(score), "a list holds items and scores");
    });
  });
}

inline void one(std::string_view bytes) {
  use(std::string(bytes));
  if (const std::size_t zero = bytes.find('\0'); zero != bytes.npos) {
    const std::string_view text = bytes.substr(0, zero), data = bytes.substr(zero + 1);
    const std::string header = std::string(io::detail::checksum_key) + std::string(io::detail::no_digits) + '"' + std::string(text);
    const std::uint64_t length = header.size();
    std::string file(8, '\0');
    std::memcpy(file.data(), &length, sizeof length);
    file += header;
    file += data;
    file.replace(io::detail::digits_begin, 8, io::detail::checksum(file));
    use(file);
  }
}

}  // namespace cddrec::fuzz::checkpoint
