// System calls that fail when a test asks them to: opening, writing, flushing and renaming, by the names that every program calls.
#pragma once

namespace cddrec::test::system_calls {

enum class call { none, open, write, flush, rename, read };

/// From the n-th such call on, counted from 0, calls fail with an error number: that one, or with `for_good` all that follow too.
/// The error 0 is for writes that take nothing. Others are done, writes and reads one byte at a time with `short_pieces`.
struct plan {
  call which = call::none;
  long n = 0;
  bool for_good = false;
  int error = 0;
  bool short_pieces = false;
};

void begin(const plan& p);
/// Lets calls succeed again; says whether one has failed.
bool end();

}  // namespace cddrec::test::system_calls
