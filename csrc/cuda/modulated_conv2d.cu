// Modulated convolution of StyleGAN2 [Karras et al. 2020, section 2.2 and appendix B]; semantics in ops.h.
//   out = clamp(gain * act(d * filter(conv(weight, styles * x)) + noise + bias))
// Method, in at most four launches on the caller's stream:
//   weights: packed to [O][tap][I] in the dtype of x, with demodulation and, where that moves fewer bytes than scaling
//            x would, with styles and d, a copy for each sample (modulated_conv2d_weights.cu);
//   input:   only where x is strided, has odd channels, is to be scaled or is filtered before the convolution
//            (modulated_conv2d_input.cu);
//   tiles:   implicit GEMM, on tensor cores for 16-bit operands, in fused multiply-adds for float32; finishes its
//   results
//            itself in a plain layer (modulated_conv2d_tile.cuh);
//   filter:  the filter of an up-sampling layer, the sum of splits (modulated_conv2d_filter.cu).
// Numerics: float32 sums. Operands are rounded to the dtype of x once: weight and styles * x, or x as it is and styles
// * d * weight. The samples before the filter of an up-sampling layer are kept in the dtype of x, or in float32 where
// the channels are split. The result depends on the arguments alone, not on the device or the order of blocks. Memory:
// Context::workspace for packed operands, split sums and samples before the filter. Limits: axes below 2^31.
#include "cuda/kernels.h"
#include "cuda/modulated_conv2d.cuh"
#include "cuda/workspace.cuh"

