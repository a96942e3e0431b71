// cddrec compare: several models on one log, each trained by the very command its record shows; one record a model and seed.
// A row is a process of its own, so its time and memory are its own; what is recorded already is not done again.
#pragma once

#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <thread>

#include "evaluate.hpp"
#include "generations.hpp"
#include "shell.hpp"
#include "train.hpp"
#include "variants.hpp"
#include "write_lock.hpp"

namespace cddrec::cli {

namespace detail {

struct child_end {
  int status;
  std::string output;
};
/// Runs a command of this program to its end; its results are not shown, its progress is.
inline child_end run_child(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (std::string& w : words) arguments.push_back(w.data());
  arguments.push_back(nullptr);
  const int kept = ::memfd_create("results", MFD_CLOEXEC);
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> output(kept < 0 ? nullptr : ::fdopen(kept, "r"), &std::fclose);
  if (!output) throw error("compare: no room for the results of training: " + std::string(std::strerror(errno)));
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, kept, STDOUT_FILENO);
  std::signal(SIGCHLD, SIG_DFL);  // if it were ignored, there would be nothing to wait for
  pid_t child = 0;
  const int problem = posix_spawn(&child, "/proc/self/exe", &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (problem != 0) throw error("compare: cannot run this program again: " + std::string(std::strerror(problem)));
  bool told = false;  // Ctrl-C reaches the child by itself, a signal for this process alone does not; it takes both for one
  // Polled: a signal that came just before a blocking wait would not be seen before the child has ended.
  for (int status = 0;; std::this_thread::sleep_for(std::chrono::milliseconds(5))) {
    const pid_t ended = waitpid(child, &status, WNOHANG);
    if (ended < 0 && errno != EINTR) throw error("compare: cannot wait for training: " + std::string(std::strerror(errno)));
    if (ended > 0) {
      child_end end{WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), {}};
      std::rewind(output.get());
      for (int c; (c = std::fgetc(output.get())) != EOF;) end.output += static_cast<char>(c);
      return end;
    }
    if (!told && !may_go_on()) told = true, ::kill(child, SIGTERM);
  }
}

/// The peak memory that `train` reported, in MB: only the process itself knows, since the system's count for a child starts at its
/// parent's.
inline index said_memory_mb(const std::string& output, const std::string& row) {
  const std::size_t at = output.find(peak_memory_words);
  if (at == std::string::npos) throw error("compare: the training of " + row + " did not report its memory");
  return std::stoll(output.substr(at + std::strlen(peak_memory_words)));
}

}  // namespace detail

struct compare_options {
  log_options log;
  std::string output, variants;
  std::vector<std::string> models, assignments;
  index seeds = 1;
  double minutes = 0;
  bool generations = false;
  bool validation_only = false;  // a search of settings has no business with test

  const char* part() const { return validation_only ? "valid" : "test"; }
};

inline std::string row_name(const compare_options& o, const variant& v, index seed) {
  return fs::path(o.log.data).stem().string() + "-" + v.name + "-" + std::to_string(seed);
}
inline fs::path model_directory(const compare_options& o, const std::string& name) { return fs::path(o.output) / "models" / name; }
inline fs::path record_path(const compare_options& o, const std::string& name) { return fs::path(o.output) / "records" / (name + ".json"); }

/// What a row is trained with: its own settings and, of those for all models, the ones that concern it; settings_of() adds the seed.
inline std::vector<std::string> assignments_of(const compare_options& o, const variant& v) {
  std::vector<std::string> all = v.assignments;
  std::copy_if(o.assignments.begin(), o.assignments.end(), std::back_inserter(all),
               [&](const std::string& a) { return concerns(v.kind, key_of(a)); });
  return all;
}
inline run_settings settings_of(const compare_options& o, const variant& v, index seed) {
  run_settings s = gather_settings(v.kind, v.preset, {}, assignments_of(o, v)).settings;
  if (is_network(v.kind)) s.seed = seed;
  return s;
}

