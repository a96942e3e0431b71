// cddrec_serve: answers requests for recommendations over HTTP until Ctrl-C.
// Exit status: 0 stopped, 1 runtime error, 2 wrong usage or bad input; every error begins `cddrec: `.
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>
#ifdef __GLIBC__  // which the headers above tell
#include <malloc.h>
#endif

#include "../numbers.hpp"
#include "../retrieval.hpp"
#include "../speech.hpp"
#include "service.hpp"

namespace cddrec::service {

int run(int argc, char** argv) {
  CLI::App app{"Recommendations over HTTP: POST /recommend, GET /items, /health, /metrics, and a page to try it at /", "cddrec_serve"};
  std::string directory, host = "127.0.0.1";
  int port = 8080;
  limits most{.threads = core::available_threads()};
  const CLI::Validator some = cli::whole<core::index>(1, 1'000'000);
  app.formatter(std::make_shared<cli::wrapped_help>());
  app.option_defaults()->always_capture_default();  // help shows them
  app.add_option("--model", directory, "Directory of the model, as `cddrec train` leaves it")->required();
  app.add_option("--host", host, "Address to listen on; 0.0.0.0 for all");
  app.add_option("--port", port, "Port; 0 takes any that is free")->transform(cli::whole(0, 65535));
  app.add_option("--threads", most.threads, "Requests computed at a time")->transform(cli::whole(1, 1024));
  app.add_option("--queue", most.queue, "Requests that may wait to be computed; one more gets 503")->transform(cli::whole(0, 1'000'000));
  app.add_option("--connections", most.connections, "Connections open at a time")->transform(cli::whole(1, 900));
  app.add_option("--max-body", most.body, "Most bytes in a request; more gets 413, as do the limits below")
      ->transform(cli::whole(1, 1 << 30));
  app.add_option("--max-history", most.history, "Most items in a history, in `exclude` and in `only`")->transform(some);
  app.add_option("--max-histories", most.histories, "Most histories in a request")->transform(some);
  app.add_option("--max-top", most.top, "Most items in an answer")->transform(some);
  double patience = 10;
  app.add_option("--patience", patience, "Seconds for a request to arrive, and for its answer to be taken; then the connection is closed")
      ->check(CLI::Range(0.1, 3600.0));
  cli::retrieval_options retrieval;
  app.add_option("--retrieval", retrieval.kind, "How the items are found: exact, or hnsw, a graph for large catalogues that may miss some")
      ->check(CLI::IsMember({"exact", "hnsw"}));
  app.add_option("--hnsw-m", retrieval.m, "Links per item in the graph, 16 by default")->transform(some);
  app.add_option("--hnsw-ef-construction", retrieval.ef_construction, "Candidates for its links, 200 by default")->transform(some);
  app.add_option("--hnsw-ef", retrieval.ef, "Candidates per search, 200 by default; more find more and take longer")->transform(some);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& wrong) {
    if (wrong.get_exit_code() == 0) return app.exit(wrong);
    std::cerr << "cddrec: " << cli::wrong_words(app, wrong) << "\nTry `cddrec_serve --help`.\n";
    return 2;
  }

#ifdef __GLIBC__
  // Memory of finished requests is returned: otherwise each of hundreds of threads might keep that of the largest it ever had.
  ::mallopt(M_ARENA_MAX, most.threads);
  ::mallopt(M_MMAP_THRESHOLD, 1 << 18), ::mallopt(M_TRIM_THRESHOLD, 1 << 20);
#endif
  most.patience = std::chrono::duration_cast<service::watch::duration>(std::chrono::duration<double>(patience));

  // One thread waits for the signals that end us; all others, made later, never see them.
  sigset_t ending;
  sigemptyset(&ending), sigaddset(&ending, SIGINT), sigaddset(&ending, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ending, nullptr);

  // Building a graph takes minutes, so it asks whether a signal is pending.
  const auto may_go_on = [](index, index) {
    sigset_t waiting;
    return ::sigpending(&waiting) != 0 || (sigismember(&waiting, SIGINT) == 0 && sigismember(&waiting, SIGTERM) == 0);
  };
  const serve::recommender model = cli::open_model(directory, {}, {most.threads}, retrieval, may_go_on);
  server s(model, most);
  const int bound = s.bind(host, port);
  if (bound == 0)
    throw error(host + ":" + std::to_string(port) +
                ": cannot listen there; is the port taken, or is --host not an address of this machine? --port 0 finds a free one");
  std::cout << "cddrec: a " << model.kind() << " of " << model.items().size() << " items listens on http://"
            << (host.find(':') == host.npos ? host : '[' + host + ']') << ':' << bound << "  (Ctrl-C stops it)\n"
            << std::flush;
  bool well = true;
  std::thread listener([&] {
    try {
      well = s.listen();
    } catch (const std::exception& e) {  // no thread for a connection, no memory
      std::cerr << "cddrec: " << e.what() << '\n';
      well = false;
    }
    ::kill(::getpid(), SIGTERM);  // if it ended by itself
  });
  int signal = 0;
  sigwait(&ending, &signal);
  s.stop();
  listener.join();
  std::cout << "cddrec: stopped\n";
  return well ? 0 : 1;
}

}  // namespace cddrec::service

int main(int argc, char** argv) {
  try {
    return cddrec::service::run(argc, argv);
  } catch (const cddrec::input_error& e) {
    std::cerr << "cddrec: " << cddrec::cli::without_cpp_name(e.what()) << '\n';
    return 2;
  } catch (const cddrec::stopped&) {
    std::cout << "cddrec: stopped\n";
    return 0;
  } catch (const std::exception& e) {
    std::cerr << "cddrec: " << cddrec::cli::without_cpp_name(e.what()) << '\n';
    return 1;
  }
}
