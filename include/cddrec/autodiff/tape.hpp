// Reverse-mode autodiff, define-by-run: one closure per op, run in reverse; buffers and closures live in an arena.
// A scope is a sub-tape: its backward runs alone, leaves gradients in what it read, and gives its memory back.
#pragma once

#include <limits>
#include <utility>

#include "cddrec/autodiff/packed_weights.hpp"
#include "cddrec/autodiff/parameter.hpp"
#include "cddrec/core/arena.hpp"

namespace cddrec::autodiff {

template <class T>
class tape;

/// A value on a tape and the place of its gradient. A handle: copy it freely while the tape holds it.
template <class T>
class variable {
 public:
  variable() = default;
  variable(tape<T>& owner, core::view<const T> value, core::view<T> grad) : tape_(&owner), value_(value), grad_(grad) {}

  core::view<const T> value() const { return value_; }
  /// Accumulated gradient; empty when nothing upstream needs it.
  core::view<T> grad() const { return grad_; }
  bool needs_grad() const { return !grad_.empty(); }
  index rows() const { return value_.rows(); }
  index cols() const { return value_.cols(); }
  autodiff::tape<T>& owner() const { return *tape_; }

  /// Rows [first, first + count) as a variable of their own: value and gradient are shared, no op is recorded.
  /// Two that overlap must not be q, k or v of one attention, nor mean and variance of one Gaussian: threads would add to one gradient
  /// at the same time.
  variable middle_rows(index first, index count) const {
    return {*tape_, value_.middle_rows(first, count), needs_grad() ? grad_.middle_rows(first, count) : core::view<T>{}};
  }
  /// The value of a [1, 1] variable.
  T scalar() const {
    CDDREC_ASSERT(value_.size() == 1);
    return value_(0, 0);
  }

 private:
  autodiff::tape<T>* tape_ = nullptr;
  core::view<const T> value_;
  core::view<T> grad_;
};

/// Whether ops record how to run backward.
enum class mode { training, inference };

/// An op adds itself in a dozen lines: make() its output, which needs a gradient if any input does, compute, and record() a closure that
/// reads the output's gradient and adds to those of its inputs. Pointers that the closure captures must outlive the tape's reset.
template <class T>
class tape {
  struct node {
    void (*run)(void*);
    void (*destroy)(void*);
    void* closure;
    node* previous;
  };

 public:
  /// `poison` fills fresh values with NaN, so that an op which does not assign its whole output is found.
  tape(core::arena& memory, core::execution how, mode m = mode::training, bool poison = false)
      : arena_(memory), start_(memory.mark()), how_(how), mode_(m), poison_(poison) {}
  /// Inference with packed weights. A tape that may change `weights` packs and adds those it meets, parameters and constants: they must
  /// stay where they are, unchanged, as long as `weights` is read, even after this tape.
  tape(core::arena& memory, core::execution how, const packed_weights<T>& weights) : tape(memory, how, mode::inference) {
    weights_ = &weights;
  }
  tape(core::arena& memory, core::execution how, packed_weights<T>& weights)
      : tape(memory, how, static_cast<const packed_weights<T>&>(weights)) {
    gathered_ = &weights;
  }
  tape(const tape&) = delete;
  tape& operator=(const tape&) = delete;
  ~tape() { reset(); }

  core::execution how() const { return how_; }
  bool recording() const { return mode_ == mode::training; }
  core::arena& memory() { return arena_; }

  /// A fresh output for op code: value() is still to be written through the returned view, its gradient is zero.
  struct output {
    autodiff::variable<T> variable;
    core::view<T> value;
  };
  output make(index rows, index cols, bool needs_grad) {
    core::view<T> value = arena_.matrix<T>(rows, cols), grad;
    if (poison_) std::fill_n(value.data(), value.size(), std::numeric_limits<T>::quiet_NaN());
    if (needs_grad && recording()) {
      grad = arena_.matrix<T>(rows, cols);
      core::parallel_for(how_, grad.size(), 1 << 16, [&](index begin, index end) { std::fill_n(grad.data() + begin, end - begin, T(0)); });
    }
    return {{*this, value, grad}, value};
  }

