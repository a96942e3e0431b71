// What the service counts, as Prometheus reads it: requests by path and status, and how long recommendations take.
// Counters are atomic and only ever grow, so counting costs a request next to nothing.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <utility>

namespace cddrec::service {

class metrics {
 public:
  void request(const std::string& path, int status) {
    const std::lock_guard lock(mutex_);
    ++requests_[{path, status}];
  }
  /// One call of /recommend that was answered, from its arrival to its answer.
  void recommended(std::uint64_t histories, std::uint64_t unknown, double seconds) {
    histories_ += histories, unknown_ += unknown;
    std::size_t k = 0;
    while (k < bounds.size() && seconds > bounds[k]) ++k;
    ++buckets_[k];
    microseconds_ += static_cast<std::uint64_t>(seconds * 1e6);
  }

  /// The page, with the two figures that are kept elsewhere.
  std::string text(int computing, int waiting) const {
    std::ostringstream out;
    out.precision(15);  // microseconds of years
    const auto about = [&](const char* name, const char* type, const char* help) {
      out << "# HELP cddrec_" << name << ' ' << help << "\n# TYPE cddrec_" << name << ' ' << type << '\n';
    };
    about("requests_total", "counter", "Answers by path and HTTP status.");
    std::uint64_t errors = 0;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [what, count] : requests_) {
        out << "cddrec_requests_total{path=\"" << what.first << "\",status=\"" << what.second << "\"} " << count << '\n';
        errors += what.second >= 400 ? count : 0;
      }
    }
    about("errors_total", "counter", "Answers with an HTTP status of 400 or more.");
    out << "cddrec_errors_total " << errors << '\n';
    about("histories_total", "counter", "Histories that were recommended for.");
    out << "cddrec_histories_total " << histories_ << '\n';
    about("unknown_items_total", "counter", "Items of histories that the model does not know.");
    out << "cddrec_unknown_items_total " << unknown_ << '\n';
    about("computing", "gauge", "Requests that are being computed.");
    out << "cddrec_computing " << computing << '\n';
    about("waiting", "gauge", "Requests that wait to be computed.");
    out << "cddrec_waiting " << waiting << '\n';
    about("recommend_seconds", "histogram", "Time from a request's arrival to its answer, waiting included.");
    std::uint64_t below = 0;
    for (std::size_t k = 0; k < buckets_.size(); ++k) {
      below += buckets_[k];
      out << "cddrec_recommend_seconds_bucket{le=\"";
      k < bounds.size() ? out << bounds[k] : out << "+Inf";
      out << "\"} " << below << '\n';
    }
    out << "cddrec_recommend_seconds_sum " << static_cast<double>(microseconds_) / 1e6 << '\n';
    out << "cddrec_recommend_seconds_count " << below << '\n';
    return out.str();
  }

 private:
  static constexpr std::array<double, 12> bounds{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5};

  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, std::uint64_t> requests_;
  std::array<std::atomic<std::uint64_t>, bounds.size() + 1> buckets_{};
  std::atomic<std::uint64_t> histories_ = 0, unknown_ = 0, microseconds_ = 0;
};

}  // namespace cddrec::service
