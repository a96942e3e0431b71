#include "cddrec/io/safetensors.hpp"

#include "io/scratch.hpp"

namespace cddrec::test {

namespace {

using shape = std::vector<index>;

io::tensor_file small_file() {
  io::tensor_file file;
  file.metadata = {{"model", "cddrec"}, {"ids", "café\n\"-3\" 0"}, {"a\"checksum", "00000000"}};
  file.add<std::uint8_t>("bytes", {3}, std::vector<std::uint8_t>{0, 128, 255});
  file.add<float>("weight", {2, 3}, std::vector<float>{1, -0.0f, 3, std::numeric_limits<float>::infinity(), 5e-39f, 6});
  file.add<double>("mean", {}, std::vector<double>{0.1});
  file.add<std::int32_t>("small", {1, 1, 2}, std::vector<std::int32_t>{-1, INT32_MIN});
  file.add<std::int64_t>("large", {1}, std::vector<std::int64_t>{INT64_MIN});
  file.add<float>("empty", {0, 5}, std::vector<float>{});
  return file;
}

template <class T>
std::vector<T> values(const io::tensor_file& file, const std::string& name) {
  const auto span = file.values<T>(name);
  CHECK(reinterpret_cast<std::uintptr_t>(span.data()) % core::alignment == 0);
  return {span.begin(), span.end()};
}

// A file around any header, its checksum right; `entries` follows the metadata.
std::string sealed(const std::string& entries, const std::string& data = "", const std::string& more_metadata = "") {
  const std::string header = std::string(io::detail::checksum_key) + "00000000\"" + more_metadata + "}" + entries + "}";
  std::string file(8, '\0');
  const std::uint64_t length = header.size();
  std::memcpy(file.data(), &length, 8);
  file += header + data;
  file.replace(io::detail::digits_begin, 8, io::detail::checksum(file));
  return file;
}

std::string problem(const std::string& file) {
  const std::string message = message_of<input_error>([&] { io::tensor_file::parse(file, "FILE"); });
  REQUIRE(message.starts_with("FILE: damaged model: "));
  return message.substr(21);
}

bool refused(const std::string& file) {
  try {
    io::tensor_file::parse(file, "FILE");
    return false;
  } catch (const input_error& e) {
    return std::string_view(e.what()).starts_with("FILE: damaged model: ");
  }
}

}  // namespace

TEST_CASE("tensors of every type come back bit by bit") {
  const scratch directory;
  small_file().save(directory / "model");
  CHECK(directory.names() == std::vector<std::string>{"model"});
  const auto file = io::tensor_file::load(directory / "model");
  CHECK(file.metadata == small_file().metadata);
  CHECK(file.tensors().size() == 6);
  CHECK(values<std::uint8_t>(file, "bytes") == std::vector<std::uint8_t>{0, 128, 255});
  CHECK(values<float>(file, "weight") == std::vector<float>{1, 0, 3, std::numeric_limits<float>::infinity(), 5e-39f, 6});
  CHECK(std::signbit(file.values<float>("weight")[1]));
  CHECK(values<double>(file, "mean") == std::vector<double>{0.1});
  CHECK(values<std::int32_t>(file, "small") == std::vector<std::int32_t>{-1, INT32_MIN});
  CHECK(values<std::int64_t>(file, "large") == std::vector<std::int64_t>{INT64_MIN});
  CHECK(file.values<float>("empty").empty());
  CHECK(file.shape("weight") == shape{2, 3});
  CHECK(file.shape("mean") == shape{});
  CHECK(file.shape("small") == shape{1, 1, 2});
  CHECK(file.shape("empty") == shape{0, 5});
  CHECK(file.serialise() == directory.read("model"));

  io::tensor_file lent;
  lent.metadata = file.metadata;
  lent.lend<std::uint8_t>("bytes", file.shape("bytes"), file.values<std::uint8_t>("bytes"));
  for (const char* name : {"weight", "empty"}) lent.lend<float>(name, file.shape(name), file.values<float>(name));
  lent.lend<double>("mean", {}, file.values<double>("mean"));
  lent.lend<std::int32_t>("small", file.shape("small"), file.values<std::int32_t>("small"));
  lent.lend<std::int64_t>("large", file.shape("large"), file.values<std::int64_t>("large"));
  CHECK(lent.serialise() == directory.read("model"));
  CHECK_THROWS_AS(lent.lend<double>("mean", {}, file.values<double>("mean")), input_error);
  CHECK_THROWS_AS(lent.lend<double>("two", {2}, file.values<double>("mean")), input_error);

  const auto nothing = io::tensor_file::parse(io::tensor_file{}.serialise(), "FILE");
  CHECK(nothing.tensors().empty());
  CHECK(nothing.metadata.empty());
}

TEST_CASE("the bytes are those of the format, and depend on the content alone") {
  io::tensor_file file;
  file.add<std::uint8_t>("a", {1}, std::vector<std::uint8_t>{7});
  file.add<float>("b", {1}, std::vector<float>{1});
  const std::string bytes = file.serialise();
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  CHECK((8 + length) % 64 == 0);
  CHECK(bytes.size() == 8 + length + 5);
  // The wider type comes first, so that it is aligned.
  const auto header = nlohmann::json::parse(bytes.substr(8, length));
  CHECK(header["b"] == nlohmann::json::parse(R"({"dtype": "F32", "shape": [1], "data_offsets": [0, 4]})"));
  CHECK(header["a"] == nlohmann::json::parse(R"({"dtype": "U8", "shape": [1], "data_offsets": [4, 5]})"));
  CHECK(bytes.substr(8 + length) == std::string("\0\0\x80\x3F\x07", 5));
  // The checksum is zlib's, of the file with zeros in its place.
  std::string zeros = bytes;
  const std::string digits = header["__metadata__"]["checksum"].get<std::string>();
  zeros.replace(zeros.find(digits), 8, "00000000");
  const uLong crc = ::crc32(0, reinterpret_cast<const Bytef*>(zeros.data()), static_cast<uInt>(zeros.size()));
  CHECK(std::stoul(digits, nullptr, 16) == crc);

  io::tensor_file other_order;
  other_order.add<float>("b", {1}, std::vector<float>{1});
  other_order.add<std::uint8_t>("a", {1}, std::vector<std::uint8_t>{7});
  CHECK(other_order.serialise() == bytes);
}

TEST_CASE("every flipped bit, every cut and every added byte is refused") {
  const std::string file = small_file().serialise();
  CHECK_FALSE(refused(file));
  std::size_t accepted = 0;
  for (std::size_t i = 0; i < file.size(); ++i)
    for (int change = 1; change < 256; ++change) {
      std::string damaged = file;
      damaged[i] = static_cast<char>(damaged[i] ^ change);
      accepted += !refused(damaged);
    }
  for (std::size_t size = 0; size < file.size(); ++size) accepted += !refused(file.substr(0, size));
  for (int byte = 0; byte < 256; ++byte) accepted += !refused(file + static_cast<char>(byte));
  CHECK(accepted == 0);
}

TEST_CASE("damage is told by what is wrong") {
  const std::string file = small_file().serialise();
  CHECK(problem("") == "the file ends within the header's length; restore it from a copy");
  CHECK(problem(std::string(8, '\xFF')) == "a header of 18446744073709551615 bytes in a file of 8; restore it from a copy");
  CHECK(problem(file.substr(0, 100)).starts_with("a header of "));
  CHECK(problem(std::string("\x02\0\0\0\0\0\0\0{}", 10)).starts_with("the header does not begin with a checksum; examples/pytorch/"));
  CHECK(problem(file + "x").starts_with("the checksum does not match"));
  // A header that ends among the digits.
  std::string shortened = file;
  shortened[0] = static_cast<char>(io::detail::checksum_key.size() + 7), shortened[1] = 0;
  CHECK(problem(shortened).starts_with("the header does not begin with a checksum"));
}

TEST_CASE("a header that breaks the format is refused though its checksum is right") {
  const auto entry = [](const std::string& dtype, const std::string& sizes, const std::string& offsets) {
    return R"(,"a":{"dtype":)" + dtype + R"(,"shape":)" + sizes + R"(,"data_offsets":)" + offsets + "}";
  };
  const std::string f32 = R"("F32")";
  CHECK_FALSE(refused(sealed(entry(f32, "[1]", "[0,4]"), "1234")));

  CHECK(problem(sealed(",")).starts_with("the header is not JSON at byte "));
  CHECK(problem(sealed("}")).starts_with("the header is not JSON at byte "));
  CHECK(problem(sealed(",\"\xC3(\":1")).starts_with("the header is not UTF-8 at byte "));
  CHECK(problem(sealed(std::string("} \0 {", 5))) == "the header contains a zero byte");
  CHECK(problem(sealed(R"(,"a":{"dtype":{"x":{}}})")) == "the header is nested too deeply");
  CHECK(problem(sealed(",\"a\":" + std::string(100000, '['))) == "the header is nested too deeply");
  CHECK(problem(sealed(entry(f32, "[0]", "[0,0]") + entry(f32, "[0]", "[0,0]"))) == "the header names \"a\" twice");
  CHECK(problem(sealed(R"(,"__metadata__":{})")) == "the header names \"__metadata__\" twice");
  CHECK(problem(sealed("", "", R"(,"checksum":"00000000")")) == "the header names \"checksum\" twice");
  CHECK(problem(sealed(R"(,"a":{"shape":[],"\u0073hape":[]})")) == "the header names \"shape\" twice");
  CHECK(problem(sealed("", "", R"(,"n":1)")) == "metadata \"n\" is not a string");

  const std::string fields = "needs exactly dtype, shape and data_offsets";
  CHECK(problem(sealed(R"(,"a":1)")) == "tensor \"a\": " + fields);
  CHECK(problem(sealed(R"(,"\n":[1,2,3])")) == "tensor \"\\x0A\": " + fields);
  CHECK(problem(sealed(R"(,"a":{"dtype":"F32","shape":[0]})")) == "tensor \"a\": " + fields);
  CHECK(problem(sealed(R"(,"a":{"dtype":"F32","shape":[0],"offsets":[0,0]})")) == "tensor \"a\": " + fields);
  CHECK(problem(sealed(R"(,"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0],"x":1})")) == "tensor \"a\": " + fields);

