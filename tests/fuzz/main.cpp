// A target for libFuzzer. CDDREC_FUZZ_HEADER and CDDREC_FUZZ_TARGET say which; the corpus begins with the target's seeds, which
// CDDREC_FUZZ_SEEDS=DIRECTORY has written to a directory before anything runs.
#include CDDREC_FUZZ_HEADER

#include <cstdint>
#include <filesystem>
#include <fstream>

namespace target = cddrec::fuzz::CDDREC_FUZZ_TARGET;

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  if (const char* directory = std::getenv("CDDREC_FUZZ_SEEDS")) {
    std::filesystem::create_directories(directory);
    int number = 0;
    for (const std::string& seed : target::seeds())
      std::ofstream(std::filesystem::path(directory) / ("seed_" + std::to_string(number++)), std::ios::binary) << seed;
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  target::one({reinterpret_cast<const char*>(bytes), size});
  return 0;
}
