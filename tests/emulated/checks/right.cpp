// Kernels without a fault: what each operation gives against a plain computation, and no report from any sanitizer.
#include <cmath>
#include <numeric>
#include <random>

#include "checks.h"

using namespace pyapdraw;
using namespace pyapdraw::cuda;

namespace checks {

namespace {

constexpr unsigned kAll = 0xffffffffu;

template <typename... P, typename... A>
void run(void (*kernel)(P...), unsigned blocks, unsigned threads, size_t shared_bytes, A... args) {
  launch(kernel, dim3(blocks), dim3(threads), shared_bytes, Context{}, args...);
}

// 1,024 threads: barriers of all kinds, with some threads that end before the last.
PA_KERNEL void barriers_kernel(int* out) {
  __shared__ int tile[1024];
  PA_SHARED(int, copy);
  const int i = static_cast<int>(threadIdx.x);
  for (int round = 0; round < 3; ++round) {
    tile[i] = i + round;
    __syncthreads();
    copy[i] = tile[1023 - i];
    __syncthreads();
  }
  const int count = __syncthreads_count(i % 3 == 0), any = __syncthreads_or(i == 77), all = __syncthreads_and(i >= 0);
  if (i >= 1000) return;
  __syncthreads();
  out[i] = copy[i] == 1025 - i && count == 342 && any && all && !__syncthreads_or(0) && !__syncthreads_and(i > 0);
}

bool barriers() {
  std::vector<int> out(1000);
  run(barriers_kernel, 2, 1024, 4096, out.data());
  return std::count(out.begin(), out.end(), 1) == 1000;
}

PA_KERNEL void warps_kernel(int* out) {
  __shared__ int tile[96];
  const int i = static_cast<int>(threadIdx.x), lane = i % 32, first = i - lane;
  bool good = __shfl_sync(kAll, i, 5) == first + 5 && __shfl_sync(kAll, i, 35, 8) == first + lane / 8 * 8 + 3;
  good = good && __shfl_up_sync(kAll, i, 3) == (lane < 3 ? i : i - 3);
  good = good && __shfl_down_sync(kAll, i, 3, 16) == (lane % 16 + 3 > 15 ? i : i + 3);
  good = good && __shfl_xor_sync(kAll, i * 0.5, 7) == (first + (lane ^ 7)) * 0.5;
  good = good && __ballot_sync(kAll, lane % 2) == 0xaaaaaaaau && __any_sync(kAll, lane == 9) && !__all_sync(kAll, lane);
  good = good && __reduce_add_sync(kAll, lane - 16) == -16 && __reduce_max_sync(kAll, 5u + lane) == 36u;
  good = good && __reduce_min_sync(kAll, lane - 4) == -4 && __reduce_xor_sync(kAll, 1u << lane) == kAll;
  good = good && __match_any_sync(kAll, lane / 8) == 255u << lane / 8 * 8;
  const unsigned half = lane < 16 ? 0x0000ffffu : 0xffff0000u;  // both halves on their own
  if (lane < 16)
    good = good && __shfl_xor_sync(half, i, 1) == (i ^ 1);
  else
    for (int k = 1; k < 16; k *= 2) good = good && __shfl_xor_sync(half, i, k) == (i ^ k);
  for (int k = 0; k < 100; ++k) {
    tile[i] = i + k;
    __syncwarp();
    good = good && tile[i ^ 31] == (i ^ 31) + k;
    __syncwarp();
  }
  out[i] = good;
}

bool warps() {
  std::vector<int> out(96);
  run(warps_kernel, 1, 96, 0, out.data());
  return std::count(out.begin(), out.end(), 1) == 96;
}

PA_KERNEL void atomics_kernel(unsigned* bins, int* extremes, float* sum, unsigned long long* last) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  atomicAdd(&bins[i % 7], 1u);
  atomicMin(&extremes[0], 500 - i);
  atomicMax(&extremes[1], 500 - i);
  atomicAdd(sum, 0.5f);
  atomicMax(last, static_cast<unsigned long long>(i) << 33);
  unsigned old = atomicAdd(&bins[7 + i % 3], 0u), seen;
  do {
    seen = old;
    old = atomicCAS(&bins[7 + i % 3], seen, seen + 2);
  } while (old != seen);
}

bool atomics() {
  unsigned bins[10] = {}, total = 0;
  int extremes[2] = {0, 0};
  float sum = 0;
  unsigned long long last = 0;
  run(atomics_kernel, 5, 200, 0, bins, extremes, &sum, &last);
  for (int i = 0; i < 7; ++i) total += bins[i];
  return total == 1000 && bins[7] + bins[8] + bins[9] == 2000 && extremes[0] == -499 && extremes[1] == 500 &&
         sum == 500.0f && last == 999ull << 33;
}

// The last block to come adds up what all have left: memory ordered by fences around an atomic count.
PA_KERNEL void last_block_kernel(int* parts, unsigned* count, int* total) {
  PA_SHARED(int, last);
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  parts[i] = i;
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) *last = atomicAdd(count, 1u) == gridDim.x - 1;
  __syncthreads();
  if (!*last || threadIdx.x != 0) return;
  __threadfence();
  for (unsigned k = 0; k < gridDim.x * blockDim.x; ++k) *total += parts[k];
}

