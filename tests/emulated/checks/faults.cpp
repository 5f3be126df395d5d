// One planted fault a kernel; main.cpp and tests/test_emulated_device.py say by what each must be noticed.
#include <cmath>
#include <cstdlib>
#include <numeric>

#include "checks.h"

using namespace pyapdraw;
using namespace pyapdraw::cuda;

namespace checks {

namespace {

constexpr int kThreads = 64;

// The mirror image of 64 numbers by way of shared memory.
PA_KERNEL void missing_barrier_kernel(const int* in, int* out) {
  __shared__ int tile[kThreads];
  tile[threadIdx.x] = in[threadIdx.x];
  out[threadIdx.x] = tile[kThreads - 1 - threadIdx.x];
}

PA_KERNEL void missing_second_barrier_kernel(const int* in, int* out) {
  __shared__ int tile[kThreads];
  for (int round = 0; round < 2; ++round) {
    tile[threadIdx.x] = in[threadIdx.x];
    __syncthreads();
    out[threadIdx.x] = tile[kThreads - 1 - threadIdx.x];
  }
}

PA_KERNEL void missing_syncwarp_kernel(const int* in, int* out) {
  __shared__ int tile[kThreads];
  tile[threadIdx.x] = in[threadIdx.x];
  out[threadIdx.x ^ 32] = tile[threadIdx.x ^ 31];
}

PA_KERNEL void missing_atomic_kernel(int* total) { *total += 1; }

// Two blocks write the same elements.
PA_KERNEL void blocks_on_one_output_kernel(const int* in, int* out) { out[threadIdx.x] = in[threadIdx.x]; }

PA_KERNEL void overrun_of_dynamic_shared_kernel(const int* in, int* out) {
  PA_SHARED(int, tile);
  tile[threadIdx.x + 1] = in[threadIdx.x];
  __syncthreads();
  out[threadIdx.x] = tile[threadIdx.x + 1];
}

PA_KERNEL void overrun_of_static_shared_kernel(const int* in, int* out) {
  __shared__ int tile[kThreads];
  tile[threadIdx.x + 1] = in[threadIdx.x];
  __syncthreads();
  out[threadIdx.x] = tile[threadIdx.x + 1];
}

PA_KERNEL void overrun_of_workspace_kernel(const int* in, int* scratch, int* out) {
  scratch[threadIdx.x + 1] = in[threadIdx.x];
  out[threadIdx.x] = scratch[threadIdx.x + 1];
}

PA_KERNEL void missing_copy_wait_kernel(const int4* in, int4* out) {
  __shared__ int4 tile[kThreads];
  cp_async16(&tile[threadIdx.x], &in[threadIdx.x]);
  cp_async_commit();
  __syncthreads();
  out[threadIdx.x] = tile[threadIdx.x];
}

// The wait leaves the group under way that is needed.
PA_KERNEL void late_copy_wait_kernel(const int4* in, int4* out) {
  __shared__ int4 tile[kThreads];
  cp_async16(&tile[threadIdx.x], &in[threadIdx.x]);
  cp_async_commit();
  cp_async_wait<1>();
  __syncthreads();
  out[threadIdx.x] = tile[threadIdx.x];
}

// Copies to where other threads may still read.
PA_KERNEL void early_copy_kernel(const int* in, int* out) {
  __shared__ int tile[kThreads];
  tile[threadIdx.x] = in[threadIdx.x];
  __syncthreads();
  cp_async4(&tile[threadIdx.x], &in[threadIdx.x]);
  cp_async_commit();
  out[threadIdx.x] = tile[kThreads - 1 - threadIdx.x];
  __syncthreads();
  cp_async_wait<0>();
}

// Gives out places in the order in which threads come.
PA_KERNEL void order_of_threads_kernel(const int* in, int* count, int* out) {
  out[atomicAdd(count, 1)] = in[threadIdx.x];
}

PA_KERNEL void divergent_barrier_kernel(const int* in, int* out) {
  __shared__ int tile[kThreads];
  if (threadIdx.x < 32) {
    tile[threadIdx.x] = in[threadIdx.x];
    __syncthreads();
  } else {
    tile[threadIdx.x] = in[threadIdx.x];
    __syncthreads();
  }
  out[threadIdx.x] = tile[threadIdx.x];
}

PA_KERNEL void half_warp_shuffle_kernel(const int* in, int* out) {
  int v = in[threadIdx.x];
  if (threadIdx.x % 32 < 16) v = __shfl_xor_sync(0xffffffffu, v, 1);
  out[threadIdx.x] = v;
}

PA_KERNEL void shuffle_beside_barrier_kernel(const int* in, int* out) {
  int v = in[threadIdx.x];
  if (threadIdx.x % 32 < 16)
    v = __shfl_xor_sync(0xffffffffu, v, 1);
  else
    __syncthreads();
  out[threadIdx.x] = v;
}

PA_KERNEL void different_masks_kernel(const int* in, int* out) {
  const unsigned mask = threadIdx.x % 2 ? 0xffffffffu : 0x55555555u;
  out[threadIdx.x] = __shfl_xor_sync(mask, in[threadIdx.x], 2);
}

PA_KERNEL void lane_outside_mask_kernel(const int* in, int* out) {
  out[threadIdx.x] = __shfl_sync(0x0000ffffu, in[threadIdx.x], 0);
}

// A sum that begins with what shared memory happens to hold.
template <typename T>
PA_KERNEL void uninitialised_static_shared_kernel(const int* in, int* out) {
  __shared__ T sum;
  if (threadIdx.x == 0)
    for (int i = 0; i < kThreads; ++i) sum += static_cast<T>(in[i]);
  __syncthreads();
  out[threadIdx.x] = sum == static_cast<T>(kThreads * (kThreads - 1) / 2) ? in[threadIdx.x] : -1;
}

PA_KERNEL void uninitialised_dynamic_shared_kernel(const int* in, int* out) {
  PA_SHARED(float, sum);
  if (threadIdx.x == 0)
    for (int i = 0; i < kThreads; ++i) sum[0] += static_cast<float>(in[i]);
  __syncthreads();
  out[threadIdx.x] = std::isnan(sum[0]) ? -1 : in[threadIdx.x];
}

PA_KERNEL void misaligned_vector_kernel(const int* in, int* out) {
  if (threadIdx.x >= kThreads / 4 - 1) return;
  const int4 v = *reinterpret_cast<const int4*>(in + 4 * threadIdx.x + 1);
  out[4 * threadIdx.x + 1] = v.x;
}

PA_KERNEL void misaligned_copy_kernel(const int* in, int* out) {
  __shared__ int tile[kThreads];
  cp_async16(&tile[0], in + 1);
  out[threadIdx.x] = tile[0];
}

PA_KERNEL void wide_cast_kernel(const int* in, int* out) {
  out[threadIdx.x] = static_cast<int>(1e9f * static_cast<float>(in[threadIdx.x]));
}

PA_KERNEL void idle_kernel(const int*, int*) {}

struct Numbers {
  std::vector<int> in, out;
  explicit Numbers(int n = kThreads) : in(static_cast<size_t>(n)), out(static_cast<size_t>(n)) {
    std::iota(in.begin(), in.end(), 0);
  }
  bool same() const { return in == out; }
  bool mirrored() const { return std::equal(in.begin(), in.end(), out.rbegin()); }
};

using Kernel = void (*)(const int*, int*);

Check plain(const char* name, Kernel kernel, size_t shared_bytes, bool (Numbers::*right)() const,
            unsigned threads = kThreads) {
  return {name, [=] {
            Numbers n;
            launch(kernel, dim3(1), dim3(threads), shared_bytes, Context{}, n.in.data(), n.out.data());
            return (n.*right)();
          }};
}

Check copying(const char* name, void (*kernel)(const int4*, int4*)) {
  return {name, [=] {
            Numbers n(4 * kThreads);
            std::vector<int4> in(kThreads), out(kThreads);
            std::memcpy(in.data(), n.in.data(), sizeof(int4) * kThreads);
            launch(kernel, dim3(1), dim3(kThreads), 0, Context{}, in.data(), out.data());
            std::memcpy(n.out.data(), out.data(), sizeof(int4) * kThreads);
            return n.same();
          }};
}

bool missing_atomic() {
  int total = 0;
  launch(missing_atomic_kernel, dim3(1), dim3(kThreads), 0, Context{}, &total);
  return total == kThreads;
}

bool blocks_on_one_output() {
  Numbers n;
  launch(blocks_on_one_output_kernel, dim3(2), dim3(kThreads), 0, Context{}, n.in.data(), n.out.data());
  return n.same();
}

bool order_of_threads() {
  bool right = true;
  for (const char* order : {"forward", "reverse"}) {
    setenv("EMULATED_ORDER", order, 1);
    Numbers n;
    int count = 0;
    launch(order_of_threads_kernel, dim3(1), dim3(kThreads), 0, Context{}, n.in.data(), &count, n.out.data());
    right = right && n.same();
  }
  return right;
}

bool overrun_of_workspace() {
  const Context ctx;
  Workspace scratch(ctx);
  Numbers n;
  int* own = scratch.take<int>(kThreads);
  if (scratch.measured("overrun_of_workspace")) return true;
  launch(overrun_of_workspace_kernel, dim3(1), dim3(kThreads), 0, ctx, n.in.data(), own, n.out.data());
  return n.same();
}

}  // namespace

const std::vector<Check>& faults() {
  static const std::vector<Check> all = {
      plain("missing_barrier", missing_barrier_kernel, 0, &Numbers::mirrored),
      plain("missing_second_barrier", missing_second_barrier_kernel, 0, &Numbers::mirrored),
      plain("missing_syncwarp", missing_syncwarp_kernel, 0, &Numbers::mirrored),
      {"missing_atomic", missing_atomic},
      {"blocks_on_one_output", blocks_on_one_output},
      plain("overrun_of_dynamic_shared", overrun_of_dynamic_shared_kernel, kThreads * sizeof(int), &Numbers::same),
      plain("overrun_of_static_shared", overrun_of_static_shared_kernel, 0, &Numbers::same),
      {"overrun_of_workspace", overrun_of_workspace},
      copying("missing_copy_wait", missing_copy_wait_kernel),
      copying("late_copy_wait", late_copy_wait_kernel),
      plain("early_copy", early_copy_kernel, 0, &Numbers::mirrored),
      {"order_of_threads", order_of_threads},
      plain("divergent_barrier", divergent_barrier_kernel, 0, &Numbers::same),
      plain("half_warp_shuffle", half_warp_shuffle_kernel, 0, &Numbers::same),
      plain("shuffle_beside_barrier", shuffle_beside_barrier_kernel, 0, &Numbers::same),
      plain("different_masks", different_masks_kernel, 0, &Numbers::same),
      plain("lane_outside_mask", lane_outside_mask_kernel, 0, &Numbers::same),
      plain("uninitialised_static_shared", uninitialised_static_shared_kernel<float>, 0, &Numbers::same),
      plain("uninitialised_integer", uninitialised_static_shared_kernel<int>, 0, &Numbers::same),
      plain("uninitialised_dynamic_shared", uninitialised_dynamic_shared_kernel, sizeof(float), &Numbers::same),
      plain("misaligned_vector", misaligned_vector_kernel, 0, &Numbers::same),
      plain("misaligned_copy", misaligned_copy_kernel, 0, &Numbers::same),
      plain("wide_cast", wide_cast_kernel, 0, &Numbers::same),
      plain("too_many_threads", idle_kernel, 0, &Numbers::same, 1025),
      plain("shared_without_leave", idle_kernel, 48 * 1024 + 4, &Numbers::same),
  };
  return all;
}

}  // namespace checks
