// Separable triangle resampling of a whole image, or of any region of the result. Method: for
// every output row, the source rows under the triangle are summed into one float row (a plain
// loop along the row), which is then summed along x, four lanes at a time: the channels of a
// pixel, or four rows of a single channel. Nothing is rounded in between; weights in double
// (core/resize_math.h), accumulation in float32. A chunk is 16 output rows.
#include <cstring>

#include "core/resize_math.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"
#include "cpu/planes.h"
#include "cpu/scratch.h"

namespace pyapdraw {
namespace PA_ISA {
namespace {

// Taps of the outputs [first, first + count): their source ranges and float weights.
class Taps {
 public:
  Taps(int64_t n_in, int64_t n_out, int64_t first, int64_t count)
      : widest_(widest(n_in, n_out)), begin_(count), size_(count), weights_(count * widest_) {
    for (int64_t i = 0; i < count; ++i) {
      const TapRange t = tap_range(first + i, n_in, n_out);
      begin_[i] = t.begin;
      size_[i] = t.end - t.begin;
      double sum = 0;
      for (int64_t x = t.begin; x < t.end; ++x) sum += tap_weight(t, x);
      const double scale = 1.0 / sum;
      for (int64_t x = t.begin; x < t.end; ++x)
        weights_[i * widest_ + x - t.begin] = static_cast<float>(tap_weight(t, x) * scale);
    }
  }
  int64_t begin(int64_t i) const { return begin_[i]; }
  int64_t size(int64_t i) const { return size_[i]; }
  const float* weights(int64_t i) const { return &weights_[i * widest_]; }

