// The sum of several objectives is an objective (Eq. 16 without its weights over steps, which training applies).
// A part that has nothing to say returns a default variable and is passed over.
#pragma once

#include <algorithm>
#include <tuple>

#include "cddrec/loss/contrastive.hpp"
#include "cddrec/loss/cross_divergence.hpp"
#include "cddrec/loss/ranking.hpp"

namespace cddrec::loss {

template <objective... Parts>
class combined {
  static_assert(sizeof...(Parts) > 0, "loss::combine adds up objectives: give it one or more");

 public:
  explicit combined(Parts... parts) : parts_(std::move(parts)...) {
    std::apply([&](const auto&... p) { (names_of_.push_back(p.names()), ...); }, parts_);
  }

  loss::needs needs() const {
    return std::apply([](const auto&... p) { return (loss::needs{} | ... | p.needs()); }, parts_);
  }
  /// Of parts of the same name, the second is called NAME_2, and so on: a log has a column for each.
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& of_part : names_of_)
      for (const std::string& name : of_part) {
        std::string own = name;
        for (int number = 2; std::find(all.begin(), all.end(), own) != all.end(); ++number) own = name + "_" + std::to_string(number);
        all.push_back(std::move(own));
      }
    return all;
  }

  /// The parts as they were given: std::get<in_view>(objective.parts()).temperature, say.
  const std::tuple<Parts...>& parts() const { return parts_; }

  template <class T>
  variable<T> operator()(const step<T>& s, std::span<double> values) const {
    variable<T> total;
    std::size_t first = 0, k = 0;
    const auto take = [&](const auto& part) {
      const std::size_t count = names_of_[k++].size();
      const variable<T> loss = part(s, values.subspan(first, count));
      first += count;
      if (loss.rows() > 0) total = total.rows() > 0 ? autodiff::add(total, loss) : loss;
    };
    std::apply([&](const auto&... p) { (take(p), ...); }, parts_);
    return total;
  }

 private:
  std::tuple<Parts...> parts_;
  std::vector<std::vector<std::string>> names_of_;  // of each part, asked for once: a training step allocates nothing
};

/// combine(cross_divergence<kl>{}, in_view{}, cross_view{}): the paper's objective. input_error for a part's setting out of range.
template <objective... Parts>
combined<Parts...> combine(Parts... parts) {
  return combined<Parts...>(std::move(parts)...);
}

}  // namespace cddrec::loss
