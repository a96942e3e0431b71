// A damaged checkpoint never loads: cuts and flipped bits give a typed error, and never another model.
#include <cstdlib>

#include "reliability/models.hpp"

namespace cddrec::test {

namespace {

enum class outcome { refused, same, another };

// What comes of opening damaged bytes; anything but input_error fails the test by leaving.
outcome open(const std::string& damaged, const std::string& whole) {
  try {
    return bytes_of(read_model(damaged)) == whole ? outcome::same : outcome::another;
  } catch (const input_error& e) {
    return std::string_view(e.what()).starts_with("FILE: damaged model: ") ? outcome::refused : outcome::another;
  }
}

}  // namespace

TEST_CASE("a small checkpoint cut at any length or with any bit flipped is refused") {
  const std::string whole = small_model().serialise();
  REQUIRE(whole.size() <= 16384);
  CHECK(open(whole, whole) == outcome::same);
  std::size_t loaded = 0;
  for (std::size_t length = 0; length < whole.size(); ++length) loaded += open(whole.substr(0, length), whole) != outcome::refused;
  std::string damaged = whole;
  for (std::size_t i = 0; i < whole.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      damaged[i] = static_cast<char>(whole[i] ^ 1 << bit);
      loaded += open(damaged, whole) != outcome::refused;
      damaged[i] = whole[i];
    }
  CHECK(loaded == 0);
  WARN(whole.size() << " bytes: " << whole.size() << " cuts and " << 8 * whole.size() << " flips");
}

// As many items as Amazon's Office log has, and the sizes that the command starts from. CDDREC_DAMAGES says how many places.
TEST_CASE("a checkpoint of an ordinary size, damaged at random places, is refused") {
  const std::string whole = network_file("cddrec", cli::defaults(), 2420).serialise();
  CHECK(open(whole, whole) == outcome::same);
  const char* asked = std::getenv("CDDREC_DAMAGES");
  const index count = asked == nullptr ? 100 : std::atol(asked);
  const core::random draw(core::seed{7});
  std::string damaged = whole;
  index loaded = 0;
  for (index k = 0; k < count; ++k) {
    const std::size_t place = static_cast<std::size_t>(draw.below(2 * k, std::ssize(whole)));
    const int change = 1 + static_cast<int>(draw.below(2 * k + 1, 255));
    if (k % 10 == 0) {
      loaded += open(whole.substr(0, place), whole) != outcome::refused;
    } else {
      damaged[place] = static_cast<char>(whole[place] ^ change);
      loaded += open(damaged, whole) != outcome::refused;
      damaged[place] = whole[place];
    }
  }
  CHECK(loaded == 0);
  WARN(whole.size() << " bytes: " << count << " places");
}

}  // namespace cddrec::test
