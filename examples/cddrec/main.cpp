// The cddrec command: generate, prepare, train, compare, evaluate, recommend, export, completion.
// Results go to standard output, progress and remarks to standard error; 0 done, 1 runtime error, 2 wrong usage or bad input, 130 stopped
// by a signal.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cmath>
#include <cstring>

#include "../numbers.hpp"
#include "../speech.hpp"
#include "cddrec/cddrec.hpp"
#include "compare.hpp"
#include "completion.hpp"
#include "examples.hpp"
#include "export.hpp"
#include "generate.hpp"
#include "idle.hpp"
#include "prepare.hpp"
#include "recommend.hpp"
#include "train.hpp"

namespace cddrec::cli {

/// What is wrong with a command line that does not reach a command's own options.
inline std::string wrong_command(const CLI::App& app) {
  const std::vector<std::string> words = app.remaining();
  std::string what = "name a command", commands;
  if (!words.empty())
    what = std::string("there is no ") + (words[0].starts_with('-') ? "option " : "command ") + io::quoted(words[0], '\'');
  for (const CLI::App* command : app.get_subcommands({})) commands += (commands.empty() ? "" : ", ") + command->get_name();
  return what + "; the commands are: " + commands;
}

int run(int argc, char** argv) {
  CLI::App app{"Sequential recommendation by conditional denoising diffusion", "cddrec"};
  app.formatter(std::make_shared<wrapped_help>());
  app.require_subcommand(1);
  app.set_version_flag("--version", CDDREC_VERSION);
  int threads = core::available_threads();
  const CLI::Validator positive(
      [](const std::string& text) {
        double value = 0;
        const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
        const bool whole = problem == std::errc() && end == text.data() + text.size();
        return whole && value > 0 && std::isfinite(value) ? std::string() : "must be a positive number, not '" + text + "'";
      },
      "POSITIVE");
  const auto add_threads = [&](CLI::App* c) {
    c->add_option("--threads", threads, "Threads to use")->capture_default_str()->transform(whole(1, 1024));
  };

  CLI::App* generate = app.add_subcommand("generate", "Write a synthetic log whose best possible metrics are known");
  data::synthetic_settings synthetic;
  evaluate_options e;
  std::string output, preset_name;
  std::uint64_t generate_seed = 42;
  std::vector<std::string> assignments;
  std::optional<std::string> seed, epochs;
  train_options o;
  generate->add_option("--users", synthetic.users, "Number of users")->required()->transform(whole<index>(1));
  generate->add_option("--items", synthetic.items, "Number of items")->required()->transform(whole<index>(synthetic.max_length + 1));
  generate->add_option("--output", output, "File to write; FILE.optimum.json beside it holds the best possible metrics")
      ->type_name("FILE")
      ->required();
  generate->add_option("--seed", generate_seed, "Seed")->capture_default_str()->transform(whole<std::uint64_t>(0));
  add_threads(generate);

  const auto add_log = [&](CLI::App* to, log_options& log) {
    to->add_option("--data", log.data, "The log, gzip'd or not; - for standard input")->type_name("FILE")->required();
    to->add_option("--format", log.how.format,
                   "sequences: one line per user, `user item item …`, oldest first; csv, tsv or inter: a table with a header. "
                   "By default, what the file's name says")
        ->check(CLI::IsMember(std::vector<std::string>(std::begin(io::log_formats), std::end(io::log_formats))));
    to->add_option("--user-column", log.how.columns.user, "Column of the users in a table; by default, one with a usual name");
    to->add_option("--item-column", log.how.columns.item, "The same for the items");
    to->add_option("--time-column", log.how.columns.time, "The same for the times; without one, rows keep their order");
  };

  CLI::App* prepare = app.add_subcommand("prepare", "Describe a log, filter it, and write it in another format");
  prepare_options p;
  bool drop_repeats = false;
  index core_size = 1;
  add_log(prepare, p.log);
  prepare->add_option("--output", p.output, "File to write; its name says the format: .csv, .tsv, .inter, else sequences")
      ->type_name("FILE");
  prepare->add_flag("--drop-repeats", drop_repeats, "Keep only the first of a user's interactions with an item");
  prepare->add_option("--core", core_size, "Keep users and items with at least this many interactions among what is kept (k-core)")
      ->capture_default_str()
      ->transform(whole<index>(1));
  prepare->add_flag("--json", p.as_json, "Print one JSON object");

  CLI::App* train = app.add_subcommand("train", "Train a model on a log");
  add_log(train, o.log);
  train->add_option("--output", o.output, "Directory for the model")->type_name("DIR")->required();
  auto* from =
      train->add_option("--from", o.from, "Directory of a model to start from, with its kind and settings; the log may have new items")
          ->type_name("DIR");
  train->add_option("--model", o.model, "Kind of model; by default what --config says, else cddrec")
      ->check(CLI::IsMember(kinds()))
      ->excludes(from);
  auto* config = train->add_option("--config", o.config, "File of settings, `key = value`, such as the settings.toml of an earlier run")
                     ->type_name("FILE");
  train->add_option("--preset", preset_name, "The paper's settings for a data set; by default, our own")
      ->check(CLI::IsMember({"office", "beauty", "tools", "toys"}))
      ->excludes(from)
      ->excludes(config);
  train->add_option("--set", assignments, "key=value, may be repeated; an unknown key lists all keys")->type_name("KEY=VALUE");
  train->add_option("--epochs", epochs, "Most epochs to train; by default what --config or the model of --from says, else 200");
  train->add_option("--seed", seed, "Seed; by default what --config or the model of --from says, else 42");
  train->add_option("--minutes", o.minutes, "Stop after the epoch in which this time is up")->check(positive);
  train->add_flag("--validation-only", o.validation_only, "Leave the test part alone: for a search of settings");
  train->add_flag("--resume", o.resume, "Go on where an earlier run with the same settings stopped");
  add_threads(train);

  CLI::App* compare = app.add_subcommand("compare", "Train several models on a log and record what each reaches");
  compare_options c;
  add_log(compare, c.log);
  compare->get_option("--data")->description("The log, gzip'd or not; every model reads it anew");
  compare->add_option("--models", c.models, "Kinds of model, or names from --variants; by default, all of --variants")->delimiter(',');
  compare->add_option("--variants", c.variants, "File of models, one per line: `name kind [preset=NAME] key=value …`")->type_name("FILE");
  compare->add_option("--seeds", c.seeds, "Train every network with seeds 1 … N")->capture_default_str()->transform(whole<index>(1, 1000));
  compare->add_option("--output", c.output, "Directory for records and models; what is recorded there is not done again")
      ->type_name("DIR")
      ->required();
  compare->add_option("--minutes", c.minutes, "Stop a model's training after the epoch in which this time is up")->check(positive);
  compare->add_option("--set", c.assignments, "key=value for all models that use it, may be repeated")->type_name("KEY=VALUE");
  auto* generations = compare->add_flag("--generations", c.generations, "Test cddrec models with every way of generation");
  compare->add_flag("--validation-only", c.validation_only, "Measure on validation alone: for a search of settings")->excludes(generations);
  add_threads(compare);

  CLI::App* evaluate = app.add_subcommand("evaluate", "Metrics of a model on a log's held-out items, full ranking");
  evaluate->add_option("--model", e.model, "Directory of the model")->type_name("DIR")->required();
  add_log(evaluate, e.log);
  evaluate->add_option("--split", e.split, "valid or test")->capture_default_str()->check(CLI::IsMember({"valid", "test"}));
  generation_options made;
  const auto add_generation = [&](CLI::App* to) {
    to->add_option("--generation", made.kind, "How a prediction is made: direct, ancestral or ddim")
        ->capture_default_str()
        ->check(CLI::IsMember({"direct", "ancestral", "ddim"}));
    to->add_option("--generation-steps", made.steps, "Steps to visit, 0: all")->capture_default_str()->transform(whole<index>(0));
    to->add_option("--generation-stop", made.stop, "The step whose state is the prediction; a higher one is noisier")
        ->capture_default_str()
        ->transform(whole<index>(-1));
    to->add_option("--draws", made.draws, "Rank by the mean of this many draws")
        ->capture_default_str()
        ->transform(whole<index>(1, model::most_draws));
  };
  add_generation(evaluate);
  evaluate->add_flag("--diagnostics", e.diagnose, "Show whether vectors and lists have collapsed, next to Gaussian noise");
  evaluate->add_option("--sampled", e.sample, "Also print expected metrics against this many sampled items")->transform(whole<index>(1));
  evaluate->add_flag("--json", e.as_json, "Print one JSON object");
  add_threads(evaluate);

  CLI::App* recommend = app.add_subcommand("recommend", "The best unseen items for a history");
  recommend_options r;
  recommend->add_option("--model", r.model, "Directory of the model")->type_name("DIR")->required();
  auto* by_history =
      recommend->add_option("--history", r.history, "Item ids, oldest first: \"id id …\"; if there is a tab, only tabs separate them");
  recommend->add_option("--input", r.input, "File of histories, one per line, in the same form; - for standard input")
      ->type_name("FILE")
      ->excludes(by_history);
  recommend->add_option("--top", r.top, "How many items to recommend")->capture_default_str()->transform(whole<index>(1));
  recommend->add_option("--exclude", r.exclude, "File of items to recommend to nobody")->type_name("FILE");
  recommend->add_option("--only", r.only, "File of items; nothing else is recommended")->type_name("FILE");
  recommend->add_option("--unknown", r.unknown, "Items that the model does not know: drop, with a count, or error")
      ->capture_default_str()
      ->check(CLI::IsMember({"drop", "error"}));
  recommend
      ->add_option("--retrieval", r.retrieval.kind,
                   "How the items are found: exact, or hnsw, a graph for large catalogues that may miss some (compared with exact)")
      ->capture_default_str()
      ->check(CLI::IsMember({"exact", "hnsw"}));
  recommend->add_option("--hnsw-m", r.retrieval.m, "Links per item in the graph, 16 by default")->transform(whole<index>(1));
  recommend->add_option("--hnsw-ef-construction", r.retrieval.ef_construction, "Candidates for its links, 200 by default")
      ->transform(whole<index>(1));
  recommend->add_option("--hnsw-ef", r.retrieval.ef, "Candidates per search, 200 by default; more find more and take longer")
      ->transform(whole<index>(1));
  add_generation(recommend);
  recommend->add_flag("--diverse", r.diverse, "Let the draws take turns, each with its best item");
  recommend->add_flag("--spread", r.spread, "Show each score's mean and standard deviation over the draws");
  recommend->add_flag("--json", r.as_json, "Print one JSON object per history");
  add_threads(recommend);

  CLI::App* exported = app.add_subcommand("export", "Write the contents of a model for other programs");
  export_options x;
  exported->add_option("--model", x.model, "Directory of the model")->type_name("DIR")->required();
  exported
      ->add_option("--what", x.what, "items: their embeddings; recommendations: for every user of a log; onnx: the graph, tokens to scores")
      ->check(CLI::IsMember({"items", "recommendations", "onnx"}))
      ->required();
  exported
      ->add_option("--output", x.output,
                   "File to write; its name says the format: .csv or .jsonl, for items also .npy (ids in a .txt beside it), .onnx")
      ->type_name("FILE")
      ->required();
  add_log(exported, x.log);
  exported->get_option("--data")->required(false);
  exported->add_option("--top", x.top, "How many items to recommend to each user, 10 by default")->transform(whole<index>(1));
  exported->add_option("--exclude", x.exclude, "File of items to recommend to nobody")->type_name("FILE");
  exported->add_option("--only", x.only, "File of items; nothing else is recommended")->type_name("FILE");
  add_threads(exported);

  CLI::App* completing = app.add_subcommand("completion", "Print a script that completes commands and options in a shell");
  std::string shell;
  completing->add_option("shell", shell, "The shell")->required()->check(CLI::IsMember({"bash", "zsh"}));
  add_examples(app);
  name_empty_paths(app);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& wrong) {
    if (wrong.get_exit_code() == 0) return app.exit(wrong);
    const bool none = app.get_subcommands().empty();
    std::cerr << "cddrec: " << (none ? wrong_command(app) : wrong_words(*app.get_subcommands().front(), wrong))
              << "\nTry `cddrec --help`, or `cddrec COMMAND --help`.\n";
    return 2;
  }
  const core::execution how{threads};
  if (*generate) run_generate(synthetic, output, generate_seed, how);
  if (*prepare) {
    p.kept = {.repeats = !drop_repeats, .user_interactions = core_size, .item_interactions = core_size};
    run_prepare(p);
  }
  if (*train) {
    std::optional<loaded_model> before;
    if (!o.from.empty()) before = load_start(o.from);
    one_standard_input("train", {o.log.data, o.config});
    const settings_file file = o.config.empty() ? settings_file{} : read_settings_file(o.config);
    if (const auto* version = file.find("version"); version && version->value != CDDREC_VERSION)
      std::cerr << "cddrec: " << version->where << ": written by version " << io::quoted(version->value, '\'')
                << ", this is " CDDREC_VERSION ": the run may differ\n";
    auto [kind, s] = gather_settings(before ? before->kind : o.model, preset_name, file, assignments, before ? &before->settings : nullptr);
    run_settings unread;  // counting models have neither, but a script may give both to all kinds
    for (const auto& [key, value] : {std::pair{"seed", seed}, {"epochs", epochs}})
      if (value) set(concerns(kind, key) ? s : unread, key, *value);
    o.model = kind;
    tell_idle(kind, s, file, assignments);
    if (before) check_start(o, *before, s);
    run_train(o, s, before, how);
  }
  if (*compare && run_compare(c, how) > 0) return 1;
  if (*evaluate) naming_generation([&] { run_evaluate(e, made, how); });
  if (*recommend) naming_generation([&] { run_recommend(r, made, how); });
  if (*exported) run_export(x, how);
  if (*completing) std::cout << completion(app, shell);
  return 0;
}

}  // namespace cddrec::cli

int main(int argc, char** argv) {
  try {
    const int status = cddrec::cli::run(argc, argv);
    errno = 0;
    if (!std::cout.flush()) {
      // If it was an earlier write that failed, its reason is gone; another one meets the same.
      [[maybe_unused]] const auto again = errno != 0 ? 0 : ::write(STDOUT_FILENO, "\n", 1);
      throw cddrec::error("standard output: cannot be written" + (errno != 0 ? ": " + std::string(std::strerror(errno)) : std::string()) +
                          "; the output is incomplete");
    }
    return status;
  } catch (const cddrec::input_error& e) {
    std::cerr << "cddrec: " << cddrec::cli::without_cpp_name(e.what()) << '\n';
    return 2;
  } catch (const cddrec::stopped& e) {
    std::cerr << "cddrec: " << e.what() << '\n';
    return cddrec::cli::stopped_status;
  } catch (const std::bad_alloc&) {
    std::cerr << "cddrec: there is not enough memory for this\n";
    return 1;
  } catch (const std::exception& e) {
    std::cerr << "cddrec: " << cddrec::cli::without_cpp_name(e.what()) << '\n';
    return 1;
  }
}
