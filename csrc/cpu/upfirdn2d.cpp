// Up- or downsampling by a filter: StyleGAN2's upfirdn2d.
//   out[oy,ox] = sum_k,l w[k,l] up(x)[oy down + k - top, ox down + l - left],  up(x) = x with zeros between its samples
// Method: polyphase, so that inserted zeros are never touched, nor are padded ones: edges have fewer taps. A filter
// that is a product of two rows (1-D ones are; the rank of others is found out) takes two passes: each source row is
// filtered along x into a ring of lines in L1, and an output row is the weighted sum of the lines under its taps. Other
// filters sum their rows' passes along x. A band of rows of one channel is one item of work; bands overlap by the
// filter's height. Numerics: float32 sums (float64 for float64), x before y; an output's sum does not depend on bands
// or threads.

#include "cpu/upfirdn2d.h"

#include <cstring>
#include <type_traits>

#include "core/pages.h"
#include "cpu/kernels.h"
#include "cpu/lanes.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"
#include "cpu/stream.h"
#include "cpu/upfirdn2d_pixels.h"

namespace pyapdraw {
namespace PA_ISA {

namespace {

using fir::Axis;

constexpr int64_t kBandSamples = 65536;  // outputs of an item of work

inline float wide(float x) { return x; }
inline double wide(double x) { return x; }
inline float wide(Bfloat16 x) { return to_float(x); }
inline void narrow(float x, float& to) { to = x; }
inline void narrow(double x, double& to) { to = x; }
inline void narrow(float x, Bfloat16& to) { to = from_float<Bfloat16>(x); }

// Outputs j of a phase whose taps all lie inside the source.
template <typename W>
void inner_range(const Axis<W>& a, const typename Axis<W>::Phase& p, int64_t outputs, int64_t* begin, int64_t* end) {
  const int64_t last = a.size - p.count - p.start;  // largest advance * j
  int64_t b = p.start < 0 ? (-p.start + a.advance - 1) / a.advance : 0, e = last < 0 ? 0 : last / a.advance + 1;
  e = e < outputs ? e : outputs;
  *begin = b < e ? b : e;
  *end = e;
}

template <int Taps, int Period, int Advance, bool Add, typename W>
void inner_line(const Axis<W>& a, const W* source, const W* weight, int count, int64_t outputs, W* out) {
  const int taps = Taps ? Taps : count;
  const int64_t period = Period ? Period : a.period, advance = Advance ? Advance : a.advance;
  W w[Taps ? Taps : fir::kMostTaps];
  for (int t = 0; t < taps; ++t) w[t] = weight[t];
  for (int64_t j = 0; j < outputs; ++j) {
    W sum = Add ? out[j * period] : W(0);
    for (int t = 0; t < taps; ++t) sum += w[t] * source[j * advance + t];
    out[j * period] = sum;
  }
}

// The same for neighbouring outputs from neighbouring samples, the filter after an up-convolution; size >= a vector.
template <int Taps>
void dense_line(const float* source, const float* weight, int64_t size, float* out) {
  lanes::Vec w[Taps];
  for (int t = 0; t < Taps; ++t) w[t] = lanes::all(weight[t]);
  const auto sum_at = [&](int64_t at) {
    lanes::Vec sum = w[0] * lanes::load(source + at);
    for (int t = 1; t < Taps; ++t) sum += w[t] * lanes::load(source + at + t);
    return sum;
  };
  int64_t i = 0;
  for (; i + lanes::kCount <= size; i += lanes::kCount) lanes::store(out + i, sum_at(i));
  if (i < size) lanes::store(out + size - lanes::kCount, sum_at(size - lanes::kCount));
}

template <int Period, int Advance, bool Add, typename W>
void inner_line(const Axis<W>& a, const W* source, const W* weight, int count, int64_t outputs, W* out) {
  if constexpr (std::is_same<W, float>::value && Period == 1 && Advance == 1 && !Add) {
    if (count == 4 && outputs >= lanes::kCount) return dense_line<4>(source, weight, outputs, out);
  }
  switch (count) {
    case 1: return inner_line<1, Period, Advance, Add>(a, source, weight, count, outputs, out);
    case 2: return inner_line<2, Period, Advance, Add>(a, source, weight, count, outputs, out);
    case 4: return inner_line<4, Period, Advance, Add>(a, source, weight, count, outputs, out);
    default: return inner_line<0, Period, Advance, Add>(a, source, weight, count, outputs, out);
  }
}

// One line along x: out[i] (+)= its taps. weights: those of the axis, or another row of them.
template <bool Add, typename W>
void line(const Axis<W>& a, const W* source, const W* weights, int64_t size, W* out) {
  for (int64_t q = 0; q < a.period && q < size; ++q) {
    const typename Axis<W>::Phase& p = a.phase[q];
    const W* weight = weights + p.first;
    const int64_t outputs = (size - q + a.period - 1) / a.period;
    int64_t begin, end;
    inner_range(a, p, outputs, &begin, &end);
    const auto edge = [&](int64_t j) {
      W sum = Add ? out[q + j * a.period] : W(0);
      for (int t = 0; t < p.count; ++t) {
        const int64_t s = p.start + j * a.advance + t;
        if (s >= 0 && s < a.size) sum += weight[t] * source[s];
      }
      out[q + j * a.period] = sum;
    };
    for (int64_t j = 0; j < begin; ++j) edge(j);
    for (int64_t j = end; j < outputs; ++j) edge(j);
    if (begin == end) continue;
    const W* from = source + p.start + begin * a.advance;
    W* to = out + q + begin * a.period;
    if (a.period == 1 && a.advance == 1)
      inner_line<1, 1, Add>(a, from, weight, p.count, end - begin, to);
    else if (a.period == 2 && a.advance == 1)
      inner_line<2, 1, Add>(a, from, weight, p.count, end - begin, to);
    else if (a.period == 1 && a.advance == 2)
      inner_line<1, 2, Add>(a, from, weight, p.count, end - begin, to);
    else
      inner_line<0, 0, Add>(a, from, weight, p.count, end - begin, to);
  }
}

// out = sum of weighted lines.
template <typename T, typename W>
void combine(const W* const* lines, const W* weight, int count, int64_t size, T* out) {
  for (int64_t i = 0; i < size; ++i) {
    W sum = 0;
    for (int t = 0; t < count; ++t) sum += weight[t] * lines[t][i];
    narrow(sum, out[i]);
  }
}

template <int Taps, typename T>
void combine_vectors(const float* const* lines, const float* weight, int64_t size, T* out, bool stream) {
  const float* from[Taps];
  lanes::Vec w[Taps];
  for (int t = 0; t < Taps; ++t) from[t] = lines[t], w[t] = lanes::all(weight[t]);
  const auto sum_at = [&](int64_t at) {
    lanes::Vec sum = w[0] * lanes::load(from[0] + at);
    for (int t = 1; t < Taps; ++t) sum += w[t] * lanes::load(from[t] + at);
    return sum;
  };
  int64_t i = 0;
  if constexpr (std::is_same<T, float>::value)
    if (stream) {
      if (const int64_t off = lanes::misalignment(out)) {  // one vector, then on to where whole ones begin
        lanes::store(out, sum_at(0));
        i = lanes::kCount - off;
      }
      for (; i + lanes::kCount <= size; i += lanes::kCount) lanes::stream(out + i, sum_at(i));
    }
  for (; i + lanes::kCount <= size; i += lanes::kCount) lanes::store(out + i, sum_at(i));
  if (i < size) lanes::store(out + size - lanes::kCount, sum_at(size - lanes::kCount));
}

template <typename T>
void combine(const float* const* lines, const float* weight, int count, int64_t size, T* out, bool stream) {
  if (count == 0 || size < lanes::kCount) return combine(lines, weight, count, size, out);
  switch (count) {
    case 1: return combine_vectors<1>(lines, weight, size, out, stream);
    case 2: return combine_vectors<2>(lines, weight, size, out, stream);
    case 3: return combine_vectors<3>(lines, weight, size, out, stream);
    case 4: return combine_vectors<4>(lines, weight, size, out, stream);
    default: return combine(lines, weight, count, size, out);
  }
}

inline void combine(const double* const* lines, const double* weight, int count, int64_t size, double* out, bool) {
  combine(lines, weight, count, size, out);
}

template <typename T, typename W>
struct Planes {
  const Tensor &x, &out;
  const fir::Filter2d<W>& filter;
  const Axis<W>&ax, &ay;
  bool stream;

