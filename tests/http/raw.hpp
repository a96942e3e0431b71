// A client below the HTTP library.
#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>

#include "test.hpp"

namespace cddrec::test {

/// A client that sends what it likes.
class raw {
 public:
  explicit raw(int port, int receive_buffer = 0) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_buffer > 0) ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    const timeval wait{30, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    sockaddr_in to{};
    to.sin_family = AF_INET, to.sin_port = htons(static_cast<std::uint16_t>(port)), to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
  }
  raw(const raw&) = delete;
  ~raw() { ::close(socket_); }

  /// False once the service has closed.
  bool send(const std::string& text) const {
    for (std::size_t sent = 0; sent < text.size();) {
      const ssize_t n = ::send(socket_, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return false;
      sent += static_cast<std::size_t>(n);
    }
    return true;
  }
  void no_more() const { ::shutdown(socket_, SHUT_WR); }
  /// Whether the service has neither answered nor closed yet.
  bool waits() const {
    char first = 0;
    return ::recv(socket_, &first, 1, MSG_PEEK | MSG_DONTWAIT) < 0;
  }
  /// Waits for the first byte that comes.
  bool hears() const {
    char first = 0;
    return ::recv(socket_, &first, 1, 0) == 1;
  }
  /// What comes until the service closes.
  std::string rest() const {
    std::string all, some(1 << 16, '\0');
    ssize_t n = 0;
    while ((n = ::recv(socket_, some.data(), some.size(), 0)) > 0) all.append(some, 0, static_cast<std::size_t>(n));
    if (n < 0 && errno == EAGAIN) all += "(still open)";
    return all;
  }

 private:
  const int socket_;
};

}  // namespace cddrec::test
