// cddrec generate: a synthetic log, and beside it what the best recommender could reach.
#pragma once

#include "report.hpp"

namespace cddrec::cli {

inline void run_generate(const data::synthetic_settings& settings, const fs::path& output, std::uint64_t seed, core::execution how) {
  refuse_existing(output);
  refuse_existing(optimum_path(output));
  const data::synthetic_log log(settings, core::seed{seed});
  const data::split split = data::leave_one_out(log.log());
  io::write_interactions(output, log.log());
  const json best{{"log", fingerprint(output)},
                  {"valid", to_json(data::optimum(log, split.validation(), how))},
                  {"test", to_json(data::optimum(log, split.test(), how))}};
  io::write_atomically(optimum_path(output), best.dump(2) + "\n");
  std::cout << output.string() << ": " << log.log().histories.size() << " users, " << log.log().items.size() << " items, "
            << log.log().histories.items.size() << " interactions; best possible recall@10 " << std::fixed << std::setprecision(4)
            << best["test"]["recall@10"].get<double>() << '\n';
}

}  // namespace cddrec::cli
