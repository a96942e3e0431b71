// The service over a real connection on the loopback: answers, errors, limits, and what happens over capacity.
#include "running.hpp"

namespace cddrec::test {

namespace {

using nlohmann::json;

void refused(const running& s, const std::string& body, int status, const std::string& message) {
  INFO(body);
  const auto [got, answer] = s.post(body);
  CHECK(got == status);
  CHECK_THAT(answer.at("error").get<std::string>(), ContainsSubstring(message));
  CHECK(answer.size() == 1);
}

}  // namespace

TEST_CASE("the service answers what the model says") {
  const running s;
  const tokens history{"t3", "t1", "t4"};
  const auto expected = s.model.recommend(history, {.top = 4, .exclude = {"t8"}});
  const auto [status, answer] = s.post(R"({"history": ["t3", "t1", "moon", "t4"], "top": 4, "exclude": ["t8"]})");
  CHECK(status == 200);
  CHECK(answer.at("unknown") == 1);
  REQUIRE(answer.at("recommendations").size() == 4);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(answer["recommendations"][i]["item"] == expected.items[i].item);
    CHECK(answer["recommendations"][i]["score"].get<double>() == expected.items[i].score);
  }
  const auto [several_status, several] = s.post(R"({"histories": [["t3", "t1", "t4"], [], ["moon"]], "top": 4, "exclude": ["t8"]})");
  CHECK(several_status == 200);
  REQUIRE(several.at("answers").size() == 3);
  CHECK(several["answers"][0]["recommendations"] == answer["recommendations"]);
  CHECK(several["answers"][1] == json({{"recommendations", json::array()}, {"unknown", 0}}));
  CHECK(several["answers"][2]["unknown"] == 1);
  const auto only = s.post(R"({"history": ["t3"], "only": ["t5", "t3", "t6"]})").second;
  CHECK(only.at("recommendations").size() == 2);
  CHECK(s.post(R"({"histories": []})").second == json({{"answers", json::array()}}));
}