/// What a record's command sets. Everything else has today's default: a record stays valid when a default has changed since, whether its
/// row was left as it is or now names the old value.
inline run_settings settings_in(const std::string& command, const std::string& kind, const std::string& path) {
  std::string preset_name, value;
  std::vector<std::string> assignments;
  std::istringstream words(command);  // settings are words that need no quotes in a shell
  for (std::string word; words >> word;) {
    if (word == "--preset") words >> preset_name;
    if (word == "--set" && words >> value && concerns(kind, key_of(value))) assignments.push_back(value);
    if (word == "--seed" && words >> value) assignments.push_back("seed=" + value);
  }
  try {
    return gather_settings(kind, preset_name, {}, assignments).settings;
  } catch (const input_error& e) {
    throw input_error(path + ": its command does not suit this version; delete the file, or name another directory\n" + e.what());
  }
}

/// A row's record. input_error, naming the file, if it is not a record, or if this log, read and trained on as asked, would give another
/// one; a limit on time is not compared. `log_crc` is of the log.
inline json read_record(const compare_options& o, const variant& v, index seed, const json& log_crc) {
  const std::string path = record_path(o, row_name(o, v, seed)).string();
  const auto differs = [&](const std::string& what) { throw input_error(path + ": " + what + "; delete it, or name another directory"); };
  try {
    json record = json::parse(io::read_file(path));
    if (record.at("log_crc") != log_crc) differs("is of another log");
    if (record.contains("reading") && record["reading"] != json(o.log.words()))
      differs("is of a log that was read with other options (" + record["reading"].dump() + ")");
    if (const std::string kind = record.at("kind"); kind != v.kind) differs("is of the kind " + io::quoted(kind, '\'') + ", not " + v.kind);
    const run_settings wanted = settings_of(o, v, seed), asked = settings_in(record.at("command"), v.kind, path);
    for (const auto& [key, access] : setting_keys()) {
      if (!concerns(v.kind, key) || access.get(asked) == access.get(wanted)) continue;
      const json& all = record.at("settings");
      const std::string made = all.contains(key) ? all[key].get<std::string>() : access.get(asked);
      if (made != access.get(wanted)) differs("was made with " + key + " = " + io::quoted(made, '\'') + ", not " + access.get(wanted));
    }
    for (const char* part : {"valid", "test"})
      for (const auto& [metric, unused] : eval::metrics::fields)
        if (record.contains(part)) record[part].at(std::string(metric)).get<double>();
    if (!record.contains(o.part())) differs(std::string("has no ") + o.part() + " metrics");
    if (o.generations && v.kind == "cddrec" && !record.contains("generation")) differs("has no ways of generation");
    for (const auto& [key, value] : record.at("settings").get_ref<const json::object_t&>()) value.get_ref<const std::string&>();
    const json diagnosed = record.value("diagnostics", json::object());
    for (const auto& [key, value] : diagnosed.get_ref<const json::object_t&>()) value.get_ref<const json::object_t&>();
    return record;
  } catch (const json::exception&) {
    throw input_error(path + ": is not what `cddrec compare` writes; delete it, and the row is made again");
  }
}

/// input_error if what an earlier sitting left of a row is of another run: its record would be of neither.
inline void refuse_other_run(const compare_options& o, const variant& v, index seed, const data::interactions& log) {
  const fs::path directory = model_directory(o, row_name(o, v, seed)), state = training_path(directory);
  if (!io::is_there(state)) return;
  const std::string what = difference_of(io::tensor_file::load(state), state.string(), v.kind, settings_of(o, v, seed), log, {});
  if (!what.empty())
    throw input_error(directory.string() + ": holds an unfinished run that " + what + "; delete it, or name another directory");
}

