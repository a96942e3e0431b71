#include "cddrec/serve/model_file.hpp"

#include "serve/models.hpp"

namespace cddrec::test {

TEST_CASE("a model of every kind is read back as it was written") {
  serve::network_settings odd{.width = 12, .layers = 2, .heads = 3, .max_length = 7, .dropout = 0.25, .attention_dropout = 0.125};
  odd.denoiser = "transformer_decoder", odd.decoder_layers = 2, odd.decoder_feed_forward = 1, odd.score = "dot_product",
  odd.schedule = "sqrt", odd.steps = 9;
  for (const auto& s : {small_settings(), odd})
    for (const std::string& kind : all_kinds()) {
      INFO(kind);
      const io::tensor_file file = model_file(kind, 50, s);
      const auto m = serve::read_model(io::tensor_file::parse(file.serialise(), "m"), "m");
      CHECK(m.kind == kind);
      CHECK(m.ids.name(49) == "t49");
      io::tensor_file again = serve::describe(kind, m.ids);
      if (const auto* net = std::get_if<serve::network>(&m.model)) {
        serve::put_settings(again, s);
        io::put_weights(again, *net);
        CHECK(net->settings().layers == s.layers);
        CHECK(net->settings().dropout == s.dropout);
        CHECK(net->settings().score == (s.score == "cosine" ? model::similarity::cosine : model::similarity::dot_product));
        CHECK(net->process().steps() == (kind == "cddrec" ? s.steps : 1));
      } else {
        std::visit(
            [&](const auto& counts) {
              if constexpr (requires { io::put_counts(again, counts); }) io::put_counts(again, counts);
            },
            m.model);
      }
      const bool same = again.serialise() == file.serialise();
      CHECK(same);
    }
}

TEST_CASE("item neighbours come back with all of their settings") {
  const data::split split = data::leave_one_out(small_log(20));
  const baseline::item_knn_settings s{.neighbours = 7, .shrinkage = 2.5, .decay = 0.75, .longest = 1};
  io::tensor_file file = serve::describe("item_knn", names(20));
  serve::put_settings(file, s);
  io::put_counts(file, baseline::item_knn(split, s));
  const auto m = serve::read_model(io::tensor_file::parse(file.serialise(), "m"), "m");
  const baseline::item_knn_settings& back = std::get<baseline::item_knn>(m.model).settings();
  CHECK((back.neighbours == 7 && back.shrinkage == 2.5 && back.decay == 0.75 && back.longest == 1));
}

TEST_CASE("a file that lacks a setting was made when all models were as its default says") {
  io::tensor_file file = model_file("cddrec", 20, {.steps = 20});
  file.metadata.erase("settings.steps"), file.metadata.erase("settings.residual"), file.metadata.erase("settings.schedule");
  const auto m = serve::read_model(file, "m");
  CHECK(std::get<serve::network>(m.model).process().steps() == 20);
}

TEST_CASE("what is missing or damaged is refused, with the file's name") {
  const auto refused = [](const std::string& kind, const std::string& key, const std::string& value, const std::string& message) {
    INFO(key);
    io::tensor_file file = model_file(kind, 20, small_settings());
    value.empty() ? static_cast<void>(file.metadata.erase(key)) : static_cast<void>(file.metadata[key] = value);
    CHECK_THAT(message_of<input_error>([&] { serve::read_model(file, "m"); }), ContainsSubstring(message));
  };
  refused("cddrec", "format", "", "m: damaged model: its metadata lacks 'format'");
  refused("cddrec", "format", "cddrec 9", "m: its format is 'cddrec 9'");
  refused("cddrec", "model", "moon", "m: unknown kind of model 'moon'");
  refused("cddrec", "settings.steps", "many", "m: damaged model: its setting steps cannot be 'many'");
  refused("cddrec", "settings.steps", "-1", "its setting steps cannot be '-1'");
  refused("cddrec", "settings.steps", "9", "m: damaged model: tensor denoiser");
  // What another hand wrote does not reach a terminal as it is.
  refused("cddrec", "format", "\x1B[2J\n", R"(m: its format is '\x1B[2J\x0A')");
  refused("cddrec", "model", "\x1B[2J\n", R"(m: unknown kind of model '\x1B[2J\x0A')");
  refused("cddrec", "settings.steps", "\x1B[2J\n", R"(its setting steps cannot be '\x1B[2J\x0A')");
  refused("cddrec", "settings.denoiser", "\x1B[2J\n", R"(there is no denoiser '\x1B[2J\x0A')");
  refused("cddrec", "model", std::string(100, 'x'), "unknown kind of model '" + std::string(60, 'x') + "'…");
  refused("cddrec", "settings.residual", "yes", "its setting residual cannot be 'yes'");
  refused("cddrec", "settings.schedule", "square", "m: damaged model: serve::network: there is no schedule 'square'");
  refused("cddrec", "settings.denoiser", "sieve", "there is no denoiser 'sieve'");
  refused("cddrec", "settings.score", "luck", "there is no score 'luck'");
  refused("item_knn", "settings.decay", "nan", "its setting decay cannot be 'nan'");
  for (const char* setting : {"width", "layers", "decoder_layers", "max_length", "steps"})
    refused("cddrec", "settings." + std::string(setting), "900000000", "m: damaged model: its settings ask for ");
  // Steps without a width ask for no weight, but for gigabytes of their schedule.
  io::tensor_file thin = model_file("cddrec", 20, small_settings());
  thin.metadata["settings.width"] = "0", thin.metadata["settings.steps"] = "1000000000";
  CHECK_THAT(message_of<input_error>([&] { serve::read_model(thin, "m"); }),
             ContainsSubstring("m: damaged model: its setting width cannot be '0'"));
  io::tensor_file other = serve::describe("popularity", names(3));
  io::put_counts(other, baseline::popularity(std::vector<index>{1, 2}));
  CHECK_THAT(message_of<input_error>([&] { serve::read_model(other, "m"); }), ContainsSubstring("counts and item ids differ in number"));
}

}  // namespace cddrec::test
