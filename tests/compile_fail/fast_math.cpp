// Flags that let the compiler calculate as if float were the reals.
// says: compile without -ffast-math
#define __FAST_MATH__ 1  // what the flag defines
#include "cddrec/cddrec.hpp"
