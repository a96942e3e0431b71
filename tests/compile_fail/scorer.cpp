// concept: scorer
// missing: s.encode(users, how)
#include "cddrec/eval/rank.hpp"

using namespace cddrec;

struct wrong {
  using scalar = float;
  core::index items() const { return 3; }
};

auto serve(eval::histories users) { return eval::recommend(wrong{}, users, 10); }
