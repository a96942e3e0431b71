// cddrec train: fits a model to a log, keeps the best validation epoch, and compares a network with what counts on test.
#pragma once

#include "cddrec/cddrec.hpp"
#include "configure.hpp"
#include "display.hpp"
#include "log.hpp"
#include "model_file.hpp"
#include "page.hpp"
#include "report.hpp"
#include "shell.hpp"
#include "write_lock.hpp"

namespace cddrec::cli {

/// One line per epoch, and on a terminal a bar below them with the time left.
class training_display {
 public:
  training_display(const train::fit_state<float>& state, index epochs, double minutes)
      : epochs_(epochs), epoch_(state.epoch + 1), minutes_(minutes), before_(state.seconds), best_(state.stopping.best),
        best_epoch_(state.stopping.best_epoch) {}

  /// Before a batch; false if somebody has asked to stop.
  bool batch(index epoch, index batch, index batches) {
    epoch_ = epoch;
    return show(static_cast<double>(batch) / static_cast<double>(batches), std::to_string(batch) + "/" + std::to_string(batches));
  }
  bool validation(index done, index all) { return show(1, "validation " + std::to_string(done) + "/" + std::to_string(all)); }
  void epoch(const train::epoch_report& r) {
    if (r.best) best_ = r.validation.ndcg_at_10, best_epoch_ = r.epoch;
    std::ostringstream begin, parts, end;
    begin << "epoch " << r.epoch << "  loss " << std::setprecision(4) << r.loss;
    parts << std::setprecision(3);
    for (const auto& [name, value] : r.parts) parts << "  " << name << ' ' << value;
    end << std::fixed << std::setprecision(4) << "  validation ndcg@10 " << r.validation.ndcg_at_10 << (r.best ? " *" : "");
    if (r.skipped > 0) end << "  batches left out " << r.skipped;
    if (!line_.on() && static_cast<double>(r.epoch) > begun_) end << "  at most " << left(static_cast<double>(r.epoch)) << " left";
    const bool fits = !line_.on() || begin.str().size() + parts.str().size() + end.str().size() < line_.width();
    line_.clear();
    std::cerr << begin.str() << (fits ? parts.str() : "") << end.str() << std::endl;
  }
  void clear() { line_.clear(); }

 private:
  bool show(double part, const std::string& place) {
    const double done = static_cast<double>(epoch_ - 1) + part;
    if (begun_ < 0) begun_ = done;
    std::vector<std::string> tail{place};  // the least important last: a narrow terminal has no room for it
    if (done > begun_) tail.push_back("at most " + left(done) + " left");
    std::ostringstream best;
    best << "best " << std::fixed << std::setprecision(4) << best_ << " at epoch " << best_epoch_;
    if (best_epoch_ > 0) tail.push_back(best.str());
    line_.draw("epoch " + std::to_string(epoch_), part, tail);
    return may_go_on();
  }
  /// The time to the last epoch or to the limit; early stopping may end it sooner.
  std::string left(double epochs_done) const {
    const double now = since_.seconds();
    const double to_last = now / (epochs_done - begun_) * (static_cast<double>(epochs_) - epochs_done);
    return duration(minutes_ > 0 ? std::min(to_last, 60 * minutes_ - before_ - now) : to_last);
  }

  index epochs_, epoch_;                  // epoch_: the one that is under way
  double minutes_, before_, begun_ = -1;  // begun_: epochs done when this sitting began
  stopwatch since_;
  double best_;
  index best_epoch_;
  status_line line_;
};

struct train_options {
  log_options log;
  std::string output, model, from, config;
  double minutes = 0;
  bool resume = false, validation_only = false;

