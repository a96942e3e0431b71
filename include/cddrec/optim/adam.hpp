// Adam (Kingma and Ba, 2015) over a list of parameters, of all their rows or of those that a batch touched.
// One fused pass: moments, bias correction, step and the zeroing of the gradient.
#pragma once

#include <atomic>
#include <cmath>
#include <numeric>
#include <span>
#include <vector>

#include "cddrec/autodiff/parameter.hpp"

namespace cddrec::optim {

using autodiff::parameter;
using core::index;

/// Which rows a step updates.
///
/// `all` is Adam as published: a row without a gradient counts as one whose gradient is zero, so its moments decay and it goes on
/// moving along what is left of the first. A step costs O(V d) for a table of V rows.
///
/// `touched` updates the rows in parameter::touched: those whose gradients gather()'s backward wrote since the last step, or all of
/// them where something else could write the gradient (tape::leaf(), parameter::grad()). A step costs O(d) a touched row. On those
/// rows, with g the gradient and t the number of steps so far, whether they touched the row or not, it computes what `all` does:
///
///     m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2,
///     value -= learning_rate m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon)
///
/// Value and moments of other rows keep their bits. So for a row that is touched at every k-th step
/// - nothing moves along stale momentum between two touches, where `all` takes k - 1 steps,
/// - m does not decay in between: it averages the row's last 1 / (1 - beta1) touches, however old, where that of `all` is mostly
///   the newest gradient once k is that large,
/// - v does not decay in between. While t is below 1 / (1 - beta2) it is about that of `all`; later it is larger, up to k times,
///   and the row's steps are smaller, up to sqrt(k) times,
/// - bias is corrected for t steps though the moments have seen t / k of them. A row's first touch, however late, has m and v of
///   zero before it in both, so it takes the same step in both: for large t (1 - beta1) / sqrt(1 - beta2) ~ 3.2 learning rates.
/// A parameter whose rows are all touched takes the step of `all`, to the bit.
///
/// A NaN that somebody wrote into a row that is not touched is seen by neither gradient_norm() nor step(), while `all` tells of it at its
/// next step: in training it is not seen before a batch reads the row, or validation ranks its item.
enum class adam_rows { all, touched };

struct adam_settings {
  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  adam_rows rows = adam_rows::all;
};

/// First and second moments of every parameter and the number of steps taken: all that a later run needs to go on.
template <class T>
class adam {
 public:
  /// The parameters must stay where they are. input_error for a beta that is not in [0, .99999], as 1 - beta is taken in T and float has
  /// too few values below 1, for a learning rate that is not positive and finite, and for an epsilon that is not above 0 in T: where a
  /// gradient has always been 0, 0 would be divided by 0.
  adam(std::vector<parameter<T>*> parameters, adam_settings settings) : settings(settings), parameters_(std::move(parameters)) {
    for (const auto& [name, beta] : {std::pair("beta1", settings.beta1), std::pair("beta2", settings.beta2)})
      require(beta >= 0 && beta <= 0.99999, "optim::adam", name, beta, "in [0, 0.99999]");
    require(settings.learning_rate > 0 && std::isfinite(settings.learning_rate), "optim::adam", "learning_rate", settings.learning_rate,
            "positive");
    require(static_cast<T>(settings.epsilon) > 0, "optim::adam", "epsilon", settings.epsilon, "above 0");
    for (const parameter<T>* p : parameters_) {
      first_.push_back(core::matrix<T>::Zero(p->value.rows(), p->value.cols()));
      second_.push_back(first_.back());
      rate_factors.push_back(1);
      p->grad().matrix_map().setZero();
      p->touched.clear();
      const index blocks = std::max(core::block_count(p->value.size(), block_values), core::block_count(p->value.rows(), block_rows));
      sums_.resize(std::max(sums_.size(), static_cast<std::size_t>(blocks)));
    }
  }

