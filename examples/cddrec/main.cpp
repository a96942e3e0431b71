// The cddrec command: generate, train, evaluate, recommend.
// Results go to standard output, progress and remarks to standard error; 0 done, 1 runtime error, 2 wrong usage or bad input.
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cddrec/data/optimum.hpp"
#include "cddrec/io/interactions.hpp"
#include "model_file.hpp"

namespace cddrec::cli {

using json = nlohmann::ordered_json;

fs::path optimum_path(const fs::path& log) { return log.string() + ".optimum.json"; }

json to_json(const eval::metrics& m) {
  json j;
  for (const auto& [name, value] : m.values()) j[std::string(name)] = value;
  return j;
}
json to_json(const data::best_possible& b) {
  return {{"recall@1", b.recall[0]}, {"recall@5", b.recall[1]}, {"recall@10", b.recall[2]}, {"recall@20", b.recall[3]},
          {"ndcg@5", b.ndcg[0]},     {"ndcg@10", b.ndcg[1]},    {"ndcg@20", b.ndcg[2]},     {"mrr", b.mrr}};
}

/// The best possible metrics that `generate` left beside a log, if it did.
std::optional<json> read_optimum(const fs::path& log, const std::string& split) {
  if (!fs::exists(optimum_path(log))) return {};
  try {
    return json::parse(io::read_file(optimum_path(log))).at(split);
  } catch (const json::exception&) {
    throw input_error(optimum_path(log).string() + ": is not what `cddrec generate` writes; delete it or generate the log again");
  }
}

void print_table(const std::vector<std::pair<std::string, json>>& rows) {
  std::cout << std::left << std::setw(16) << "" << std::right;
  for (const auto& [name, unused] : eval::metrics::fields) std::cout << std::setw(11) << name;
  std::cout << '\n';
  for (const auto& [name, metrics] : rows) {
    std::cout << std::left << std::setw(16) << name << std::right << std::fixed << std::setprecision(4);
    for (const auto& [metric, unused] : eval::metrics::fields) std::cout << std::setw(11) << metrics.at(std::string(metric)).get<double>();
    std::cout << '\n';
  }
  std::cout << std::flush;
}

std::string duration(double seconds) {
  const long s = std::lround(std::max(0.0, seconds));
  std::ostringstream out;
  out << s / 60 << ':' << std::setw(2) << std::setfill('0') << s % 60;
  return out.str();
}

// ---- generate ----

void run_generate(const data::synthetic_settings& settings, const fs::path& output, std::uint64_t seed, core::execution how) {
  const data::synthetic_log log(settings, core::seed{seed});
  const data::split split = data::leave_one_out(log.log());
  const json best{{"valid", to_json(data::optimum(log, split.validation(), how))}, {"test", to_json(data::optimum(log, split.test(), how))}};
  io::write_interactions(output, log.log());
  io::write_atomically(optimum_path(output), best.dump(2) + "\n");
  std::cout << output.string() << ": " << log.log().histories.size() << " users, " << log.log().items.size() << " items, "
            << log.log().histories.items.size() << " interactions; best possible recall@10 " << std::fixed << std::setprecision(4)
            << best["test"]["recall@10"].get<double>() << '\n';
}

// ---- train ----

/// A bar on a terminal, a line an epoch elsewhere.
class training_display {
 public:
  training_display(index epochs, double minutes) : epochs_(epochs), minutes_(minutes) {}

  void batch(index epoch, index batch, index batches) {
    if (!terminal_) return;
    const double done = static_cast<double>(batch) / static_cast<double>(batches);
    std::ostringstream out;
    out << "\repoch " << epoch << " [";
    for (int i = 0; i < 20; ++i) out << (i < 20 * done ? '#' : '.');
    out << "] " << batch << '/' << batches << last_ << "\033[K";
    std::cerr << out.str() << std::flush;
  }
  void epoch(const train::epoch_report& r) {
    const double an_epoch = r.seconds / static_cast<double>(r.epoch);
    double left = an_epoch * static_cast<double>(epochs_ - r.epoch);
    if (minutes_ > 0) left = std::min(left, 60 * minutes_ - r.seconds);
    std::ostringstream out;
    out << "  loss " << std::setprecision(4) << r.loss;
    for (const auto& [name, value] : r.parts)
      if (value != 0) out << "  " << name << ' ' << std::setprecision(3) << value;
    out << std::fixed << std::setprecision(4) << "  validation ndcg@10 " << r.validation.ndcg_at_10 << (r.best ? " *" : "  ")
        << "  at most " << duration(left) << " left";
    last_ = out.str();
    if (!terminal_) std::cerr << "epoch " << r.epoch << last_ << std::endl;
  }
  ~training_display() {
    if (terminal_ && !last_.empty()) std::cerr << '\n';
  }

