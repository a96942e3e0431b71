#include "metrics.hpp"

#include "running.hpp"

namespace cddrec::test {

TEST_CASE("the page of metrics adds up what it was told") {
  service::metrics all;
  all.request("/recommend", 200), all.request("/recommend", 200), all.request("/items", 399);
  all.request("/recommend", 400), all.request("/recommend", 503), all.request("other", 404);
  all.recommended(3, 2, 0.003), all.recommended(1, 5, 0.0025), all.recommended(1, 0, 0.2), all.recommended(1, 0, 1234567.25);
  const std::string page = all.text(2, 7);
  for (const char* part : {"\ncddrec_requests_total{path=\"/recommend\",status=\"200\"} 2\n", "\ncddrec_errors_total 3\n",
                           "\ncddrec_histories_total 6\n", "\ncddrec_unknown_items_total 7\n", "\ncddrec_computing 2\n",
                           "\ncddrec_waiting 7\n", "\ncddrec_recommend_seconds_sum 1234567.4555\n", "\ncddrec_recommend_seconds_count 4\n"})
    CHECK_THAT(page, ContainsSubstring(part));
  // Each holds those before it.
  std::string buckets;
  for (const auto& [bound, calls] : std::vector<std::pair<const char*, int>>{{"0.0005", 0},
                                                                             {"0.001", 0},
                                                                             {"0.0025", 1},
                                                                             {"0.005", 2},
                                                                             {"0.01", 2},
                                                                             {"0.025", 2},
                                                                             {"0.05", 2},
                                                                             {"0.1", 2},
                                                                             {"0.25", 3},
                                                                             {"0.5", 3},
                                                                             {"1", 3},
                                                                             {"2.5", 3},
                                                                             {"+Inf", 4}})
    buckets += "cddrec_recommend_seconds_bucket{le=\"" + std::string(bound) + "\"} " + std::to_string(calls) + "\n";
  CHECK_THAT(page, ContainsSubstring("histogram\n" + buckets + "cddrec_recommend_seconds_sum"));
}

TEST_CASE("the service counts errors and unknown items, and tells who computes from who waits") {
  running s({.threads = 1, .queue = 2});
  CHECK(s.post("{}").first == 400);
  CHECK(figure(s, "cddrec_errors_total") == 1);
  CHECK(s.post(R"({"histories": [["moon", "t1", "sun"], ["moon"]]})").first == 200);
  CHECK(figure(s, "cddrec_errors_total") == 1);
  CHECK(figure(s, "cddrec_unknown_items_total") == 3);
  CHECK(figure(s, "cddrec_histories_total") == 2);
  CHECK(figure(s, "cddrec_recommend_seconds_count") == 1);

  service::gate& gate = s.server.admission();
  REQUIRE(gate.enter());  // somebody computes
  std::vector<std::thread> waiting;
  for (int k = 1; k <= 2; ++k) {
    waiting.emplace_back([&] { s.client().Post("/recommend", R"({"history": ["t1"]})", "application/json"); });
    while (gate.waiting() < k) std::this_thread::yield();
  }
  CHECK(figure(s, "cddrec_computing") == 1);
  CHECK(figure(s, "cddrec_waiting") == 2);
  gate.leave();
  for (auto& w : waiting) w.join();
  CHECK(figure(s, "cddrec_computing") == 0);
}

}  // namespace cddrec::test
