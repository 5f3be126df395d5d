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

#include "cpu/kernels.h"
#include "cpu/parallel.h"
#include "cpu/scratch.h"
#include "cpu/stream.h"

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

template <int Period, int Advance, bool Add, typename W>
void inner_line(const Axis<W>& a, const W* source, const W* weight, int count, int64_t outputs, W* out) {
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
template <int Taps, typename W>
void combine(const W* const* lines, const W* weight, int count, int64_t size, W* out) {
  const int taps = Taps ? Taps : count;
  for (int64_t i = 0; i < size; ++i) {
    W sum = 0;
    for (int t = 0; t < taps; ++t) sum += weight[t] * lines[t][i];
    out[i] = sum;
  }
}

template <typename W>
void combine(const W* const* lines, const W* weight, int count, int64_t size, W* out) {
  switch (count) {
    case 1: return combine<1>(lines, weight, count, size, out);
    case 2: return combine<2>(lines, weight, count, size, out);
    case 3: return combine<3>(lines, weight, count, size, out);
    case 4: return combine<4>(lines, weight, count, size, out);
    default: return combine<0>(lines, weight, count, size, out);
  }
}

template <typename T, typename W>
struct Planes {
  const Tensor &x, &out;
  const fir::Filter2d<W>& filter;
  Axis<W> ax, ay;
  bool stream;

  Planes(const Tensor& x_, const Tensor& out_, const fir::Filter2d<W>& filter_, const Resampling& how)
      : x(x_), out(out_), filter(filter_), stream(out_.numel() * static_cast<int64_t>(sizeof(T)) >= kStreamBytes) {
    ax.plan(x.shape[3], how.up[0], how.down[0], how.padding[0], filter.x, filter.width);
    ay.plan(x.shape[2], how.up[1], how.down[1], how.padding[2], filter.y, filter.height);
  }

  // A source row as W, in place where it is one.
  const W* source(const T* from, W* room) const {
    const int64_t step = x.stride[3];
    if (std::is_same<T, W>::value && step == 1) return reinterpret_cast<const W*>(from);
    for (int64_t i = 0; i < ax.size; ++i) room[i] = wide(from[i * step]);
    return room;
  }

  void store(const W* from, T* to) const {
    const int64_t step = out.stride[3], size = out.shape[3];
    for (int64_t i = 0; i < size; ++i) narrow(from[i], to[i * step]);
  }

  // Where an output row can be computed in place, else null.
  W* in_place(T* to) const {
    return std::is_same<T, W>::value && out.stride[3] == 1 ? reinterpret_cast<W*>(to) : nullptr;
  }

  void separable(const T* plane, T* to, int64_t begin, int64_t end) const {
    const int64_t size = out.shape[3], ring = ay.most ? ay.most : 1;
    Scratch<W> lines(ring * size), room(ax.size), result(size);
    int64_t next = 0;  // source row that has not been filtered yet
    for (int64_t oy = begin; oy < end; ++oy) {
      const auto& p = ay.phase[oy % ay.period];
      const int64_t start = p.start + oy / ay.period * ay.advance;
      const int64_t from = start > 0 ? start : 0, to_row = start + p.count < ay.size ? start + p.count : ay.size;
      if (next < from) next = from;
      for (; next < to_row; ++next)
        line<false>(ax, source(plane + next * x.stride[2], room.get()), ax.weight, size,
                    lines.get() + next % ring * size);
      const W* taps[fir::kMostTaps];
      int count = 0;
      for (int64_t s = from; s < to_row; ++s) taps[count++] = lines.get() + s % ring * size;
      W* row = in_place(to + oy * out.stride[2]);
      W* target = row ? row : result.get();
      combine(taps, ay.weight + p.first + (from - start), count, size, target);
      if (!row) store(target, to + oy * out.stride[2]);
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
  Planes<T, W>(x, out, taps, how).run(ctx);
}

}  // namespace

void upfirdn2d(const Tensor& x, const Tensor& filter, const Tensor& out, const Resampling& how, const Context& ctx) {
  if (x.dtype == DType::f64)
    run<double, double>(x, filter, out, how, ctx);
  else if (x.dtype == DType::bf16)
    run<Bfloat16, float>(x, filter, out, how, ctx);
  else
    run<float, float>(x, filter, out, how, ctx);
}

}  // namespace PA_ISA
}  // namespace pyapdraw