 private:
  static int64_t widest(int64_t n_in, int64_t n_out) {
    const int64_t full = 2 * ((n_in + n_out - 1) / n_out) + 2;
    return full < n_in ? full : n_in;
  }
  int64_t widest_;
  Scratch<int64_t> begin_, size_;
  Scratch<float> weights_;
};

// sum[i] (+)= the weighted sum of N rows; several at a time, so that `sum` is read and written
// less often.
template <int N, typename T>
void add_rows(const T* row, int64_t stride, const float* w, bool start, float* __restrict sum, int64_t n) {
  const T* __restrict a = row;
  const T* __restrict b = row + (N > 1 ? stride : 0);
  const T* __restrict c = row + (N > 2 ? 2 * stride : 0);
  const T* __restrict d = row + (N > 3 ? 3 * stride : 0);
  const float w0 = w[0], w1 = N > 1 ? w[1] : 0.0f, w2 = N > 2 ? w[2] : 0.0f, w3 = N > 3 ? w[3] : 0.0f;
  const auto at = [&](int64_t i) {
    float s = w0 * static_cast<float>(a[i]);
    if (N > 1) s += w1 * static_cast<float>(b[i]);
    if (N > 2) s += w2 * static_cast<float>(c[i]);
    if (N > 3) s += w3 * static_cast<float>(d[i]);
    return s;
  };
  if (start)
    for (int64_t i = 0; i < n; ++i) sum[i] = at(i);
  else
    for (int64_t i = 0; i < n; ++i) sum[i] += at(i);
}

template <typename T, int C>
void sum_rows(const Plane<T>& in, int64_t x0, int64_t width, const Taps& taps, int64_t i, float* sum) {
  const int64_t n = width * C, count = taps.size(i);
  const float* w = taps.weights(i);
  const T* row = in.data + taps.begin(i) * in.row + x0 * in.step;
  if (C == 1 && in.step != 1) {
    for (int64_t x = 0; x < width; ++x) {
      float s = 0;
      for (int64_t k = 0; k < count; ++k) s += w[k] * static_cast<float>(row[k * in.row + x * in.step]);
      sum[x] = s;
    }
    return;
  }
  for (int64_t k = 0; k < count; k += 4) {
    const T* from = row + k * in.row;
    const int64_t left = count - k;
    if (left >= 4)
      add_rows<4>(from, in.row, w + k, k == 0, sum, n);
    else if (left == 3)
      add_rows<3>(from, in.row, w + k, k == 0, sum, n);
    else if (left == 2)
      add_rows<2>(from, in.row, w + k, k == 0, sum, n);
    else
      add_rows<1>(from, in.row, w + k, k == 0, sum, n);
  }
}

typedef float Lanes __attribute__((vector_size(16)));

inline void put(float v, float* out) { *out = v; }
inline void put(float v, uint8_t* out) {
  *out = static_cast<uint8_t>(static_cast<int32_t>((v < 255.0f ? v : 255.0f) + 0.5f));
}

// The first C lanes; `roomy`: four elements may be written.
template <int C>
inline void put_lanes(Lanes v, bool, float* out) {
  for (int c = 0; c < C; ++c) out[c] = v[c];
}
template <int C>
inline void put_lanes(Lanes v, bool roomy, uint8_t* out) {
  typedef int32_t Ints __attribute__((vector_size(16)));
  typedef uint8_t Bytes __attribute__((vector_size(4)));
  const Lanes top = {255.0f, 255.0f, 255.0f, 255.0f};
  v = v < top ? v : top;
  const Bytes bytes = __builtin_convertvector(__builtin_convertvector(v + 0.5f, Ints), Bytes);
  std::memcpy(out, &bytes, roomy ? 4 : C);
}

// The four lanes of output column i, from float pixels of which `row` is source column x0.
template <int C>
inline Lanes sum_column(const float* row, int64_t x0, const Taps& taps, int64_t i) {
  const float* w = taps.weights(i);
  const float* p = row + (taps.begin(i) - x0) * C;
  const int64_t size = taps.size(i);
  Lanes even = {}, odd = {}, v;
  int64_t k = 0;
  for (; k + 2 <= size; k += 2) {
    std::memcpy(&v, p + k * C, sizeof(v));
    even += v * w[k];
    std::memcpy(&v, p + (k + 1) * C, sizeof(v));
    odd += v * w[k + 1];
  }
  if (k < size) {
    std::memcpy(&v, p + k * C, sizeof(v));
    even += v * w[k];
  }
  return even + odd;
}

// Output rows [begin, end) of interleaved pixels: the lanes are the channels.
template <typename T, int C>
void resample_rows(const Plane<T>& in, const Taps& across, const Taps& down, int64_t x0, int64_t x1, int64_t count,
                   const Plane<T>& out, int64_t begin, int64_t end) {
  Scratch<float> sum((x1 - x0) * C + 4);  // the last pixel is loaded as four lanes
  for (int i = 0; i < 4; ++i) sum[(x1 - x0) * C + i] = 0.0f;
  for (int64_t y = begin; y < end; ++y) {
    sum_rows<T, C>(in, x0, x1 - x0, down, y, sum.get());
    T* row = out.data + y * out.row;
    for (int64_t i = 0; i < count; ++i)
      put_lanes<C>(sum_column<C>(sum.get(), x0, across, i), i + 1 < count, row + i * out.step);
  }
}

// The same for one channel: the lanes are four output rows.
template <typename T>
void resample_four_rows(const Plane<T>& in, const Taps& across, const Taps& down, int64_t x0, int64_t x1, int64_t count,
                        const Plane<T>& out, int64_t begin, int64_t end) {
  const int64_t n = x1 - x0;
  Scratch<float> sums(4 * n), lanes(4 * n);
  for (int64_t i = 0; i < 4 * n; ++i) sums[i] = 0.0f;
  for (int64_t y = begin; y < end; y += 4) {
    const int rows = static_cast<int>(end - y < 4 ? end - y : 4);
    for (int r = 0; r < rows; ++r) sum_rows<T, 1>(in, x0, n, down, y + r, sums.get() + r * n);
    const float *a = sums.get(), *b = a + n, *c = b + n, *d = c + n;
    float* __restrict mixed = lanes.get();
    for (int64_t i = 0; i < n; ++i) {
      mixed[4 * i] = a[i];
      mixed[4 * i + 1] = b[i];
      mixed[4 * i + 2] = c[i];
      mixed[4 * i + 3] = d[i];
    }
    for (int64_t i = 0; i < count; ++i) {
      const Lanes v = sum_column<4>(mixed, x0, across, i);
      for (int r = 0; r < rows; ++r) put(v[r], out.data + (y + r) * out.row + i * out.step);
    }
  }
}

// out(0,0) is pixel (region.x, region.y) of the image `in` resized from `from` to `to`.
template <typename T, int C>
void resample(const Plane<T>& in, Size from, Size to, const Region& region, const Plane<T>& out, const Context& ctx) {
  if (region.w <= 0 || region.h <= 0) return;
  const Taps across(from.w, to.w, region.x, region.w), down(from.h, to.h, region.y, region.h);
  const int64_t x0 = across.begin(0), x1 = across.begin(region.w - 1) + across.size(region.w - 1);
  parallel_for(region.h, 16, ctx, [&](int64_t begin, int64_t end) {
    if constexpr (C == 1)
      resample_four_rows(in, across, down, x0, x1, region.w, out, begin, end);
    else
      resample_rows<T, C>(in, across, down, x0, x1, region.w, out, begin, end);
  });
}

template <typename T>
void run(const Tensor& image, Size to, const Region& region, const Tensor& out, const Context& ctx) {
  const Size from{image.shape[1], image.shape[0]};
  for_each_plane<T>(image, out, [&](const Plane<T>& in, const Plane<T>& target, auto channels) {
    resample<T, decltype(channels)::value>(in, from, to, region, target, ctx);
  });
}

}  // namespace

void resize_region(const Tensor& image, Size to, const Region& region, const Tensor& out, const Context& ctx) {
  if (out.numel() == 0) return;
  if (image.dtype == DType::u8)
    run<uint8_t>(image, to, region, out, ctx);
  else
    run<float>(image, to, region, out, ctx);
}

void resize(const Tensor& image, const Tensor& out, const Context& ctx) {
  const Size to{out.shape[1], out.shape[0]};
  resize_region(image, to, Region{0, 0, to.w, to.h}, out, ctx);
}

}  // namespace PA_ISA
}  // namespace pyapdraw
