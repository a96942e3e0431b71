// says: loss::combine adds up objectives: give it one or more
#include "cddrec/loss/combine.hpp"

const auto objective = cddrec::loss::combine();
