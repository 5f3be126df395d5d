#pragma once
// Stands in for csrc/cuda/ptx.cuh, which says what these do.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>

#include "device/async_copy.h"
#include "device/matrix.h"

namespace pyapdraw {
namespace cuda {

template <typename T>
inline void mma_m16n8k16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], EMULATED_WHERE) {
  ::emulated::mma_m16n8k16(d, a, b, ::emulated::Operand<T>::value, {"mma_m16n8k16", file, line});
}

inline void ldmatrix_x4(uint32_t (&r)[4], const void* row, EMULATED_WHERE) {
  ::emulated::ldmatrix(r, 4, false, row, {"ldmatrix_x4", file, line});
}
inline void ldmatrix_x4_trans(uint32_t (&r)[4], const void* row, EMULATED_WHERE) {
  ::emulated::ldmatrix(r, 4, true, row, {"ldmatrix_x4_trans", file, line});
}
inline void ldmatrix_x2(uint32_t (&r)[2], const void* row, EMULATED_WHERE) {
  ::emulated::ldmatrix(r, 2, false, row, {"ldmatrix_x2", file, line});
}
inline void ldmatrix_x2_trans(uint32_t (&r)[2], const void* row, EMULATED_WHERE) {
  ::emulated::ldmatrix(r, 2, true, row, {"ldmatrix_x2_trans", file, line});
}

inline void cp_async16(void* shared, const void* global, bool copy = true, EMULATED_WHERE) {
  ::emulated::copy_later(shared, global, 16, copy, {"cp_async16", file, line});
}
inline void cp_async16_where(bool want, void* shared, const void* global, bool copy = true, EMULATED_WHERE) {
  if (want) ::emulated::copy_later(shared, global, 16, copy, {"cp_async16_where", file, line});
}
inline void cp_async4(void* shared, const void* global, bool copy = true, EMULATED_WHERE) {
  ::emulated::copy_later(shared, global, 4, copy, {"cp_async4", file, line});
}
inline void cp_async_commit() { ::emulated::commit_copies(); }
template <int newer>
inline void cp_async_wait() {
  ::emulated::wait_for_copies(newer);
}

}  // namespace cuda
}  // namespace pyapdraw