bool last_block() {
  std::vector<int> parts(40 * 33);
  unsigned count = 0;
  int total = 0;
  run(last_block_kernel, 40, 33, sizeof(int), parts.data(), &count, &total);
  return total == 1320 * 1319 / 2;
}

// d = a b^T of 16x16 and 8x16, b through ldmatrix; and with b stored transposed, through ldmatrix_trans.
template <typename T>
PA_KERNEL void product_kernel(const T* a, const T* b, const T* b_transposed, float* out) {
  alignas(16) __shared__ T rows[16][16], columns[8][16], columns_transposed[16][8];
  const int lane = static_cast<int>(threadIdx.x), g = lane / 4, t = lane % 4;
  for (int i = lane; i < 256; i += 32) rows[i / 16][i % 16] = a[i];
  for (int i = lane; i < 128; i += 32)
    columns[i / 16][i % 16] = b[i], columns_transposed[i / 8][i % 8] = b_transposed[i];
  __syncwarp();
  uint32_t fa[4], fb[2], fb2[2];
  ldmatrix_x4(fa, &rows[lane % 16][lane / 16 * 8]);
  ldmatrix_x2(fb, &columns[lane % 8][lane / 8 % 2 * 8]);
  ldmatrix_x2_trans(fb2, &columns_transposed[lane % 16][0]);
  float d[4] = {1, 1, 1, 1}, d2[4] = {1, 1, 1, 1};
  mma_m16n8k16<T>(d, fa, fb);
  mma_m16n8k16<T>(d2, fa, fb2);
  for (int r = 0; r < 4; ++r) {
    const int at = (g + r / 2 * 8) * 8 + 2 * t + r % 2;
    out[at] = d[r];
    out[128 + at] = d2[r];
  }
}

template <typename T>
bool product() {
  std::mt19937 random(1);
  std::vector<T> a(256), b(128), turned(128);
  for (T& v : a) v = T(static_cast<float>(static_cast<int>(random() % 33) - 16) / 8);
  for (T& v : b) v = T(static_cast<float>(static_cast<int>(random() % 33) - 16) / 8);
  for (int i = 0; i < 128; ++i) turned[static_cast<size_t>(i % 16 * 8 + i / 16)] = b[static_cast<size_t>(i)];
  std::vector<float> out(256);
  run(product_kernel<T>, 1, 32, 0, a.data(), b.data(), turned.data(), out.data());
  bool good = true;
  for (size_t m = 0; m < 16; ++m)
    for (size_t n = 0; n < 8; ++n) {
      float sum = 1;
      for (size_t k = 0; k < 16; ++k) sum += float(a[m * 16 + k]) * float(b[n * 16 + k]);
      good = good && out[m * 8 + n] == sum && out[128 + m * 8 + n] == sum;
    }
  return good;
}

