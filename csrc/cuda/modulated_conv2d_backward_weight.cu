// Weight gradient of the modulated convolution; semantics in ops.h.
//   grad_weight[o,i,ky,kx] = sum_{n,y,x} (grad_scale grad)[n,o,y,x] (x_scale x)[n, i, y stride + ky - pad, ...]
// Method: a matrix product over pixels (modulated_conv2d_backward_weight.cuh), split over boxes of pixels, then the sum
// over the splits. Channels-last aligned images are read as they are, and the scales, which depend on samples and
// channels only, multiply each sample's sums. Where that would write more sums than the images have bytes (small
// images, many channels and samples), and for other strides, both images are packed and scaled first, and all samples
// are one run of pixels. Numerics: float32 sums; operands of 16 bits as they are, or rounded once after scaling;
// operands of two dtypes become float32. The result depends on the arguments alone. Limits: axes below 2^29.
#include "cuda/kernels.h"
#include "cuda/modulated_conv2d_backward_weight.cuh"
#include "cuda/workspace.cuh"

namespace pyapdraw {
namespace cuda {
namespace modconv {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kBlocksWanted = 2 * kProcessors;

// grad_weight[o][i][ky][kx] = the sum over splits of partial [split][outputs][taps][inputs], both padded.
PA_KERNEL void __launch_bounds__(kThreads)
    modulated_conv2d_backward_weight_reduce_kernel(const float* partial, int64_t splits, int64_t a_split, int64_t pitch,
                                                   Tensor out, int64_t count) {
  int64_t q = blockIdx.x * static_cast<int64_t>(kThreads) + threadIdx.x;
  if (q >= count) return;
  const int64_t inputs = out.shape[1], k = out.shape[2], taps = k * k;
  const int64_t i = q % inputs, tap = q / inputs % taps, o = q / inputs / taps;
  const float* from = partial + (o * taps + tap) * pitch + i;
  float sum = 0;
  for (int64_t s = 0; s < splits; ++s) sum += from[s * a_split];
  out.as<float>()[o * out.stride[0] + i * out.stride[1] + tap / k * out.stride[2] + tap % k * out.stride[3]] = sum;
}

Image image_of(const Tensor& t, const Tensor& scale) {
  Image m;
  m.data = t.data, m.n_step = t.stride[0], m.y_step = t.stride[2], m.x_step = t.stride[3];
  m.height = static_cast<int>(t.shape[2]), m.width = static_cast<int>(t.shape[3]);
  m.channels = static_cast<int>(t.shape[1]);
  m.scales = {scale.as<float>(), scale.stride[0], scale.stride[1]};
  return m;
}

// Space for the image with its scale multiplied in; `image` then reads from there.
InputPass packed_image(const Tensor& t, DType operands, Workspace* scratch, Image* image) {
  InputPass pass;
  pass.dtype = operands, pass.scaled = true;
  pass.rows = image->height, pass.columns = image->width;
  pass.channels = static_cast<int>(round_up(image->channels, 16 / item_bytes(operands)));
  pass.packed = scratch->take<char>(t.shape[0] * pass.rows * pass.columns * pass.channels * item_bytes(operands));
  image->data = pass.packed, image->channels = pass.channels, image->scales = {};
  image->x_step = pass.channels, image->y_step = image->x_step * pass.columns,
  image->n_step = image->y_step * pass.rows;
  return pass;
}

template <class S>
void cut(WeightGrad* g, int64_t samples, int kernel) {
  int64_t least = -1;
  for (int log_w : {3, 4, 2}) {
    const int log_h = (S::kPixels == 64 ? 6 : 5) - log_w;
    const int64_t y = divide_up(g->grad.height, int64_t{1} << log_h), x = divide_up(g->grad.width, int64_t{1} << log_w);
    if (least >= 0 && y * x >= least) continue;
    least = y * x;
    g->log_box_h = log_h, g->log_box_w = log_w;
    g->boxes_y = static_cast<int>(y), g->boxes_x = static_cast<int>(x);
  }
  g->patch_h = ((1 << g->log_box_h) - 1) * g->stride + kernel,
  g->patch_w = ((1 << g->log_box_w) - 1) * g->stride + kernel;
  g->boxes = samples / g->groups * g->boxes_y * g->boxes_x;
  g->tiles_o = static_cast<int>(divide_up(g->outputs, S::kO)),
  g->tiles_i = static_cast<int>(divide_up(g->inputs, S::kI));
  const int64_t tiles = g->groups * g->tiles_o * g->tiles_i;
  g->splits = max(int64_t{1}, min(g->boxes, divide_up(kBlocksWanted, tiles)));
  g->boxes_a_split = divide_up(g->boxes, g->splits);
  g->splits = g->boxes > 0 ? divide_up(g->boxes, g->boxes_a_split) : 1;
}

template <typename F>
void for_shape(DType operands, int taps, F&& f) {
  for_float_type(operands, [&](auto t) {
    using T = decltype(t);
    if (taps == 9)
      f(GradShape<T, 9>{});
    else
      f(GradShape<T, 1>{});
  });
}

struct Call {
  const Tensor &grad, &grad_scale, &x, &x_scale, &out;
  int stride, pad;
};

void run(const Call& call, const Context& ctx) {
  const Tensor &grad = call.grad, &x = call.x, &out = call.out;
  const DType operands = grad.dtype == x.dtype ? x.dtype : DType::f32;
  const int kernel = static_cast<int>(out.shape[2]), taps = kernel * kernel;
  const int64_t samples = grad.shape[0], images = (grad.numel() + x.numel()) * item_bytes(operands);
  WeightGrad g;
  g.grad = image_of(grad, call.grad_scale), g.x = image_of(x, call.x_scale);
  g.outputs = static_cast<int>(out.shape[0]), g.inputs = static_cast<int>(out.shape[1]);
  g.stride = call.stride, g.pad = call.pad;
  const bool direct = samples > 0 && grad.dtype == x.dtype && aligned(grad) && aligned(x) &&
                      (samples == 1 || samples * out.numel() * 4 < images);
  Workspace scratch(ctx);
  InputPass of_grad, of_x;
  if (direct) {
    g.groups = samples;
  } else {
    of_grad = packed_image(grad, operands, &scratch, &g.grad);
    of_x = packed_image(x, operands, &scratch, &g.x);
  }
  int64_t a_split = 0, pitch = 0;
  for_shape(operands, taps, [&](auto shape) {
    using S = decltype(shape);
    cut<S>(&g, samples, kernel);
    pitch = static_cast<int64_t>(g.tiles_i) * S::kI;
    a_split = static_cast<int64_t>(g.tiles_o) * S::kO * taps * pitch;
  });
  g.partial = scratch.take<float>(g.groups * g.splits * a_split);
  if (scratch.measured("modulated_conv2d_backward_weight")) return;
  if (!direct && grad.numel() > 0) pack_input(grad, call.grad_scale, {}, of_grad, ctx);
  if (!direct && x.numel() > 0) pack_input(x, call.x_scale, {}, of_x, ctx);
  for_shape(operands, taps, [&](auto shape) {
    using S = decltype(shape);
    const auto kernel_of_shape = modulated_conv2d_backward_weight_kernel<S>;
    check(cudaFuncSetAttribute(kernel_of_shape, cudaFuncAttributeMaxDynamicSharedMemorySize, kSharedLimit),
          "modulated_conv2d_backward_weight");
    launch(kernel_of_shape, dim3(blocks(g.groups * g.splits * g.tiles_o * g.tiles_i, 1)), dim3(kTileThreads),
           static_cast<size_t>(S::kStages * S::stage_bytes(g)), ctx, g);
  });
  launch(modulated_conv2d_backward_weight_reduce_kernel, dim3(blocks(out.numel(), kThreads)), dim3(kThreads), 0, ctx,
         static_cast<const float*>(g.partial), g.groups * g.splits, a_split, pitch, out, out.numel());
}

}  // namespace
}  // namespace modconv

void modulated_conv2d_backward_weight(const Tensor& grad, const Tensor& grad_scale, const Tensor& x,
                                      const Tensor& x_scale, const Tensor& grad_weight, int stride, int pad,
                                      const Context& ctx) {
  for (int i = 0; i < 4; ++i)
    if (x.shape[i] >= INT32_MAX / 4 || grad.shape[i] >= INT32_MAX / 4)
      throw Unsupported("x: axes of 2^29 and more have no CUDA kernel");
  modconv::run({grad, grad_scale, x, x_scale, grad_weight, stride, pad}, ctx);
}

}  // namespace cuda
}  // namespace pyapdraw
