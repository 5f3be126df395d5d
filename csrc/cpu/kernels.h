#pragma once
// The entry points of this instruction set: one line an operation, same signatures as Backend.
#include "core/backend.h"
#include "cpu/isa.h"

namespace pyapdraw {
namespace PA_ISA {

void distance_transform(const Tensor& sites, const Tensor& distance, bool squared, const Context& ctx);
void distance_transform_nearest(const Tensor& sites, const Tensor& distance, const Tensor& nearest,
                                const DistanceOptions& options, const Context& ctx);
void distance_transform_chamfer(const Tensor& sites, const Tensor& distance, const Context& ctx);
void ink(const Tensor& pixels, const Tensor& mask, const Tensor& landmarks, const Tensor& out, const Context& ctx);
void ink_planes(const Tensor& pixels, const Tensor& mask, const Tensor& landmarks, const Tensor& out,
                const Tensor& planes, const Context& ctx);
void flow_dog(const Tensor& image, const Tensor& out, const FlowDog& options, const Context& ctx);
void warp_affine(const Tensor& image, const Tensor& out, const WarpPlan& plan, const Context& ctx);
void resize(const Tensor& image, const Tensor& out, const Context& ctx);
void yuv_to_rgb(const Tensor& y, const Tensor& u, const Tensor& v, const Tensor& out, const YuvFormat& format,
                const Context& ctx);
void rgb_to_yuv(const Tensor& image, const Tensor& y, const Tensor& u, const Tensor& v, const YuvFormat& format,
                const Context& ctx);
void crop_yuv(const Tensor& y, const Tensor& u, const Tensor& v, const Tensor& out, const YuvFormat& format,
              const WarpPlan& plan, const Context& ctx);
void paste_yuv(const Tensor& drawing, const Tensor& alpha, const WarpPlan& plan, const YuvFormat& format,
               const Tensor& y, const Tensor& u, const Tensor& v, const Context& ctx);
void rgb_to_nchw(const Tensor& image, const Tensor& out, const Context& ctx);
void nchw_to_rgb(const Tensor& image, const Tensor& out, const Context& ctx);
void composite(const Tensor& drawing, const Tensor& alpha, const Tensor& background, const Tensor& out,
               const Context& ctx);
void distance_transform_pair(const Tensor& ink, const Tensor& to_ink, const Tensor& to_paper, bool squared,
                             const Context& ctx);
void fuse_regions(const FaceParts& parts, const Tensor& centres, const Tensor& hair, const Tensor& background,
                  const Tensor& mask, const Tensor& out, const Tensor& winners, FuseMode mode, const Context& ctx);
void fuse_regions_backward(const Tensor& grad, const Tensor& winners, const Tensor& centres, const Tensor& weights,
                           const FaceParts& grad_parts, const Tensor& grad_hair, const Tensor& grad_background,
                           const Context& ctx);
void conv2d_bf16(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& slope, const Tensor& out,
                 int stride, int pad, const Context& ctx);
void conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& slope, const Tensor& out,
            int stride, int pad, const Context& ctx);
void max_pool2d(const Tensor& x, const Tensor& out, int kernel, int stride, const Context& ctx);
void crop_area(const Tensor& image, const Tensor& boxes, const Tensor& out, float subtract, float multiply,
               const Context& ctx);
void crop_warp(const Tensor& image, const Tensor& to_image, const Tensor& out, float subtract, float multiply,
               const Context& ctx);
void guided_upsample(const Tensor& coarse, const Tensor& image, const Tensor& out, int radius, float epsilon,
                     float gain, const Context& ctx);
void local_contrast(const Tensor& image, const Tensor& out, int cell, float flat, const Context& ctx);
void pixel_unshuffle(const Tensor& x, const Tensor& out, const Context& ctx);
void add_upsampled(const Tensor& x, const Tensor& coarse, int top, int left, float slope, const Context& ctx);
void nms(const Tensor& boxes, const Tensor& keep, float threshold, float side, bool minimum, const Context& ctx);
void modulated_conv2d(const Tensor& x, const Tensor& weight, const Tensor& styles, const Tensor& noise,
                      const Tensor& bias, const Tensor& out, const ModulatedConvPlan& plan, const Context& ctx);
void modulated_conv2d_backward_weight(const Tensor& grad, const Tensor& grad_scale, const Tensor& x,
                                      const Tensor& x_scale, const Tensor& grad_weight, int stride, int pad,
                                      const Context& ctx);
void bias_act(const Tensor& x, const Tensor& bias, const Tensor& out, const BiasAct& how, int dim, const Context& ctx);
void bias_act_backward(const Tensor& grad, const Tensor& kept, const Tensor& bias, const Tensor& out,
                       const BiasAct& how, int dim, const Context& ctx);
void upfirdn2d(const Tensor& x, const Tensor& filter, const Tensor& out, const Resampling& how, const Context& ctx);
void conv_to_one(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& out, const ConvToOne& how,
                 const Context& ctx);
void instance_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& out, double eps,
                   const Context& ctx);

}  // namespace PA_ISA
}  // namespace pyapdraw
