// ink: the flow of edges and strands, and what is smoothed along it. The kernels are those of flow_dog (flow.cuh).
#include "cuda/blur.cuh"
#include "cuda/flow.cuh"
#include "cuda/ink.cuh"

namespace pyapdraw {
namespace cuda {
namespace inking {

namespace {

struct ToneSource {
  Sheet s;
  __device__ float at(int, int x, int y) const { return tone_at(s, int64_t{y} * s.width + x); }
};

FlowSizes sizes_of(const Sheet& s) { return {s.width, s.height, s.factor, s.low_width, s.low_height}; }

}  // namespace

void find_flow(const Sheet& s, const Context& ctx) {
  blur<1>(ToneSource{s}, SmoothSink{s.score, s.copy, s.width, s.full_count()}, s.width, s.height, 1,
          sketch::gaussian(s.style.fine * s.scale), s.rows, ctx);
  float* products = s.plane(kScratch);
  launch(flow_dog_products_kernel, dim3(blocks(s.low_count(), kFlowThreads)), dim3(kFlowThreads), 0, ctx, s.score,
         sizes_of(s), products);
  blur_tiles<3>(Planes{products, s.low_width, s.low_count(), 3},
                TangentSink{s.tangent, s.plane(kTangentX), s.plane(kTangentY), s.low_width, s.low_count()}, s.low_width,
                s.low_height, 1, sketch::gaussian(s.style.tensor * s.scale / static_cast<float>(s.factor)), ctx);
  smooth_along(s.score, s.copy, s.tangent, s.person, sizes_of(s), 1, s.scale, sketch::flow_steps(s.style.flow),
               s.flow_tone, ctx);
}

// The score along the flow, in the place of the tone.
void smooth_score(const Sheet& s, const Context& ctx) {
  smooth_along(s.score, s.copy, s.tangent, s.person, sizes_of(s), 1, s.scale, sketch::flow_steps(s.style.flow_score),
               s.flow_tone, ctx);
}

}  // namespace inking
}  // namespace cuda
}  // namespace pyapdraw