  // A source row as W, in place where it is one.
  const W* source(const T* from, W* room) const {
    const int64_t step = x.stride[3], size = ax.size;
    if (std::is_same<T, W>::value && step == 1) return reinterpret_cast<const W*>(from);
    if (step == 1)
      for (int64_t i = 0; i < size; ++i) room[i] = wide(from[i]);
    else
      for (int64_t i = 0; i < size; ++i) room[i] = wide(from[i * step]);
    return room;
  }

  void store(const W* from, T* to) const {
    const int64_t step = out.stride[3], size = out.shape[3];
    for (int64_t i = 0; i < size; ++i) narrow(from[i], to[i * step]);
  }

  void separable(const T* plane, T* to, int64_t begin, int64_t end) const {
    const int64_t size = out.shape[3];
    int64_t ring = 1;  // lines that are kept, a power of two
    while (ring < ay.most) ring *= 2;
    Scratch<W> lines(ring * size), room(ax.size), result(size);
    const auto line_of = [&](int64_t row) { return lines.get() + (row & (ring - 1)) * size; };
    int64_t next = 0, q = begin % ay.period, base = begin / ay.period * ay.advance;  // next: row to be filtered
    for (int64_t oy = begin; oy < end; ++oy) {
      const auto& p = ay.phase[q];
      const int64_t start = p.start + base, last = start + p.count;
      const int64_t from = start > 0 ? start : 0, stop = last < ay.size ? last : ay.size;
      if (++q == ay.period) q = 0, base += ay.advance;
      if (next < from) next = from;
      for (; next < stop; ++next)
        line<false>(ax, source(plane + next * x.stride[2], room.get()), ax.weight, size, line_of(next));
      const W* taps[fir::kMostTaps];
      int count = 0;
      for (int64_t s = from; s < stop; ++s) taps[count++] = line_of(s);
      const W* weight = ay.weight + p.first + (from - start);
      T* row = to + oy * out.stride[2];
      if (out.stride[3] == 1) {
        combine(taps, weight, count, size, row, stream);
      } else {
        combine(taps, weight, count, size, result.get(), false);
        store(result.get(), row);
      }
    }
  }

