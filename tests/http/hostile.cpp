// Clients that mean no good, or no longer can: bodies without an end, broken and slow requests, answers that nobody takes. None of them
// holds a thread or memory for long, and the service answers the next.
#include "raw.hpp"
#include "running.hpp"

namespace cddrec::test {

namespace {

using std::chrono::milliseconds;

/// All that comes back for what is sent; the sender waits for the service to close.
std::string told(const running& s, const std::string& text) {
  const raw client(s.port);
  client.send(text);
  return client.rest();
}

std::string post(const std::string& headers, const std::string& body = {}) {
  return "POST /recommend HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n" + body;
}

int answers(const std::string& text) {
  int count = 0;
  for (std::size_t place = text.find("HTTP/1.1 "); place != std::string::npos; place = text.find("HTTP/1.1 ", place + 1)) ++count;
  return count;
}

void well(const running& s) { CHECK(s.post(R"({"history": ["t1"]})").first == 200); }

/// A byte now and then, until the service closes; 30 seconds at most.
bool drip(const raw& client) {
  for (int k = 0; k < 1500; ++k) {
    if (!client.send("x")) return true;
    std::this_thread::sleep_for(milliseconds(20));
  }
  return false;
}

}  // namespace

TEST_CASE("a body that nobody wants, or of a length that nobody told, is not read") {
  const running s({.threads = 1, .body = 4000});
  const auto refused = [&](const std::string& text, const std::string& status, const std::string& message = "\"error\":") {
    INFO(text.substr(0, 300));
    const std::string got = told(s, text);
    CHECK(got.starts_with("HTTP/1.1 " + status + " "));
    CHECK_THAT(got, ContainsSubstring(message));
    CHECK_THAT(got, ContainsSubstring("Connection: close\r\n"));
    CHECK(answers(got) == 1);
  };
  // None of the bodies ends, most do not begin: whoever read them would wait.
  refused(post("Transfer-Encoding: chunked\r\n", "fff0\r\n"), "411", "send Content-Length");
  refused(post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "fff0\r\n"), "411");
  refused(post("", "{"), "411", "send Content-Length");
  refused(post("Content-Length: 5\r\nContent-Length: 6\r\n"), "400", "not one whole number");
  refused(post("Content-Length: -5\r\n"), "400", "not one whole number");
  refused(post("Content-Length: 99999999999999999999\r\n"), "400", "not one whole number");
  refused(post("Content-Length: 4001\r\n"), "413", "4001 bytes where 4000 are allowed");
  refused(post("Content-Length: 999999999999999999\r\n"), "413", "too long");
  refused(post("Content-Length: 9\r\nContent-Encoding: gzip\r\n"), "415", "compressed");
  refused(post("Content-Length: 9\r\nContent-Encoding: br\r\n"), "415", "compressed");
  refused(post("Content-Length: 9\r\nContent-Type: multipart/form-data; boundary=x\r\n"), "415", "send JSON");
  for (const std::string method : {"PUT /x", "PUT /recommend", "GET /recommend", "POST /x", "POST /items", "PATCH /x", "DELETE /x"}) {
    const bool path = !method.ends_with("/x");
    const std::string status = path ? "405" : "404", message = path ? "this path takes " : "there is no such path";
    refused(method + " HTTP/1.1\r\nContent-Length: 999999999\r\n\r\n", status, message);
    refused(method + " HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfff0\r\n", status, message);
  }
  // What is small when it is packed, and one that goes on sending while it is refused.
  httplib::Client packs = s.client();
  packs.set_compress(true);
  const auto packed =
      packs.Post("/recommend", R"({"history": ["t1"], "only": [")" + std::string(100'000, 'x') + R"("]})", "application/json");
  REQUIRE(packed);
  CHECK(packed->status == 415);
  refused(post("Content-Length: 1000000\r\n", std::string(1'000'000, 'x')), "413", "too long");
  well(s);
}