// Three stages of copies, one waited for while two are under way; beyond the end zeros.
PA_KERNEL void copies_kernel(const int4* in, int steps, int4* out) {
  PA_SHARED(int4, stages);
  const int i = static_cast<int>(threadIdx.x), n = static_cast<int>(blockDim.x);
  const auto begin = [&](int step) {
    cp_async16(&stages[step % 3 * n + i], in + (step < steps ? step * n + i : 0), step < steps);
    cp_async_commit();
  };
  begin(0);
  begin(1);
  for (int step = 0; step <= steps; ++step) {
    cp_async_wait<1>();
    __syncthreads();
    begin(step + 2);
    out[step * n + i] = stages[step % 3 * n + n - 1 - i];
  }
}

bool copies() {
  const int n = 64, steps = 7;
  std::vector<int4> in(n * steps), out(n * (steps + 1));
  for (int i = 0; i < n * steps; ++i) in[static_cast<size_t>(i)] = make_int4(i, 2, 3, -i);
  run(copies_kernel, 1, n, 3 * n * sizeof(int4), in.data(), steps, out.data());
  bool good = true;
  for (int i = 0; i < n * (steps + 1); ++i) {
    const int expected = i < n * steps ? i / n * n + n - 1 - i % n : 0;
    const int4 v = out[static_cast<size_t>(i)];
    good = good && v.x == expected && v.w == -expected && v.y == (i < n * steps ? 2 : 0);
  }
  return good;
}

// The definition of float16: 1 sign, 5 exponent, 10 fraction bits.
float slow_half(int bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  float v =
      exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24) : std::ldexp(1024.0f + fraction, exponent - 25);
  if (exponent == 31) v = fraction ? NAN : INFINITY;
  return bits & 0x8000 ? -v : v;
}

bool float16() {
  bool good = true;
  for (int bits = 0; bits < 0x7c00; ++bits) {
    const float here = slow_half(bits), above = bits < 0x7bff ? slow_half(bits + 1) : 65536.0f;
    const float middle = (here + above) / 2;
    good = good && float(__ushort_as_half(static_cast<unsigned short>(bits))) == here;
    good = good && float(__ushort_as_half(static_cast<unsigned short>(bits | 0x8000))) == -here;
    good = good && __half(here).bits == bits && __half(-here).bits == (bits | 0x8000);
    good = good && __half(middle).bits == bits + bits % 2;  // to the even one
    good = good && __half(std::nextafter(middle, 0.0f)).bits == bits &&
           __half(std::nextafter(middle, 1e9f)).bits == bits + 1;
  }
  const float nan = float(__ushort_as_half(0x7c01)), infinite = float(__ushort_as_half(0xfc00));
  good = good && std::isnan(nan) && infinite == -INFINITY && __half(1e6f).bits == 0x7c00 && __hisnan(__half(NAN));
  const float up = float(__nv_bfloat16(1.004f)), even = float(__nv_bfloat16(1.01171875f));
  good = good && up == 1.0078125f && even == 1.015625f && float(__nv_bfloat16(1.00390625f)) == 1.0f;
  return good && float(__hfma(__half(3.0f), __half(0.5f), __half(1.0f))) == 2.5f &&
         std::isnan(float(__nv_bfloat16(NAN)));
}

bool integers() {
  return __float2int_rn(2.5f) == 2 && __float2int_rn(3e9f) == 2147483647 && __float2int_rz(-1.9f) == -1 &&
         __float2int_rd(-1.1f) == -2 && __float2uint_rn(-3.0f) == 0 && __float2int_rn(NAN) == 0 && __clz(1) == 31 &&
         __clz(0) == 32 && __ffs(8) == 4 && __brev(1) == 0x80000000u && __popcll(~0ull) == 64 &&
         __byte_perm(0x33221100u, 0x77665544u, 0x7530) == 0x77553300u && min(-1, 2) == -1 && max(2.0f, NAN) == 2.0f &&
         __funnelshift_l(0x80000000u, 1u, 1) == 3u && __saturatef(NAN) == 0.0f;
}

}  // namespace

const std::vector<Check>& right() {
  static const std::vector<Check> all = {
      {"barriers", barriers},           {"warps", warps},     {"atomics", atomics},
      {"product_f16", product<__half>}, {"copies", copies},   {"product_bf16", product<__nv_bfloat16>},
      {"last_block", last_block},       {"float16", float16}, {"integers", integers},
  };
  return all;
}

}  // namespace checks
