#include "cddrec/io/training_log.hpp"

#include "scratch.hpp"

namespace cddrec::test {

namespace {
train::epoch_report report(index epoch, double loss) {
  train::epoch_report r;
  r.epoch = epoch, r.loss = loss, r.seconds = 1.5 * static_cast<double>(epoch);
  r.parts = {{"kl", loss / 3}, {"cross_view", 0}};
  r.validation.recall_at_10 = 0.1 * static_cast<double>(epoch);
  return r;
}
}  // namespace

TEST_CASE("a training log is CSV that reads back as it was") {
  io::training_log log;
  CHECK(log.text().empty());
  for (index epoch = 1; epoch <= 3; ++epoch) log.add(report(epoch, 10.0 / static_cast<double>(epoch)));
  const std::string text = log.text();
  CHECK(
      text.starts_with("epoch,loss,kl,cross_view,recall@1,recall@5,recall@10,recall@20,ndcg@5,ndcg@10,ndcg@20,mrr,seconds\n"
                       "1,10,3.3333333333333335,0,0,0,0.1,0,0,0,0,0,1.5\n"));
  const scratch folder;
  io::training_log again(folder.write("log.csv", text));
  CHECK(again.text() == text);
  CHECK(again.column("seconds") == std::vector<double>{1.5, 3, 4.5});
  CHECK(again.column("no such").empty());
  CHECK(again.parts() == std::vector<std::string>{"kl", "cross_view"});
  again.keep_until(1);
  CHECK(again.size() == 1);
  again.add(report(2, 5));
  again.add(report(3, 10.0 / 3));
  CHECK(again.text() == text);
}

TEST_CASE("a log of other columns keeps its epochs") {
  const scratch folder;
  io::training_log log(folder.write("log.csv", "epoch,loss,older,kl,seconds\n1,10,0.5,3,1.5\n2,9,0.25,2,3\n"));
  log.add(report(3, 8));
  log.add(report(4, 7));
  CHECK(log.column("epoch") == std::vector<double>{1, 2, 3, 4});
  CHECK(log.column("loss") == std::vector<double>{10, 9, 8, 7});
  CHECK(log.column("seconds") == std::vector<double>{1.5, 3, 4.5, 6});
  CHECK(log.parts() == std::vector<std::string>{"kl", "cross_view"});
  const io::training_log again(folder.write("log.csv", log.text()));
  CHECK(again.text() == log.text());
  const double none = std::nan("");
  for (const auto& [name, first, last] :
       {std::tuple{"older", 0.5, none}, {"kl", 3.0, 7.0 / 3}, {"cross_view", none, 0.0}, {"recall@10", none, 0.4}}) {
    INFO(name);
    const std::vector<double> values = again.column(name);
    REQUIRE(values.size() == 4);
    CHECK((values.front() == first || (std::isnan(values.front()) && std::isnan(first))));
    CHECK((values.back() == last || (std::isnan(values.back()) && std::isnan(last))));
  }
}

TEST_CASE("a damaged training log is refused with its line") {
  const scratch folder;
  const auto refused = [&](const std::string& text) {
    return message_of<input_error>([&] { io::training_log(folder.write("log.csv", text)); });
  };
  CHECK_THAT(refused("epoch,loss\n1,2\n2\n"), ContainsSubstring("log.csv:3: 1 cells under 2 columns"));
  CHECK_THAT(refused("epoch,loss\n1,two\n"), ContainsSubstring("log.csv:2: 'two' is not a number"));
  CHECK_THAT(refused("epoch,loss\n1,\n"), ContainsSubstring("log.csv:2: '' is not a number"));
  for (const std::string header : {"epoch,recall@1,loss", "recall@1,epoch,loss", "loss,epoch", "epoch", "epoch,losses", ""})
    CHECK_THAT(refused(header + "\n1,2,3\n"), ContainsSubstring("log.csv:1: '" + header + "' does not begin with epoch,loss; "));
}

TEST_CASE("a part that would be read as another column, or as two, is refused") {
  for (const std::string name : {"epoch", "loss", "seconds", "ndcg@10", "kl, annealed", "two\nlines", "line\r"}) {
    auto r = report(1, 2);
    r.parts.emplace_back(name, 0.5);
    io::training_log log;
    CHECK_THAT(message_of<input_error>([&] { log.add(r); }), ContainsSubstring("io::training_log: a part of the loss cannot be called '"));
    CHECK(log.size() == 0);
  }
}

}  // namespace cddrec::test
