// The options of cddrec_serve, each by what it does.
#include <atomic>

#include "child.hpp"
#include "raw.hpp"
#include "running.hpp"

namespace cddrec::test {

TEST_CASE("the service listens where it is told and refuses what is over a limit of its command line") {
  const scratch directory;
  model_file("markov", 30, {}).save(serve::model_path(directory / ""));
  child c({"--model", (directory / "").string(), "--host", "127.0.0.2", "--port", "0", "--max-body", "200", "--max-history", "2",
           "--max-histories", "3", "--max-top", "4"});
  const std::string said = c.line();
  REQUIRE_THAT(said, ContainsSubstring("listens on http://127.0.0.2:"));
  httplib::Client client("127.0.0.2", port_of(said));
  client.set_connection_timeout(60), client.set_read_timeout(60);
  const auto gets = [&](const std::string& body, int status, const std::string& message) {
    INFO(body);
    const auto answer = client.Post("/recommend", body, "application/json");
    REQUIRE(answer);
    CHECK(answer->status == status);
    CHECK_THAT(answer->body, ContainsSubstring(message));
  };
  std::string most = R"({"histories": [["t1"], [], ["t2", "t3"]], "top": 4})";
  most.resize(200, ' ');
  gets(most, 200, "answers");
  gets(most + " ", 413, "201 bytes where 200 are allowed");
  gets(R"({"history": ["t1", "t2", "t3"]})", 413, "3 items of \\\"history\\\" are more than 2");
  gets(R"({"histories": [[], [], [], []]})", 413, "4 histories are more than 3");
  gets(R"({"history": ["t1"], "top": 5})", 413, "is more than 4");
}

TEST_CASE("a queue of nobody is full while one request computes") {
  const scratch directory;
  model_file("cddrec", 90, small_settings()).save(serve::model_path(directory / ""));
  child c({"--model", (directory / "").string(), "--port", "0", "--threads", "1", "--queue", "0"});
  const int port = port_of(c.line());
  std::string body = R"({"top": 80, "histories": [["t1"])";
  for (int k = 1; k < 256; ++k) body += R"(,["t1"])";
  body += "]}";
  std::atomic<int> busy = 0, well = 0, other = 0;
  for (int round = 0; busy == 0 && round < 100; ++round) {  // until two of eight meet
    std::vector<std::thread> clients;
    for (int k = 0; k < 8; ++k)
      clients.emplace_back([&] {
        const auto answer = client_of(port).Post("/recommend", body, "application/json");
        ++(answer && answer->status == 200 ? well : answer && answer->status == 503 ? busy : other);
      });
    for (auto& one : clients) one.join();
  }
  CHECK(busy > 0);
  CHECK(well > 0);
  CHECK(other == 0);
}

TEST_CASE("the only connection is for the next when the patience with a slow client is over") {
  const scratch directory;
  model_file("markov", 30, {}).save(serve::model_path(directory / ""));
  const auto with = [&](const std::string& patience) {
    return std::vector<std::string>{"--model", (directory / "").string(), "--port", "0", "--connections", "1", "--patience", patience};
  };
  child patient(with("3600")), brief(with("0.3"));
  const int of_patient = port_of(patient.line()), of_brief = port_of(brief.line());
  const raw spared(of_patient), cut(of_brief);
  for (const raw* slow : {&spared, &cut}) slow->send("POST /recommend HTTP/1.1\r\nX: ");
  REQUIRE(client_of(of_brief).Get("/health"));  // after the other
  CHECK_FALSE(cut.waits());
  CHECK(spared.waits());
}

}  // namespace cddrec::test
