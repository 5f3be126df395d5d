#pragma once
// Scratch memory of a CPU kernel: 64-byte aligned, contents undefined, given back at the end of the scope. What kernels
// on a device use is cut from what the caller gave, cuda/workspace.cuh.
#include <cstdint>
#include <cstdlib>
#include <new>

#include "core/kept_memory.h"
#include "cpu/isa.h"

namespace pyapdraw {
namespace PA_ISA {

// fresh: for rows and small tables. kept: the block that the thread keeps between calls, for one large array in a call.
enum class Origin { fresh, kept };

template <typename T, Origin origin = Origin::fresh>
class Scratch {
 public:
  explicit Scratch(int64_t count) {
    const size_t bytes = static_cast<size_t>(count > 0 ? count : 1) * sizeof(T);
    if constexpr (origin == Origin::kept) {
      const MemoryBlock block = take_memory(bytes);
      data_ = static_cast<T*>(block.data);
      kept_bytes_ = block.bytes;
    } else {
      data_ = static_cast<T*>(std::aligned_alloc(64, (bytes + 127) / 64 * 64));
      if (!data_) throw std::bad_alloc();
    }
  }
  ~Scratch() {
    if constexpr (origin == Origin::kept)
      give_back({data_, kept_bytes_});
    else
      std::free(data_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  T* get() const { return data_; }
  T& operator[](int64_t i) const { return data_[i]; }

 private:
  T* data_;
  size_t kept_bytes_ = 0;
};

// Cuts arrays out of one block, each 64-byte aligned with room for a vector behind it. Without memory it only counts,
// so that a function that takes its arrays here also says how much they need.
class Pieces {
 public:
  explicit Pieces(char* memory) : memory_(memory) {}
  template <typename T>
  static int64_t bytes(int64_t count) {
    return (count * static_cast<int64_t>(sizeof(T)) + 127) / 64 * 64;
  }
  template <typename T>
  T* take(int64_t count) {
    char* piece = memory_ ? memory_ + used_ : nullptr;
    used_ += bytes<T>(count);
    return reinterpret_cast<T*>(piece);
  }
  int64_t used() const { return used_; }

 private:
  char* memory_;
  int64_t used_ = 0;
};

}  // namespace PA_ISA
}  // namespace pyapdraw