TEST_CASE("a request that is not as it should be gets 400 and one clear sentence") {
  const running s;
  refused(s, "", 400, "not JSON");
  refused(s, R"({"history": ["t1")", 400, "not JSON at byte 18");
  refused(s, "{\"history\": [\"\xff\"]}", 400, "not JSON");
  refused(s, R"({"history": [], "top": 1e999})", 400, "a number that is too large");
  refused(s, "[1]", 400, "not a JSON object");
  refused(s, "{}", 400, "give \"history\"");
  refused(s, R"({"history": [], "histories": []})", 400, "give \"history\"");
  refused(s, R"({"history": "t1"})", 400, "\"history\" needs a list");
  refused(s, R"({"history": [1]})", 400, "not a string");
  refused(s, R"({"histories": ["t1"]})", 400, "\"histories\" needs a list");
  refused(s, R"({"histories": {}})", 400, "not a list of histories");
  refused(s, R"({"histories": [[["t1"]]]})", 400, "nested deeper");
  refused(s, R"({"history": ["]]]]\"]]]]", [[[[)", 400, "nested deeper");
  refused(s, R"({"history": ["[[[[\"[[[["], "only": []})", 400, "`only` holds no item");
  refused(s, R"({"history": ["t1"], "top": 0})", 400, "\"top\"");
  refused(s, R"({"history": ["t1"], "top": 1.5})", 400, "\"top\"");
  refused(s, R"({"history": ["t1"], "top": -3})", 400, "\"top\"");
  refused(s, R"({"history": ["t1"], "tpo": 3})", 400, "unknown key \"tpo\"");
  refused(s, R"({"history": ["t1"], "unknown": "keep"})", 400, "\"unknown\"");
  refused(s, R"({"history": ["moon"], "unknown": "error"})", 400, "does not know the item 'moon'");
  refused(s, R"({"history": ["t1"], "only": []})", 400, "`only` holds no item");
  CHECK(s.post(R"({"history": ["t1"]})").first == 200);
}

TEST_CASE("what is over a limit gets 413") {
  const running s({.threads = 1, .body = 4000, .history = 5, .histories = 2, .top = 20});
  refused(s, R"({"history": ["1", "2", "3", "4", "5", "6"]})", 413, "6 items of \"history\" are more than 5");
  refused(s, R"({"histories": [[], [], []]})", 413, "3 histories are more than 2");
  refused(s, R"({"history": ["t1"], "top": 21})", 413, "\"top\" is more than 20");
  refused(s, R"({"history": [")" + std::string(5000, 'x') + R"("]})", 413, "the body is too long");
  CHECK(s.post(R"({"history": ["1", "2", "3", "4", "t5"], "top": 20})").second.at("recommendations").size() == 20);
}

TEST_CASE("what nobody asked a number for keeps to the limit, which health tells") {
  const running s({.threads = 1, .top = 7});
  const auto get = [&](const std::string& path) {
    const auto answer = s.client().Get(path);
    REQUIRE(answer);
    return std::pair(answer->status, json::parse(answer->body));
  };
  CHECK(get("/items").first == 200);
  CHECK(get("/items").second.at("items").size() == 7);
  CHECK(get("/health").second.at("top") == 7);
  CHECK(s.post(R"({"history": ["t1"]})").second.at("recommendations").size() == 7);
  CHECK(get("/items?limit=8").first == 413);
}

TEST_CASE("there are no paths but its own") {
  const running s;
  for (const char* path : {"/etc/passwd", "/../service.hpp", "/health/", "/%2e%2e/%2e%2e/etc/passwd"}) {
    INFO(path);
    const auto answer = s.client().Get(path);
    REQUIRE(answer);
    CHECK(answer->status == 404);
    CHECK_THAT(json::parse(answer->body).at("error").get<std::string>(), ContainsSubstring("there is no such path"));
  }
  CHECK(figure(s, "cddrec_requests_total{path=\"other\",status=\"404\"}") == 4);
}

TEST_CASE("a path that is asked by a method it is not for says which it is for") {
  const running s;
  const auto refused = [](const httplib::Result& answer, const std::string& methods) {
    REQUIRE(answer);
    CHECK(answer->status == 405);
    CHECK(answer->get_header_value("Allow") == methods);
    CHECK(json::parse(answer->body).at("error") == "this path takes " + methods + " only");
  };
  refused(s.client().Get("/recommend"), "POST");
  refused(s.client().Put("/recommend", "{}", "application/json"), "POST");
  refused(s.client().Post("/items", "{}", "application/json"), "GET, HEAD");
  refused(s.client().Delete("/"), "GET, HEAD");
  CHECK(figure(s, "cddrec_requests_total{path=\"/recommend\",status=\"405\"}") == 2);
  const auto head = s.client().Head("/health");
  REQUIRE(head);
  CHECK(head->status == 200);
}

TEST_CASE("one call too many is told to come again, those before it are answered") {
  running s({.threads = 1, .queue = 1});
  service::gate& gate = s.server.admission();
  REQUIRE(gate.enter());  // somebody computes
  int status = 0;
  std::thread waits([&] {
    if (const auto answer = s.client().Post("/recommend", R"({"history": ["t1"]})", "application/json")) status = answer->status;
  });
  while (gate.waiting() == 0) std::this_thread::yield();
  CHECK(figure(s, "cddrec_waiting") == 1);
  const auto third = s.client().Post("/recommend", R"({"history": ["t1"]})", "application/json");
  const auto search = s.client().Get("/items?query=t");  // it may have to look at all of them
  gate.leave();
  waits.join();
  REQUIRE(third);
  CHECK(third->status == 503);
  CHECK(third->get_header_value("Retry-After") == "1");
  REQUIRE(search);
  CHECK(search->status == 503);
  CHECK_THAT(json::parse(third->body).at("error").get<std::string>(), ContainsSubstring("try again"));
  CHECK(status == 200);
  CHECK(gate.inside() == 0);
}

TEST_CASE("many clients at a time get what one gets, and every call is counted") {
  running s({.threads = 2, .connections = 4});  // fewer than clients: the others wait outside
  const auto histories = small_histories(48);
  std::vector<json> together(histories.size());
  std::vector<std::thread> clients;
  for (std::size_t k = 0; k < 8; ++k)
    clients.emplace_back([&, k] {
      httplib::Client client = s.client();
      for (std::size_t u = k; u < histories.size(); u += 8)
        if (const auto r = client.Post("/recommend", json{{"history", histories[u]}}.dump(), "application/json"))
          together[u] = json::parse(r->body);
    });
  for (auto& c : clients) c.join();
  for (std::size_t u = 0; u < histories.size(); ++u) {
    const bool same = together[u] == json::parse(s.server.recommend(json{{"history", histories[u]}}.dump()));
    CHECK(same);
  }
  CHECK(figure(s, "cddrec_requests_total{path=\"/recommend\",status=\"200\"}") == 48);
  CHECK(figure(s, "cddrec_histories_total") == 96);
  CHECK(figure(s, "cddrec_recommend_seconds_count") == 96);
  CHECK(figure(s, "cddrec_recommend_seconds_bucket{le=\"+Inf\"}") == 96);
  CHECK(figure(s, "cddrec_recommend_seconds_sum") > 0);
  CHECK(figure(s, "cddrec_errors_total") == 0);
}

TEST_CASE("health, items and the page") {
  const running s;
  const auto health = s.client().Get("/health");
  REQUIRE(health);
  CHECK_THAT(health->body, ContainsSubstring(R"({"status":"ok","model":"cddrec","items":90,"seconds":)"));
  const auto get = [&](const std::string& path) {
    const auto r = s.client().Get(path);
    REQUIRE(r);
    return std::pair(r->status, json::parse(r->body));
  };
  CHECK(get("/items?query=t8&limit=3") == std::pair(200, json({{"items", {"t8", "t80", "t81"}}, {"total", 90}})));
  CHECK(get("/items").second.at("items").size() == 50);
  CHECK(get("/items?query=moon").second.at("items").empty());
  CHECK(get("/items?limit=many").first == 400);
  CHECK(get("/items?limit=0").first == 400);
  CHECK(get("/items?limit=1001").first == 413);
  const auto page = s.client().Get("/");
  REQUIRE(page);
  CHECK(page->get_header_value("Content-Type") == "text/html; charset=utf-8");
  CHECK(page->body.starts_with("<!DOCTYPE html>"));
  CHECK(page->body.ends_with("</html>\n"));
  CHECK(page->body.find("://") == std::string::npos);  // nothing is fetched from elsewhere
}

}  // namespace cddrec::test
