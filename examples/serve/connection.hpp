// One connection, by the clock and by the byte. The HTTP library bounds how long a single read takes and what Content-Length announces; a
// client that sends a byte now and then, or a line without an end, would hold a thread and memory for ever. Here the head of a request and
// its body have a number of bytes each, and all of it has one deadline; so has an answer.
#pragma once

#include "cddrec/serve.hpp"
// After Eigen: what it includes makes a macro of a name that Eigen uses.
#include <httplib.h>
#include <poll.h>

#include <atomic>
#include <charconv>
#include <chrono>
#include <optional>

namespace cddrec::service {

using watch = std::chrono::steady_clock;

/// A socket whose requests keep to their limits of bytes and time: nothing beyond is read.
class timed_stream : public httplib::Stream {
 public:
  static constexpr std::uint64_t head = 1 << 16;  // bytes of a request before its body

  /// `patience`: for a request to arrive, and for its answer to be taken. After `last` nothing is read; a stop brings that forward.
  timed_stream(socket_t socket, watch::duration patience, const std::atomic<watch::time_point>& last)
      : socket_(socket), patience_(patience), last_(last) {}

  /// Waits for the first byte of a request; false if none comes in `idle`, or before a stop.
  bool next(watch::duration idle) {
    if (begin_ == end_ && !wait(POLLIN, watch::now() + idle)) return false;
    left_ = head, read_by_ = watch::now() + patience_;
    return true;
  }
  /// After the head: this many bytes make the body. A body of unclear length is never done.
  void expect(std::optional<std::uint64_t> body) { left_ = body.value_or(1); }
  bool done() const { return left_ == 0; }
  /// Lets the answer arrive while the client still sends: closing with unread bytes would discard it.
  void linger() {
    ::shutdown(socket_, SHUT_WR);
    const auto until = watch::now() + std::chrono::seconds(1);
    while (wait(POLLIN, until) && ::recv(socket_, buffer_.data(), buffer_.size(), MSG_DONTWAIT) > 0) {
    }
  }

  // What the library asks for; its versions differ in that, so nothing here says `override`.
  ssize_t read(char* to, std::size_t size) {
    answering_ = false;
    if (left_ == 0) return -1;
    if (begin_ == end_) {
      if (!wait(POLLIN, read_by_)) return -1;
      const ssize_t got = ::recv(socket_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
      if (got <= 0) return got;
      begin_ = 0, end_ = static_cast<std::size_t>(got);
    }
    size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, std::min(size, end_ - begin_)));
    std::copy_n(buffer_.data() + begin_, size, to);
    begin_ += size, left_ -= size;
    return static_cast<ssize_t>(size);
  }
  ssize_t write(const char* from, std::size_t size) {
    if (!answering_) answering_ = true, write_by_ = watch::now() + patience_;
    if (!wait(POLLOUT, write_by_)) return -1;
    return ::send(socket_, from, size, MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  bool is_readable() const { return begin_ != end_ || wait(POLLIN, read_by_); }
  bool is_writable() const { return wait(POLLOUT, watch::now() + patience_); }
  bool wait_readable() const { return is_readable(); }
  bool wait_writable() const { return is_writable(); }
  socket_t socket() const { return socket_; }
  time_t duration() const { return 0; }
  void get_remote_ip_and_port(std::string&, int&) const {}  // no handler asks who is there
  void get_local_ip_and_port(std::string&, int&) const {}

 private:
  bool wait(short for_what, watch::time_point until) const {
    while (true) {
      const auto now = watch::now(), end = for_what == POLLIN ? std::min(until, last_.load()) : until;
      if (now >= end) return false;
      const auto slice = std::min<watch::duration>(end - now, std::chrono::milliseconds(100));  // a stop is noticed within that time
      pollfd p{socket_, for_what, 0};
      if (::poll(&p, 1, static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(slice).count())) > 0) return true;
    }
  }

  const socket_t socket_;
  const watch::duration patience_;
  const std::atomic<watch::time_point>& last_;
  std::uint64_t left_ = 0;  // bytes that may still be read: of the head, then of the body
  watch::time_point read_by_{}, write_by_{};
  bool answering_ = false;
  std::array<char, 1 << 14> buffer_;
  std::size_t begin_ = 0, end_ = 0;  // of what is in the buffer
};

/// The length of a request's body as its head tells it; nothing where that is not clear.
inline std::optional<std::uint64_t> body_length(const httplib::Request& req) {
  const auto told = req.get_header_value_count("Content-Length");
  if (req.has_header("Transfer-Encoding") || told > 1) return {};
  if (told == 0) return req.method == "GET" || req.method == "HEAD" ? std::optional<std::uint64_t>(0) : std::nullopt;
  const std::string text = req.get_header_value("Content-Length");
  std::uint64_t length = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), length);
  if (problem != std::errc() || end != text.data() + text.size()) return {};
  return length;
}

/// The library's server with such connections, and a stop that always stops.
class timed_server : public httplib::Server {
 public:
  watch::duration patience = std::chrono::seconds(10);

  /// Answers until stop(); true if that ended it.
  bool listen() {
    const bool well = listen_after_bind();
    svr_sock_ = INVALID_SOCKET;  // closed
    return well || last_.load() != watch::time_point::max();
  }
  /// From any thread, before listen() too. A request that is arriving has another second for that.
  void stop() {
    last_ = watch::now() + std::chrono::seconds(1);
    const socket_t door = svr_sock_.exchange(INVALID_SOCKET);
    if (door == INVALID_SOCKET) return;
    ::shutdown(door, SHUT_RDWR);
    ::close(door);
  }

 private:
  bool process_and_close_socket(socket_t socket) override {
    const struct closing {
      socket_t s;
      ~closing() { ::close(s); }
    } at_the_end{socket};
    timed_stream stream(socket, patience, last_);
    for (std::size_t left = keep_alive_max_count_; left > 0 && stream.next(std::chrono::seconds(keep_alive_timeout_sec_)); --left) {
      bool understood = false, closed = false;
      const std::function<void(httplib::Request&)> head_is_read = [&](httplib::Request& req) {
        req.ranges.clear();  // two thousand ranges would be two thousand copies of the answer
        stream.expect(body_length(req));
        understood = true;
      };
      const bool well = process(*this, stream, left == 1, closed, head_is_read);
      if (!understood || !stream.done()) {  // what follows is no request
        stream.linger();
        break;
      }
      if (!well || closed) break;
    }
    return true;
  }
  template <class Self>
  static bool process(Self& self, timed_stream& stream, bool is_last, bool& closed, const std::function<void(httplib::Request&)>& setup) {
    if constexpr (requires { self.process_request(stream, is_last, closed, setup); })
      return self.process_request(stream, is_last, closed, setup);
    else  // newer versions
      return self.process_request(stream, "", 0, "", 0, is_last, closed, setup);
  }

  std::atomic<watch::time_point> last_ = watch::time_point::max();  // no request is read after it
};

}  // namespace cddrec::service
