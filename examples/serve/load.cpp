// cddrec_load: asks a running service from several connections at a time and prints how many answers a second it gives and how long they
// take. Each connection asks again as soon as it has its answer, so more of them show what waiting costs; or requests are due at a fixed
// rate, whatever becomes of those before, and a connection that is free takes the next. Every request was asked once before the load, one
// by one: an answer that differs from the one then counts as wrong.
#include <httplib.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <iomanip>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "../numbers.hpp"

namespace {

using json = nlohmann::json;
using watch = std::chrono::steady_clock;
using cddrec::cli::whole;

struct tally {
  std::vector<double> milliseconds;  // of those that were answered
  std::map<int, long> others;        // by status; 0: no answer at all
  long wrong = 0, late = 0;
  double latest = 0;  // milliseconds from when a request was due until it was asked
};

double processor_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

int run(int argc, char** argv) {
  CLI::App app{"Load for a running cddrec_serve", "cddrec_load"};
  std::string host = "127.0.0.1";
  int port = 8080, connections = 8, histories = 1, length = 10, top = 10, requests = 256;
  double seconds = 10, rate = 0;
  app.option_defaults()->always_capture_default();
  app.add_option("--host", host, "Address of the service");
  app.add_option("--port", port, "Its port")->transform(whole(1, 65535));
  app.add_option("--connections", connections, "Connections that ask at the same time")->transform(whole(1, 1000));
  app.add_option("--seconds", seconds, "How long")->check(CLI::Range(0.1, 3600.0));
  app.add_option("--rate", rate, "Requests due per second, over all connections; 0: each asks again once answered")
      ->check(CLI::Range(0.0, 1e6));
  app.add_option("--histories", histories, "Histories per request")->transform(whole(1, 10000));
  app.add_option("--length", length, "Items per history, drawn evenly from a thousand")->transform(whole(1, 10000));
  app.add_option("--top", top, "Items per answer")->transform(whole(1, 100000));
  app.add_option("--requests", requests, "How many different requests to draw from")->transform(whole(1, 100000));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& wrong) {
    if (wrong.get_exit_code() == 0) return app.exit(wrong);
    std::cerr << "cddrec: " << wrong.what() << "\nTry `cddrec_load --help`.\n";
    return 2;
  }

  httplib::Client first(host, port);
  const auto get = [&](const std::string& path) {
    const auto answer = first.Get(path);
    const std::string where = host + ":" + std::to_string(port) + ": ";
    if (!answer) throw std::runtime_error(where + "nothing answers there; start cddrec_serve, or name its port with --port");
    if (answer->status != 200)
      throw std::runtime_error(where + "GET " + path + " has status " + std::to_string(answer->status) + ": " + answer->body);
    const auto body = json::parse(answer->body, nullptr, false);
    if (!body.is_object()) throw std::runtime_error(where + "is not a cddrec_serve: GET " + path + " does not give a JSON object");
    return body;
  };
  const int most = std::min(1000, get("/health").value("top", 1000));  // what the service gives at a time
  const auto items = get("/items?limit=" + std::to_string(most)).at("items").get<std::vector<std::string>>();
  if (items.empty()) throw std::runtime_error(host + ":" + std::to_string(port) + ": its model has no items to ask about");

  // By number: what is asked, and the answer without load.
  std::vector<std::string> bodies, answers;
  std::mt19937 draw_items(1);
  std::uniform_int_distribution<std::size_t> any_item(0, items.size() - 1);
  for (int r = 0; r < requests; ++r) {
    json all = json::array();
    for (int h = 0; h < histories; ++h) {
      all.push_back(json::array());
      for (int k = 0; k < length; ++k) all.back().push_back(items[any_item(draw_items)]);
    }
    bodies.push_back(json{{"histories", std::move(all)}, {"top", top}}.dump());
    const auto answer = first.Post("/recommend", bodies.back(), "application/json");
    if (!answer || answer->status != 200) {
      std::cerr << "cddrec: " << host << ':' << port << (answer ? ": refused: " + answer->body : ": no answer") << '\n';
      return 1;
    }
    answers.push_back(answer->body);
  }

