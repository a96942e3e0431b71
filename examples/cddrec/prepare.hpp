// cddrec prepare: reads a log in any format, filters it, says what it is, and writes it in any format.
#pragma once

#include "cddrec/data/filter.hpp"
#include "cddrec/data/summary.hpp"
#include "log.hpp"
#include "report.hpp"

namespace cddrec::cli {

struct prepare_options {
  log_options log;
  std::string output;
  data::filter kept;
  bool as_json = false;
};

inline void run_prepare(const prepare_options& o) {
  if (!o.output.empty()) refuse_existing(o.output);
  const data::interactions read = o.log.read();
  const data::filtered f = data::keep(read, o.kept);
  const data::summary before = data::summarise(read), after = data::summarise(f.log);
  if (!o.output.empty()) io::write_interactions(o.output, f.log);
  if (!o.output.empty() && !f.log.times.empty() && io::format_of(o.output) == "sequences")
    std::cerr << "cddrec: " << o.output << ": lines of items have no times; name a .csv, .tsv or .inter to keep them\n";
  if (o.as_json) {
    const json dropped{{"repeats", f.repeats}, {"rare", f.rare}, {"users", f.users}, {"items", f.items}};
    std::cout << json{{"users", after.users},     {"items", after.items},       {"interactions", after.interactions},
                      {"density", after.density}, {"shortest", after.shortest}, {"median", after.median},
                      {"mean", after.mean},       {"longest", after.longest},   {"times", !f.log.times.empty()},
                      {"dropped", dropped}}
                     .dump()
              << '\n';
    return;
  }
  const auto line = [](const char* what, const auto& value, const std::string& remark = "") {
    std::cout << std::left << std::setw(14) << what << std::right << std::setw(12) << value << remark << '\n';
  };
  const auto fewer = [](index was, index is) { return was == is ? "" : "   " + std::to_string(was - is) + " dropped"; };
  line("users", after.users, fewer(before.users, after.users));
  line("items", after.items, fewer(before.items, after.items));
  std::string why = fewer(before.interactions, after.interactions);
  if (!why.empty()) why += ": " + std::to_string(f.repeats) + " repeats, " + std::to_string(f.rare) + " of rare users or items";
  line("interactions", after.interactions, why);
  std::cout << std::setprecision(4);
  line("density", after.density);
  line(
      "a user's items", after.mean,
      " on average, median " + to_text(after.median) + ", " + std::to_string(after.shortest) + " to " + std::to_string(after.longest));
  line("times", f.log.times.empty() ? "no" : "yes");
}

}  // namespace cddrec::cli
