// cddrec train: fits a model to a log, keeps the best validation epoch, and compares it with the baselines on test.
#pragma once

#include <sys/ioctl.h>
#include <unistd.h>

#include "cddrec/cddrec.hpp"
#include "log.hpp"
#include "model_file.hpp"
#include "page.hpp"
#include "report.hpp"
#include "settings_file.hpp"

namespace cddrec::cli {

inline std::string duration(double seconds) {
  const long s = std::lround(std::max(0.0, seconds));
  std::ostringstream out;
  out << s / 60 << ':' << std::setw(2) << std::setfill('0') << s % 60;
  return out.str();
}

/// A line an epoch, and on a terminal a bar below them.
class training_display {
 public:
  training_display(const train::fit_state<float>& state, index epochs, double minutes)
      : first_epoch_(state.epoch + 1), epochs_(epochs), minutes_(minutes), before_(state.seconds), best_(state.stopping.best),
        best_epoch_(state.stopping.best_epoch) {}
  training_display(const training_display&) = delete;
  training_display& operator=(const training_display&) = delete;
  ~training_display() { clear(); }

  void batch(index epoch, index batch, index batches) {
    if (!terminal_) return;
    const double part = static_cast<double>(batch) / static_cast<double>(batches);
    std::ostringstream out;
    out << "epoch " << epoch << " [";
    for (int i = 0; i < 20; ++i) out << (i < 20 * part ? '#' : '.');
    out << "] " << batch << '/' << batches;
    if (best_epoch_ > 0) out << "  best " << std::fixed << std::setprecision(4) << best_ << " at epoch " << best_epoch_;
    const double done = static_cast<double>(epoch - first_epoch_) + part;
    if (done > 0) out << "  at most " << left(done) << " left";
    winsize size{};
    const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
    std::cerr << '\r' << out.str().substr(0, known ? size.ws_col - 1u : 79) << "\033[K" << std::flush;
  }
  void epoch(const train::epoch_report& r) {
    if (r.best) best_ = r.validation.ndcg_at_10, best_epoch_ = r.epoch;
    std::ostringstream out;
    out << "epoch " << r.epoch << "  loss " << std::setprecision(4) << r.loss << std::setprecision(3);
    for (const auto& [name, value] : r.parts) out << "  " << name << ' ' << value;
    out << std::fixed << std::setprecision(4) << "  validation ndcg@10 " << r.validation.ndcg_at_10 << (r.best ? " *" : "");
    if (!terminal_) out << "  at most " << left(static_cast<double>(r.epoch - first_epoch_ + 1)) << " left";
    clear();
    std::cerr << out.str() << std::endl;
  }

 private:
  void clear() const {
    if (terminal_) std::cerr << "\r\033[K" << std::flush;
  }
  /// The time to the last epoch or to the limit; early stopping may end it sooner.
  std::string left(double epochs_done) const {
    const double now = std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
    const double to_last = now / epochs_done * (static_cast<double>(epochs_ - first_epoch_ + 1) - epochs_done);
    return duration(minutes_ > 0 ? std::min(to_last, 60 * minutes_ - before_ - now) : to_last);
  }

  index first_epoch_, epochs_;
  double minutes_, before_;
  bool terminal_ = isatty(STDERR_FILENO) == 1;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  double best_;
  index best_epoch_;
};

struct train_options {
  log_options log;
  std::string output, model;
  double minutes = 0;
  bool resume = false;

