#pragma once
// What the driver of the native core gives to the fuzz case of one operation: tensors of odd shapes and strides in
// memory of their own, and one way to make the call, which checks what a sanitizer cannot see.
//
//   PA_FUZZ(resize) {
//     const Tensor& image = t.in<uint8_t>({t.pick(1, 40), t.pick(1, 40)}, 0, 255);
//     const Tensor& out = t.out<uint8_t>({t.pick(0, 40), t.pick(0, 40)});
//     t.call([&] { resize(image, out, t.ctx); });
//   }
//
// The name is that of the Backend table; an operation of the table without one fails the run.
#include <cstdint>
#include <deque>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "pyapdraw/ops.h"

namespace pyapdraw {
namespace fuzz {

// any: every axis may be reversed, spaced or exchanged with its neighbour. rows: the last axis is adjacent.
enum class Layout { any, rows, contiguous };

class Case {
 public:
  Case(uint64_t seed, int threads, bool with_refusals);

  Context ctx;
  std::mt19937_64 random;

  int64_t pick(int64_t low, int64_t high);  // both included
  double real(double low, double high);
  bool coin() { return pick(0, 1) == 1; }
  template <typename T>
  T one_of(std::initializer_list<T> values) {
    return values.begin()[pick(0, static_cast<int64_t>(values.size()) - 1)];
  }

  // Random values of [low, high], floats now and then NaN or infinite when `wild`.
  template <typename T>
  const Tensor& in(std::vector<int64_t> shape, double low, double high, Layout layout = Layout::any, bool wild = false);
  template <typename T>
  const Tensor& in(std::vector<int64_t> shape, const std::vector<double>& values);  // contiguous
  template <typename T>
  const Tensor& out(std::vector<int64_t> shape, Layout layout = Layout::any);
  // What is read and written in place.
  template <typename T>
  const Tensor& inout(std::vector<int64_t> shape, double low, double high, Layout layout = Layout::any);
  // bf16 has no C++ type here: the bits of random numbers.
  const Tensor& in_bf16(std::vector<int64_t> shape, double low, double high, Layout layout = Layout::any);
  const Tensor& out_bf16(std::vector<int64_t> shape, Layout layout = Layout::any);
  const Tensor& none();  // stands for an output that is not wanted

  // Runs f, which must not throw; then with each tensor spoilt in turn, where it must refuse, or at least stay within
  // its memory. Tensors are the case's own, so f captures them by reference.
  void call(const std::function<void()>& f);

  uint64_t digest() const { return digest_; }  // of all outputs: the same for any number of threads

 private:
  struct Held {
    Tensor tensor;
    std::vector<char> before;  // an input as it was; of an output the memory around its elements
    char* memory = nullptr;
    size_t bytes = 0;
    bool is_output = false;
    ~Held();
  };
  Held& hold(const std::vector<int64_t>& shape, DType dtype, Layout layout, bool is_output);
  template <typename F>
  void fill(Held& h, F&& value);
  void check_memory(const Held& h) const;
  void refusals(const std::function<void()>& f);
  bool refused(const std::function<void()>& f, const std::string& how, bool must);

  std::deque<Held> held_;
  bool with_refusals_;
  uint64_t digest_ = 1469598103934665603ull;
};

[[noreturn]] void failed(const std::string& what);

struct Entry {
  const char* op;
  void (*run)(Case& t);
};
std::vector<Entry>& entries();

struct Registered {
  Registered(const char* op, void (*run)(Case& t)) { entries().push_back({op, run}); }
};

}  // namespace fuzz
}  // namespace pyapdraw

#define PA_FUZZ(op)                                                        \
  static void op##_fuzz(pyapdraw::fuzz::Case& t);                          \
  static const pyapdraw::fuzz::Registered op##_registered{#op, op##_fuzz}; \
  static void op##_fuzz(pyapdraw::fuzz::Case& t)
