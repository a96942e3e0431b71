// The program around the service: what it prints, how it ends.
#include <fstream>

#include "child.hpp"
#include "running.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
#define CDDREC_TEST_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CDDREC_TEST_SANITIZED
#endif
#endif

namespace cddrec::test {

TEST_CASE("the program serves a model directory until it is told to stop, and ends well") {
  const scratch directory;
  model_file("markov", 30, {}).save(serve::model_path(directory / ""));
  for (const int signal : {SIGINT, SIGTERM}) {
    child c({"--model", (directory / "").string(), "--port", "0"});
    const std::string said = c.line();
    CHECK_THAT(said, ContainsSubstring("cddrec: a markov of 30 items listens on http://127.0.0.1:"));
    const int port = std::stoi(said.substr(said.rfind(':', said.find("  (")) + 1));
    httplib::Client client = client_of(port);
    client.set_keep_alive(true);  // an idle connection does not keep it
    const auto answer = client.Post("/recommend", R"({"history": ["t1"], "top": 3})", "application/json");
    REQUIRE(answer);
    CHECK(nlohmann::json::parse(answer->body).at("recommendations").size() == 3);

    child second({"--model", (directory / "").string(), "--port", std::to_string(port)});
    CHECK_THAT(second.line(), ContainsSubstring(std::to_string(port) + ": cannot listen there"));
    CHECK(second.status() == 1);
    child elsewhere({"--model", (directory / "").string(), "--port", "0", "--host", "203.0.113.1"});  // nobody's
    const std::string why = elsewhere.line();
    CHECK_THAT(why, ContainsSubstring("203.0.113.1:0: cannot listen there; is the port taken, or is --host not an address of this"));
    if (why.find("cannot listen") == why.npos) ::kill(elsewhere.pid, SIGTERM);
    CHECK(elsewhere.status() == 1);

    ::kill(c.pid, signal);
    CHECK(c.line() == "cddrec: stopped");
    CHECK(c.status() == 0);
  }
}

TEST_CASE("a signal that comes while the program loads ends it as well") {
  const scratch directory;
  model_file("markov", 30, {}).save(serve::model_path(directory / ""));
  for (const int signal : {SIGINT, SIGTERM}) {
    child c({"--model", (directory / "").string(), "--port", "0"}, program, signal);
    CHECK_THAT(c.line(), ContainsSubstring("listens on"));
    CHECK(c.line() == "cddrec: stopped");
    CHECK(c.status() == 0);
  }
}

#ifndef CDDREC_TEST_SANITIZED
TEST_CASE("what large requests took of memory is given back, whichever threads they were on") {
  const scratch directory;
  model_file("markov", 30, {}).save(serve::model_path(directory / ""));
  child c({"--model", (directory / "").string(), "--port", "0", "--threads", "1"});
  const std::string said = c.line();
  const int port = std::stoi(said.substr(said.rfind(':', said.find("  (")) + 1));
  std::string body = R"({"history": [[])";  // as JSON some thirty times its bytes
  while (body.size() < 1'000'000) body += ",[]";
  body += "]}";
  std::vector<std::thread> clients;
  std::array<int, 16> status{};
  for (int& mine : status)
    clients.emplace_back([&] {
      if (const auto answer = client_of(port).Post("/recommend", body, "application/json")) mine = answer->status;
    });
  for (auto& one : clients) one.join();
  for (const int answered : status) CHECK(answered == 413);  // for its histories: the JSON was read
  std::ifstream figures("/proc/" + std::to_string(c.pid) + "/status");
  long peak = 0;
  for (std::string line; std::getline(figures, line);)
    if (line.starts_with("VmHWM:")) peak = std::stol(line.substr(6));
  CHECK(peak > 0);
  CHECK(peak < 120'000);  // KiB
}
#endif

TEST_CASE("the program finds items by a graph, or says what it was built without") {
  const scratch directory;
  model_file("cddrec", 90, small_settings()).save(serve::model_path(directory / ""));
  child c({"--model", (directory / "").string(), "--port", "0", "--retrieval", "hnsw", "--hnsw-ef", "20"});
  const std::string said = c.line();
  if (said == "cddrec: --retrieval hnsw: this program was built without hnswlib") {
    c.line(), c.line();
    CHECK(c.status() == 2);
    return;
  }
  httplib::Client client = client_of(std::stoi(said.substr(said.rfind(':', said.find("  (")) + 1)));
  const auto answer = client.Post("/recommend", R"({"history": ["t1"], "top": 3})", "application/json");
  REQUIRE(answer);
  CHECK(nlohmann::json::parse(answer->body).at("recommendations").size() == 3);
}

TEST_CASE("wrong usage and bad input end with status 2 and a message") {
  const auto refused = [](const std::vector<std::string>& arguments, const std::string& message) {
    child c(arguments);
    const std::string said = c.line();
    CHECK(said.starts_with("cddrec: "));
    CHECK_THAT(said, ContainsSubstring(message));
    CHECK(c.status() == 2);
  };
  refused({}, "--model is required");
  refused({"--model", "/nowhere"}, "/nowhere: holds no model");
  refused({"--model", "/nowhere", "--port", "70000"}, "--port");
  refused({"--model", "/nowhere", "--threads", "0"}, "--threads");
  refused({"--model", "/nowhere", "--hnsw-ef", "30"}, "--hnsw-ef are for --retrieval hnsw");
}

TEST_CASE("the load program asks for no more than the service gives, and tells a refusal from no answer") {
  const scratch directory;
  model_file("markov", 30, {}).save(serve::model_path(directory / ""));
  child c({"--model", (directory / "").string(), "--port", "0", "--max-top", "5"});
  const std::string said = c.line(), port = std::to_string(std::stoi(said.substr(said.rfind(':', said.find("  (")) + 1)));
  const std::vector<std::string> brief{"--port", port, "--seconds", "0.2", "--requests", "4", "--connections", "1"};
  const auto asked = [&](const std::string& top) {
    std::vector<std::string> arguments = brief;
    arguments.insert(arguments.end(), {"--top", top});
    return arguments;
  };
  child well(asked("5"), load);
  CHECK(well.line().starts_with("1 connections, "));
  well.line();
  CHECK(well.line() == "0 answers differ from those without load");
  CHECK(well.status() == 0);
  child refused(asked("6"), load);
  CHECK_THAT(refused.line(), ContainsSubstring(port + ": refused: {\"error\":"));
  CHECK(refused.status() == 1);
  child full({"-c", "exec \"$0\" \"$@\" >/dev/full", load, "--port", port, "--seconds", "0.2", "--requests", "1", "--top", "5"}, "/bin/sh");
  CHECK_THAT(full.line(), ContainsSubstring("cddrec: standard output: cannot be written: No space left"));
  CHECK(full.status() == 1);
  ::kill(c.pid, SIGTERM);
  CHECK(c.line() == "cddrec: stopped");
  CHECK(c.status() == 0);
  child nobody(brief, load);
  CHECK_THAT(nobody.line(), ContainsSubstring(port + ": nothing answers there; start cddrec_serve"));
  CHECK(nobody.status() == 1);

  // Something else that answers, and a model of nothing.
  for (const bool empty : {false, true}) {
    httplib::Server other;
    other.Get("/health",
              [&](const auto&, auto& res) { res.status = empty ? 200 : 500, res.set_content(empty ? "{}" : "busy", "text/plain"); });
    other.Get("/items", [](const auto&, auto& res) { res.set_content(R"({"items": []})", "application/json"); });
    const int taken = other.bind_to_any_port("127.0.0.1");
    std::thread listener([&] { other.listen_after_bind(); });
    child told({"--port", std::to_string(taken)}, load);
    CHECK_THAT(told.line(), ContainsSubstring(empty ? "its model has no items to ask about" : "GET /health has status 500: busy"));
    CHECK(told.status() == 1);
    other.stop();
    listener.join();
  }
}

TEST_CASE("the load program offers what it is told, whatever the service makes of it") {
  // Forty requests of three histories a second; the service gives each its 503 but those that it has time for.
  const scratch directory;
  model_file("markov", 30, {}).save(serve::model_path(directory / ""));
  child c({"--model", (directory / "").string(), "--port", "0", "--threads", "1", "--queue", "0"});
  const std::string said = c.line(), port = std::to_string(std::stoi(said.substr(said.rfind(':', said.find("  (")) + 1)));
  child offers({"--port", port, "--seconds", "1.5", "--requests", "4", "--connections", "4", "--histories", "3", "--rate", "40"}, load);
  CHECK_THAT(offers.line(), ContainsSubstring(" answers of 3 histories: "));
  const std::string offered = offers.line();
  REQUIRE(offered.starts_with("offered "));
  CHECK(std::stod(offered.substr(8)) > 0);  // 120, unless the machine has other work
  CHECK_THAT(offered, ContainsSubstring(" histories/s of 120.0 that were due, answered "));
  CHECK_THAT(offered, ContainsSubstring(" requests asked over 10 ms late, "));
  CHECK_THAT(offered, ContainsSubstring(" s of the processors"));
  CHECK(offers.status() == 0);
}

}  // namespace cddrec::test