  CHECK(problem(sealed(R"(,"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0],"x":1,"y":2,"z":3,"u":4,"v":5,"w":6})")) ==
        "the header gives \"a\" more than 8 values");
  CHECK_FALSE(refused(sealed(entry(f32, "[1,1,1,1,1,1,1,1]", "[0,4]"), "1234")));
  CHECK(problem(sealed(entry(f32, "[1,1,1,1,1,1,1,1,1]", "[0,4]"), "1234")) == "the header gives \"a\" more than 8 values");
  CHECK(problem(sealed(",\"" + std::string(100, 'a') + "\":1")) == "tensor \"" + std::string(60, 'a') + "\"…: " + fields);
  CHECK(problem(sealed("", "", R"(,"n":["a"])")) == "metadata \"n\" is not a string");

  const std::string type = "tensor \"a\": the dtype is not F32, F64, I32, I64 or U8";
  CHECK(problem(sealed(entry(R"("F16")", "[0]", "[0,0]"))) == type);
  CHECK(problem(sealed(entry("32", "[0]", "[0,0]"))) == type);

  const std::string sizes = "tensor \"a\": the shape is not a list of whole numbers from 0";
  for (const char* bad : {"1", "[-1]", "[1.0]", "[\"1\"]", "[9223372036854775808]", "[1e3]", "[null]", "[18446744073709551616]", "[-0]"})
    CHECK(problem(sealed(entry(f32, bad, "[0,4]"), "1234")) == sizes);
  for (const char* bad : {"[4611686018427387904]", "[4294967296,4294967296]", "[9223372036854775807,2,0]"})
    CHECK(problem(sealed(entry(f32, bad, "[0,4]"), "1234")) == "tensor \"a\": the shape overflows");
  CHECK(problem(sealed(entry(f32, "[2]", "[0,4]"), "1234")) == "tensor \"a\": the shape needs 8 bytes, but the data_offsets give 4");
  CHECK(problem(sealed(entry(f32, "[1]", "[0,8]"), "12345678")) == "tensor \"a\": the shape needs 4 bytes, but the data_offsets give 8");
  CHECK(problem(sealed(entry(f32, "[]", "[0,0]"))) == "tensor \"a\": the shape needs 4 bytes, but the data_offsets give 0");
  CHECK(problem(sealed(entry(f32, "[1000000000000]", "[0,4000000000000]"), "1234")) ==
        "tensor \"a\": the data_offsets do not fit the 4 bytes of data");

  const std::string offsets = "tensor \"a\": the data_offsets are not two whole numbers from 0";
  for (const char* bad : {"4", "[]", "[4]", "[0,4,4]", "[-4,0]", "[0,4.0]", "[0,\"4\"]"})
    CHECK(problem(sealed(entry(f32, "[1]", bad), "1234")) == offsets);
  const std::string outside = "tensor \"a\": the data_offsets do not fit the 4 bytes of data";
  for (const char* bad : {"[4,0]", "[0,5]", "[5,5]", "[1,9223372036854775807]"})
    CHECK(problem(sealed(entry(f32, "[1]", bad), "1234")) == outside);
}

