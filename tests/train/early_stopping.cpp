#include "cddrec/train/early_stopping.hpp"

#include "test.hpp"

namespace cddrec::test {

TEST_CASE("early stopping keeps the first of equals and waits for its patience") {
  train::early_stopping s{.patience = 2};
  CHECK(s.improved(1, 0.1));
  CHECK_FALSE(s.improved(2, 0.1));
  CHECK_FALSE(s.exhausted(2));
  CHECK_FALSE(s.improved(3, std::nan("")));
  CHECK(s.exhausted(3));
  CHECK(s.improved(4, 0.2));
  CHECK(s.best_epoch == 4);
  CHECK_FALSE(train::early_stopping{.patience = 0}.exhausted(1000));
}

}  // namespace cddrec::test
