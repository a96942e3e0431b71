// The other unit.
#define AGAIN
#include "everything.cpp"
