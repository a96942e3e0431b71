// Recommendations over HTTP: JSON in, JSON out, from one const model that all requests share.
// Every request is checked against its limits before anything is computed, and every error is JSON too: {"error": "what; what to do"}.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>

#include "admission.hpp"
#include "connection.hpp"
#include "metrics.hpp"
#include "page.hpp"

namespace cddrec::service {

using core::index;
using json = nlohmann::ordered_json;

struct limits {
  int threads = 1;        // requests that compute at a time
  int queue = 64;         // requests that wait for it
  int connections = 256;  // open at a time, each with a thread; the queue can only be full if there are more than it holds
  index body = 1 << 20;   // bytes of a request
  index history = 1000;   // items of a history, of exclude and of only
  index histories = 256;  // of one request
  index top = 1000;       // items of an answer
  watch::duration patience = std::chrono::seconds(10);  // for a request to arrive, and for its answer to be taken
};

/// A request that is not answered, with its HTTP status.
struct refusal : std::runtime_error {
  int status;
  refusal(int s, const std::string& what) : std::runtime_error(what), status(s) {}
};

/// What POST /recommend is asked for. refusal 400 for what does not follow docs/serve.md, 413 for what is over a limit.
struct asked {
  std::vector<std::vector<std::string>> histories;
  bool several = false;
  serve::wishes wishes;

  asked(const std::string& body, const limits& most) {
    wishes.top = std::min(wishes.top, most.top);
    if (depth(body) > 3) throw refusal(400, "the body is nested deeper than a list of lists; send {\"history\": [\"item\", …]}");
    nlohmann::json all;
    try {
      all = nlohmann::json::parse(body);
    } catch (const nlohmann::json::parse_error& e) {
      throw refusal(400, "the body is not JSON at byte " + std::to_string(e.byte) + "; send {\"history\": [\"item\", …]}");
    } catch (const nlohmann::json::exception&) {
      throw refusal(400, "the body holds a number that is too large; send {\"history\": [\"item\", …]}");
    }
    if (!all.is_object()) throw refusal(400, "the body is not a JSON object; send {\"history\": [\"item\", …]}");
    several = all.contains("histories");
    if (several == all.contains("history")) throw refusal(400, "give \"history\", a list of items, or \"histories\", a list of such lists");
    for (const auto& [key, value] : all.items()) {
      if (key == "history") {
        histories.push_back(items(key, value, most));
      } else if (key == "histories") {
        if (!value.is_array()) throw refusal(400, "\"histories\" is not a list of histories");
        at_most(std::ssize(value), most.histories, "histories");
        for (const auto& one : value) histories.push_back(items(key, one, most));
      } else if (key == "top") {
        if (!value.is_number_unsigned() || value < 1) throw refusal(400, "\"top\" is not a whole number of 1 or more");
        if (value > most.top) throw refusal(413, "\"top\" is more than " + std::to_string(most.top));
        wishes.top = value.get<index>();
      } else if (key == "exclude") {
        wishes.exclude = items(key, value, most);
      } else if (key == "only") {
        wishes.only = items(key, value, most);
      } else if (key == "unknown") {
        if (value != "drop" && value != "error") throw refusal(400, "\"unknown\" is neither \"drop\" nor \"error\"");
        wishes.refuse_unknown = value == "error";
      } else {
        throw refusal(400, "unknown key " + nlohmann::json(key).dump() + "; the keys are history, histories, top, exclude, only, unknown");
      }
    }
  }