  void direct(const T* plane, T* to, int64_t begin, int64_t end) const {
    const int64_t size = out.shape[3];
    Scratch<W> room(ax.size), result(size);
    W weights[fir::kMostTaps];
    int used = 0;
    for (int64_t q = 0; q < ax.period; ++q) used += ax.phase[q].count;
    for (int64_t oy = begin; oy < end; ++oy) {
      const auto& p = ay.phase[oy % ay.period];
      const int64_t start = p.start + oy / ay.period * ay.advance;
      std::memset(result.get(), 0, static_cast<size_t>(size) * sizeof(W));
      for (int t = 0; t < p.count; ++t) {
        if (start + t < 0 || start + t >= ay.size) continue;
        for (int i = 0; i < used; ++i) weights[i] = filter.gain * filter.at(ax.tap[i], ay.tap[p.first + t]);
        line<true>(ax, source(plane + (start + t) * x.stride[2], room.get()), weights, size, result.get());
      }
      store(result.get(), to + oy * out.stride[2]);
    }
  }

  void run(const Context& ctx) const {
    const int64_t channels = out.shape[1], height = out.shape[2], width = out.shape[3];
    int64_t band = kBandSamples / width + 1;
    if (band > height) band = height;
    const int64_t bands = (height + band - 1) / band;
    parallel_for(out.shape[0] * channels * bands, 1 + kBandSamples / (band * width), ctx,
                 [&](int64_t first, int64_t last) {
                   for (int64_t i = first; i < last; ++i) {
                     const int64_t n = i / bands / channels, c = i / bands % channels, begin = i % bands * band;
                     const int64_t end = begin + band < height ? begin + band : height;
                     const T* plane = x.as<T>() + n * x.stride[0] + c * x.stride[1];
                     T* to = out.as<T>() + n * out.stride[0] + c * out.stride[1];
                     filter.separable ? separable(plane, to, begin, end) : direct(plane, to, begin, end);
                   }
                 });
  }
};

template <typename T, typename W>
void run(const Tensor& x, const Tensor& filter, const Tensor& out, const Resampling& how, const Context& ctx) {
  const fir::Filter2d<W> taps(filter, how);
  Axis<W> ax, ay;
  ax.plan(x.shape[3], how.up[0], how.down[0], how.padding[0], taps.x, taps.width);
  ay.plan(x.shape[2], how.up[1], how.down[1], how.padding[2], taps.y, taps.height);
  if constexpr (!std::is_same<W, double>::value)
    if (fir::by_pixels(x, out)) return fir::run_pixels<T>(x, out, taps, ax, ay, ctx);
  const bool stream = out.numel() * static_cast<int64_t>(sizeof(T)) >= kStreamBytes && out.stride[3] == 1;
  Planes<T, W>{x, out, taps, ax, ay, stream}.run(ctx);
}

}  // namespace

void upfirdn2d(const Tensor& x, const Tensor& filter, const Tensor& out, const Resampling& how, const Context& ctx) {
  hint_large_pages(out);
  if (x.dtype == DType::f64)
    run<double, double>(x, filter, out, how, ctx);
  else if (x.dtype == DType::bf16)
    run<Bfloat16, float>(x, filter, out, how, ctx);
  else
    run<float, float>(x, filter, out, how, ctx);
}

}  // namespace PA_ISA
}  // namespace pyapdraw
