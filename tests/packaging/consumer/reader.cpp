// What needs files links cddrec::io.
#include <iostream>

#include "cddrec/io/checkpoint.hpp"
#include "cddrec/io/interactions.hpp"

int main(int argc, char** argv) {
  try {
    const auto log = cddrec::io::read_interactions(argc > 1 ? argv[1] : "no file");
    std::cout << log.histories.size() << " users, " << log.items.size() << " items\n";
  } catch (const cddrec::input_error& wrong) {
    std::cout << "cddrec: " << wrong.what() << '\n';
  }
}
