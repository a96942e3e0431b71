// What fuzzing began with, and what it found, replayed.
#include <fstream>

#include "fuzz/checkpoint.hpp"
#include "fuzz/logs.hpp"
#include "fuzz/recommend.hpp"
#include "fuzz/settings.hpp"
#include "test.hpp"

namespace cddrec::test {

namespace {

// Seeds, seeds with a byte changed, the kept corpus, which CMake has unpacked, and every file of tests/fuzz/corpus/NAME, which are
// findings. A broken promise ends the program, and says which.
template <class Seeds, class One>
void replay(const std::string& name, Seeds&& seeds, One&& one) {
  for (const std::string& seed : seeds()) {
    one(seed);
    const core::random draw(core::seed{11});
    for (index k = 0; k < 100; ++k) {
      std::string changed = seed;
      changed[static_cast<std::size_t>(draw.below(2 * k, std::ssize(seed)))] = static_cast<char>(draw.below(2 * k + 1, 256));
      one(changed);
    }
    one(std::string_view(seed).substr(0, seed.size() / 2));
  }
  one({});
  const auto files = [&](const std::filesystem::path& directory) {
    index count = 0;
    if (!std::filesystem::exists(directory)) return count;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
      std::ifstream file(entry.path(), std::ios::binary);
      one(std::string{std::istreambuf_iterator<char>(file), {}});
      ++count;
    }
    return count;
  };
  CHECK(files(std::filesystem::path(CDDREC_BINARY_DIR) / "fuzz_corpus" / name) > 0);
  files(std::filesystem::path(CDDREC_SOURCE_DIR) / "tests/fuzz/corpus" / name);
}

}  // namespace

TEST_CASE("the corpora of fuzzing keep every promise") {
  replay("checkpoint", fuzz::checkpoint::seeds, fuzz::checkpoint::one);
  replay("logs", fuzz::logs::seeds, fuzz::logs::one);
  replay("settings", fuzz::settings::seeds, fuzz::settings::one);
  replay("recommend", fuzz::recommend::seeds, fuzz::recommend::one);
}

TEST_CASE("seeds of fuzzing are good for what they stand for") {
  CHECK(read_model(small_model().serialise()).kind == "cddrec");
  std::vector<std::string> kinds;
  for (std::string seed : fuzz::checkpoint::seeds()) {
    const std::size_t zero = seed.find('\0'), length = io::detail::checksum_key.size() + 9 + zero;
    if (seed.size() > 8 && seed[0] != ',') continue;
    std::string file(8, '\0');
    std::memcpy(file.data(), &length, 8);
    file += std::string(io::detail::checksum_key) + "00000000\"" + seed.substr(0, zero) + seed.substr(zero + 1);
    file.replace(io::detail::digits_begin, 8, io::detail::checksum(file));
    kinds.push_back(read_model(file).kind);
  }
  CHECK(kinds == std::vector<std::string>{"cddrec", "sasrec", "gru4rec", "svae", "vae", "popularity", "markov", "item_knn"});
}

}  // namespace cddrec::test
