// Row-major views: Eigen in, Eigen out, never a copy.
// A `view` is a pointer and two sizes; kernels read its rows, callers read it as an Eigen::Map.
#pragma once

#include <Eigen/Core>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "cddrec/core/check.hpp"

namespace cddrec::core {

using index = Eigen::Index;

/// An owning row-major matrix.
template <class T>
using matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Cache-line alignment of arenas and buffers, in bytes.
inline constexpr std::size_t alignment = 64;

/// std::allocator with cache-line alignment.
template <class T>
struct aligned_allocator {
  using value_type = T;
  aligned_allocator() = default;
  template <class U>
  explicit aligned_allocator(const aligned_allocator<U>&) {}
  T* allocate(std::size_t count) { return static_cast<T*>(::operator new (count * sizeof(T), std::align_val_t{alignment})); }
  void deallocate(T* pointer, std::size_t) { ::operator delete (pointer, std::align_val_t{alignment}); }
  friend bool operator==(const aligned_allocator&, const aligned_allocator&) { return true; }
};

/// A growable aligned array.
template <class T>
using buffer = std::vector<T, aligned_allocator<T>>;

namespace detail {

template <class M>
concept eigen_matrix = std::is_base_of_v<Eigen::MatrixBase<std::remove_cvref_t<M>>, std::remove_cvref_t<M>> && requires(M& m) {
  m.data();
  m.outerStride();
};

// Eigen::Tensor lives in an unsupported header that the core does not include, so it is recognised by its shape.
// clang-format off
template <class M>
concept eigen_tensor = !eigen_matrix<M> && requires(M& m) {
  m.data();
  m.dimensions();
  { std::remove_cvref_t<M>::Layout } -> std::convertible_to<int>;
  { std::remove_cvref_t<M>::NumDimensions } -> std::convertible_to<int>;
};
// clang-format on

}  // namespace detail

/// A contiguous row-major [rows, cols] block of somebody else's memory.
template <class T>
class view {
 public:
  using scalar = std::remove_const_t<T>;
  using map_type = std::conditional_t<std::is_const_v<T>, Eigen::Map<const matrix<scalar>>, Eigen::Map<matrix<scalar>>>;

  view() = default;
  view(T* data, index rows, index cols) : data_(data), rows_(rows), cols_(cols) {}

  /// A mutable view reads as a const one.
  // clang-format off
  template <class U>
    requires std::is_same_v<const U, T>
  view(const view<U>& other)  // NOLINT(google-explicit-constructor)
      : view(other.data(), other.rows(), other.cols()) {}
  // clang-format on

  /// Views a row-major Eigen matrix or map without copying, at any alignment.
  template <detail::eigen_matrix M>
  view(M&& m) : view(m.data(), m.rows(), m.cols()) {  // NOLINT(google-explicit-constructor)
    using plain = std::remove_cvref_t<M>;
    static_assert(plain::IsRowMajor || plain::IsVectorAtCompileTime,
                  "cddrec reads row-major matrices: copy yours once with `core::matrix<float> copy = m;`");
    static_assert(plain::InnerStrideAtCompileTime == 1 || plain::InnerStrideAtCompileTime == 0,
                  "cddrec reads contiguous matrices: copy yours once with `core::matrix<float> copy = m;`");
    // The outer stride of a vector says nothing: it lies as its inner stride says.
    if (!plain::IsVectorAtCompileTime && m.rows() > 1 && m.outerStride() != m.cols())
      throw input_error("core::view: the rows are not contiguous; copy the block once with `core::matrix<float> copy = m;`");
  }

  /// Views a row-major Eigen tensor; leading dimensions flatten to rows, and one without dimensions is [1, 1].
  template <detail::eigen_tensor M>
  view(M&& m) {  // NOLINT(google-explicit-constructor)
    using plain = std::remove_cvref_t<M>;
    static_assert(int(plain::Layout) == int(Eigen::RowMajor),
                  "cddrec reads row-major tensors: copy yours once into an Eigen::Tensor<T, N, Eigen::RowMajor>");
    data_ = m.data();
    rows_ = cols_ = 1;
    if constexpr (plain::NumDimensions > 0) cols_ = m.dimensions()[plain::NumDimensions - 1];
    for (std::size_t i = 0; i + 1 < static_cast<std::size_t>(plain::NumDimensions); ++i) rows_ *= m.dimensions()[i];
  }

  T* data() const { return data_; }
  index rows() const { return rows_; }
  index cols() const { return cols_; }
  index size() const { return rows_ * cols_; }
  /// Whether it views no memory at all, as a default view; one of 0 rows need not be empty.
  bool empty() const { return data_ == nullptr; }

  T* row(index i) const {
    CDDREC_ASSERT(i >= 0 && i <= rows_);
    return data_ + i * cols_;
  }
  T& operator()(index i, index j) const {
    CDDREC_ASSERT(i >= 0 && i < rows_ && j >= 0 && j < cols_);
    return data_[i * cols_ + j];
  }

  /// Rows [first, first + count).
  view middle_rows(index first, index count) const {
    CDDREC_ASSERT(first >= 0 && count >= 0 && first + count <= rows_);
    return view(row(first), count, cols_);
  }

  /// The same memory as an Eigen map.
  map_type matrix_map() const { return map_type(data_, rows_, cols_); }

 private:
  T* data_ = nullptr;
  index rows_ = 0;
  index cols_ = 0;
};

// clang-format off
template <class M>
  requires detail::eigen_matrix<M> || detail::eigen_tensor<M>
view(M&&) -> view<std::remove_pointer_t<decltype(std::declval<M&>().data())>>;
// clang-format on

/// A read-only argument, not deduced: T comes from another argument or is given, so that anything viewable may be passed.
template <class T>
using in = std::type_identity_t<view<const T>>;

template <class T>
bool same_shape(in<T> a, in<T> b) {
  return a.rows() == b.rows() && a.cols() == b.cols();
}

/// Throws input_error `WHERE: A_NAME is [2, 4] but B_NAME [2, 3]; give both the same shape` unless the shapes of a and b agree.
template <class T>
void require_same_shape(std::string_view where, std::string_view a_name, in<T> a, std::string_view b_name, in<T> b) {
  if (same_shape<T>(a, b)) return;
  const auto shape = [](in<T> x) { return "[" + to_text(x.rows()) + ", " + to_text(x.cols()) + "]"; };
  throw input_error(std::string(where) + ": " + std::string(a_name) + " is " + shape(a) + " but " + std::string(b_name) + " " + shape(b) +
                    "; give both the same shape");
}

}  // namespace cddrec::core