TEST_CASE("what follows a body that was not read is no request, and what follows one that was is") {
  const running s;
  const std::string next = "GET /health HTTP/1.1\r\nConnection: close\r\n\r\n", body = R"({"history": ["t1"]})";
  const std::string length = "Content-Length: " + std::to_string(body.size()) + "\r\n";
  CHECK(answers(told(s, "GET /health HTTP/1.1\r\nContent-Length: 99\r\n\r\n" + next)) == 1);
  CHECK(answers(told(s, "GET /health HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + next)) == 1);
  const std::string got = told(s, "GET /health HTTP/1.1\r\nContent-Length: 5\r\n\r\n");
  CHECK(got.starts_with("HTTP/1.1 200 "));
  CHECK_THAT(got, ContainsSubstring("Connection: close\r\n"));  // or a client would use it again
  const std::string both = told(s, post(length, body) + next);  // in one piece
  CHECK(answers(both) == 2);
  CHECK(both.find("\"recommendations\"") < both.find("\"status\":\"ok\""));
}

TEST_CASE("a body as curl -d sends it may be as long as any other") {
  const running s;
  const std::string body = R"({"history": ["t1")" + std::string(20'000, ' ') + "]}";
  const auto answer = s.client().Post("/recommend", body, "application/x-www-form-urlencoded");
  REQUIRE(answer);
  CHECK(answer->status == 200);
}

TEST_CASE("an answer is given whole and once, however many ranges of it are asked for") {
  const running s;
  std::string ranges = "bytes=0-";
  for (int k = 0; k < 2000; ++k) ranges += ",0-";
  const auto answer = s.client().Get("/health", httplib::Headers{{"Range", ranges}});
  REQUIRE(answer);
  CHECK(answer->status == 200);
  CHECK(answer->body.starts_with("{\"status\":\"ok\""));
  CHECK(answer->body.size() < 1000);
  const std::string other = told(s, "GET /health HTTP/1.1\r\nRange: items=0-1\r\n\r\n");
  CHECK(other.starts_with("HTTP/1.1 416 "));
  CHECK_THAT(other, ContainsSubstring("the Range cannot be read; answers are sent whole, leave it out"));
}

TEST_CASE("broken requests get 400 or nothing, and end their connection") {
  const running s;
  for (const char* text :
       {"GARBAGE\r\n\r\n", "GARBAGE\r\nMORE\r\nAND MORE\r\n\r\n", "GET /health HTTP/7\r\n\r\n", "\r\n\r\n", "FETCH / HTTP/1.1\r\n\r\n"}) {
    INFO(text);
    const std::string got = told(s, text);
    CHECK(got.starts_with("HTTP/1.1 400 "));
    CHECK(answers(got) == 1);
  }
  const auto cut = [&](const std::string& text) {  // the client has gone, or half of it
    const raw client(s.port);
    client.send(text);
    client.no_more();
    return client.rest();
  };
  CHECK(cut("").empty());
  CHECK(answers(cut("GARBAGE")) == 1);
  CHECK(cut("GET /health HTTP/1.1\r\nHost: x\r\nAccept").starts_with("HTTP/1.1 400 "));
  const std::string half = cut(post("Content-Length: 100\r\n", R"({"history": ["t1")"));
  CHECK(half.starts_with("HTTP/1.1 400 "));
  CHECK_THAT(half, ContainsSubstring("the body ended early"));
  // Lines and heads without an end are not kept: they end where a head may at most.
  const std::string lengthy = told(s, "GET /" + std::string(10'000, 'x') + " HTTP/1.1\r\n\r\n");
  CHECK(lengthy.starts_with("HTTP/1.1 414 "));
  CHECK_THAT(lengthy, ContainsSubstring("the first line is longer than 8 KiB"));
  CHECK(told(s, "GET /" + std::string(1 << 20, 'x') + " HTTP/1.1\r\n\r\n").empty());
  std::string many = "GET /health HTTP/1.1\r\n";
  for (int k = 0; k < 20'000; ++k) many += "X-" + std::to_string(k) + ": y\r\n";
  CHECK(told(s, many + "\r\n").starts_with("HTTP/1.1 400 "));
  well(s);
  CHECK(figure(s, "cddrec_computing") == 0);
}

TEST_CASE("who sends a byte now and then, or does not take the answer, does not keep the others out") {
  const running s({.threads = 1, .connections = 1, .patience = milliseconds(300)});
  SECTION("of the head") {
    const raw client(s.port);
    client.send("GET /health HTTP/1.1\r\nX: ");
    CHECK(drip(client));
  }
  SECTION("of the body") {
    const raw client(s.port);
    client.send(post("Content-Length: 3000\r\n"));
    CHECK(drip(client));
  }
  SECTION("nothing of the body") { CHECK_THAT(told(s, post("Content-Length: 3000\r\n")), ContainsSubstring("came too slowly")); }
  SECTION("an answer of many megabytes") {
    std::string body = R"({"top": 90, "histories": [["t1"])";
    for (int k = 1; k < 256; ++k) body += R"(,["t1"])";
    body += "]}";
    const std::string request = post("Content-Length: " + std::to_string(body.size()) + "\r\n", body);
    const raw client(s.port, 4096);
    for (int k = 0; k < 12; ++k) client.send(request);
    well(s);  // while it is still there
  }
  well(s);
}

TEST_CASE("an answer is counted before it is sent") {
  const running s({.threads = 1, .histories = 2000});
  std::string body = R"({"top": 90, "histories": [["t1"])";
  for (int k = 1; k < 2000; ++k) body += R"(,["t1"])";
  body += "]}";
  const raw client(s.port, 4096);
  client.send(post("Content-Length: " + std::to_string(body.size()) + "\r\n", body));
  REQUIRE(client.hears());
  CHECK(figure(s, "cddrec_requests_total{path=\"/recommend\",status=\"200\"}") == 1);  // megabytes of it are still to be taken
}

TEST_CASE("a stop waits neither for slow clients nor for idle ones") {
  auto s = std::make_unique<running>(service::limits{.threads = 1, .patience = std::chrono::hours(1)});
  const raw slow(s->port), idle(s->port);
  slow.send(post("Content-Length: 1000\r\n"));
  std::thread client([&] { drip(slow); });
  std::this_thread::sleep_for(milliseconds(100));
  const auto begin = service::watch::now();
  s.reset();
  CHECK(service::watch::now() - begin < std::chrono::seconds(20));  // three at most, unless the machine has other work
  client.join();
}

TEST_CASE("a stop before the service listens is one, too") {
  const serve::recommender model = small_model("markov");
  service::server s(model, {});
  CHECK(s.bind("127.0.0.1", 0) > 0);
  s.stop();
  CHECK(s.listen());
}

TEST_CASE("a connection that runs out of memory ends alone") {
  service::connections all(1);
  bool later = false;
  all.enqueue([] { throw std::bad_alloc(); });
  all.enqueue([&] { later = true; });
  all.shutdown();
  CHECK(later);
}

TEST_CASE("a request that cannot be computed now is refused unread") {
  running s({.threads = 1, .queue = 0});
  service::gate& gate = s.server.admission();
  REQUIRE(gate.enter());  // somebody computes
  CHECK(s.post(std::string(100'000, '[')).first == 503);
  gate.leave();
  CHECK(s.post(std::string(100'000, '[')).first == 400);
}

}  // namespace cddrec::test