  /// What does the run again, with the settings it left.
  std::string command() const {
    std::string line = "cddrec train --data " + log.data;
    for (const std::string& word : log.words()) line += " " + word;
    if (minutes > 0) line += " --minutes " + detail::text(minutes);
    return line + " --config settings.toml --output DIR";
  }
};

inline fs::path log_path(const fs::path& directory) { return directory / "log.csv"; }

inline void run_train(const train_options& o, const run_settings& s, core::execution how) {
  const data::interactions log = o.log.read();
  const data::split split = divide(log, s);
  tell_left_out(split, s);
  const bool goes_on = o.resume && is_network(o.model) && fs::exists(training_path(o.output));
  if (fs::exists(model_path(o.output)) && !goes_on)
    throw input_error(o.output + ": already holds a model; name another directory" +
                      (fs::exists(training_path(o.output)) ? ", or go on with --resume" : " (nothing there can be resumed)"));
  std::error_code problem;
  fs::create_directories(o.output, problem);
  if (problem) throw input_error(o.output + ": cannot be made a directory: " + problem.message());
  io::write_atomically(fs::path(o.output) / "settings.toml", settings_text(o.model, s, CDDREC_VERSION, o.command()));

  std::vector<std::pair<std::string, json>> table;
  const auto test = [&](const std::string& name, const auto& scorer) {
    std::vector<index> ranks = eval::rank(scorer, split.test(), how);
    table.emplace_back(name, to_json(eval::measure(ranks)));
    return ranks;
  };
  const baseline::popularity popularity(split);
  const baseline::markov markov(split);
  test("popularity", popularity);
  test("markov", markov);
  const baseline::item_knn item_knn(split, knn_settings(s), how);
  test("item_knn", item_knn);
  if (o.model == "popularity") save_popularity(o.output, popularity, s, log.items);
  if (o.model == "markov") save_markov(o.output, markov, s, log.items);
  if (o.model == "item_knn") save_item_knn(o.output, item_knn, s, log.items);
  io::training_report page;
  const auto add_best_possible = [&] {
    if (const auto best = read_optimum(o.log.data, "test")) table.emplace_back("best possible", *best);
    page = begin_report(o.model, s, o.log.data, log, table, split.test().size());
  };
  const auto fit = [&](auto net) {
    train::fit_state<float> state;
    io::training_log written;
    if (goes_on) {
      state = load_training(o.output, o.model, net, s, log.items);
      if (fs::exists(log_path(o.output))) written = io::training_log(log_path(o.output));
      written.keep_until(state.epoch);
    }
    training_display display(state, s.epochs, o.minutes);
    train::fit_hooks<float> hooks;
    hooks.progress = [&](index epoch, index batch, index batches) { return display.batch(epoch, batch, batches), true; };
    hooks.epoch_done = [&](const train::epoch_report& report, const train::fit_state<float>& now) {
      // The model and the log first: a training state never stands beside older ones than it knows of.
      if (report.best) save_network(o.output, o.model, net, s, log.items);
      written.add(report);
      io::write_atomically(log_path(o.output), written.text());
      save_training(o.output, o.model, net, now, s, log.items);
      display.epoch(report);
    };
    const auto result = train::fit(net, make_objective(o.model, s), split, make_fit_settings(s, o.minutes, how), hooks, std::move(state));
    const std::vector<index> ranks = test(o.model, model::ranker<network>(net, how));
    std::cerr << "best epoch " << result.best_epoch << " of " << result.epochs << ", validation ndcg@10 " << std::fixed
              << std::setprecision(4) << result.best_ndcg << ", " << std::setprecision(1) << result.seconds << " s, peak memory "
              << peak_memory_mb() << " MB\n";
    add_best_possible();
    page.facts.push_back({"best epoch", std::to_string(result.best_epoch) + " of " + std::to_string(result.epochs)});
    page.facts.push_back({"seconds of training", io::svg::short_number(result.seconds, 3)});
    page.log = std::move(written), page.best_epoch = result.best_epoch;
    add_network(page, o.model, net, log, split.test(), ranks, how);
  };
  if (o.model == "gan")
    fit(make_gan(o.model, s, split.items()));
  else if (is_network(o.model))
    fit(make_network(o.model, s, split.items()));
  else
    add_best_possible();
  io::write_atomically(fs::path(o.output) / "report.html", io::html(page));
  std::cout << "test, full ranking of " << split.items() << " items, " << split.test().size() << " users\n";
  print_table(table);
}

}  // namespace cddrec::cli
