// Checkpoints whose checksum is right and whose content lies: each is refused by an error of its own, and costs no memory to speak of.
#include <set>

#include "reliability/heap.hpp"
#include "reliability/models.hpp"

namespace cddrec::test {

namespace {

struct hostile {
  std::string bytes, message;  // what the error must hold
};

std::string tensor(const std::string& name, const std::string& type, const std::string& shape, const std::string& offsets) {
  return ",\"" + name + R"(":{"dtype":")" + type + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

// A length, the text behind it, and no checksum that could be right.
std::string with_length(std::uint64_t length, const std::string& text) {
  std::string file(8, '\0');
  std::memcpy(file.data(), &length, 8);
  return file + text;
}

// A small model with one thing changed: its metadata, or a tensor replaced (taken out where there are no values).
std::string model_with(const std::string& key, const std::string& value) {
  io::tensor_file file = small_model();
  value.empty() ? void(file.metadata.erase(key)) : void(file.metadata[key] = value);
  return file.serialise();
}
template <class T>
std::string model_with(const std::string& name, const std::vector<index>& shape, const std::vector<T>& values,
                       io::tensor_file from = small_model()) {
  io::tensor_file file;
  file.metadata = from.metadata;
  for (const auto& one : from.tensors())
    if (one.first != name) {
      const auto as = [&]<class S>(S) { file.add<S>(one.first, one.second.shape, from.values<S>(one.first)); };
      const auto& type = one.second.dtype;
      type == "F32" ? as(0.0f) : type == "F64" ? as(0.0) : type == "I64" ? as(std::int64_t{}) : as(std::uint8_t{});
    }
  if (!shape.empty()) file.add<T>(name, shape, values);
  return file.serialise();
}
std::string ids(const std::string& joined) {
  return model_with<std::uint8_t>("item_ids", {std::ssize(joined)}, {joined.begin(), joined.end()});
}

io::tensor_file counting_model(const std::string& kind, const std::vector<std::int64_t>& counts) {
  io::tensor_file file = cli::describe(kind, cli::defaults(), item_names(2));
  io::detail::put_indices(file, "counts", counts);
  if (kind == "popularity") return file;
  const std::string rows = kind == "markov" ? "transitions" : "neighbours";
  io::detail::put_indices(file, rows + ".offsets", std::vector<index>{0, 1, 2});
  io::detail::put_indices(file, rows + (kind == "markov" ? ".successors" : ".items"), std::vector<index>{1, 0});
  if (kind == "markov")
    io::detail::put_indices(file, "transitions.counts", std::vector<index>{1, 1});
  else
    file.add<double>("neighbours.similarities", {2}, std::vector<double>{.5, .5});
  return file;
}

// Settings of its own ask for more than the generator's do.
std::string gan_with_discriminator_layers(const std::string& count) {
  const auto s = small_settings();
  io::tensor_file file = cli::describe("gan", s, item_names(5));
  io::put_weights(file, cli::make_gan("gan", s, 5));
  file.metadata["settings.discriminator_layers"] = count;
  return file.serialise();
}

std::vector<hostile> all() {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  std::string nested;
  for (int i = 0; i < 100000; ++i) nested += '[';
  std::vector<hostile> list{
      {with_length(UINT64_MAX, "{}"), "a header of 18446744073709551615 bytes in a file of 10"},
      {with_length(std::uint64_t{1} << 40, std::string(100, ' ')), "a header of 1099511627776 bytes"},
      {with_length(0, ""), "does not begin with a checksum"},
      {with_length(4, "{\"__").substr(0, 7), "ends within the header's length"},
      {std::string("\x89PNG\r\n\x1a\n", 8) + std::string(64, 'x'), "bytes in a file of 72"},
      {sealed(",\"a\":" + nested), "is nested too deeply"},
      {sealed(tensor("a", "U8", "[0]", "[0,0]") + tensor("a", "U8", "[0]", "[0,0]")), "names \"a\" twice"},
      {sealed(R"(,"__metadata__":{})"), "names \"__metadata__\" twice"},
      {sealed("", "", R"(,"k":"a","k":"b")"), "names \"k\" twice"},
      {sealed("", "", R"(,"k":{})"), "metadata \"k\" is not a string"},
      {sealed(",\"\xC0\x80\":1"), "is not UTF-8 at byte"},
      {sealed(std::string("} \0{", 4)), "contains a zero byte"},
      {sealed("} {"), "is not JSON at byte"},
      {sealed(R"(,"a":[1,2,3])"), "needs exactly dtype, shape and data_offsets"},
      {sealed(tensor("a", "F16", "[2]", "[0,4]"), "1234"), "the dtype is not F32"},
      {sealed(tensor("a", "F32", "[-1]", "[0,4]"), "1234"), "the shape is not a list of whole numbers"},
      {sealed(tensor("a", "F32", "[4294967296,4294967296]", "[0,4]"), "1234"), "the shape overflows"},
      {sealed(tensor("a", "F32", "[250000000000]", "[0,4]"), "1234"), "the shape needs 1000000000000 bytes"},
      {sealed(tensor("a", "F32", "[1]", "[0,1,2]"), "1234"), "the data_offsets are not two whole numbers"},
      {sealed(tensor("a", "F32", "[250000000000]", "[0,1000000000000]"), "1234"), "the data_offsets do not fit the 4 bytes of data"},
      {sealed(tensor("a", "U8", "[4]", "[0,4]") + tensor("b", "U8", "[4]", "[0,4]"), "1234"), "\"b\": its data overlap another's"},
      {sealed(tensor("a", "U8", "[1]", "[0,1]") + tensor("b", "U8", "[1]", "[2,3]"), "123"), "\"b\": its data follow a gap"},
      {sealed(tensor("a", "U8", "[1]", "[0,1]"), "1234"), "the data hold 3 bytes more than the tensors"},
      {model_with("format", "cddrec 2"), "its format is 'cddrec 2'"},
      {model_with("format", ""), "its metadata lacks 'format'"},
      {model_with("model", "oracle"), "unknown kind of model 'oracle'"},
      {model_with("settings.width", "wide"), "its setting width cannot be 'wide'"},
      {model_with("settings.heads", "3"), "damaged model: model::recommender: heads must be 1 or more and divide the width 4, not 3"},
      {model_with("settings.dropout", "nan"), "its setting dropout cannot be 'nan'"},
      {model_with("settings.width", "65536"), "its settings ask for 98786541568 weights, but it holds 508"},
      {model_with("settings.layers", "1000"), "its settings ask for 244264 weights"},
      {model_with("settings.max_length", "100000"), "its settings ask for 400496 weights"},
      {model_with("settings.steps", "100000"), "its settings ask for 400500 weights"},
      {gan_with_discriminator_layers("1000"), "its settings ask for 244337 weights"},
      {gan_with_discriminator_layers("x"), "setting discriminator_layers: 'x' is not a whole number"},
      {model_with("settings.decoder_feed_forward", "1000000000"), "its settings ask for 36000000"},
      {model_with("settings.max_length", "2"), "tensor position_embedding.weight does not have the shape that the settings ask for"},
      {model_with<float>("denoiser.step_embedding.weight", {}, {}), "there is no tensor \"denoiser.step_embedding.weight\""},
      {model_with<double>("encoder.layers.0.norm1.weight", {4}, {1, 1, 1, 1}), "\"encoder.layers.0.norm1.weight\" is F64, not F32"},
      {model_with<float>("input_norm.weight", {4}, {1, nan, 1, 1}), "tensor input_norm.weight holds a value that is not finite"},
      {model_with<float>("input_norm.bias", {4}, {0, 0, 0, infinity}), "tensor input_norm.bias holds a value that is not finite"},
      {ids("a\nb\nc\nd\n"), "tensor item_embedding.weight does not have the shape"},
      {ids("a\nb\nc\nd\na\n"), "an item id occurs twice"},
      {ids("a\nb\nc\nd\n\n"), "the list of item ids is cut off or holds an empty one"},
      {ids("a\nb\nc\nd\n\xFF\n"), "the id of item 4 (from 0): byte 1 of the line (0xFF) is not UTF-8"},
      {ids("a\nb\nc\nd\n\x1B[2J\n"), "the id of item 4 (from 0): byte 1 of the line (0x1B) is a control character"},
      {model_with<std::uint8_t>("item_ids", {}, {}), "there is no tensor \"item_ids\""},
      {counting_model("popularity", {1, -1}).serialise(), "the count of item 1 is -1"},
      {counting_model("popularity", {1, 1, 1}).serialise(), "counts and item ids differ in number"},
  };
  const auto markov = counting_model("markov", {1, 1}), near = counting_model("item_knn", {1, 1});
  list.push_back({model_with<std::int64_t>("transitions.offsets", {3}, {0, 5, 2}, markov), "offsets do not ascend"});
  list.push_back({model_with<std::int64_t>("transitions.successors", {2}, {1, std::int64_t{1} << 32}, markov),
                  "tensor transitions.successors holds 4294967296"});
  list.push_back({model_with<std::int64_t>("transitions.counts", {2}, {1, 0}, markov), "the row of item 1 holds"});
  list.push_back({model_with<double>("neighbours.similarities", {2}, {std::nan(""), 1}, near), "the row of item 0 holds"});
  return list;
}

// Of a size at which what each byte of them costs can be seen.
std::vector<hostile> large() {
  constexpr std::size_t million = 1'000'000;
  const auto many = [](std::size_t bytes, auto one) {
    std::string text;
    for (int i = 0; text.size() < bytes; ++i) text += one(std::to_string(i));
    return text;
  };
  std::vector<hostile> list;
  for (const std::size_t size : {million / 3, 4 * million}) {
    const std::string again = size > million ? " again" : "";
    list.push_back(
        {sealed(",\"a" + again + "\":[1" + many(size, [](auto) { return ",1"; }) + "]"), "\"a" + again + "\" more than 8 values"});
    list.push_back({sealed(many(size, [](const std::string& i) { return tensor(i, "U8", "[0,1,1,1,1,1,1,1]", "[0,0]"); }) +
                           tensor("last" + again, "F16", "[0]", "[0,0]")),
                    "\"last" + again + "\": the dtype"});
    list.push_back({sealed("", "", many(size, [](const std::string& i) { return ",\"" + i + "\":\"\""; }) + ",\"last" + again + "\":1"),
                    "metadata \"last" + again + "\" is not a string"});
    list.push_back({sealed("", "", ",\"last" + again + "\":\"" + std::string(size, 'x') + "\",\"last" + again + "\":\"\""),
                    "names \"last" + again + "\" twice"});
    list.push_back({sealed(",\"" + std::string(size, 'x')), "is not JSON at byte"});
    list.push_back({sealed(",\"" + again + std::string(size, 'x') + "\":1"), "\"" + again + "xxx"});
    list.push_back({model_with("model", again + std::string(size, 'x')), "unknown kind of model '" + again + "xxx"});
    // One id, one tensor, and settings that ask for far more than that, or for as much in as many tensors as there are layers.
    const auto with = [&](const std::vector<std::pair<std::string, std::string>>& settings) {
      io::tensor_file file = cli::describe("sasrec", cli::defaults(), item_names(1));
      for (const auto& [name, value] : settings) file.metadata["settings." + name] = value;
      file.add<float>("x", {static_cast<index>(size / 4)}, std::vector<float>(size / 4));
      return file.serialise();
    };
    const std::string layers = std::to_string(size / 16384);
    list.push_back({with({{"width", "64"}, {"heads", "1"}, {"layers", layers}}),
                    "its settings ask for " + std::string(again.empty() ? "1001216" : "12197632")});
    list.push_back({with({{"width", "1"}, {"heads", "1"}, {"layers", std::to_string(size / 200)}}), "tensors of weights, but it holds 1"});
    // All is well but the last weight.
    auto s = small_settings();
    s.width = 64, s.heads = 1, s.max_length = static_cast<index>(size / 256);
    io::tensor_file whole = network_file("cddrec", s, 5);
    list.push_back({model_with<float>("denoiser.norm2.bias", {64}, std::vector<float>(64, std::nanf("")), whole), "not finite"});
    // Little is lacking.
    whole.metadata["settings.max_length"] = std::to_string(s.max_length + 1000);
    list.push_back({whole.serialise(), "tensor position_embedding.weight does not have the shape"});
    // As many ids as bytes allow, and one count.
    const std::string names = many(size, [](const std::string& i) { return i + "\n"; });
    list.push_back(
        {model_with<std::uint8_t>("item_ids", {std::ssize(names)}, {names.begin(), names.end()}, counting_model("popularity", {1, 1})),
         "counts and item ids differ"});
  }
  return list;
}

}  // namespace

TEST_CASE("what a large hostile checkpoint costs is in proportion to its size") {
  double per_header_byte = 0;
  for (const hostile& h : large()) {
    std::uint64_t header = 0;
    std::memcpy(&header, h.bytes.data(), sizeof header);
    const long data = std::ssize(h.bytes) - static_cast<long>(header);
    heap::forget_peak();
    const long before = heap::now().bytes;
    const std::string message = message_of<input_error>([&] { read_model(h.bytes); });
    const long cost = heap::now().peak_bytes - before;
    INFO(h.message << ": " << message << "; " << header << " bytes of header, " << data << " of data, " << cost << " of heap");
    CHECK(message.starts_with("FILE: "));
    CHECK_THAT(message, ContainsSubstring(h.message));
    CHECK(message.size() < 400);
    CHECK(cost <= 12 * static_cast<long>(header) + 2 * data + (512 << 10));
    if (static_cast<long>(header) > data)
      per_header_byte = std::max(per_header_byte, static_cast<double>(cost) / static_cast<double>(header));
  }
  WARN("at most " << per_header_byte << " bytes of heap for a byte of a header");
}

TEST_CASE("hostile checkpoints are refused, each by its own error, and take no memory") {
  std::set<std::string> messages;
  long most = 0;
  const auto cases = all();
  for (const hostile& h : cases) {
    INFO(h.message);
    heap::forget_peak();
    const long before = heap::now().bytes;
    const std::string message = message_of<input_error>([&] { read_model(h.bytes); });
    most = std::max(most, heap::now().peak_bytes - before);
    CHECK(heap::now().peak_bytes - before <= 2 * std::ssize(h.bytes) + (512 << 10));
    CHECK(message.starts_with("FILE: "));
    CHECK_THAT(message, ContainsSubstring(h.message));
    CHECK(messages.insert(message).second);
  }
  CHECK(cases.size() >= 25);
  WARN(cases.size() << " files, at most " << most / 1024 << " KiB each");
}

TEST_CASE("what a file must hold before it is believed is what its network has") {
  for (const std::string kind : {"cddrec", "sasrec", "gru4rec", "svae", "vae", "gan"})
    for (const index size : {index{1}, index{3}})
      for (const char* denoiser : {"cross_decoder", "transformer_decoder"})
        for (const bool parts : {false, true}) {
          auto s = small_settings();
          s.layers = s.decoder_layers = s.discriminator_layers = size, s.steps = 50 * size, s.denoiser = denoiser;
          s.residual = s.feed_forward = parts, s.decoder_feed_forward = 1 + size;
          double tensors = 0, weights = 0;
          const auto count = [&](const std::string&, const auto& p) { ++tensors, weights += static_cast<double>(p.value.size()); };
          kind == "gan" ? cli::make_gan(kind, s, 7).visit(count) : cli::make_network(kind, s, 7).visit(count);
          INFO(kind << ' ' << denoiser << ' ' << size);
          const auto expected = serve::size_of(kind, s, 7, kind == "gan" ? s.discriminator_layers : 0);
          CHECK(expected.weights == weights);
          CHECK(expected.tensors == tensors);
        }
}

}  // namespace cddrec::test