/// Trains one variant with one seed and records it; false if training failed.
inline bool compare_row(const compare_options& o, const variant& v, index seed, const data::interactions& log, const json& log_crc,
                        core::execution how) {
  const std::string name = row_name(o, v, seed);
  const fs::path directory = model_directory(o, name);
  std::vector<std::string> command{"cddrec", "train", "--data", o.log.data, "--output", directory.string(), "--model", v.kind};
  const auto add = [&](const std::string& option, const std::string& value) { command.insert(command.end(), {option, value}); };
  for (const std::string& word : o.log.words()) command.push_back(word);
  if (!v.preset.empty()) add("--preset", v.preset);
  if (is_network(v.kind)) add("--seed", std::to_string(seed));
  if (o.minutes > 0) add("--minutes", to_text(o.minutes));
  for (const std::string& a : assignments_of(o, v)) add("--set", a);
  if (o.validation_only) command.push_back("--validation-only");
  std::vector<std::string> shown = command;  // as anybody would write it
  shown[3] = fs::path(o.log.data).filename().string(), shown[5] = "DIR";
  std::cerr << "\n" << name << ": " << shell_line(shown) << '\n';
  add("--threads", std::to_string(how.threads));
  // Counting takes a moment and cannot be resumed; a network without a training state was finished, and its record deleted since.
  if (!is_network(v.kind) || (io::is_there(model_path(directory)) && !io::is_there(training_path(directory)))) fs::remove_all(directory);
  if (io::is_there(training_path(directory))) command.push_back("--resume");
  const stopwatch training;
  const auto [status, output] = detail::run_child(command);
  if (!may_go_on()) throw stopped("training was stopped");
  const double seconds = training.seconds();
  if (status != 0) {
    std::cerr << "cddrec: " << name << ": training ended with status " << status << "; no record is written\n";
    return false;
  }
  const loaded_model m = load_model(directory);
  const data::split split = divide(log, m.settings);
  json settings, row{{"log", fs::path(o.log.data).stem().string()},
                     {"log_crc", log_crc},
                     {"reading", o.log.words()},
                     {"model", v.name},
                     {"kind", v.kind},
                     {"seed", seed},
                     {"command", shell_line(shown)}};
  for (const auto& [key, access] : setting_keys())
    if (concerns(v.kind, key)) settings[key] = access.get(m.settings);
  row["settings"] = settings;
  row["users"] = split.test().size(), row["items"] = log.items.size();
  row["valid"] = timed_metrics(m, split.validation(), {}, how);
  if (!o.validation_only) row["test"] = timed_metrics(m, split.test(), {}, how);
  row["seconds"] = seconds;
  if (const network* net = network_of(m)) {
    index parameters = 0;  // trained: a gan is more than the network that it serves with
    const auto count = [&](const std::string&, const auto& p) { parameters += p.value.size(); };
    m.kind == "gan" ? make_gan(m.kind, m.settings, m.ids.size()).visit(count) : net->visit(count);
    row["parameters"] = parameters;
    const io::tensor_file trained = io::tensor_file::load(training_path(directory));
    const auto [state, memory_mb] = training_progress(trained, training_path(directory).string());
    row["epochs"] = state.epoch, row["best_epoch"] = state.stopping.best_epoch, row["curve"] = state.curve;
    for (std::size_t k = 0; k < state.own_curves.size(); ++k) row["game"][gan_network::own_names[k]] = state.own_curves[k];
    if (m.kind == "gan")
      row["game"]["epochs_of_pretraining"] = static_cast<double>(m.settings.gan_pretraining) /
                                             static_cast<double>(core::block_count(split.training_users(), m.settings.batch_users));
    row["seconds"] = state.seconds, row["memory_mb"] = memory_mb;
  } else {
    row["memory_mb"] = detail::said_memory_mb(output, name);
  }
  if (!o.validation_only)
    row["diagnostics"] = with_scorer(m, how, {}, [&](const auto& scorer) { return diagnostics(m, scorer, split.test(), how); });
  if (o.generations && v.kind == "cddrec") row["generation"] = generation_rows(m, split.test(), how);
  io::write_atomically(record_path(o, name), row.dump(1) + "\n");
  if (is_network(v.kind)) fs::remove(training_path(directory));  // three times the weights, and no longer needed
  return true;
}

/// input_error if the log's name or a column's is not UTF-8: JSON could not hold it.
inline void require_text(const compare_options& o) {
  try {
    json{o.log.data, o.log.words()}.dump();
  } catch (const json::exception&) {
    throw input_error(o.log.data + ": the names of a log and its columns must be UTF-8 to be recorded; rename them, or link to the file");
  }
}

/// input_error if two rows would be tested on different users.
inline void require_same_division(const variant& a, const run_settings& of_a, const variant& b, const run_settings& of_b) {
  if (of_a.division != "time" && of_a.division == of_b.division) return;  // then nothing is shared out
  for (const char* key : {"division", "validation_share", "test_share"})
    if (const auto& access = setting_keys().at(key); access.get(of_a) != access.get(of_b))
      throw input_error("compare: " + a.name + " has " + key + " = " + access.get(of_a) + ", " + b.name + " " + access.get(of_b) +
                        ": they would be tested on different users; compare them apart");
}

