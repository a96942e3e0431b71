#include "cddrec/io/checkpoint.hpp"

#include "io/scratch.hpp"
#include "model/small_network.hpp"

namespace cddrec::test {

TEST_CASE("a network comes back from its file bit by bit") {
  const network before = make();
  io::tensor_file file;
  io::put_weights(file, before);
  network after(before.settings(), before.process(), core::seed{99});
  io::get_weights(io::tensor_file::parse(file.serialise(), "FILE"), after, "FILE");
  std::vector<core::matrix<float>> values;
  before.visit([&](const std::string&, const auto& p) { values.push_back(p.value); });
  std::size_t k = 0;
  after.visit([&](const std::string& name, const auto& p) {
    INFO(name);
    CHECK(p.value == values[k++]);
  });
}

TEST_CASE("names and shapes are those of PyTorch's modules") {
  using shape = std::vector<index>;
  io::tensor_file file;
  // Everything that could be mistaken for a vector: one position, one step.
  const model::recommender_settings s{.items = 9, .width = 4, .heads = 2, .max_length = 1, .residual = true, .feed_forward = true};
  io::put_weights(file, network(s, diffusion::process<float>(diffusion::linear_schedule{}, 1), core::seed{1}));
  const std::map<std::string, shape> wanted{{"item_embedding.weight", {10, 4}},
                                            {"position_embedding.weight", {1, 4}},
                                            {"input_norm.weight", {4}},
                                            {"encoder.layers.0.self_attn.in_proj_weight", {12, 4}},
                                            {"encoder.layers.0.self_attn.in_proj_bias", {12}},
                                            {"encoder.layers.0.self_attn.out_proj.weight", {4, 4}},
                                            {"encoder.layers.0.linear1.weight", {16, 4}},
                                            {"encoder.layers.0.linear1.bias", {16}},
                                            {"encoder.layers.0.norm2.bias", {4}},
                                            {"denoiser.step_embedding.weight", {1, 4}},
                                            {"denoiser.query.weight", {4, 4}},
                                            {"denoiser.norm1.weight", {4}}};
  for (const auto& [name, sizes] : wanted) {
    INFO(name);
    CHECK(file.shape(name) == sizes);
  }
  io::put_matrix(file, "verdict.weight", core::matrix<float>(1, 4));
  io::put_matrix(file, "second_moment.verdict.bias", core::matrix<float>(1, 1));
  io::put_matrix(file, "bias_ih_l1", core::matrix<float>(1, 12));
  CHECK(file.shape("verdict.weight") == shape{1, 4});
  CHECK(file.shape("second_moment.verdict.bias") == shape{1});
  CHECK(file.shape("bias_ih_l1") == shape{12});
}

TEST_CASE("a tensor must fit, and hold numbers") {
  io::tensor_file file;
  const std::vector<float> values{1, 2, 3, 4, 5, 6}, bad{1, std::numeric_limits<float>::quiet_NaN()};
  file.add<float>("row.weight", {6}, values);
  file.add<float>("table.weight", {2, 3}, values);
  file.add<float>("odd.weight", {2}, bad);
  core::matrix<float> row(1, 6), table(2, 3), turned(3, 2), pair(1, 2);
  io::get_matrix(file, "row.weight", row, "FILE");  // as it was written once
  CHECK(row(0, 5) == 6);
  io::get_matrix(file, "table.weight", table, "FILE");
  CHECK(table(1, 0) == 4);
  const auto problem = [&](const std::string& name, core::matrix<float>& into) {
    return message_of<input_error>([&] { io::get_matrix(file, name, into, "FILE"); });
  };
  CHECK_THAT(problem("table.weight", turned), ContainsSubstring("FILE: damaged model: tensor table.weight does not have the shape"));
  CHECK_THAT(problem("row.weight", table), ContainsSubstring("does not have the shape"));
  CHECK_THAT(problem("odd.weight", pair), ContainsSubstring("not finite"));
  CHECK_THAT(problem("none", pair), ContainsSubstring("there is no tensor \"none\""));
}

TEST_CASE("item ids that could not be read back are not written") {
  for (const auto& [id, what] : {std::pair{"", "it is empty"}, {"a\nb", "control character"}, {"\xff", "UTF-8"}}) {
    data::id_map ids;
    ids.add("good"), ids.add(id);
    io::tensor_file file;
    CHECK_THAT(message_of<input_error>([&] { io::put_ids(file, ids); }),
               ContainsSubstring("io::put_ids: the id of item 1 (from 0): ") && ContainsSubstring(what));
  }
}

TEST_CASE("item ids come back in their order") {
  data::id_map ids;
  for (const char* name : {"7", "007", "caf\xc3\xa9", "-1"}) ids.add(name);
  io::tensor_file file;
  io::put_ids(file, ids);
  const data::id_map back = io::get_ids(file, "FILE");
  REQUIRE(back.size() == 4);
  for (data::item i = 0; i < 4; ++i) CHECK(back.name(i) == ids.name(i));
  for (const std::string torn : {"a\nb", "a\n\nb\n", "a\na\n"}) {
    io::tensor_file damaged;
    damaged.add<std::uint8_t>("item_ids", {static_cast<index>(torn.size())},
                              {reinterpret_cast<const std::uint8_t*>(torn.data()), torn.size()});
    CHECK_THAT(message_of<input_error>([&] { io::get_ids(damaged, "FILE"); }), ContainsSubstring("FILE: damaged model: "));
  }
}

}  // namespace cddrec::test
