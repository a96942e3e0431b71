// The load program against a service that is none of ours.
#include "child.hpp"
#include "running.hpp"

namespace cddrec::test {

TEST_CASE("the load program counts answers that are not what they were, and then ends with status 1") {
  std::atomic<long> asked = 0;
  httplib::Server changing;
  changing.Get("/health", [](const auto&, auto& res) { res.set_content("{}", "application/json"); });
  changing.Get("/items", [](const auto&, auto& res) { res.set_content(R"({"items": ["a"]})", "application/json"); });
  changing.Post("/recommend", [&](const auto&, auto& res) {
    const long k = asked++;
    if (k > 0 && k % 2 == 0)
      res.status = 503;
    else
      res.set_content(k < 2 ? "the first" : "another", "application/json");
  });
  const int port = changing.bind_to_any_port("127.0.0.1");
  std::thread listener([&] { changing.listen_after_bind(); });
  child told({"--port", std::to_string(port), "--seconds", "2", "--requests", "1", "--connections", "1"}, load);
  const std::string answers = told.line(), times = told.line(), others = told.line(), wrong = told.line();
  CHECK(told.status() == 1);
  changing.stop();
  listener.join();

  // One without load, then by turns an answer and a refusal; of the answers the first is as it was.
  const long under_load = asked - 1, answered = (under_load + 1) / 2;
  REQUIRE(answered >= 2);
  CHECK_THAT(answers, ContainsSubstring(" s, " + std::to_string(answered) + " answers of 1 history: "));
  CHECK(others == std::to_string(under_load - answered) + " with status 503");
  CHECK(wrong == std::to_string(answered - 1) + " answers differ from those without load");
  double half = 0, nine = 0, most = 0, longest = 0;
  REQUIRE(std::sscanf(times.c_str(), "p50 %lf ms, p90 %lf ms, p99 %lf ms, longest %lf ms", &half, &nine, &most, &longest) == 4);
  CHECK((0 < half && half <= nine && nine <= most && most <= longest));
}

}  // namespace cddrec::test
