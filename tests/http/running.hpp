// A service that runs on a thread of the test, on a free port of the loopback.
#pragma once

#include "serve/models.hpp"
#include "service.hpp"

namespace cddrec::test {

/// A client that is patient: on a machine with other work an answer may take long.
inline httplib::Client client_of(int port) {
  httplib::Client client("127.0.0.1", port);
  client.set_connection_timeout(60), client.set_read_timeout(60), client.set_write_timeout(60);  // seconds
  return client;
}

/// A service on a free port, on a thread of its own.
class running {
 public:
  explicit running(const service::limits& most = {.threads = 2}) : server(model, most), port(server.bind("127.0.0.1", 0)) {
    REQUIRE(port > 0);
    listener_ = std::thread([this] { server.listen(); });
    while (!client().Get("/health")) std::this_thread::yield();
  }
  ~running() {
    server.stop();
    listener_.join();
  }
  httplib::Client client() const { return client_of(port); }

  /// Status and body of POST /recommend.
  std::pair<int, nlohmann::json> post(const std::string& body) const {
    auto answer = client().Post("/recommend", body, "application/json");
    REQUIRE(answer);
    CHECK(answer->get_header_value("Content-Type") == "application/json");
    return {answer->status, nlohmann::json::parse(answer->body)};
  }

  const serve::recommender model = small_model("cddrec");
  service::server server;
  const int port;

 private:
  std::thread listener_;
};

/// What /metrics says of a figure.
inline double figure(const running& s, const std::string& name) {
  const auto page = s.client().Get("/metrics");
  REQUIRE(page);
  const std::size_t place = page->body.find("\n" + name + " ");
  return place == std::string::npos ? -1 : std::stod(page->body.substr(place + name.size() + 2));
}

}  // namespace cddrec::test
