// The program around the service: what it prints, how it ends.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "serve/models.hpp"
#include "service.hpp"

namespace cddrec::test {

namespace {

const std::string program = CDDREC_BINARY_DIR "/bin/cddrec_serve";

/// A child that runs the program, with its output, errors too, in a pipe.
struct child {
  pid_t pid = -1;
  FILE* output = nullptr;

  explicit child(const std::vector<std::string>& arguments) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    std::vector<char*> argv{const_cast<char*>(program.c_str())};
    for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
    argv.push_back(nullptr);
    pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
      ::dup2(ends[1], 1), ::dup2(ends[1], 2);
      ::close(ends[0]), ::close(ends[1]);
      ::execv(program.c_str(), argv.data());
      ::_exit(127);
    }
    ::close(ends[1]);
    output = ::fdopen(ends[0], "r");
  }
  ~child() {
    if (pid > 0) ::kill(pid, SIGKILL), ::waitpid(pid, nullptr, 0);
    ::fclose(output);
  }
  std::string line() const {
    std::string text;
    for (int c = std::fgetc(output); c != EOF && c != '\n'; c = std::fgetc(output)) text += static_cast<char>(c);
    return text;
  }
  int status() {
    int ended = 0;
    ::waitpid(pid, &ended, 0);
    pid = -1;
    return WIFEXITED(ended) ? WEXITSTATUS(ended) : -1;
  }
};

}  // namespace

TEST_CASE("the program serves a model directory until it is told to stop, and ends well") {
  const scratch directory;
  model_file("markov", 30, {}).save(serve::model_path(directory / ""));
  for (const int signal : {SIGINT, SIGTERM}) {
    child c({"--model", (directory / "").string(), "--port", "0"});
    const std::string said = c.line();
    CHECK_THAT(said, ContainsSubstring("cddrec: a markov of 30 items listens on http://127.0.0.1:"));
    const int port = std::stoi(said.substr(said.rfind(':', said.find("  (")) + 1));
    httplib::Client client("127.0.0.1", port);
    client.set_keep_alive(true);  // an idle connection does not keep it
    const auto answer = client.Post("/recommend", R"({"history": ["t1"], "top": 3})", "application/json");
    REQUIRE(answer);
    CHECK(nlohmann::json::parse(answer->body).at("recommendations").size() == 3);

    child second({"--model", (directory / "").string(), "--port", std::to_string(port)});
    CHECK_THAT(second.line(), ContainsSubstring(std::to_string(port) + ": cannot listen there"));
    CHECK(second.status() == 1);

    ::kill(c.pid, signal);
    CHECK(c.line() == "cddrec: stopped");
    CHECK(c.status() == 0);
  }
}

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
  httplib::Client client("127.0.0.1", std::stoi(said.substr(said.rfind(':', said.find("  (")) + 1)));
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

}  // namespace cddrec::test