  /// Takes one step along `scale` times the accumulated gradients and zeroes them; nothing is touched any more. Returns the number of the
  /// first parameter of which a value or a moment is not finite now, -1 if all that was written is. A gradient too large to be
  /// squared in T, in float some 1e19 at the first step and 6e20 later, counts as such: it would leave a value that is finite, but
  /// never moves again.
  std::ptrdiff_t step(core::execution how, double scale = 1) {
    namespace simd = core::simd;
    ++steps;
    const double count = static_cast<double>(steps);
    const double rate = settings.learning_rate / (1 - std::pow(settings.beta1, count));
    const T correction = static_cast<T>(1 / (1 - std::pow(settings.beta2, count)));
    const T b1 = static_cast<T>(settings.beta1), b2 = static_cast<T>(settings.beta2), epsilon = static_cast<T>(settings.epsilon);
    const T by = static_cast<T>(scale);
    std::ptrdiff_t bad = -1;
    for (std::size_t k = 0; k < parameters_.size(); ++k) {
      T *value = parameters_[k]->value.data(), *gradient = parameters_[k]->gradient.data();
      T *m = first_[k].data(), *v = second_[k].data();
      const T own_rate = static_cast<T>(rate * rate_factors[k]);
      std::atomic<bool> finite = true;
      for_each_range(k, how, [&](index, index begin, index end) {
        simd::vec<T> off{};  // stays 0 as long as all is finite
        for (index i = begin; i < end; i += simd::lanes<T>) {
          const index n = std::min(simd::lanes<T>, end - i);
          const simd::vec<T> g = by * simd::load_upto(gradient + i, n);
          const simd::vec<T> m1 = b1 * simd::load_upto(m + i, n) + (T(1) - b1) * g;
          const simd::vec<T> v1 = b2 * simd::load_upto(v + i, n) + (T(1) - b2) * g * g;
          const simd::vec<T> deviation = simd::sqrt<T>(v1 * correction);  // not finite where v1 is not
          const simd::vec<T> value1 = simd::load_upto(value + i, n) - own_rate * m1 / (deviation + epsilon);
          simd::store_upto<T>(m + i, m1, n);
          simd::store_upto<T>(v + i, v1, n);
          simd::store_upto<T>(value + i, value1, n);
          simd::store_upto<T>(gradient + i, simd::vec<T>{}, n);
          off += (value1 - value1) + (deviation - deviation);
        }
        if (!(simd::sum<T>(off) == 0)) finite = false;
      });
      parameters_[k]->touched.clear();
      if (!finite && bad < 0) bad = static_cast<std::ptrdiff_t>(k);
    }
    return bad;
  }

  /// The Euclidean norm of the gradient of parameter k that a step would take; not finite where an entry is not, or is too large for a
  /// double to hold its square, which no float is. The same for any number of threads.
  double gradient_norm(std::size_t k, core::execution how) {
    namespace simd = core::simd;
    const T* gradient = parameters_[k]->gradient.data();
    std::fill(sums_.begin(), sums_.end(), 0.0);
    for_each_range(k, how, [&](index block, index begin, index end) {
      simd::vec<T> sum{};
      for (index i = begin; i < end; i += simd::lanes<T>) {
        const simd::vec<T> g = simd::load_upto(gradient + i, std::min(simd::lanes<T>, end - i));
        sum += g * g;
      }
      double squares = static_cast<double>(simd::sum<T>(sum));
      if (!std::isfinite(squares)) {  // an entry is not, or its square is too large for T
        squares = 0;
        for (index i = begin; i < end; ++i) squares += static_cast<double>(gradient[i]) * static_cast<double>(gradient[i]);
      }
      sums_[static_cast<std::size_t>(block)] += squares;
    });
    return std::sqrt(std::accumulate(sums_.begin(), sums_.end(), 0.0));
  }

  /// Zeroes the accumulated gradients without a step; nothing is touched any more.
  void drop(core::execution how) {
    for (std::size_t k = 0; k < parameters_.size(); ++k) {
      T* gradient = parameters_[k]->gradient.data();
      for_each_range(k, how, [&](index, index begin, index end) { std::fill(gradient + begin, gradient + end, T(0)); });
      parameters_[k]->touched.clear();
    }
  }

  std::vector<core::matrix<T>>& first_moments() { return first_; }
  std::vector<core::matrix<T>>& second_moments() { return second_; }

  adam_settings settings;
  std::vector<double> rate_factors;  // each parameter's learning rate over that of the settings; 1 to begin with
  index steps = 0;

 private:
  static constexpr index block_values = 1 << 14, block_rows = 64;

  // Calls body(block, begin, end) for the values of parameter k that a step writes; those of one block one after the other.
  template <class Body>
  void for_each_range(std::size_t k, core::execution how, Body&& body) const {
    const parameter<T>& p = *parameters_[k];
    if (settings.rows == adam_rows::all || p.touched.all()) {
      core::parallel_for(how, p.value.size(), block_values, [&](index begin, index end) { body(begin / block_values, begin, end); });
      return;
    }
    const std::span<const index> touched = p.touched.rows();
    const index d = p.value.cols();
    core::parallel_for(how, static_cast<index>(touched.size()), block_rows, [&](index begin, index end) {
      for (const index row : touched.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)))
        body(begin / block_rows, row * d, (row + 1) * d);
    });
  }

  std::vector<parameter<T>*> parameters_;
  std::vector<core::matrix<T>> first_, second_;
  std::vector<double> sums_;  // of squares, of every block
};

}  // namespace cddrec::optim