  /// The command that repeats the run, from the same directory, with the settings it left.
  std::string command() const {
    std::vector<std::string> all{"cddrec", "train", "--data", log.data};
    const auto add = [&](const std::vector<std::string>& words) { all.insert(all.end(), words.begin(), words.end()); };
    add(log.words());
    if (!from.empty()) add({"--from", from});
    if (minutes > 0) add({"--minutes", to_text(minutes)});
    if (validation_only) add({"--validation-only"});
    add({"--config", "THIS_FILE", "--output", "DIR"});
    return shell_line(all);
  }
};

inline fs::path log_path(const fs::path& directory) { return directory / "log.csv"; }
inline fs::path page_path(const fs::path& directory) { return directory / "report.html"; }

/// A model to start from; input_error if it cannot be trained further.
inline loaded_model load_start(const std::string& directory) {
  loaded_model m = load_model(directory);
  if (!is_network(m.kind))
    throw input_error(directory + ": the model is " + m.kind + ", which only counts; count anew with `cddrec train --model " + m.kind +
                      "`");
  return m;
}

/// input_error for settings that would make another network of the one to start from.
inline void check_start(const train_options& o, const loaded_model& before, const run_settings& s) {
  for (const auto& [name, key] : setting_keys())
    if (concerns(before.kind, name) && shapes_network(name) && key.get(s) != key.get(before.settings))
      throw input_error(o.from + ": was trained with " + name + " = " + key.get(before.settings) + ", not " + key.get(s) +
                        ", and cannot change that; leave that setting out");
}

/// Whether train::fit() would stop at once: the same checks that it makes before an epoch.
inline bool is_finished(const train::fit_state<float>& state, const run_settings& s, double minutes) {
  train::early_stopping stopping = state.stopping;
  stopping.patience = s.patience;
  return state.epoch >= s.epochs || stopping.exhausted(state.epoch) ||
         (minutes > 0 && state.epoch > 0 && state.batch == 0 && state.seconds >= 60 * minutes);
}

/// `before` is the model to start from, if there is one.
inline void run_train(const train_options& o, const run_settings& s, const std::optional<loaded_model>& before, core::execution how) {
  if (is_network(o.model)) make_objective(o.model, s);  // before a long log is read
  const data::interactions log = before ? numbered_after(before->ids, o.log.read()) : o.log.read();
  const data::split split = divide(log, s);
  tell_left_out(split, s);
  tell_repeated(o.validation_only ? split.validation() : split.test());
  const std::optional<json> best_possible = o.validation_only ? std::nullopt : read_optimum(o.log.data, "test");
  std::error_code problem;
  fs::create_directories(o.output, problem);
  if (problem) throw error(o.output + ": the directory cannot be created: " + problem.message());
  const write_lock alone(o.output, write_lock::kind::directory,
                         o.output + ": another process is writing here; wait until it ends, or name another directory");
  const bool whole = io::is_there(model_path(o.output)), resumable = io::is_there(training_path(o.output));
  const bool goes_on = o.resume && is_network(o.model) && resumable;
  if ((whole || resumable) && !goes_on)
    throw input_error(o.output + (whole ? ": already holds a model" : ": holds an unfinished run") + "; name another directory" +
                      (resumable ? ", or go on with --resume" : " (nothing there can be resumed)"));
  // What stands there without a model is not of a run: the caller's own log may have that name.
  for (const fs::path& path : {log_path(o.output), page_path(o.output)})
    if (!goes_on && io::is_there(path))
      throw input_error(path.string() + ": would be overwritten; name another directory, or move that file away");
  if (o.resume && !goes_on) std::cerr << "cddrec: " << o.output << ": there is nothing to resume, training begins anew\n";
  // Not called before the run to resume has been read: if that is refused, its settings stay as they are.
  const fs::path settings_path = fs::path(o.output) / "settings.toml";
  if (!goes_on && !o.config.empty() && fs::equivalent(o.config, settings_path, problem))
    throw input_error(o.config + ": is where this run would write its own settings; name another directory, or give the file another name");
  const auto keep_settings = [&] { io::write_atomically(settings_path, settings_text(o.model, s, CDDREC_VERSION, o.command())); };

  std::vector<std::pair<std::string, json>> table;
  const auto test = [&](const std::string& name, const auto& scorer) {
    if (o.validation_only) return std::vector<index>();
    work_display bar("testing " + name);
    std::vector<index> ranks = eval::rank(scorer, split.test(), how, {}, bar.tell());
    table.emplace_back(name, to_json(eval::measure(ranks)));
    return ranks;
  };
  // What counts: the model that is asked for, or all of them beside a network's metrics.
  const auto count = [&](const std::string& name, auto make) {
    if (is_network(o.model) ? o.validation_only : o.model != name) return;
    const auto model = make();
    test(name, model);
    if (o.model == name) save_counts(o.output, name, model, s, log.items);
  };
  count("popularity", [&] { return baseline::popularity(split); });
  count("markov", [&] { return baseline::markov(split); });
  count("item_knn", [&] {
    work_display bar("counting item_knn");
    return baseline::item_knn(split, knn_settings(s), how, bar.tell());
  });
  io::training_report page;
  run_settings trained_with = s;  // except for a run that had ended, which keeps its own
  const auto add_best_possible = [&] {
    if (best_possible) table.emplace_back("best possible", *best_possible);
    page = begin_report(o.model, trained_with, o.log.data, log, table, split.test().size());
  };
  const auto fit = [&](auto make) {  // make(settings, items): a fresh network
    auto net = make(s, split.items());
    training_so_far so_far;
    io::training_log written;
    bool finished = false;
    if (goes_on) {
      so_far = load_training(o.output, o.model, net, s, log);
      if (so_far.state.epoch > 0 &&
          !io::is_there(model_path(o.output))) {  // stopped after the first write of the state, before that of the model
        auto best = make(s, split.items());
        std::size_t k = 0;
        best.visit([&](const std::string&, auto& p) { p.value = so_far.state.best[k++]; });
        save_network(o.output, o.model, best, s, log.items);
      }
      if (io::is_there(log_path(o.output))) written = io::training_log(log_path(o.output));
      written.keep_until(so_far.state.epoch);
      if (const auto last = written.size() > 0 ? static_cast<index>(written.column("epoch").back()) : 0; last < so_far.state.epoch)
        std::cerr << "cddrec: " << log_path(o.output).string() << ": ends with epoch " << last << ", though " << so_far.state.epoch
                  << " are trained: the curves of those between are lost\n";
      finished = is_finished(so_far.state, s, o.minutes);
    } else if (before) {
      auto old = make(before->settings, before->ids.size());
      io::get_weights(serve::load_file(o.from), old, o.from);
      const index known = model::start_from(old, before->ids, net, log.items);
      std::cerr << o.from << ": " << known << " items are taken over, " << log.items.size() - known << " are new\n";
    }
    if (finished)
      std::cerr << "cddrec: " << o.output << ": nothing is left to train after epoch " << so_far.state.epoch
                << ", settings.toml stays as it is; raise --epochs, --minutes or patience to go on\n";
    if (finished && io::is_there(settings_path))
      trained_with = gather_settings(o.model, "", read_settings_file(settings_path.string()), {}).settings;
    else
      keep_settings();
    const auto memory_mb = [&] { return std::max(so_far.memory_mb, peak_memory_mb()); };
    train::fit_hooks<float> hooks;
    std::optional<training_display> display;
    display.emplace(so_far.state, s.epochs, o.minutes);
    hooks.progress = [&](index epoch, index batch, index batches) { return display->batch(epoch, batch, batches); };
    hooks.validation = [&](index done, index all) { return display->validation(done, all); };
    hooks.interrupted = [&](const train::fit_state<float>& now) {
      display->clear();
      save_training(o.output, o.model, net, now, memory_mb(), s, log);
      throw stopped("stopped in epoch " + std::to_string(now.epoch + 1) + " after " + std::to_string(now.batch) +
                    " batches; the same `cddrec train` with --resume goes on from there");
    };
    hooks.epoch_done = [&](const train::epoch_report& report, const train::fit_state<float>& now) {
      // The model and the log first: a training state never stands beside older ones than it knows of. But for the first time, since a
      // model without a training state is another run's, which is not to be written over.
      const bool first = !io::is_there(training_path(o.output));
      if (first) save_training(o.output, o.model, net, now, memory_mb(), s, log);
      if (report.best) save_network(o.output, o.model, net, s, log.items);
      written.add(report);
      io::write_atomically(log_path(o.output), written.text());
      if (!first) save_training(o.output, o.model, net, now, memory_mb(), s, log);
      display->epoch(report);
    };
    std::optional<interruptible> signals(std::in_place);
    const auto result =
        train::fit(net, make_objective(o.model, s), split, make_fit_settings(s, o.minutes, how), hooks, std::move(so_far.state));
    display.reset(), signals.reset();
    const std::vector<index> ranks = test(o.model, model::ranker<network>(net, how));
    std::cerr << "best epoch " << result.best_epoch << " of " << result.epochs << ", validation ndcg@10 " << std::fixed
              << std::setprecision(4) << result.best_ndcg << ", " << std::setprecision(1) << result.seconds << " s, " << peak_memory_words
              << memory_mb() << " MB\n";
    add_best_possible();
    page.facts.push_back({"best epoch", std::to_string(result.best_epoch) + " of " + std::to_string(result.epochs)});
    page.facts.push_back({"seconds of training", io::svg::short_number(result.seconds, 3)});
    page.log = std::move(written), page.best_epoch = result.best_epoch;
    const data::sequences nothing;
    add_network(page, o.model, net, log, o.validation_only ? data::cases(nothing, {}) : split.test(), ranks, how);
  };
  if (o.model == "gan")
    fit([&](const run_settings& of, index items) { return make_gan(o.model, of, items); });
  else if (is_network(o.model))
    fit([&](const run_settings& of, index items) { return make_network(o.model, of, items); });
  else
    keep_settings(), add_best_possible();
  io::write_atomically(page_path(o.output), io::html(page));
  if (!is_network(o.model)) std::cout << peak_memory_words << peak_memory_mb() << " MB\n";  // a network's stands with its best epoch
  if (o.validation_only) return;
  std::cout << "test, full ranking of " << split.items() << " items, " << split.test().size() << " users\n";
  print_table(table);
}

}  // namespace cddrec::cli
