// What --help of each command ends with: lines to copy. A test makes sure that every option in them exists.
#pragma once

#include <CLI/CLI.hpp>

namespace cddrec::cli {

/// Adds the examples to the commands; one without any is left as it is.
inline void add_examples(CLI::App& app) {
  const std::pair<const char*, const char*> all[] = {
      {"generate", "  cddrec generate --users 6000 --items 2000 --output log.txt\n"},
      {"prepare",
       "  cddrec prepare --data ratings.csv --drop-repeats --core 5 --output log.inter\n"
       "  gunzip -c events.tsv.gz | cddrec prepare --data - --format tsv --item-column product\n"},
      {"train",
       "  cddrec train --data log.txt --output model\n"
       "  cddrec train --data log.txt --output model --resume          go on after Ctrl-C\n"
       "  cddrec train --data log.txt --output again --config model/settings.toml --seed 7\n"
       "  cddrec train --data log.txt --output paper --preset beauty --set width=64\n"
       "  cddrec train --data newer.txt --output newer --from model    go on with new users and items\n"},
      {"compare",
       "  cddrec compare --data log.txt --models cddrec,sasrec,item_knn --seeds 3 --output study\n"
       "  cddrec compare --data log.txt --variants trials.txt --validation-only --output search\n"},
      {"evaluate",
       "  cddrec evaluate --model model --data log.txt --split valid --json\n"
       "  cddrec evaluate --model model --data log.txt --generation ancestral --generation-stop 5 --draws 8\n"},
      {"recommend",
       "  cddrec recommend --model model --history \"i12 i7 i40\" --top 5\n"
       "  cddrec recommend --model model --input histories.txt --exclude sold_out.txt --json\n"
       "  cddrec recommend --model model --input histories.txt --retrieval hnsw   a large catalogue\n"},
      {"export",
       "  cddrec export --model model --what items --output items.npy\n"
       "  cddrec export --model model --what recommendations --data log.txt --output lists.csv\n"
       "  cddrec export --model model --what onnx --output model.onnx\n"},
      {"completion",
       "  source <(cddrec completion bash)                      in ~/.bashrc\n"
       "  cddrec completion zsh > ~/.zfunc/_cddrec              a folder of $fpath\n"}};
  for (CLI::App* command : app.get_subcommands({}))
    for (const auto& [name, lines] : all)
      if (command->get_name() == name) command->footer(std::string("Examples:\n") + lines);
  app.footer(
      "First steps:\n"
      "  cddrec generate --users 6000 --items 2000 --output log.txt\n"
      "  cddrec train --data log.txt --output model --minutes 5\n"
      "  cddrec evaluate --model model --data log.txt\n"
      "  cddrec recommend --model model --history \"i12 i7 i40\"\n\n"
      "`cddrec COMMAND --help` shows the options and examples of a command.\n"
      "Exit status: 0 done, 1 runtime error, 2 wrong usage or bad input, 130 stopped by\n"
      "a signal.\n");
}

}  // namespace cddrec::cli