  /// A leaf whose gradient accumulates in the parameter, all of whose rows count as touched; gather() touches some of them.
  variable<T> leaf(const parameter<T>& p) { return {*this, p.value, recording() ? p.grad() : core::view<T>{}}; }

  /// The packed panels of a weight, or nullptr if there are none: then use the weight itself. One computed on this tape is never packed,
  /// since its address will be used again.
  const T* packed(core::view<const T> weight) {
    if (!weights_) return nullptr;
    if (gathered_ && !arena_.owns(weight.data()) && !weights_->find(weight)) gathered_->add(weight, how_);
    return weights_->find(weight);
  }

  /// A value that has no gradient. Its memory must outlive the tape; if it is used as a weight and the tape adds to packed_weights,
  /// those too, which know a weight by its address and sizes.
  variable<T> constant(core::view<const T> value) { return {*this, value, {}}; }

  /// Remembers how to run the op of an output backward; does nothing where that has no gradient to read.
  template <class Closure>
  void record(const variable<T>& output, Closure closure) {
    if (output.needs_grad()) record(std::move(closure));
  }
  /// Remembers something to do when backward comes to it; does nothing in inference.
  template <class Closure>
  void record(Closure closure) {
    if (!recording()) return;
    static_assert(alignof(Closure) <= core::alignment);
    node* fresh = static_cast<node*>(arena_.allocate(sizeof(node)));
    fresh->closure = new (arena_.allocate(sizeof(Closure))) Closure(std::move(closure));
    fresh->run = [](void* c) { (*static_cast<Closure*>(c))(); };
    fresh->destroy = std::is_trivially_destructible_v<Closure> ? nullptr : +[](void* c) { static_cast<Closure*>(c)->~Closure(); };
    fresh->previous = last_;
    last_ = fresh;
  }

  /// Adds `weight` to the gradient of the [1, 1] `loss` and runs every op of this tape backward, the newest first.
  void backward(const variable<T>& loss, T weight = T(1)) {
    if (loss.needs_grad()) loss.grad()(0, 0) += weight;
    backward();
  }
  /// Runs every op backward with the gradients as they stand (sub-tapes have left theirs in the leaves).
  void backward() { run_back_to(nullptr); }

  /// Forgets everything; all variables of this tape become invalid.
  void reset() {
    destroy_back_to(nullptr);
    arena_.rewind(start_);
  }

  /// A sub-tape: what is recorded while it lives is run backward alone and forgotten at its end.
  class scope {
   public:
    explicit scope(tape& t) : tape_(t), before_(t.last_), place_(t.arena_.mark()) {}
    scope(const scope&) = delete;
    scope& operator=(const scope&) = delete;
    ~scope() {
      tape_.destroy_back_to(before_);
      tape_.arena_.rewind(place_);
    }
    void backward(const variable<T>& loss, T weight = T(1)) {
      if (loss.needs_grad()) loss.grad()(0, 0) += weight;
      tape_.run_back_to(before_);
    }

   private:
    tape& tape_;
    node* before_;
    core::arena::marker place_;
  };

 private:
  void run_back_to(node* stop) {
    for (node* n = last_; n != stop; n = n->previous) n->run(n->closure);
  }
  void destroy_back_to(node* stop) {
    for (; last_ != stop; last_ = last_->previous)
      if (last_->destroy) last_->destroy(last_->closure);
  }

  core::arena& arena_;
  core::arena::marker start_;
  core::execution how_;
  mode mode_;
  bool poison_;
  const packed_weights<T>* weights_ = nullptr;
  packed_weights<T>* gathered_ = nullptr;
  node* last_ = nullptr;
};

}  // namespace cddrec::autodiff
