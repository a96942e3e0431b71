#include "cddrec/io/onnx.hpp"

#include <sys/mman.h>

#include "io/scratch.hpp"

namespace cddrec::test {

namespace {

/// The fields of a protobuf message: number and value, whose bytes are those of a text, of a message, or of a number as it stands there.
std::vector<std::pair<int, std::string>> fields(std::string_view bytes) {
  std::vector<std::pair<int, std::string>> all;
  const auto varint = [&] {
    std::uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      REQUIRE(!bytes.empty());
      const auto byte = static_cast<unsigned char>(bytes.front());
      bytes.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return value;
    }
  };
  while (!bytes.empty()) {
    const std::uint64_t tag = varint();
    std::size_t length = 4;
    std::string number;
    if ((tag & 7) == 0) number = std::to_string(static_cast<std::int64_t>(varint()));
    if ((tag & 7) == 2) length = varint();
    if ((tag & 7) != 0) {
      REQUIRE(((tag & 7) == 2 || (tag & 7) == 5));
      REQUIRE(length <= bytes.size());
      number = bytes.substr(0, length);
      bytes.remove_prefix(length);
    }
    all.emplace_back(static_cast<int>(tag >> 3), number);
  }
  return all;
}

std::string field(std::string_view bytes, int number, std::size_t which = 0) {
  for (const auto& [n, value] : fields(bytes))
    if (n == number && which-- == 0) return value;
  FAIL("no field " + std::to_string(number));
  return {};
}

}  // namespace

TEST_CASE("a model is what its fields say") {
  io::onnx::graph g;
  const std::string x = g.input<std::int64_t>("x", {"batch", core::index{300}});
  const std::string w = g.constant<float>("w", {2, 1}, std::vector<float>{1.5f, -2});
  const std::string y =
      g("Op", {x, w}, {{"axis", std::int64_t{-1}}, {"epsilon", 0.5f}, {"kind", "min"}, {"perm", std::vector<std::int64_t>{0, 200}}});
  g.node("Last", {y}, {"scores", "more"});
  g.output<float>("scores", {"batch"});
  const std::string bytes = g.serialise("net", "maker", {{"items", "a\nb"}});
  CHECK(field(bytes, 1) == std::to_string(io::onnx::ir_version));
  CHECK(field(bytes, 2) == "maker");
  CHECK(field(field(bytes, 8), 2) == std::to_string(io::onnx::opset));
  CHECK(field(field(bytes, 14), 1) == "items");
  CHECK(field(field(bytes, 14), 2) == "a\nb");
  const std::string graph = field(bytes, 7);
  CHECK(field(graph, 2) == "net");

  const std::string tensor = field(graph, 5);
  CHECK(field(tensor, 1) == "2");
  CHECK(field(tensor, 1, 1) == "1");
  CHECK(field(tensor, 2) == "1");  // float
  CHECK(field(tensor, 8) == "w");
  CHECK(field(tensor, 9) == std::string("\x00\x00\xC0\x3F\x00\x00\x00\xC0", 8));

  const std::string input = field(graph, 11), of_input = field(field(input, 2), 1);
  CHECK(field(input, 1) == "x");
  CHECK(field(of_input, 1) == "7");  // int64
  CHECK(field(field(field(of_input, 2), 1), 2) == "batch");
  CHECK(field(field(field(of_input, 2), 1, 1), 1) == "300");
  CHECK(field(field(graph, 12), 1) == "scores");

  const std::string op = field(graph, 1), last = field(graph, 1, 1);
  CHECK(field(op, 1) == "x");
  CHECK(field(op, 1, 1) == "w");
  CHECK(field(op, 4) == "Op");
  CHECK(field(op, 2) == field(last, 1));
  CHECK(field(last, 2, 1) == "more");
  const auto attribute = [&](std::size_t which, const std::string& name, const std::string& type) {
    const std::string a = field(op, 5, which);
    CHECK(field(a, 1) == name);
    CHECK(field(a, 20) == type);
    return a;
  };
  CHECK(field(attribute(0, "axis", "2"), 3) == "-1");
  CHECK(field(attribute(1, "epsilon", "1"), 2) == std::string("\x00\x00\x00\x3F", 4));
  CHECK(field(attribute(2, "kind", "3"), 4) == "min");
  CHECK(field(attribute(3, "perm", "7"), 8) == "0");
  CHECK(field(attribute(3, "perm", "7"), 8, 1) == "200");
}

TEST_CASE("what the format cannot hold is refused before it is copied") {
  constexpr index count = INT32_MAX / 4 + 1;
  // Room for it, which is never touched and so takes no memory.
  void* const room = ::mmap(nullptr, count * sizeof(float), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) {
    WARN("skipped: no room for 2 GiB of addresses");
    return;
  }
  io::onnx::graph g;
  CHECK_THROWS_WITH(g.constant<float>("table", {count, 1}, {static_cast<const float*>(room), static_cast<std::size_t>(count)}),
                    "an ONNX model of 2147483648 bytes or more: the format holds at most 2 GiB; export the items instead");
  ::munmap(room, count * sizeof(float));
}

TEST_CASE("names that a graph makes are not made twice") {
  io::onnx::graph g;
  std::vector<std::string> names{g.constant(1.0f), g.constant(std::int64_t{1}), g.constant(std::vector<std::int64_t>{1, 2}), g("Op", {}),
                                 g("Op", {})};
  std::sort(names.begin(), names.end());
  CHECK(std::unique(names.begin(), names.end()) == names.end());
}

}  // namespace cddrec::test
