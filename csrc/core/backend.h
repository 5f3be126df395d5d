#pragma once
// One table a backend: a function pointer an operation. A null entry means "not available
// there" and is turned into one clear error by `require`.
#include <string>

#include "core/entry.h"
#include "pyapdraw/ops.h"

namespace pyapdraw {

struct WarpPlan;           // core/warp_affine_math.h
struct ModulatedConvPlan;  // core/modulated_conv2d_plan.h

struct Backend {
  const char* name;      // "cpu x86-64-v4", "cuda", ...
  bool has_f16 = false;  // where the operation is one of floats: float16 beside float32 and bfloat16
  void (*distance_transform)(const Tensor& sites, const Tensor& distance, bool squared, const Context& ctx) = nullptr;
  void (*distance_transform_nearest)(const Tensor& sites, const Tensor& distance, const Tensor& nearest,
                                     const DistanceOptions& options, const Context& ctx) = nullptr;
  void (*distance_transform_chamfer)(const Tensor& sites, const Tensor& distance, const Context& ctx) = nullptr;
  void (*ink)(const Tensor& pixels, const Tensor& mask, const Tensor& landmarks, const Tensor& drawing,
              const Context& ctx) = nullptr;
  void (*ink_planes)(const Tensor& pixels, const Tensor& mask, const Tensor& landmarks, const Tensor& drawing,
                     const Tensor& planes, const Context& ctx) = nullptr;
  void (*flow_dog)(const Tensor& image, const Tensor& out, const FlowDog& options, const Context& ctx) = nullptr;
  void (*warp_affine)(const Tensor& image, const Tensor& out, const WarpPlan& plan, const Context& ctx) = nullptr;
  void (*resize)(const Tensor& image, const Tensor& out, const Context& ctx) = nullptr;
  void (*yuv_to_rgb)(const Tensor& y, const Tensor& u, const Tensor& v, const Tensor& out, const YuvFormat& format,
                     const Context& ctx) = nullptr;
  void (*rgb_to_yuv)(const Tensor& image, const Tensor& y, const Tensor& u, const Tensor& v, const YuvFormat& format,
                     const Context& ctx) = nullptr;
  void (*crop_yuv)(const Tensor& y, const Tensor& u, const Tensor& v, const Tensor& out, const YuvFormat& format,
                   const WarpPlan& plan, const Context& ctx) = nullptr;
  void (*paste_yuv)(const Tensor& drawing, const Tensor& alpha, const WarpPlan& plan, const YuvFormat& format,
                    const Tensor& y, const Tensor& u, const Tensor& v, const Context& ctx) = nullptr;
  void (*rgb_to_nchw)(const Tensor& image, const Tensor& out, const Context& ctx) = nullptr;
  void (*nchw_to_rgb)(const Tensor& image, const Tensor& out, const Context& ctx) = nullptr;
  void (*composite)(const Tensor& drawing, const Tensor& alpha, const Tensor& background, const Tensor& out,
                    const Context& ctx) = nullptr;
  void (*distance_transform_pair)(const Tensor& ink, const Tensor& to_ink, const Tensor& to_paper, bool squared,
                                  const Context& ctx) = nullptr;
  void (*fuse_regions)(const FaceParts& parts, const Tensor& centres, const Tensor& hair, const Tensor& background,
                       const Tensor& mask, const Tensor& out, const Tensor& winners, FuseMode mode,
                       const Context& ctx) = nullptr;
  void (*fuse_regions_backward)(const Tensor& grad, const Tensor& winners, const Tensor& centres, const Tensor& weights,
                                const FaceParts& grad_parts, const Tensor& grad_hair, const Tensor& grad_background,
                                const Context& ctx) = nullptr;
  void (*conv2d_bf16)(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& slope, const Tensor& out,
                      int stride, int pad, const Context& ctx) = nullptr;
  void (*conv2d)(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& slope, const Tensor& out,
                 int stride, int pad, const Context& ctx) = nullptr;
  void (*max_pool2d)(const Tensor& x, const Tensor& out, int kernel, int stride, const Context& ctx) = nullptr;
  void (*crop_area)(const Tensor& image, const Tensor& boxes, const Tensor& out, float subtract, float multiply,
                    const Context& ctx) = nullptr;
  void (*crop_warp)(const Tensor& image, const Tensor& to_image, const Tensor& out, float subtract, float multiply,
                    const Context& ctx) = nullptr;
  void (*guided_upsample)(const Tensor& coarse, const Tensor& image, const Tensor& out, int radius, float epsilon,
                          float gain, const Context& ctx) = nullptr;
  void (*local_contrast)(const Tensor& image, const Tensor& out, int cell, float flat, const Context& ctx) = nullptr;
  void (*pixel_unshuffle)(const Tensor& x, const Tensor& out, const Context& ctx) = nullptr;
  void (*add_upsampled)(const Tensor& x, const Tensor& coarse, int top, int left, float slope,
                        const Context& ctx) = nullptr;
  void (*nms)(const Tensor& boxes, const Tensor& keep, float threshold, float side, bool minimum,
              const Context& ctx) = nullptr;
  void (*modulated_conv2d)(const Tensor& x, const Tensor& weight, const Tensor& styles, const Tensor& noise,
                           const Tensor& bias, const Tensor& out, const ModulatedConvPlan& plan,
                           const Context& ctx) = nullptr;
  void (*modulated_conv2d_backward_weight)(const Tensor& grad, const Tensor& grad_scale, const Tensor& x,
                                           const Tensor& x_scale, const Tensor& grad_weight, int stride, int pad,
                                           const Context& ctx) = nullptr;
  void (*bias_act)(const Tensor& x, const Tensor& bias, const Tensor& out, const BiasAct& how, int dim,
                   const Context& ctx) = nullptr;
  void (*bias_act_backward)(const Tensor& grad, const Tensor& kept, const Tensor& bias, const Tensor& out,
                            const BiasAct& how, int dim, const Context& ctx) = nullptr;
  void (*upfirdn2d)(const Tensor& x, const Tensor& filter, const Tensor& out, const Resampling& how,
                    const Context& ctx) = nullptr;
  void (*conv_to_one)(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& out,
                      const ConvToOne& how, const Context& ctx) = nullptr;
  void (*instance_norm)(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& out, double eps,
                        const Context& ctx) = nullptr;
};

// The names and availability of all operations, for info() and the docs. Keep in step with
// the struct: a test compares their sizes.
struct OpEntry {
  const char* op;
  bool (*available)(const Backend& b);
};
const OpEntry* op_entries(int* count);

const Backend& cpu_backend();                   // the best instruction set of this machine
int cpu_backends(const Backend* tables[3]);     // all that this machine can run, best first
void use_cpu_backend(const std::string& name);  // for tests: that table from now on, for the whole process
const Backend* cuda_backend();                  // null when built without CUDA
const Backend& backend_for(const Tensor& t);

namespace cpu_v4 {
const Backend& backend();
}
namespace cpu_v3 {
const Backend& backend();
}
namespace cpu_base {
const Backend& backend();
}

[[noreturn]] void missing_op(const char* op, const Backend& b);

// backend entry or the one error: require(b, b.fuse, "fuse")(args...)
template <typename F>
Entry<F> require(const Backend& b, F f, const char* op) {
  if (!f) missing_op(op, b);
  return {f, op};
}

}  // namespace pyapdraw
