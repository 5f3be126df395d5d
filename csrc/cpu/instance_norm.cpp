// Instance normalisation: each map (one channel of one sample) by its own mean and biased variance, scaled and shifted.
//   out = (x - mean) / sqrt(variance + eps) * weight + bias
// Method: a group is a sample where channels are innermost or pixels few, a single map otherwise; its pixels are cut
// into chunks of about kChunk elements whatever else there is. Three passes: sums of each chunk, sums of a group in the
// order of its chunks, then the values. Elements lie in rows of whole pixels, so that element j of a row always belongs
// to the same channel and the loops over j become vectors: a map of few channels has several pixels a row. What does
// not lie like that is packed into a buffer in L1 before, and spread behind. Nothing is written past the caches: the
// system has just cleared fresh memory through them, and what follows reads it. Numerics: sums are float64, of
// differences to the group's first pixel (core/instance_norm_math.h); four pixels are added up before they join the
// sum. Chunks depend on the size of a sample alone, so a result depends neither on the threads nor on the other
// samples.
#include "core/instance_norm_math.h"
#include "cpu/convert.h"
#include "cpu/kernels.h"
#include "cpu/lanes.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"

namespace pyapdraw {
namespace PA_ISA {

namespace {

constexpr int64_t kChunk = 32768;   // elements that are summed in one go, and that a thread takes at a time
constexpr int64_t kBlock = 2048;    // elements of a buffer
constexpr int64_t kLanes = 64;      // elements that a row has at least
constexpr int64_t kFewPixels = 16;  // of maps that are packed in any case: a group a map would cost more

inline int64_t magnitude(int64_t x) { return x < 0 ? -x : x; }

// How x [N,C,H,W] is worked off.
struct Plan {
  int64_t groups, channels, pixels, width;  // channels of a group
  int64_t lanes, block;                     // elements of a row, pixels of a buffer
  int64_t chunk, chunks;                    // pixels of a chunk, chunks of a group

  explicit Plan(const Tensor& x) : width(x.shape[3]) {
    pixels = x.shape[2] * x.shape[3];
    const bool innermost = magnitude(x.stride[1]) < magnitude(x.stride[x.shape[3] > 1 ? 3 : 2]);
    channels = innermost || pixels < kFewPixels ? x.shape[1] : 1;
    groups = x.shape[0] * x.shape[1] / channels;
    lanes = (kLanes + channels - 1) / channels * channels;
    block = (kBlock + lanes - 1) / lanes * lanes / channels;
    chunk = (kChunk / channels + block) / block * block;
    chunks = (pixels + chunk - 1) / chunk;
  }
};

// The elements of a group in one of the tensors. Strides are those of the tensor, of groups of channels or of maps.
template <typename T>
struct Group {
  T* first;
  int64_t channels, width, channel, y, x;
  bool flat;  // all pixels lie evenly

  Group(const Tensor& t, const Plan& p, int64_t group)
      : channels(p.channels), width(p.width), channel(t.stride[1]), y(t.stride[2]), x(t.stride[3]) {
    const int64_t each = t.shape[1] / p.channels;  // groups of a sample
    first = t.as<T>() + group / each * t.stride[0] + group % each * channel;
    if (width == 1) x = y;
    flat = width == 1 || t.shape[2] == 1 || y == x * width;
  }

  // Whether elements are adjacent, pixel after pixel.
  bool packed() const { return flat && (channels == 1 ? x == 1 : channel == 1 && x == channels); }
  T* pixel(int64_t p) const { return flat ? first + p * x : first + p / width * y + p % width * x; }

