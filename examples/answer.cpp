// A service of one's own: trains a model if its directory holds none yet, loads it once, and answers on several threads.
// A request is a line of standard input, the items of a history, oldest first; its answer is a line of standard output.
#include <atomic>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <sstream>
#include <thread>

#include "cddrec/cddrec.hpp"
#include "cddrec/io/interactions.hpp"
#include "cddrec/serve.hpp"

using namespace cddrec;

/// Trains on a log and leaves a model directory, such as `cddrec train` leaves.
void train_into(const std::filesystem::path& directory, const std::string& log_file) {
  const data::interactions log = io::read_interactions(log_file);
  const data::split split = data::leave_one_out(log);
  std::filesystem::create_directories(directory);  // what cannot be is told before the training, not after it
  const serve::network_settings settings{.width = 32, .dropout = 0.1};
  serve::network net = serve::make_network("cddrec", settings, split.items(), core::seed{1});
  const auto objective = loss::combine(loss::cross_divergence<loss::dot_product>{}, loss::item_softmax{.temperature = 0.1f});
  train::fit(net, objective, split, {.epochs = 40, .batch_users = 16, .sampled_steps = 1, .how = {core::available_threads()}});
  io::tensor_file file = serve::describe("cddrec", log.items);
  serve::put_settings(file, settings);
  io::put_weights(file, net);
  file.save(serve::model_path(directory));  // takes its name when it is whole: whoever reads meanwhile finds the old one
}

std::string answer(const serve::recommender& model, const std::string& request) {
  std::istringstream words(request);
  const std::vector<std::string> history(std::istream_iterator<std::string>(words), {});
  std::string line;
  try {
    for (const auto& [item, score] : model.recommend(history, {.top = 3, .refuse_unknown = true}).items)
      line += (line.empty() ? "" : " ") + item;
  } catch (const std::exception& wrong) {  // of this request: the others have their answers
    line = std::string("refused: ") + wrong.what();
  }
  return line;
}

int main(int argc, char** argv) try {
  if (argc != 3) throw input_error("usage: answer DIRECTORY LOG < requests");
  if (!std::filesystem::exists(serve::model_path(argv[1]))) train_into(argv[1], argv[2]);
  const serve::recommender model(argv[1]);  // never changes from here on, so the threads share it without a lock
  std::vector<std::string> requests;
  for (std::string line; std::getline(std::cin, line);) requests.push_back(line);
  std::vector<std::string> answers(requests.size());
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < requests.size(); i = next++) answers[i] = answer(model, requests[i]);
  };
  std::vector<std::thread> workers;
  for (int count = 0; count < 4; ++count) workers.emplace_back(work);
  for (std::thread& worker : workers) worker.join();
  for (const std::string& line : answers) std::cout << line << '\n';
} catch (const std::exception& wrong) {
  std::cerr << "answer: " << wrong.what() << '\n';
  return dynamic_cast<const input_error*>(&wrong) ? 2 : 1;
}
