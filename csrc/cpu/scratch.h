#pragma once
// Scratch memory of a CPU kernel: 64-byte aligned, freed at the end of the scope.
#include <cstdint>
#include <cstdlib>
#include <new>

#include "cpu/isa.h"

namespace pyapdraw {
namespace PA_ISA {

template <typename T>
class Scratch {
 public:
  explicit Scratch(int64_t count) {
    const size_t bytes = (static_cast<size_t>(count > 0 ? count : 1) * sizeof(T) + 127) / 64 * 64;
    data_ = static_cast<T*>(std::aligned_alloc(64, bytes));
    if (!data_) throw std::bad_alloc();
  }
  ~Scratch() { std::free(data_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  T* get() const { return data_; }
  T& operator[](int64_t i) const { return data_[i]; }

 private:
  T* data_;
};

}  // namespace PA_ISA
}  // namespace pyapdraw
