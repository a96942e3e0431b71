#include "cddrec/data/batch.hpp"

#include "test.hpp"

namespace cddrec::test {

using data::item;
using items = std::vector<item>;

TEST_CASE("a training sequence becomes pairs of an item and its successor") {
  data::batch b;
  b.add_training(items{5, 6, 7, 8}, 20);
  b.add_training(items{1, 1}, 20);
  CHECK(b.size() == 2);
  CHECK(b.tokens() == 4);
  CHECK(b.inputs == items{5, 6, 7, 1});
  CHECK(b.targets == items{6, 7, 8, 1});
  CHECK(b.offsets == std::vector<index>{0, 3, 4});
  const core::ragged rows = b.layout();
  CHECK(rows.size() == 2);
  CHECK(rows.rows() == 4);
  CHECK(rows.begin(1) == 3);
  CHECK(rows.length(0) == 3);
}

TEST_CASE("long sequences keep their newest items") {
  const items sequence{1, 2, 3, 4, 5, 6};
  for (const index most : {1, 2, 3, 4, 5, 6, 100}) {
    data::batch training, history;
    training.add_training(items{8, 9}, most);
    training.add_training(sequence, most);
    history.add_history(sequence, most);
    const auto pairs = std::min<index>(most, 5), kept = std::min<index>(most, 6);
    CHECK(items(training.inputs.begin() + 1, training.inputs.end()) == items(sequence.end() - 1 - pairs, sequence.end() - 1));
    CHECK(items(training.targets.begin() + 1, training.targets.end()) == items(sequence.end() - pairs, sequence.end()));
    CHECK(training.offsets == std::vector<index>{0, 1, 1 + pairs});
    CHECK(history.inputs == items(sequence.end() - kept, sequence.end()));
    CHECK(history.targets.empty());
    CHECK(history.offsets == std::vector<index>{0, kept});
  }
}

TEST_CASE("a history of one item is enough to predict from") {
  data::batch b;
  b.add_history(items{3}, 5);
  b.add_history(items{3, 4}, 5);
  CHECK(b.inputs == items{3, 3, 4});
  CHECK(b.offsets == std::vector<index>{0, 1, 3});
}

TEST_CASE("clear keeps the memory") {
  data::batch b;
  const auto fill = [&] {
    for (int i = 0; i < 50; ++i) b.add_training(items{1, 2, 3, 4, 5}, 20);
  };
  fill();
  const void *inputs = b.inputs.data(), *targets = b.targets.data(), *offsets = b.offsets.data();
  b.clear();
  CHECK(b.size() == 0);
  CHECK(b.tokens() == 0);
  CHECK(b.layout().rows() == 0);
  fill();
  CHECK(b.size() == 50);
  CHECK(b.inputs.data() == inputs);
  CHECK(b.targets.data() == targets);
  CHECK(b.offsets.data() == offsets);
}

TEST_CASE("what makes no row is refused and leaves the batch as it was") {
  data::batch b;
  b.add_training(items{1, 2, 3}, 20);
  CHECK_THROWS_WITH(b.add_training(items{1}, 20), ContainsSubstring("an item to predict from and one to predict"));
  CHECK_THROWS_WITH(b.add_training(items{}, 20), ContainsSubstring("an item to predict from and one to predict"));
  CHECK_THROWS_WITH(b.add_training(items{1, 2}, 0), ContainsSubstring("max_length must be 1 or more, not 0"));
  CHECK(b.inputs == items{1, 2});
  CHECK(b.targets == items{2, 3});
  CHECK(b.offsets == std::vector<index>{0, 2});
  data::batch h;
  CHECK_THROWS_WITH(h.add_history(items{}, 20), ContainsSubstring("empty history"));
  CHECK_THROWS_WITH(h.add_history(items{1}, -1), ContainsSubstring("not -1"));
  CHECK(h.size() == 0);
}

}  // namespace cddrec::test