  template <typename F>
  void each(int64_t begin, int64_t count, F&& f) const {
    for (int64_t i = 0; i < count; ++i) {
      T* at = pixel(begin + i);
      for (int64_t c = 0; c < channels; ++c) f(i * channels + c, at[c * channel]);
    }
  }
};

// `lanes` values from one a channel.
template <typename T>
void repeat(const T* from, int64_t channels, int64_t lanes, T* to) {
  for (int64_t i = 0; i < lanes; i += channels)
    for (int64_t c = 0; c < channels; ++c) to[i + c] = from[c];
}

template <typename T>
void add_up(const T* x, int64_t count, int64_t lanes, const double* shift, double* sum, double* square) {
  int64_t i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes) {
    const T *a = x + i, *b = a + lanes, *c = b + lanes, *d = c + lanes;
    for (int64_t j = 0; j < lanes; ++j) {
      const double s = shift[j];
      const double p = to_float(a[j]) - s, q = to_float(b[j]) - s, r = to_float(c[j]) - s, t = to_float(d[j]) - s;
      sum[j] += (p + q) + (r + t);
      square[j] += (p * p + q * q) + (r * r + t * t);
    }
  }
  for (; i < count; i += lanes) {
    const int64_t there = count - i < lanes ? count - i : lanes;
    for (int64_t j = 0; j < there; ++j) {
      const double p = static_cast<double>(to_float(x[i + j])) - shift[j];
      sum[j] += p;
      square[j] += p * p;
    }
  }
}

// out may be x: vectors of our own, because the compiler's would not run where both are the same memory.
template <typename T>
void apply(const T* x, int64_t count, int64_t row, const float* centre, const float* scale, const float* offset,
           T* out) {
  for (int64_t i = 0; i < count; i += row) {
    const int64_t there = count - i < row ? count - i : row;
    int64_t j = 0;
    for (; j + lanes::kCount <= there; j += lanes::kCount) {
      const lanes::Vec away = lanes::load(x + i + j) - lanes::load(centre + j);
      lanes::store(out + i + j, away * lanes::load(scale + j) + lanes::load(offset + j));
    }
    for (; j < there; ++j) out[i + j] = from_float<T>((to_float(x[i + j]) - centre[j]) * scale[j] + offset[j]);
  }
}

// f(first pixel, pixels, their packed elements) of the blocks of pixels begin to end.
template <typename T, typename F>
void for_blocks(const Group<const T>& in, const Plan& plan, int64_t begin, int64_t end, F&& f) {
  const int64_t channels = plan.channels;
  if (in.packed()) {
    for (int64_t p = begin; p < end; p += plan.block)
      f(p, p + plan.block < end ? plan.block : end - p, in.first + p * channels);
    return;
  }
  Scratch<T> buffer(plan.block * channels);
  for (int64_t p = begin; p < end; p += plan.block) {
    const int64_t count = p + plan.block < end ? plan.block : end - p;
    in.each(p, count, [&](int64_t i, const T& value) { buffer[i] = value; });
    f(p, count, buffer.get());
  }
}

// Sums of the chunk [begin, end): sums[c], then squares.
template <typename T>
void sum_chunk(const Group<const T>& in, const Plan& plan, int64_t begin, int64_t end, double* sums) {
  const int64_t channels = plan.channels, lanes = plan.lanes;
  Scratch<double> shifts(lanes + channels);
  Scratch<double> totals(2 * lanes);
  double* shift = shifts.get() + lanes;
  in.each(0, 1, [&](int64_t c, const T& value) { shift[c] = to_float(value); });
  repeat(shift, channels, lanes, shifts.get());
  for (int64_t i = 0; i < 2 * lanes; ++i) totals[i] = 0;
  for_blocks<T>(in, plan, begin, end, [&](int64_t, int64_t count, const T* x) {
    add_up(x, count * channels, lanes, shifts.get(), totals.get(), totals.get() + lanes);
  });
  for (int64_t c = 0; c < 2 * channels; ++c) sums[c] = 0;
  for (int64_t i = 0; i < lanes; i += channels)
    for (int64_t c = 0; c < channels; ++c) {
      sums[c] += totals[i + c];
      sums[channels + c] += totals[lanes + i + c];
    }
}

// The values of the chunk [begin, end). affine: centres, scales, offsets of the group's channels.
template <typename T>
void apply_chunk(const Group<const T>& in, const Group<T>& out, const Plan& plan, int64_t begin, int64_t end,
                 const float* affine) {
  const int64_t channels = plan.channels, lanes = plan.lanes;
  Scratch<float> rows(3 * lanes);
  for (int k = 0; k < 3; ++k) repeat(affine + k * channels, channels, lanes, rows.get() + k * lanes);
  const float *centre = rows.get(), *scale = centre + lanes, *offset = scale + lanes;
  const bool direct = out.packed();
  Scratch<T> buffer(direct ? 0 : plan.block * channels);
  for_blocks<T>(in, plan, begin, end, [&](int64_t p, int64_t count, const T* x) {
    T* to = direct ? out.first + p * channels : buffer.get();
    apply(x, count * channels, lanes, centre, scale, offset, to);
    if (!direct) out.each(p, count, [&](int64_t i, T& value) { value = to[i]; });
  });
}

template <typename T>
void run(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& out, double eps, const Context& ctx) {
  const Plan plan(x);
  const int64_t channels = plan.channels, items = plan.groups * plan.chunks;
  const int64_t usual = (plan.pixels < plan.chunk ? plan.pixels : plan.chunk) * channels;
  const int64_t grain = 1 + kChunk / 2 / usual;
  Scratch<double> sums(2 * channels * items);
  Scratch<float> affine(3 * channels * plan.groups);
  const auto range = [&](int64_t item, int64_t* begin) {
    *begin = item % plan.chunks * plan.chunk;
    return *begin + plan.chunk < plan.pixels ? *begin + plan.chunk : plan.pixels;
  };

  parallel_for(items, grain, ctx, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin, from; item < end; ++item) {
      const int64_t to = range(item, &from);
      sum_chunk<T>(Group<const T>(x, plan, item / plan.chunks), plan, from, to, sums.get() + 2 * channels * item);
    }
  });
  parallel_for(plan.groups, 1 + kChunk / 8 / (plan.chunks * channels), ctx, [&](int64_t begin, int64_t end) {
    for (int64_t group = begin; group < end; ++group) {
      double* total = sums.get() + 2 * channels * plan.chunks * group;
      for (int64_t k = 1; k < plan.chunks; ++k)
        for (int64_t i = 0; i < 2 * channels; ++i) total[i] += total[2 * channels * k + i];
      float* to = affine.get() + 3 * channels * group;
      Group<const T>(x, plan, group).each(0, 1, [&](int64_t c, const T& shift) {
        const int64_t channel = channels == 1 ? group % x.shape[1] : c;
        const double w = weight.numel() > 0 ? weight.as<float>()[channel * weight.stride[0]] : 1;
        const double b = bias.numel() > 0 ? bias.as<float>()[channel * bias.stride[0]] : 0;
        const instance::Affine a = instance::affine(to_float(shift), total[c], total[channels + c],
                                                    static_cast<double>(plan.pixels), w, b, eps);
        to[c] = a.centre, to[channels + c] = a.scale, to[2 * channels + c] = a.offset;
      });
    }
  });
  parallel_for(items, grain, ctx, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin, from; item < end; ++item) {
      const int64_t to = range(item, &from), group = item / plan.chunks;
      apply_chunk<T>(Group<const T>(x, plan, group), Group<T>(out, plan, group), plan, from, to,
                     affine.get() + 3 * channels * group);
    }
  });
}

}  // namespace

void instance_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& out, double eps,
                   const Context& ctx) {
  for_float_type(x.dtype, [&](auto zero) { run<decltype(zero)>(x, weight, bias, out, eps, ctx); });
}

}  // namespace PA_ISA
}  // namespace pyapdraw
