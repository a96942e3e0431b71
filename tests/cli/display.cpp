// The command line on a terminal: what the bar of training shows, how often and in what colour, and tables in little room.
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

/// All that a command writes to a terminal that is its standard output (1) or error (2).
std::string written(const std::string& environment, const std::string& arguments, int file) {
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
  const std::string command = "cd \"" + shop().root.string() + "\" && TERM=xterm " + environment +
                              " \"" CDDREC_BINARY_DIR "/bin/cddrec\" " + arguments + " </dev/null >out 2>err " + std::to_string(file) +
                              ">" + name;
  const int status = std::system(command.c_str());
  ::close(open);
  reads.join();
  ::close(screen);
  CHECK(status == 0);
  return all;
}

/// What a command shows on a terminal of so many columns, without colour, a piece whenever the line begins again.
std::vector<std::string> shown(const std::string& arguments, int columns) {
  std::vector<std::string> pieces;
  std::istringstream in(written("NO_COLOR=1 COLUMNS=" + std::to_string(columns), arguments, 2));
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

TEST_CASE("what is done of a bar is green, without NO_COLOR; a terminal that is dumb has no bar") {
  if (!terminals()) return;
  const std::string green = "\033[32m####################\033[0m";
  CHECK_THAT(written("NO_COLOR= COLUMNS=80", small + "green --epochs 1", 2), ContainsSubstring(green));
  const std::string plain = written("NO_COLOR=1 COLUMNS=80", small + "plain --epochs 1", 2);
  CHECK_THAT(plain, ContainsSubstring("[####################]") && !ContainsSubstring("\033[32m"));
  CHECK_THAT(written("TERM=dumb NO_COLOR=", small + "dumb --epochs 1", 2),
             !ContainsSubstring("\033") && ContainsSubstring("epoch 1  loss "));
}

TEST_CASE("a table that is wider than the terminal goes on below, with the same names and figures") {
  if (!terminals()) return;
  const std::string arguments = "evaluate --model model --data log.txt";
  const outcome whole = shop().run(arguments);
  REQUIRE(whole.status == 0);
  const auto wide = lines_of(whole.out);
  REQUIRE(wide.size() == 4);  // what is measured; then the fields, the model, what the best possible one has
  const auto narrow = lines_of(written("COLUMNS=60", arguments, 1));
  REQUIRE(narrow.size() == 1 + 2 * (wide.size() - 1));
  constexpr std::size_t name = 16, half = 4 * 11;
  for (std::size_t row = 1; row < wide.size(); ++row) {
    INFO(wide[row]);
    CHECK(narrow[row] == wide[row].substr(0, name + half) + '\r');
    CHECK(narrow[row + wide.size() - 1] == wide[row].substr(0, name) + wide[row].substr(name + half) + '\r');
  }
}

}  // namespace cddrec::test
