// ink: the flow of edges and strands, and the tone smoothed along it. The method is that of cpu/flow_dog.cpp.
#include "cpu/flow_dog.h"
#include "cpu/ink.h"

namespace pyapdraw {
namespace PA_ISA {
namespace inking {

namespace {

Flow flow_of(const Sheet& s) { return {s.factor, s.tangent_x, s.tangent_y}; }

}  // namespace

void find_flow(Sheet& s) {
  blur(s.tone, s.score, s.work, s.style.fine * s.scale, s.ctx);
  const Plane products[3] = {s.l[0], s.l[1], s.l[2]};
  const float sigma = s.style.tensor * s.scale / static_cast<float>(s.factor);
  find_tangents(s.score, sigma, products, s.l[3], flow_of(s), s.ctx);
}

// Uses s.work and s.spare. in and out differ.
void smooth_along_flow(Sheet& s, const Plane& in, const Plane& out, float sigma) {
  const Smoothing how{sigma, s.scale, s.person, reinterpret_cast<uint32_t*>(s.work.data),
                      reinterpret_cast<uint32_t*>(s.spare.data)};
  smooth_along(in, out, flow_of(s), how, s.ctx);
}

}  // namespace inking
}  // namespace PA_ISA
}  // namespace pyapdraw