 private:
  /// How deeply brackets are nested: parsed as JSON, a body of nothing else takes a quarter of a second and 70 times its memory.
  static int depth(const std::string& body) {
    int now = 0, deepest = 0;
    bool text = false;
    for (std::size_t k = 0; k < body.size() && deepest <= 3; ++k) {
      const char c = body[k];
      if (c == '"') text = !text;
      if (text) {
        k += c == '\\';  // and what it escapes
      } else {
        now += (c == '[' || c == '{') - (c == ']' || c == '}');
        deepest = std::max(deepest, now);
      }
    }
    return deepest;
  }
  static void at_most(index n, index most, const std::string& what) {
    if (n > most) throw refusal(413, std::to_string(n) + " " + what + " are more than " + std::to_string(most) + "; send fewer");
  }
  static std::vector<std::string> items(const std::string& key, const nlohmann::json& value, const limits& most) {
    if (!value.is_array()) throw refusal(400, "\"" + key + "\" needs a list of items");
    at_most(std::ssize(value), most.history, "items of \"" + key + "\"");
    std::vector<std::string> all;
    for (const auto& one : value) {
      if (!one.is_string()) throw refusal(400, "\"" + key + "\" holds an item that is not a string");
      all.push_back(one.get<std::string>());
    }
    return all;
  }
};

/// Answers until stop(). The model must outlive it.
class server {
 public:
  server(const serve::recommender& model, const limits& most) : model_(model), most_(most), gate_(most.threads, most.queue) {
    http_.new_task_queue = [this] { return new connections(most_.connections); };
    http_.patience = most_.patience;
    http_.set_keep_alive_max_count(100'000);
    http_.set_keep_alive_timeout(2);  // seconds that an idle connection keeps its thread
    http_.set_tcp_nodelay(true);
    http_.set_socket_options([this](auto s) {  // a port that is taken is an error, not shared
      const int yes = 1;
      ::setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
      socket_ = s;
    });
    http_.set_default_headers({{"X-Content-Type-Options", "nosniff"}, {"Cache-Control", "no-store"}});
    http_.Get("/", [](const auto&, auto& res) { res.set_content(page, "text/html; charset=utf-8"); });
    http_.Get("/health", [this](const auto&, auto& res) { say(res, health()); });
    http_.Get("/metrics", [this](const auto&, auto& res) {
      res.set_content(metrics_.text(gate_.inside(), gate_.waiting()), "text/plain; version=0.0.4; charset=utf-8");
    });
    http_.Get("/items", [this](const auto& req, auto& res) { say(res, search(req)); });
    http_.set_pre_routing_handler([this](const auto& req, auto& res) { return admit(req, res); });
    http_.Post("/recommend", [this](const auto&, auto& res, const httplib::ContentReader& read) {
      std::string body;  // read here: the library would take what curl -d sends for a form, which may have 8 KiB at most
      const auto more = [&](const char* data, std::size_t n) {
        body.append(data, n);
        return true;
      };
      if (!read(more)) throw refusal(400, "the body ended early or came too slowly; send as many bytes as Content-Length says");
      res.set_content(recommend(body), "application/json");
    });
    http_.set_exception_handler([](const auto&, auto& res, std::exception_ptr failure) { explain(res, failure); });
    http_.set_error_handler([](const auto&, auto& res) {
      if (!res.body.empty()) return;
      const std::string method = res.get_header_value("Allow");
      say(res, {{"error", res.status == 404   ? "there is no such path; the paths are GET /, /items, /health, /metrics and POST /recommend"
                          : res.status == 405 ? "this path takes " + method + " only"
                          : res.status == 414 ? "the first line is longer than 8 KiB; send items in the body of POST /recommend"
                          : res.status == 416 ? "the Range cannot be read; answers are sent whole, leave it out"
                                              : "the request cannot be read as HTTP"}});
    });
    http_.set_post_routing_handler(
        [this](const auto& req, const auto& res) {  // before it is sent, so that whoever has the answer finds it counted
          metrics_.request(methods_of(req.path) != nullptr ? req.path : "other", res.status);
        });
  }

  /// Takes the port, any that is free for 0, and returns it; 0 if it cannot be had.
  int bind(const std::string& host, int port) {
    if (port == 0)
      port = std::max(0, http_.bind_to_any_port(host));
    else if (!http_.bind_to_port(host, port))
      port = 0;
    if (port > 0) ::listen(socket_, most_.connections);  // the library's backlog is short: others would wait a second
    return port;
  }
  /// Answers, blocking this thread, until stop(), which lets the requests that have arrived finish.
  bool listen() { return http_.listen(); }
  /// From any thread, before listen() too.
  void stop() { http_.stop(); }
  gate& admission() { return gate_; }

  /// What POST /recommend answers. Throws refusal, input_error, numeric_error.
  std::string recommend(const std::string& body) {
    const auto arrived = watch::now();
    // JSON is read and written inside, too: that takes time and memory, and a refusal must cost neither.
    const place inside(gate_);
    const asked what(body, most_);
    const auto answers = model_.recommend(what.histories, what.wishes);
    json all = json::array();
    index unknown = 0;
    for (const auto& answer : answers) {
      json list = json::array();
      for (const auto& [item, score] : answer.items) list.push_back({{"item", item}, {"score", score}});
      all.push_back({{"recommendations", std::move(list)}, {"unknown", answer.unknown}});
      unknown += answer.unknown;
    }
    std::string said = text(what.several ? json{{"answers", std::move(all)}} : std::move(all[0]));
    metrics_.recommended(answers.size(), static_cast<std::uint64_t>(unknown),
                         std::chrono::duration<double>(watch::now() - arrived).count());
    return said;
  }

 private:
  static std::string text(const json& what) { return what.dump(-1, ' ', false, json::error_handler_t::replace) + "\n"; }
  static void say(httplib::Response& res, const json& what) { res.set_content(text(what), "application/json"); }

  /// What a path is for, as the header Allow has it; null if there is no such path.
  static const char* methods_of(const std::string& path) {
    if (path == "/recommend") return "POST";
    return path == "/" || path == "/items" || path == "/health" || path == "/metrics" ? "GET, HEAD" : nullptr;
  }

  /// Before a body is read: its path must take one, and the head must say how long it is. The library would read any body of any path, and
  /// decompress it, without a limit.
  httplib::Server::HandlerResponse admit(const httplib::Request& req, httplib::Response& res) const {
    using next = httplib::Server::HandlerResponse;
    const bool reads = req.method == "GET" || req.method == "HEAD", recommends = req.path == "/recommend";
    const auto length = body_length(req);
    if (!length || *length > 0) res.set_header("Connection", "close");  // if this ends here, what follows is no request
    if (reads && !recommends) return next::Unhandled;                   // their bodies are not read
    if (req.method != "POST" || !recommends) {
      const char* methods = methods_of(req.path);
      res.status = methods != nullptr ? 405 : 404;
      if (methods != nullptr) res.set_header("Allow", methods);
      return next::Handled;
    }
    if (req.has_header("Transfer-Encoding") || !req.has_header("Content-Length"))
      throw refusal(411, "the length of the body is missing; send Content-Length, and the body in one piece");
    if (!length) throw refusal(400, "Content-Length is not one whole number");
    if (*length > static_cast<std::uint64_t>(most_.body))
      throw refusal(413,
                    "the body is too long, " + std::to_string(*length) + " bytes where " + std::to_string(most_.body) + " are allowed");
    if (req.has_header("Content-Encoding")) throw refusal(415, "the body is compressed; send it as it is, without Content-Encoding");
    if (req.is_multipart_form_data()) throw refusal(415, "the body is a form; send JSON");
    res.headers.erase("Connection");
    return next::Unhandled;
  }
  static void explain(httplib::Response& res, std::exception_ptr failure) {
    const auto refuse = [&](int status, const char* what) {
      res.status = status;
      say(res, {{"error", what}});
      if (status == 503) res.set_header("Retry-After", "1");
    };
    try {
      std::rethrow_exception(failure);
    } catch (const refusal& e) {
      refuse(e.status, e.what());
    } catch (const input_error& e) {
      refuse(400, e.what());
    } catch (const std::exception& e) {
      refuse(500, e.what());
    }
  }

  json health() const {
    const std::chrono::duration<double> up = watch::now() - started_;
    return {{"status", "ok"},
            {"model", model_.kind()},
            {"items", model_.items().size()},
            {"seconds", std::round(up.count())},
            {"top", most_.top}};
  }

  /// A place among those who compute, until the end of the scope. Throws refusal if too many wait for one.
  class place {
   public:
    explicit place(gate& g) : gate_(g) {
      if (!gate_.enter()) throw refusal(503, "too many requests wait already; try again in a moment");
    }
    ~place() { gate_.leave(); }
    place(const place&) = delete;
    place& operator=(const place&) = delete;

   private:
    gate& gate_;
  };

  /// The first items whose tokens hold a text.
  json search(const httplib::Request& req) {
    const std::string query = req.get_param_value("query");
    const std::string wanted = req.has_param("limit") ? req.get_param_value("limit") : std::to_string(std::min<index>(50, most_.top));
    index limit = 0;
    const auto [end, problem] = std::from_chars(wanted.data(), wanted.data() + wanted.size(), limit);
    if (problem != std::errc() || end != wanted.data() + wanted.size() || limit < 1)
      throw refusal(400, "\"limit\" is not a whole number of 1 or more");
    if (limit > most_.top) throw refusal(413, "\"limit\" is more than " + std::to_string(most_.top));
    const place inside(gate_);  // a rare text means a search through all of them
    json found = json::array();
    for (data::item i = 0; i < model_.items().size() && std::ssize(found) < limit; ++i)
      if (model_.items().name(i).find(query) != std::string::npos) found.push_back(model_.items().name(i));
    return {{"items", std::move(found)}, {"total", model_.items().size()}};
  }

  const serve::recommender& model_;
  const limits most_;
  gate gate_;
  metrics metrics_;
  const watch::time_point started_ = watch::now();
  timed_server http_;
  int socket_ = -1;
};

}  // namespace cddrec::service
