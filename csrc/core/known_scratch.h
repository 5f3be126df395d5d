#pragma once
// How much scratch memory calls like this one have needed: a guess that the operation itself corrects
// (cuda/workspace.cuh), so that a call of known operation, shapes and dtypes is made once, without being measured
// before.
#include <cstdint>
#include <string>

#include "pyapdraw/error.h"
#include "pyapdraw/tensor.h"

namespace pyapdraw {

// Thrown before anything has been launched.
struct ScratchMissing : BadInput {
  ScratchMissing(const std::string& what, int64_t bytes) : BadInput(what), needed(bytes) {}
  int64_t needed;
};

namespace scratch {

// The bytes noted for a call by this thread, 0 at first. Calls that share a place only forget one another.
int64_t& noted(uint64_t call);

inline uint64_t mixed(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
  return hash ^ hash >> 32;
}

inline uint64_t with(uint64_t hash, const Tensor& t) {
  hash = mixed(hash, static_cast<uint64_t>(t.dtype) * 8 + static_cast<uint64_t>(t.ndim));
  for (int i = 0; i < t.ndim; ++i) hash = mixed(hash, static_cast<uint64_t>(t.shape[i]));
  return hash;
}
template <typename T>
uint64_t with(uint64_t hash, const T&) {
  return hash;
}

template <typename... P>
int64_t& known(const void* operation, const P&... args) {
  uint64_t hash = reinterpret_cast<uintptr_t>(operation);
  ((hash = with(hash, args)), ...);
  return noted(hash);
}

}  // namespace scratch
}  // namespace pyapdraw