namespace pyapdraw {
namespace cuda {
namespace modconv {
namespace {

// All tensors of a call.
struct Call {
  const Tensor &x, &weight, &styles, &noise, &bias, &out;
  const ModulatedConvPlan& plan;
};

bool weights_in_place(const Tensor& weight, DType operands) {
  const int64_t k = weight.shape[2], inputs = weight.shape[1];
  return weight.dtype == operands && aligned(weight) && (weight.shape[0] == 1 || weight.stride[0] == k * k * inputs) &&
         (k == 1 || (weight.stride[2] == k * inputs && weight.stride[3] == inputs));
}

// The convolution proper, its operands not yet placed.
Conv convolution_of(const Call& call) {
  const ModulatedConvPlan& p = call.plan;
  const int chunk = static_cast<int>(16 / item_bytes(call.x.dtype)), up = p.options.up, down = p.options.down;
  const int out_h = static_cast<int>(call.out.shape[2]), out_w = static_cast<int>(call.out.shape[3]);
  const bool narrowed = down == 2 && p.kernel == 3;
  Conv c;
  c.channels = static_cast<int>(round_up(call.x.shape[1], chunk));
  c.height = down == 1 ? static_cast<int>(call.x.shape[2]) : narrowed ? 2 * out_h + 1 : out_h;
  c.width = down == 1 ? static_cast<int>(call.x.shape[3]) : narrowed ? 2 * out_w + 1 : out_w;
  c.samples = call.x.shape[0];
  c.outputs = static_cast<int>(call.weight.shape[0]), c.taps = p.kernel * p.kernel;
  c.stride = narrowed ? 2 : 1;
  c.pad = p.kernel == 3 && down == 1 ? 1 : 0;
  c.up = up == 2 && p.kernel == 3;
  c.rows = c.up ? c.height + 1 : up == 2 ? c.height : out_h;
  c.columns = c.up ? c.width + 1 : up == 2 ? c.width : out_w;
  c.result_rows = c.up ? 2 * c.height + 1 : c.rows;
  c.result_columns = c.up ? 2 * c.width + 1 : c.columns;
  return c;
}

Finish finish_of(const Call& call, const float* scale) {
  const ModulatedConvOptions& o = call.plan.options;
  const Tensor &noise = call.noise, &bias = call.bias, &out = call.out;
  Finish f;
  f.scale = scale;
  if (noise.numel() > 0) {
    f.noise = noise.as<float>();
    f.noise_n = noise.shape[0] == 1 ? 0 : noise.stride[0], f.noise_y = noise.stride[2], f.noise_x = noise.stride[3];
  }
  if (bias.numel() > 0) f.bias = bias.as<float>(), f.bias_step = bias.stride[0];
  f.activation = o.activation, f.alpha = o.alpha, f.gain = o.gain;
  if (o.clamp >= 0) f.clamp = o.clamp;
  f.out = out.data;
  f.out_n = out.stride[0], f.out_o = out.stride[1], f.out_y = out.stride[2], f.out_x = out.stride[3];
  f.outputs = static_cast<int>(out.shape[1]);
  f.wide = aligned(out) && out.shape[1] % kVector == 0;
  f.planes = !f.wide && (out.stride[3] == 1 || out.stride[3] == -1);
  return f;
}

// Scaled sums to an image [N][result_rows][result_columns][padded outputs] that the filter will read.
Finish finish_before_filter(const Conv& c, const float* scale, void* image) {
  Finish f;
  f.scale = scale;
  f.out = image;
  f.outputs = c.outputs;
  f.out_o = 1, f.out_x = padded_outputs(c.outputs);
  f.out_y = f.out_x * c.result_columns, f.out_n = f.out_y * c.result_rows;
  f.wide = c.outputs % kVector == 0;
  return f;
}

void convolve(DType operands, const Conv& c, const Finish& f, const Context& ctx) {
  if (operands == DType::f16)
    convolve_f16(c, f, ctx);
  else if (operands == DType::bf16)
    convolve_bf16(c, f, ctx);
  else
    convolve_f32(c, f, ctx);
}

void run(const Call& call, const Context& ctx) {
  const DType operands = call.x.dtype;
  const int64_t item = item_bytes(operands), n = call.x.shape[0], outputs = call.weight.shape[0];
  const bool up = call.plan.options.up == 2, down = call.plan.options.down == 2;
  Conv c = convolution_of(call);
  const bool in_place = weights_in_place(call.weight, operands), direct = !down && aligned(call.x);
  // Weights of each sample's own are written, x scaled is read and written: whichever is less.
  const bool fewer = outputs * c.taps < 2 * static_cast<int64_t>(c.height) * c.width;
  const bool own_weights = direct && (fewer || (n == 1 && !in_place));
  if (own_weights) c.groups = n, c.samples = 1, c.weight_n = outputs * c.taps * c.channels;
  choose_tiles(operands, &c);

  Workspace scratch(ctx);
  WeightPass weights;
  weights.channels = c.channels, weights.demodulate = call.plan.options.demodulate;
  if (own_weights || !in_place) weights.packed = scratch.take<char>(c.groups * outputs * c.taps * c.channels * item);
  weights.scale = scratch.take<float>(n * outputs);
  float* const power = scratch.take<float>(own_weights ? 0 : n);
  if (!own_weights) weights.style_power = power;
  InputPass input;
  input.dtype = operands, input.scaled = true, input.scale_power = power;
  input.rows = c.height, input.columns = c.width, input.channels = c.channels;
  input.filtered = down, input.step = down && call.plan.kernel == 1 ? 2 : 1;
  if (!own_weights) input.packed = scratch.take<char>(n * c.height * c.width * c.channels * item);
  const int64_t sums = n * c.result_rows * c.result_columns * padded_outputs(c.outputs);
  float* const partial = scratch.take<float>(c.splits > 1 ? c.splits * sums : 0);
  char* const image = scratch.take<char>(c.splits == 1 && up ? sums * item : 0);
  if (scratch.measured("modulated_conv2d")) return;

  pack_weights(call.weight, call.styles, operands, weights, ctx);
  c.weight = weights.packed ? weights.packed : call.weight.data;
  c.x = call.x.data, c.x_n = call.x.stride[0], c.x_y = call.x.stride[2], c.x_x = call.x.stride[3];
  if (!own_weights) {
    pack_input(call.x, call.styles, call.plan, input, ctx);
    c.x = input.packed, c.x_x = c.channels, c.x_y = c.x_x * c.width, c.x_n = c.x_y * c.height;
  }
  if (c.splits > 1) c.partial = partial, c.partial_split = sums;
  Finish finish = finish_of(call, weights.scale);
  if (c.splits == 1 && !up) return convolve(operands, c, finish, ctx);
  convolve(operands, c, c.splits == 1 ? finish_before_filter(c, weights.scale, image) : finish, ctx);
  if (c.splits == 1) finish.scale = nullptr;
  FilterPass filter;
  filter.sums = c.splits > 1 ? static_cast<void*>(partial) : image;
  filter.narrow = c.splits == 1, filter.splits = c.splits;
  filter.rows = c.result_rows, filter.columns = c.result_columns, filter.channels = padded_outputs(c.outputs);
  filter.filtered = up, filter.spread = up && !c.up ? 2 : 1;
  filter.samples = n, filter.out_rows = static_cast<int>(call.out.shape[2]);
  filter.out_columns = static_cast<int>(call.out.shape[3]);
  filter_sums(operands, filter, call.plan, finish, ctx);
}

}  // namespace
}  // namespace modconv

void modulated_conv2d(const Tensor& x, const Tensor& weight, const Tensor& styles, const Tensor& noise,
                      const Tensor& bias, const Tensor& out, const ModulatedConvPlan& plan, const Context& ctx) {
  for (int i = 0; i < 4; ++i)
    if (x.shape[i] >= INT32_MAX / 4 || out.shape[i] >= INT32_MAX / 4)
      throw Unsupported("x: axes of 2^29 and more have no CUDA kernel");
  modconv::run({x, weight, styles, noise, bias, out, plan}, ctx);
}

}  // namespace cuda
}  // namespace pyapdraw
