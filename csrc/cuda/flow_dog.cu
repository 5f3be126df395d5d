// Dark lines along the flow of a picture: the definition and the method of csrc/cpu/flow_dog.cpp.
// Five kernels: smoothing of the picture (blur.cuh), mean products of its gradient a cell of the flow's grid, their
// blur with the tangents at its end, the walk along the tangents (flow.cuh), and the wide blur, which ends with the
// difference. Windows beyond 28 px take two kernels each. Small pictures of a stack share the launches.
// Numerics: core/flow_dog_math.h, the sums in the order of the CPU; 16-bit values and tangents along the flow, as
// there. Workspace: 2.5 planes of the picture's size (3.5 with wide windows) and four (seven) of the flow's grid, for
// as many pictures as are under way at once: up to 4 million pixels. Limits: those of the CPU.
#include "core/flow_dog_math.h"
#include "cuda/blur.cuh"
#include "cuda/flow.cuh"
#include "cuda/kernels.h"
#include "cuda/launch.cuh"
#include "cuda/workspace.cuh"

namespace pyapdraw {
namespace cuda {

namespace {

constexpr int64_t kPixelsAtOnce = int64_t{1} << 22, kMostPictures = 65535;

constexpr int kStackAxes = kMaxDims - 2;

// Picture blockIdx.z of a strided stack, from `first` on.
struct Stack {
  float* data;
  int64_t first, row, column, size[kStackAxes], stride[kStackAxes];  // size, stride: of the axes before the picture's
  __device__ float* at(int x, int y) const {
    int64_t rest = first + blockIdx.z, offset = y * row + x * column;
#pragma unroll
    for (int i = kStackAxes - 1; i >= 0; --i) {
      if (size[i] == 1) continue;
      offset += rest % size[i] * stride[i];
      rest /= size[i];
    }
    return data + offset;
  }
};

Stack stack_of(const Tensor& t, int64_t first) {
  const int leading = t.ndim - 2;
  Stack s{t.as<float>(), first, t.stride[leading], t.stride[leading + 1], {}, {}};
  for (int i = 0; i < kStackAxes; ++i) {
    s.size[i] = i < leading ? t.shape[i] : 1;
    s.stride[i] = i < leading ? t.stride[i] : 0;
  }
  return s;
}

struct StackSource {
  Stack stack;
  __device__ float at(int, int x, int y) const { return *stack.at(x, y); }
};

struct DifferenceSink {
  Stack stack;
  const float* along;
  int width;
  int64_t size;
  __device__ void put(int x, int y, const float (&v)[1]) const {
    *stack.at(x, y) = v[0] - along[blockIdx.z * size + int64_t{y} * width + x];
  }
};

struct Windows {
  Gaussian fine, tensor, line;
};

struct Memory {
  float *smooth, *along, *products, *rows, *low_rows;
  int16_t* copy;
  uint32_t* tangent;
};

Memory take(Workspace& scratch, const FlowSizes& s, int64_t pictures, const Windows& w) {
  Memory m{};
  m.smooth = scratch.take<float>(pictures * s.full());
  m.along = scratch.take<float>(pictures * s.full());
  m.copy = scratch.take<int16_t>(pictures * s.full());
  m.products = scratch.take<float>(3 * pictures * s.low());
  m.tangent = scratch.take<uint32_t>(pictures * s.low());
  if (wide(w.fine) || wide(w.line)) m.rows = scratch.take<float>(pictures * s.full());
  if (wide(w.tensor)) m.low_rows = scratch.take<float>(3 * pictures * s.low());
  return m;
}

void some_pictures(const Stack& image, const Stack& out, int count, const FlowSizes& s, const Windows& w,
                   const FlowDog& options, const Memory& m, const Context& ctx) {
  blur<1>(StackSource{image}, SmoothSink{m.smooth, m.copy, s.width, s.full()}, s.width, s.height, count, w.fine, m.rows,
          ctx);
  launch(flow_dog_products_kernel, dim3(blocks(s.low(), kFlowThreads), 1, static_cast<unsigned>(count)),
         dim3(kFlowThreads), 0, ctx, m.smooth, s, m.products);
  blur<3>(Planes{m.products, s.low_width, s.low(), 3}, TangentSink{m.tangent, nullptr, nullptr, s.low_width, s.low()},
          s.low_width, s.low_height, count, w.tensor, m.low_rows, ctx);
  const float* along = m.smooth;
  if (options.flow >= 0.3f) {
    smooth_along(m.smooth, m.copy, m.tangent, nullptr, s, count, 1.f, sketch::flow_steps(options.flow), m.along, ctx);
    along = m.along;
  }
  blur<1>(Planes{along, s.width, s.full(), 1}, DifferenceSink{out, along, s.width, s.full()}, s.width, s.height, count,
          w.line, m.rows, ctx);
}

}  // namespace

void flow_dog(const Tensor& image, const Tensor& out, const FlowDog& options, const Context& ctx) {
  const int64_t h = image.shape[image.ndim - 2], w = image.shape[image.ndim - 1], pictures = image.numel() / (h * w);
  const int64_t at_once = kPixelsAtOnce / (h * w), most = at_once < kMostPictures ? at_once : kMostPictures;
  const int64_t group = pictures < most ? pictures : (most > 1 ? most : 1);
  const FlowSizes s{static_cast<int>(w), static_cast<int>(h), options.reduce,
                    static_cast<int>(sketch::reduced(w, options.reduce)),
                    static_cast<int>(sketch::reduced(h, options.reduce))};
  const Windows windows{sketch::gaussian(options.fine),
                        sketch::gaussian(options.tensor / static_cast<float>(options.reduce)),
                        sketch::gaussian(options.line)};
  Workspace scratch(ctx);
  const Memory memory = take(scratch, s, group, windows);
  if (scratch.measured("flow_dog")) return;
  for (int64_t first = 0; first < pictures; first += group) {
    const int64_t count = first + group < pictures ? group : pictures - first;
    some_pictures(stack_of(image, first), stack_of(out, first), static_cast<int>(count), s, windows, options, memory,
                  ctx);
  }
}

}  // namespace cuda
}  // namespace pyapdraw
