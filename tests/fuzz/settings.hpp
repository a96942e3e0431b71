// Fuzzing of settings: the text of a file of settings, and what it asks for if that is small enough to be built.
#pragma once

#include "cddrec/io/checkpoint.hpp"
#include "configure.hpp"
#include "fuzz/target.hpp"
#include "network.hpp"

namespace cddrec::fuzz::settings {

inline std::vector<std::string> seeds() {
  std::vector<std::string> all{"width = 8\nheads = 2\nepochs = 1\nobjective = \"softmax\"\n", "# nothing\n\nseed=1", "[section]\nwidth=1\n",
                               "width = [1, 2]\n"};
  std::string every;
  for (const auto& [name, key] : cli::setting_keys()) every += name + " = \"" + key.get(cli::preset("office")) + "\"\n";
  all.push_back("width = 4\n" + every);
  all.push_back(every + "width=2\nheads=1\nmax_length=2\nsteps=2\n");
  return all;
}

inline void one(std::string_view bytes) {
  cli::run_settings s;
  const bool read = accepted([&] {
    const auto choice = cli::gather_settings("", "", cli::parse_settings(std::string(bytes), "FILE"), {});
    s = choice.settings;
    cli::check(choice.kind, s);
  });
  if (!read) return;
  for (const auto& [name, key] : cli::setting_keys()) {
    cli::run_settings copy = s;
    key.set(copy, key.get(s));
    promise(key.get(copy) == key.get(s), "a setting is read as it is written");
  }
  for (const std::string kind : {"cddrec", "gru4rec", "vae"})
    if (serve::size_of(kind, s, 3).weights < 1e5)
      accepted([&] {
        const auto net = cli::make_network(kind, s, 3);
        promise(!cli::make_objective(kind, s).names().empty() && net.items() == 3, "settings make a network");
      });
}

}  // namespace cddrec::fuzz::settings