  std::vector<tally> tallies(static_cast<std::size_t>(connections));
  std::vector<std::thread> clients;
  std::atomic<long> next = 0;
  const auto after = [](double s) { return std::chrono::duration_cast<watch::duration>(std::chrono::duration<double>(s)); };
  const auto milliseconds = [](watch::duration d) { return std::chrono::duration<double, std::milli>(d).count(); };
  const double processor = processor_seconds();
  const auto begin = watch::now(), end = begin + after(seconds);
  for (int c = 0; c < connections; ++c)
    clients.emplace_back([&, c] {
      tally& mine = tallies[static_cast<std::size_t>(c)];
      std::mt19937 draw(static_cast<unsigned>(c));
      std::uniform_int_distribution<std::size_t> any(0, bodies.size() - 1);
      httplib::Client client(host, port);
      client.set_keep_alive(true);
      client.set_tcp_nodelay(true);
      while (watch::now() < end) {
        auto due = watch::now();
        if (rate > 0) {
          due = begin + after(static_cast<double>(next++) / rate);
          if (due >= end) break;
          std::this_thread::sleep_until(due);
          const double late = milliseconds(watch::now() - due);
          mine.late += late > 10;
          mine.latest = std::max(mine.latest, late);
        }
        const std::size_t request = any(draw);
        const auto answer = client.Post("/recommend", bodies[request], "application/json");
        const double took = milliseconds(watch::now() - due);
        if (answer && answer->status == 200) {
          mine.milliseconds.push_back(took);
          mine.wrong += answer->body != answers[request];
        } else {
          ++mine.others[answer ? answer->status : 0];
          if (rate == 0) std::this_thread::sleep_for(std::chrono::milliseconds(10));  // it asked us to try again
        }
      }
    });
  for (auto& c : clients) c.join();
  const double took = std::chrono::duration<double>(watch::now() - begin).count(), used = processor_seconds() - processor;

  std::vector<double> all;
  std::map<int, long> others;
  long wrong = 0, late = 0, refused = 0;
  double latest = 0;
  for (const tally& t : tallies) {
    all.insert(all.end(), t.milliseconds.begin(), t.milliseconds.end());
    for (const auto& [status, count] : t.others) others[status] += count, refused += count;
    wrong += t.wrong, late += t.late, latest = std::max(latest, t.latest);
  }
  std::sort(all.begin(), all.end());
  const auto at = [&](double p) { return all[static_cast<std::size_t>(p * static_cast<double>(all.size() - 1))]; };
  std::cout << std::fixed << std::setprecision(1) << connections << " connections, " << took << " s, " << all.size() << " answers of "
            << histories << (histories == 1 ? " history: " : " histories: ") << static_cast<double>(all.size()) / took << " answers/s\n";
  if (rate > 0) {
    const double answered = static_cast<double>(all.size()), asked = answered + static_cast<double>(refused);
    std::cout << "offered " << asked * histories / seconds << " histories/s of " << rate * histories << " that were due, answered "
              << answered * histories / took << "; " << late << " requests asked over 10 ms late, " << latest
              << " ms at most; the clients took " << used << " s of the processors\n";
  }
  if (!all.empty())
    std::cout << std::setprecision(2) << "p50 " << at(0.5) << " ms, p90 " << at(0.9) << " ms, p99 " << at(0.99) << " ms, longest "
              << all.back() << " ms\n";
  for (const auto& [status, count] : others)
    std::cout << count << (status == 0 ? " without an answer\n" : " with status " + std::to_string(status) + "\n");
  std::cout << wrong << " answers differ from those without load\n";
  return all.empty() || wrong > 0 ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const int status = run(argc, argv);
    errno = 0;  // stays 0 if it was an earlier write that failed
    if (!std::cout.flush())
      throw std::runtime_error("standard output: cannot be written" +
                               (errno != 0 ? ": " + std::string(std::strerror(errno)) : std::string()));
    return status;
  } catch (const std::exception& e) {
    std::cerr << "cddrec: " << e.what() << '\n';
    return 1;
  }
}
