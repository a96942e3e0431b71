// The command line on a terminal: what the bar of training shows, and how often.
#include <chrono>
#include <cstdlib>
#include <thread>

#include "cli/command.hpp"

namespace cddrec::test {

namespace {

/// Whether there are pseudo-terminals; a sandbox may have none.
bool terminals() {
  const int screen = ::posix_openpt(O_RDWR | O_NOCTTY);
  if (screen < 0)
    WARN("skipped: no pseudo-terminal");
  else
    ::close(screen);
  return screen >= 0;
}

/// What a command shows on a terminal of so many columns, a piece whenever the line begins again.
std::vector<std::string> shown(const std::string& arguments, int columns) {
  const int screen = ::posix_openpt(O_RDWR | O_NOCTTY);
  REQUIRE(screen >= 0);
  REQUIRE((::grantpt(screen) == 0 && ::unlockpt(screen) == 0));
  const std::string name = ::ptsname(screen);
  const int open = ::open(name.c_str(), O_RDWR | O_NOCTTY);  // until the command has ended
  REQUIRE(open >= 0);
  std::string all;
  std::thread reads([&] {
    char some[4096];
    for (ssize_t n = 0; (n = ::read(screen, some, sizeof some)) > 0;) all.append(some, static_cast<std::size_t>(n));
  });
  const std::string command = "cd \"" + shop().root.string() + "\" && TERM=xterm NO_COLOR=1 COLUMNS=" + std::to_string(columns) +
                              " \"" CDDREC_BINARY_DIR "/bin/cddrec\" " + arguments + " </dev/null >out 2>" + name;
  const int status = std::system(command.c_str());
  ::close(open);
  reads.join();
  ::close(screen);
  CHECK(status == 0);
  std::vector<std::string> pieces;
  std::istringstream in(all);
  for (std::string piece; std::getline(in, piece, '\r');)
    if (const std::size_t end = piece.find("\033[K"); end != piece.npos && end > 0) pieces.push_back(piece.substr(0, end));
  return pieces;
}

const std::string small = "train --data log.txt --model sasrec --set width=8 --set heads=2 --threads 1 --output ";

}  // namespace

TEST_CASE("a training that goes on shows at once where it is; what the width has no room for is left out whole") {
  if (!terminals()) return;
  const outcome first = shop().run(small + "barred --epochs 1");
  REQUIRE(first.status == 0);
  const std::string before = "validation ndcg@10 ", best = first.err.substr(first.err.find(before) + before.size(), 6);
  fs::copy(shop().root / "barred", shop().root / "barred_narrow", fs::copy_options::recursive);
  const auto wide = shown(small + "barred --epochs 2 --resume", 80);
  REQUIRE_FALSE(wide.empty());
  CHECK(wide[0] == "epoch 2 [....................] 0/2  best " + best + " at epoch 1");
  const auto narrow = shown(small + "barred_narrow --epochs 2 --resume", 50);
  REQUIRE_FALSE(narrow.empty());
  CHECK(narrow[0] == "epoch 2 [....................] 0/2");
  for (const std::string& piece : narrow) CHECK(piece.size() < 50);
}

TEST_CASE("a bar that is full is not drawn again for every step of the validation") {
  if (!terminals()) return;
  const auto begun = std::chrono::steady_clock::now();
  const auto pieces = shown(small + "drawn_seldom --epochs 5 --set patience=0", 80);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  const auto drawn = std::count_if(pieces.begin(), pieces.end(), [](const auto& p) { return p.find("] validation ") != p.npos; });
  CHECK(drawn >= 5);
  CHECK(static_cast<double>(drawn) <= 5 + 10 * seconds);
}

}  // namespace cddrec::test
