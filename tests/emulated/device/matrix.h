#pragma once
// The tensor core's multiplication and the loads of its operands; fragment layouts as in csrc/cuda/ptx.cuh.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

#include "device.h"

namespace emulated {

enum class Element { f16, bf16 };
template <typename T>
struct Operand;
template <>
struct Operand<__half> {
  static constexpr Element value = Element::f16;
};
template <>
struct Operand<__nv_bfloat16> {
  static constexpr Element value = Element::bf16;
};

void mma_m16n8k16(float* d, const uint32_t* a, const uint32_t* b, Element element, const Where& where);
// count (2 or 4) matrices of 8x8 elements of 16 bits; row: 16 bytes of shared memory, 16-byte aligned.
void ldmatrix(uint32_t* r, int count, bool transposed, const void* row, const Where& where);

}  // namespace emulated
