// cddrec train: fits a model to a log, keeps the best validation epoch, and compares it with the baselines on test.
#pragma once

#include <sys/ioctl.h>
#include <unistd.h>

#include "log.hpp"
#include "model_file.hpp"
#include "report.hpp"

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
    if (r.skipped > 0) out << "  batches left out " << r.skipped;
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
  std::string output, model = "cddrec";
  double minutes = 0;
  bool resume = false;
};

template <class Scorer>
inline json test_metrics(const Scorer& s, const data::split& split, core::execution how) {
  return to_json(eval::measure(eval::rank(s, split.test(), how)));
}

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

  std::vector<std::pair<std::string, json>> table;
  const baseline::popularity popularity(split);
  const baseline::markov markov(split);
  table.emplace_back("popularity", test_metrics(popularity, split, how));
  table.emplace_back("markov", test_metrics(markov, split, how));
  const baseline::item_knn item_knn(split, knn_settings(s), how);
  table.emplace_back("item_knn", test_metrics(item_knn, split, how));
  if (o.model == "popularity") save_popularity(o.output, popularity, s, log.items);
  if (o.model == "markov") save_markov(o.output, markov, s, log.items);
  if (o.model == "item_knn") save_item_knn(o.output, item_knn, s, log.items);
  const auto fit = [&](auto net) {
    train::fit_state<float> state;
    if (goes_on) state = load_training(o.output, o.model, net, s, log.items);
    training_display display(state, s.epochs, o.minutes);
    train::fit_hooks<float> hooks;
    hooks.progress = [&](index epoch, index batch, index batches) { return display.batch(epoch, batch, batches), true; };
    hooks.epoch_done = [&](const train::epoch_report& report, const train::fit_state<float>& now) {
      // The model first: a training state never stands beside an older model than it knows of.
      if (report.best) save_network(o.output, o.model, net, s, log.items);
      save_training(o.output, o.model, net, now, s, log.items);
      display.epoch(report);
    };
    const auto result = train::fit(net, make_objective(o.model, s), split, make_fit_settings(s, o.minutes, how), hooks, std::move(state));
    table.emplace_back(o.model, test_metrics(model::ranker<network>(net, how), split, how));
    std::cerr << "best epoch " << result.best_epoch << " of " << result.epochs << ", validation ndcg@10 " << std::fixed
              << std::setprecision(4) << result.best_ndcg << ", " << std::setprecision(1) << result.seconds << " s, peak memory "
              << peak_memory_mb() << " MB\n";
  };
  if (o.model == "gan")
    fit(make_gan(o.model, s, split.items()));
  else if (is_network(o.model))
    fit(make_network(o.model, s, split.items()));
  if (const auto best = read_optimum(o.log.data, "test")) table.emplace_back("best possible", *best);
  std::cout << "test, full ranking of " << split.items() << " items, " << split.test().size() << " users\n";
  print_table(table);
}

}  // namespace cddrec::cli