 private:
  index epochs_;
  double minutes_;
  bool terminal_ = isatty(STDERR_FILENO) == 1;
  std::string last_;
};

struct train_options {
  std::string data, output, model = "cddrec";
  double minutes = 0;
  bool resume = false;
};

template <class Scorer>
json test_metrics(const Scorer& s, const data::split& split, core::execution how) {
  return to_json(eval::measure(eval::rank(s, split.test(), how)));
}

void run_train(const train_options& o, const run_settings& s, core::execution how) {
  const data::interactions log = io::read_interactions(o.data);
  const data::split split = data::leave_one_out(log);
  if (split.not_evaluated() > 0)
    std::cerr << "cddrec: " << split.not_evaluated() << " users have fewer than 4 items: not evaluated, "
              << split.not_evaluated() - split.unusable() << " of them trained on\n";
  if (fs::exists(model_path(o.output)) && !o.resume)
    throw input_error(o.output + ": already holds a model; name another directory, or go on with --resume");
  std::error_code problem;
  fs::create_directories(o.output, problem);
  if (problem) throw input_error(o.output + ": cannot be made a directory: " + problem.message());

  std::vector<std::pair<std::string, json>> table;
  const baseline::popularity popularity(split);
  const baseline::markov markov(split);
  table.emplace_back("popularity", test_metrics(popularity, split, how));
  table.emplace_back("markov", test_metrics(markov, split, how));
  if (o.model == "popularity") save_popularity(o.output, popularity, log.items);
  if (o.model == "markov") save_markov(o.output, markov, log.items);
  if (o.model == "cddrec") {
    network net = make_network(s, split.items());
    train::fit_state<float> state;
    if (o.resume && fs::exists(training_path(o.output))) state = load_training(o.output, net, s, log.items);
    training_display display(s.epochs, o.minutes);
    train::fit_hooks<float> hooks;
    hooks.progress = [&](index epoch, index batch, index batches) { return display.batch(epoch, batch, batches), true; };
    hooks.epoch_done = [&](const train::epoch_report& report, const train::fit_state<float>& now) {
      // The model first: a training state never stands beside an older model than it knows of.
      if (report.best) save_network(o.output, net, s, log.items);
      save_training(o.output, net, now, s, log.items);
      display.epoch(report);
    };
    const auto result = train::fit(net, make_objective(s), split,
                                   {.epochs = s.epochs, .batch_users = s.batch_users, .sampled_steps = s.sampled_steps,
                                    .learning_rate = s.learning_rate, .patience = s.patience, .minutes = o.minutes, .augmentation = {},
                                    .seed = core::seed{static_cast<std::uint64_t>(s.seed)}, .how = how},
                                   hooks, std::move(state));
    table.emplace_back("cddrec", test_metrics(model::ranker<network>(net, how), split, how));
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    std::cerr << "best epoch " << result.best_epoch << " of " << result.epochs << ", validation ndcg@10 " << std::fixed
              << std::setprecision(4) << result.best_ndcg << ", " << std::setprecision(1) << result.seconds << " s, peak memory "
              << usage.ru_maxrss / 1024 << " MB\n";
  }
  if (const auto best = read_optimum(o.data, "test")) table.emplace_back("best possible", *best);
  std::cout << "test, full ranking of " << split.items() << " items, " << split.test().size() << " users\n";
  print_table(table);
}

// ---- evaluate ----

/// The log with the model's item numbers; items that the model does not know are dropped and counted.
data::interactions in_model_numbers(const data::interactions& log, const data::id_map& ids, index& dropped) {
  data::interactions mapped;
  mapped.items = ids;
  std::vector<data::item> history;
  for (index u = 0; u < log.histories.size(); ++u) {
    history.clear();
    for (const data::item i : log.histories[u]) {
      if (const auto known = ids.find(log.name(i)))
        history.push_back(*known);
      else
        ++dropped;
    }
    mapped.users.add(log.users.name(static_cast<data::item>(u)));
    mapped.histories.push_back(history);
  }
  return mapped;
}

/// Calls f with the scorer of a loaded model.
template <class F>
auto with_scorer(const loaded_model& m, core::execution how, F&& f) {
  if (const auto* net = std::get_if<network>(&m.model)) return f(model::ranker<network>(*net, how));
  if (const auto* popularity = std::get_if<baseline::popularity>(&m.model)) return f(*popularity);
  return f(std::get<baseline::markov>(m.model));
}

void run_evaluate(const std::string& directory, const std::string& data, const std::string& which, bool as_json, core::execution how) {
  const auto started = std::chrono::steady_clock::now();
  const loaded_model m = load_model(directory);
  index dropped = 0;
  const data::interactions log = in_model_numbers(io::read_interactions(data), m.ids, dropped);
  if (dropped > 0) std::cerr << "cddrec: " << dropped << " interactions dropped: the model does not know their items\n";
  const data::split split = data::leave_one_out(log);
  if (split.not_evaluated() > 0) std::cerr << "cddrec: " << split.not_evaluated() << " users have fewer than 4 items: not evaluated\n";
  const auto metrics = with_scorer(m, how, [&](const auto& scorer) {
    return eval::measure(eval::rank(scorer, which == "valid" ? split.validation() : split.test(), how));
  });
  if (metrics.target_in_history > 0)
    std::cerr << "cddrec: " << metrics.target_in_history << " targets stand in their own history: counted as misses\n";
  const auto best = read_optimum(data, which);
  if (!as_json) {
    std::vector<std::pair<std::string, json>> table{{m.kind, to_json(metrics)}};
    if (best) table.emplace_back("best possible", *best);
    std::cout << which << ", full ranking of " << split.items() << " items, " << metrics.users << " users\n";
    print_table(table);
    return;
  }
  json out{{"model", m.kind}, {"split", which}, {"users", metrics.users}, {"metrics", to_json(metrics)}};
  if (best) out["best"] = *best;
  out["seconds"] = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  std::cout << out.dump() << '\n';
}

// ---- recommend ----

std::vector<data::item> known_items(std::string_view line, const data::id_map& ids, const std::string& where) {
  std::vector<data::item> history;
  const auto tokens = io::split_tokens(line, where);
  for (const auto token : tokens)
    if (const auto known = ids.find(token)) history.push_back(*known);
  if (history.empty()) throw input_error(where + ": the history holds no item that the model knows");
  if (history.size() < tokens.size())
    std::cerr << "cddrec: " << where << ": " << tokens.size() - history.size() << " unknown items dropped\n";
  return history;
}

void run_recommend(const std::string& directory, const std::string& history, const std::string& input, index top, bool as_json,
                   core::execution how) {
  const loaded_model m = load_model(directory);
  std::vector<std::vector<data::item>> known;
  if (input.empty()) {
    known.push_back(known_items(history, m.ids, "--history"));
  } else {
    std::istringstream lines(io::read_file(input));
    std::string line;
    for (index number = 1; std::getline(lines, line); ++number) known.push_back(known_items(line, m.ids, input + ":" + std::to_string(number)));
    if (known.empty()) throw input_error(input + ": is empty; give one history a line");
  }
  if (top > m.ids.size()) std::cerr << "cddrec: --top " << top << " is more than the " << m.ids.size() << " items there are\n";
  const std::vector<std::span<const data::item>> histories(known.begin(), known.end());
  const auto print = [&](const auto& lists) {
    for (std::size_t u = 0; u < lists.size(); ++u) {
      json all = json::array();
      if (!as_json && !input.empty()) std::cout << "history " << u + 1 << '\n';
      for (const auto& [item, score] : lists[u]) {
        if (as_json)
          all.push_back({{"item", m.ids.name(item)}, {"score", score}});
        else
          std::cout << std::fixed << std::setprecision(4) << std::setw(10) << score << "  " << m.ids.name(item) << '\n';
      }
      if (as_json) std::cout << json{{"recommendations", std::move(all)}}.dump() << '\n';
    }
  };
  with_scorer(m, how, [&](const auto& scorer) { print(eval::recommend(scorer, histories, top, how)); });
}

// ---- the command line ----

/// Settings in rising strength: preset or defaults, the file, --set.
run_settings gather_settings(const std::string& preset_name, const std::string& config, const std::vector<std::string>& assignments) {
  run_settings s = preset_name.empty() ? run_settings{} : preset(preset_name);
  if (!config.empty()) {
    std::istringstream text(io::read_file(config));
    std::vector<CLI::ConfigItem> items;
    try {
      items = CLI::ConfigTOML().from_config(text);
    } catch (const CLI::Error& e) {
      throw input_error(config + ": is not a settings file: " + e.what());
    }
    for (const auto& item : items) {
      try {
        if (item.inputs.size() != 1 || !item.parents.empty()) throw input_error("write one `key = value` a line");
        set(s, item.name, item.inputs[0]);
      } catch (const input_error& e) {
        throw input_error(config + ": " + e.what());
      }
    }
  }
  for (const std::string& a : assignments) {
    const std::size_t equals = a.find('=');
    if (equals == a.npos) throw input_error("--set " + a + ": write key=value");
    set(s, a.substr(0, equals), a.substr(equals + 1));
  }
  return s;
}

int run(int argc, char** argv) {
  CLI::App app{"Sequential recommendation by conditional denoising diffusion", "cddrec"};
  app.require_subcommand(1);
  int threads = core::available_threads();
  const auto add_threads = [&](CLI::App* c) { c->add_option("--threads", threads, "Threads to use")->check(CLI::Range(1, 1024)); };

  CLI::App* generate = app.add_subcommand("generate", "Write a synthetic log whose best possible metrics are known");
  data::synthetic_settings synthetic;
  std::string output, data_file, model_directory, preset_name, config, which = "test", history, input;
  std::uint64_t generate_seed = 42;
  std::vector<std::string> assignments;
  std::optional<std::string> seed, epochs;
  train_options o;
  bool as_json = false;
  index top = 10;
  generate->add_option("--users", synthetic.users, "Number of users")->required();
  generate->add_option("--items", synthetic.items, "Number of items")->required();
  generate->add_option("--output", output, "File to write; FILE.optimum.json beside it holds the best possible metrics")->required();
  generate->add_option("--seed", generate_seed, "Seed");
  add_threads(generate);

  CLI::App* train = app.add_subcommand("train", "Train a model on a log: one line a user, `user item item …`, oldest first");
  train->add_option("--data", o.data, "The log")->required();
  train->add_option("--output", o.output, "Directory for the model")->required();
  train->add_option("--model", o.model, "Kind of model")->check(CLI::IsMember({"cddrec", "markov", "popularity"}));
  train->add_option("--preset", preset_name, "The paper's settings for office, beauty, tools or toys; without it, our own");
  train->add_option("--config", config, "File of settings, `key = value`");
  train->add_option("--set", assignments, "key=value, may be repeated; an unknown key lists them all");
  train->add_option("--epochs", epochs, "At most so many epochs");
  train->add_option("--seed", seed, "Seed");
  train->add_option("--minutes", o.minutes, "Stop after the epoch that passes this")->check(CLI::PositiveNumber);
  train->add_flag("--resume", o.resume, "Go on where an earlier run of the same settings stopped");
  add_threads(train);

  CLI::App* evaluate = app.add_subcommand("evaluate", "Metrics of a model on a log's held-out items, full ranking");
  evaluate->add_option("--model", model_directory, "Directory of the model")->required();
  evaluate->add_option("--data", data_file, "The log")->required();
  evaluate->add_option("--split", which, "valid or test")->check(CLI::IsMember({"valid", "test"}));
  evaluate->add_flag("--json", as_json, "One JSON object");
  add_threads(evaluate);

  CLI::App* recommend = app.add_subcommand("recommend", "The best unseen items for a history");
  recommend->add_option("--model", model_directory, "Directory of the model")->required();
  auto* by_history = recommend->add_option("--history", history, "Item ids, oldest first: \"id id …\"");
  auto* by_input = recommend->add_option("--input", input, "File of histories, one a line")->excludes(by_history);
  recommend->add_option("--top", top, "How many")->check(CLI::PositiveNumber);
  recommend->add_flag("--json", as_json, "JSON, one object a history");
  add_threads(recommend);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);
    std::cerr << "cddrec: " << e.what() << "\nTry `cddrec --help`, or `cddrec COMMAND --help`.\n";
    return 2;
  }
  const core::execution how{threads};
  if (*generate) run_generate(synthetic, output, generate_seed, how);
  if (*train) {
    run_settings s = gather_settings(preset_name, config, assignments);
    if (seed) set(s, "seed", *seed);
    if (epochs) set(s, "epochs", *epochs);
    check(s);
    run_train(o, s, how);
  }
  if (*evaluate) run_evaluate(model_directory, data_file, which, as_json, how);
  if (*recommend) {
    if (!*by_history && !*by_input) throw input_error("recommend: give a history with --history, or a file of them with --input");
    run_recommend(model_directory, history, input, top, as_json, how);
  }
  return 0;
}

}  // namespace cddrec::cli

int main(int argc, char** argv) {
  try {
    return cddrec::cli::run(argc, argv);
  } catch (const cddrec::input_error& e) {
    std::cerr << "cddrec: " << e.what() << '\n';
    return 2;
  } catch (const std::exception& e) {
    std::cerr << "cddrec: " << e.what() << '\n';
    return 1;
  }
}