/// input_error if --generations cannot be measured, which would be noticed only after the training.
inline void require_way_back(const compare_options& o, const variant& v) {
  if (!o.generations || v.kind != "cddrec" || diffusion::has_way_back(serve::process_of(v.kind, settings_of(o, v, 1)))) return;
  throw input_error("compare: the schedule of " + v.name +
                    " leaves nothing of the signal, so --generations has no way back from its last step; leave that out, or take fewer "
                    "steps or less noise");
}

/// Rows that are not recorded yet, one after the other; the table of all that are. Returns the number of rows that failed.
inline index run_compare(const compare_options& o, core::execution how) {
  const std::vector<variant> variants = choose_variants(o.variants, o.models);
  if (o.log.data == "-") throw input_error("compare: every model reads the log anew, which standard input does not allow; name a file");
  refuse_seed(o.assignments);
  run_settings any;
  for (const std::string& a : o.assignments) assign(any, a);  // also those that concern none of these models
  for (const variant& v : variants) require_same_division(variants.front(), settings_of(o, variants.front(), 1), v, settings_of(o, v, 1));
  for (const variant& v : variants) {
    if (is_network(v.kind)) make_objective(v.kind, settings_of(o, v, 1));
    require_way_back(o, v);
  }
  require_text(o);
  const data::interactions log = o.log.read();
  const json log_crc = fingerprint(o.log.data).at("crc32");
  const index measured = [&] {
    const data::split split = divide(log, settings_of(o, variants.front(), 1));
    return (o.validation_only ? split.validation() : split.test()).size();
  }();
  std::error_code problem;
  for (const char* folder : {"records", "models"}) {
    fs::create_directories(fs::path(o.output) / folder, problem);
    if (problem) throw error(o.output + ": the directory cannot be created: " + problem.message());
  }
  std::vector<std::pair<variant, index>> rows;
  for (const variant& v : variants)
    for (index seed = 1; seed <= (is_network(v.kind) ? o.seeds : 1); ++seed) rows.emplace_back(v, seed);
  const auto recorded = [&](const auto& row) { return io::is_there(record_path(o, row_name(o, row.first, row.second))); };
  for (const auto& row : rows)  // before any work is done
    if (recorded(row))
      read_record(o, row.first, row.second, log_crc);
    else
      refuse_other_run(o, row.first, row.second, log);
  auto to_do = std::count_if(rows.begin(), rows.end(), [&](const auto& row) { return !recorded(row); });
  index failed = 0, done = 0;
  std::vector<std::pair<std::string, json>> table, records;
  const interruptible signals;
  const stopwatch sitting;
  for (const auto& row : rows) {
    const auto& [v, seed] = row;
    const std::string name = row_name(o, v, seed);
    std::optional<write_lock> alone;
    if (!recorded(row))
      alone.emplace(fs::path(o.output) / "models" / (name + ".lock"), write_lock::kind::own_file,
                    o.output + ": another process is making the row " + name + "; wait until it ends, or name another directory");
    if (recorded(row)) {  // it may be so by now
      std::cerr << name << ": recorded already\n";
    } else {
      if (terminal::of(STDERR_FILENO).on) {
        std::cerr << "\n" << to_do << (to_do == 1 ? " model" : " models") << " to train";
        if (done > 0)
          std::cerr << ", about " << duration(sitting.seconds() / static_cast<double>(done) * static_cast<double>(to_do)) << " left";
      }
      try {
        if (!compare_row(o, v, seed, log, log_crc, how)) ++failed;
      } catch (const stopped&) {
        throw stopped("stopped at " + name + "; the same command goes on from there");
      }
      ++done, --to_do;
      if (!may_go_on()) throw stopped("stopped after " + name + "; the same command goes on from there");
      if (!recorded(row)) continue;
    }
    const json record = read_record(o, v, seed, log_crc);
    table.emplace_back(v.name + " " + std::to_string(seed), record.at(o.part()));
    records.emplace_back(table.back().first, record);
  }
  std::cout << o.part() << ", full ranking of " << log.items.size() << " items, " << measured << " users\n";
  print_table(table);
  if (!o.validation_only) print_collapse(records);
  return failed;
}

}  // namespace cddrec::cli
