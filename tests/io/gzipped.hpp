// Text gzip'd as zlib does it, for tests.
#pragma once

#include <zlib.h>

#include <stdexcept>
#include <string>
#include <string_view>

namespace cddrec::test {

inline std::string gzipped(std::string_view text) {
  z_stream s{};
  if (::deflateInit2(&s, 9, Z_DEFLATED, 16 + 15, 9, Z_DEFAULT_STRATEGY) != Z_OK) throw std::runtime_error("zlib cannot begin");
  std::string out(text.size() + 1000, '\0');
  s.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(text.data())), s.avail_in = static_cast<uInt>(text.size());
  s.next_out = reinterpret_cast<Bytef*>(out.data()), s.avail_out = static_cast<uInt>(out.size());
  const bool whole = ::deflate(&s, Z_FINISH) == Z_STREAM_END;
  out.erase(out.size() - s.avail_out);
  ::deflateEnd(&s);
  if (!whole) throw std::runtime_error("zlib needs more room");
  return out;
}

}  // namespace cddrec::test
