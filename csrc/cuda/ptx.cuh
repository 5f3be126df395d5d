#pragma once
// The few PTX instructions that kernels use, behind functions, so that kernel bodies hold no assembly and also run
// where there is no GPU. Fragment layouts are those of the PTX manual for mma.m16n8k16: with g = lane / 4 and
// t = lane % 4, a[0..3] hold rows g, g+8, g, g+8 and columns 2t (pairs), 2t, 2t+8, 2t+8; b[0..1] rows 2t and 2t+8
// (pairs) of column g; d[0..3] row g columns 2t, 2t+1, then row g+8.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

namespace pyapdraw {
namespace cuda {

__device__ inline uint32_t shared_address(const void* p) { return static_cast<uint32_t>(__cvta_generic_to_shared(p)); }

// d += a b for one warp; 16-bit operands of type T, float32 sums.
template <typename T>
__device__ inline void mma_m16n8k16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]);
template <>
__device__ inline void mma_m16n8k16<__half>(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
template <>
__device__ inline void mma_m16n8k16<__nv_bfloat16>(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// 8x8 matrices of 16-bit elements from shared memory; every lane gives the address of one 16-byte row (lanes 0-7 the
// first matrix, 8-15 the second, ...). _trans: each matrix transposed.
__device__ inline void ldmatrix_x4(uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];\n"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row)));
}
__device__ inline void ldmatrix_x4_trans(uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];\n"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row)));
}
__device__ inline void ldmatrix_x2(uint32_t (&r)[2], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];\n"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(shared_address(row)));
}
__device__ inline void ldmatrix_x2_trans(uint32_t (&r)[2], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];\n"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(shared_address(row)));
}

// 16 bytes from global to shared memory without passing through registers, both 16-byte aligned; zeros when !copy
// (global is then not read). Visible after cp_async_wait of its group, to other threads after a barrier behind that.
__device__ inline void cp_async16(void* shared, const void* global, bool copy = true) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(shared_address(shared)), "l"(global),
               "r"(copy ? 16 : 0)
               : "memory");
}
// The same where `want` is set, and nothing at all otherwise: a predicate and no branch, so that it can stand in the
// middle of other work.
__device__ inline void cp_async16_where(bool want, void* shared, const void* global, bool copy = true) {
  asm volatile(
      "{\n.reg .pred want;\nsetp.ne.b32 want, %3, 0;\n@want cp.async.cg.shared.global [%0], [%1], 16, %2;\n}\n" ::"r"(
          shared_address(shared)),
      "l"(global), "r"(copy ? 16 : 0), "r"(static_cast<int>(want))
      : "memory");
}
// 4 bytes, 4-byte aligned.
__device__ inline void cp_async4(void* shared, const void* global, bool copy = true) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;\n" ::"r"(shared_address(shared)), "l"(global),
               "r"(copy ? 4 : 0)
               : "memory");
}
__device__ inline void cp_async_commit() { asm volatile("cp.async.commit_group;\n" ::: "memory"); }
// Until at most `newer` of this thread's groups are still under way.
template <int newer>
__device__ inline void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;\n" ::"n"(newer) : "memory");
}

}  // namespace cuda
}  // namespace pyapdraw
