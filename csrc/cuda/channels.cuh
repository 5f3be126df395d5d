#pragma once
// Maps with channels last.
#include "pyapdraw/tensor.h"

namespace pyapdraw {
namespace cuda {

// Whether the channels of float32 [N,H,W,C] can be accessed by four, 16 bytes.
inline bool channel_quads(const Tensor& t) {
  for (int i = 0; i < 3; ++i)
    if (t.shape[i] > 1 && t.stride[i] % 4 != 0) return false;
  return t.shape[3] % 4 == 0 && reinterpret_cast<uintptr_t>(t.data) % 16 == 0;
}

}  // namespace cuda
}  // namespace pyapdraw