TEST_CASE("tensors must fill the data, each byte once") {
  const auto file = [](const std::vector<std::pair<int, int>>& extents, std::size_t bytes) {
    std::string entries;
    char name = 'a';
    for (const auto& [begin, end] : extents)
      entries += std::string(",\"") + name++ + R"(":{"dtype":"U8","shape":[)" + std::to_string(end - begin) + R"(],"data_offsets":[)" +
                 std::to_string(begin) + "," + std::to_string(end) + "]}";
    return sealed(entries, std::string(bytes, 'x'));
  };
  CHECK_FALSE(refused(file({{4, 4}, {2, 4}, {2, 2}, {0, 2}, {0, 0}}, 4)));
  CHECK(problem(file({{0, 2}, {3, 4}}, 4)) == "tensor \"b\": its data follow a gap");
  CHECK(problem(file({{1, 4}}, 4)) == "tensor \"a\": its data follow a gap");
  CHECK(problem(file({{0, 3}, {2, 4}}, 4)) == "tensor \"b\": its data overlap another's");
  CHECK(problem(file({{0, 4}, {0, 4}}, 4)) == "tensor \"b\": its data overlap another's");
  CHECK(problem(file({{0, 4}, {2, 2}}, 4)) == "tensor \"b\": its data overlap another's");
  CHECK(problem(file({{0, 3}}, 4)) == "the data hold 1 bytes more than the tensors");
  CHECK(problem(file({}, 4)) == "the data hold 4 bytes more than the tensors");
}

TEST_CASE("an unaligned tensor of another writer is read aligned") {
  const auto file = io::tensor_file::parse(
      sealed(R"(,"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F32","shape":[1],"data_offsets":[1,5]} )",
             std::string("\x07\0\0\x80\x3F", 5)),
      "FILE");
  CHECK(values<float>(file, "b") == std::vector<float>{1});
}

TEST_CASE("wrong use of a tensor file is told by name") {
  io::tensor_file file;
  const std::vector<float> six(6);
  file.add<float>("a", {2, 3}, six);
  CHECK_THROWS_WITH(file.add<float>("a", {6}, six), ContainsSubstring("the name \"a\" is taken"));
  CHECK_THROWS_WITH(file.add<float>("__metadata__", {6}, six), ContainsSubstring("the name \"__metadata__\" is taken"));
  for (const shape& bad : {shape{7}, shape{-2, -3}, shape{}, shape{index{1} << 62, 2, 3}})
    CHECK_THROWS_WITH(file.add<float>("b", bad, six), ContainsSubstring("tensor \"b\": the shape does not fit 6 values"));
  CHECK_THROWS_WITH(file.add<std::uint8_t>("b", {-1, 0}, {}), ContainsSubstring("the shape does not fit 0 values"));
  CHECK_THROWS_WITH(file.add<float>("b", {1, 1, 1, 1, 1, 1, 1, 2, 3}, six), ContainsSubstring("tensor \"b\": a shape has at most 8 sizes"));
  CHECK_THROWS_WITH(file.values<double>("a"), ContainsSubstring("tensor \"a\" is F32, not F64"));
  CHECK_THROWS_WITH(file.values<float>("b"), ContainsSubstring("there is no tensor \"b\""));
  CHECK_THROWS_WITH(file.shape("b"), ContainsSubstring("there is no tensor \"b\""));
  CHECK_THROWS_WITH(io::tensor_file::parse(file.serialise(), "FILE").shape("b"), ContainsSubstring("FILE: there is no tensor \"b\""));
  file.metadata["x"] = "\xFF";
  CHECK_THROWS_WITH(file.serialise(), ContainsSubstring("is not UTF-8"));
  file.metadata = {{"checksum", "x"}};
  CHECK_THROWS_WITH(file.serialise(), ContainsSubstring("cannot be named `checksum`"));
}

TEST_CASE("a model that is not there is refused by name") {
  const scratch directory;
  CHECK_THROWS_WITH(io::tensor_file::load(directory / "no"), ContainsSubstring("no: cannot be opened: No such file or directory"));
  CHECK_THROWS_WITH(io::tensor_file::load(directory.write("text", "hello, world")), ContainsSubstring("text: damaged model: "));
}

}  // namespace cddrec::test
