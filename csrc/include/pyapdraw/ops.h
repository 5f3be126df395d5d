#pragma once
// The whole C++ API: every operation checks its arguments once, then runs on the backend of
// its tensors. The caller allocates outputs; nothing here allocates device memory or waits.
// Errors: BadInput (wrong argument), Unsupported (no kernel on this backend), DeviceError.
#include "pyapdraw/error.h"
#include "pyapdraw/tensor.h"
#include "pyapdraw/version.h"

namespace pyapdraw {

// Exact Euclidean distance in px from every pixel to the nearest site (nonzero pixel).
// sites bool/u8 [...,H,W] -> distance f32 [...,H,W]; squared: without the root. An image
// without any site gives +inf.
void distance_transform(const Tensor& sites, const Tensor& distance, bool squared = false, const Context& ctx = {});

// squared: without the root. spacing: distance between rows and between columns, 1e-9 to 1e9 px.
struct DistanceOptions {
  bool squared = false;
  double spacing_y = 1, spacing_x = 1;
};

// The same with spacings and with the nearest site of every pixel. nearest i32 (images below 2^31 pixels) or i64
// [...,H,W]: the flat index y*W+x within its image of a nearest site, whichever at ties, -1 in an image without any;
// or a tensor without elements where it is not wanted.
void distance_transform(const Tensor& sites, const Tensor& distance, const Tensor& nearest,
                        const DistanceOptions& options, const Context& ctx = {});

// The approximation that OpenCV gives for DIST_L2 with a 5x5 mask: steps of 1, 1.4 (diagonal) and 2.1969 (knight's
// move) px, in 16 fractional bits, at most 65533.8 (also where an image has no site). Types as distance_transform.
void distance_transform_chamfer(const Tensor& sites, const Tensor& distance, const Context& ctx = {});

// How style `ink` draws. scale: px of the picture a px of its lengths, which are those of a 512 px crop; 0: side / 512
// of a square picture. line: of the widths of lines; detail: of the number of weak lines and strands. light_hair: hair
// that is not dark is drawn as outline and strands, not as a black mass. figure: the picture holds more than a bust:
// clothes are white unless they are dark, with their folds, and the person has a silhouette.
struct InkOptions {
  float scale = 0.0f, line = 1.0f, detail = 1.0f;
  bool light_hair = false, figure = false;
};

// Style `ink`: a face, and what else of its person is in the picture, as a drawing, without weights. H, W = 16..8192.
// pixels u8 [H,W,3] RGB, mask u8 [H,W] (255 = person), landmarks f32/f64 [5,2] (x, y in px: eye, eye, nose tip, mouth
// corner, mouth corner) -> drawing u8 [H,W], 255 = paper. Exactly white areas at the border lie outside the photo.
void ink(const Tensor& pixels, const Tensor& mask, const Tensor& landmarks, const Tensor& drawing,
         const InkOptions& options = {}, const Context& ctx = {});

// The same, with what the drawing was decided on: planes f32 [7,H,W]: tone relative to the skin's, that tone smoothed
// along the flow, mean log tone of the strands, line strength, skin label 0..1, tangent of the flow (x, y).
void ink_planes(const Tensor& pixels, const Tensor& mask, const Tensor& landmarks, const Tensor& drawing,
                const Tensor& planes, const InkOptions& options = {}, const Context& ctx = {});

// Strokes of a pen, anti-aliased, in place: page u8 [H,W] = min(page, 255 (1 - cover)). points f32 [P,4], contiguous:
// x, y, width in px, and whether the point is joined with the one before it (not 0) by a stroke that tapers from width
// to width; a point that is joined with none is a dot.
void strokes(const Tensor& points, const Tensor& page, const Context& ctx = {});

// No salt in a drawing u8 [H,W], 255 = paper, in place: areas darker than 176, corners touching, of fewer than `speck`
// pixels of ink (< 128) become paper, and so does light grey that borders on nothing darker than 176 then; areas of 64
// and lighter, sides touching, of fewer than `pinhole` pixels of paper (>= 128) become ink. reach: 0..64; dark areas
// belong together where no more than 2 reach pixels are between them, so that what is small beside a stroke stays.
void remove_specks(const Tensor& drawing, int speck, int pinhole, int reach = 0, const Context& ctx = {});

// Standard deviations in px: smoothing of the picture, of its structure tensor, along the flow, and the wide Gaussian
// of the difference; reduce: how much coarser the grid of the flow is.
struct FlowDog {
  float fine = 0.4f, tensor = 3.03f, flow = 1.85f, line = 1.98f;
  int reduce = 1;
};

// Dark lines along the flow of a picture, as style ink finds them: image f32 [..,H,W], values up to +-4, 2 to 8192 px a
// side -> out, same shape: wide Gaussian minus the picture, both after smoothing along the flow; positive on dark
// lines.
void flow_dog(const Tensor& image, const Tensor& out, const FlowDog& options = {}, const Context& ctx = {});

// What lies outside a photo, and how a warp samples it.
enum class Filter : int32_t { bilinear, antialias };
enum class Border : int32_t { constant, edge };

// Samples image [H,W] or [H,W,C] (u8 or f32, C <= 4 where interleaved) through an affine map.
// matrix f64 [2,3] on the CPU maps image to output coordinates (x right, y down, pixel centres at
// integers); out [h,w] or [h,w,C], same dtype. bilinear: four taps in double precision, u8 rounded
// half up; a tap outside the image counts as border_value, or as the nearest pixel (edge).
// antialias: the image is first reduced by `resize` to the scale of the output, then as above;
// equal to bilinear wherever the map does not shrink.
void warp_affine(const Tensor& image, const Tensor& matrix, const Tensor& out, Filter filter = Filter::bilinear,
                 Border border = Border::constant, double border_value = 255.0, const Context& ctx = {});

// Separable resampling with a triangle of width 2*max(1, scale) source pixels, renormalised at
// the borders: bilinear when enlarging, antialiased when reducing.
// image [H,W] or [H,W,C], u8 or f32 -> out [h,w] or [h,w,C], same dtype.
void resize(const Tensor& image, const Tensor& out, const Context& ctx = {});

enum class YuvMatrix : int32_t { bt601, bt709, bt2020 };
struct YuvFormat {
  YuvMatrix matrix = YuvMatrix::bt601;
  bool full_range = false;  // false: luma 16..235, chroma 16..240 (times 2^(bits-8))
  int bits = 8;             // 8 for u8 planes; 9 to 16 for u16 planes, value in the low bits
};

// Y'CbCr planes -> R'G'B'. y [H,W]; u, v [H or ceil(H/2), W or ceil(W/2)], any strides (NV12: two
// views of one plane); chroma is repeated, not interpolated.
// out: u8 [H,W,3] in 0..255, or f32 [3,H,W] in [-1,1].
void yuv_to_rgb(const Tensor& y, const Tensor& u, const Tensor& v, const Tensor& out, const YuvFormat& format,
                const Context& ctx = {});

struct CropSampling {
  Filter filter = Filter::antialias;
  Border border = Border::constant;
  double border_value = 255.0;
};

// An aligned crop out of a video frame: planes as in yuv_to_rgb, to_crop f64 [2,3] from frame to crop coordinates ->
// out f32 [3,h,w] in [-1,1]. The same bits as yuv_to_rgb, warp_affine and rgb_to_nchw one after the other.
void crop_yuv(const Tensor& y, const Tensor& u, const Tensor& v, const Tensor& to_crop, const Tensor& out,
              const YuvFormat& format, const CropSampling& sampling = {}, const Context& ctx = {});

// A drawing back into a frame, in place: drawing u8 [h,w] or [h,w,3] and alpha u8 [h,w] are sampled through to_crop f64
// [2,3], from frame to crop coordinates, as by warp_affine (antialias; white and opacity 0 beyond the crop); then each
// plane u8 (as in yuv_to_rgb) becomes plane + (drawing - plane) alpha. alpha of a chroma pixel: the mean of its
// block's.
void paste_yuv(const Tensor& drawing, const Tensor& alpha, const Tensor& to_crop, const YuvFormat& format,
               const Tensor& y, const Tensor& u, const Tensor& v, const Context& ctx = {});

// R'G'B' or grey -> Y'CbCr planes: image u8 [H,W,3] or [H,W], planes u8 as above; the chroma of a
// block is that of the mean of its pixels (those inside the image, at odd borders).
void rgb_to_yuv(const Tensor& image, const Tensor& y, const Tensor& u, const Tensor& v, const YuvFormat& format,
                const Context& ctx = {});

// image u8 [H,W,C] in 0..255 -> out f32 [C,H,W] in [-1,1].
void rgb_to_nchw(const Tensor& image, const Tensor& out, const Context& ctx = {});

// image f32 [C,H,W] -> out u8 [H,W,C]: [-1,1] to 0..255, rounded and saturated, NaN to 0.
void nchw_to_rgb(const Tensor& image, const Tensor& out, const Context& ctx = {});

// out = background + (drawing - background) * alpha. u8: alpha in 0..255, rounded to nearest;
// f32: alpha in [0,1]. All [H,W,C] of one dtype, inputs may be broadcast views (stride 0);
// out may be background itself, or else shares memory with no input.
void composite(const Tensor& drawing, const Tensor& alpha, const Tensor& background, const Tensor& out,
               const Context& ctx = {});

// Both maps of a drawing in one call: to the nearest nonzero pixel and to the nearest zero one.
void distance_transform_pair(const Tensor& ink, const Tensor& to_ink, const Tensor& to_paper, bool squared = false,
                             const Context& ctx = {});

// The four face regions of one call, in this order: eye at smaller x, other eye, nose, mouth.
struct FaceParts {
  Tensor part[4];
};

// How fuse_regions combines: by the smallest value, images extended with 1 (white), as published;
// or by the largest, images extended with -1 (the authors' comb_op 0).
enum class FuseMode : int32_t { min, max };

// Fusion of six local drawings into one frame [APD19, section 4.1]. All f32, or all bf16, or
// (CUDA) all f16: parts [N,C,h_i,w_i], hair, background and out [N,C,H,W].
// centres f32/f64/i32/i64 [N,4,2]: (x,y) of each part in px of the frame; a part covers
// x0 <= x < x0 + w with x0 = floor(trunc(centre) - w/2), likewise y; what leaves the frame is cut off.
// mask [N,1,H,W] is 1 on the person: bool or u8 (nonzero), or float (>= 0.5). Then (mode min)
// out = min of: each part inside its rectangle, hair on the person outside all rectangles,
// background off the person, and 1 (white). NaN wins.
// mask [N,2,H,W], float: soft weights w of hair and of background, as they are (rectangles cut
// nothing out): both count everywhere, as w x + (1 - w) 1 in float32.
// winners u8 [N,C,H,W]: what fuse_regions_backward needs; or an empty tensor when not wanted.
void fuse_regions(const FaceParts& parts, const Tensor& centres, const Tensor& hair, const Tensor& background,
                  const Tensor& mask, const Tensor& out, const Tensor& winners, FuseMode mode = FuseMode::min,
                  const Context& ctx = {});

// grad [N,C,H,W] of out -> the gradients of parts, hair and background (all written, no
// accumulation). A tie splits as in the nested elementwise minimum
// min(background, min(hair, min(mouth, min(nose, min(eye, eye))))): each tie halves.
// weights: the mask [N,2,H,W] if it was one, else an empty tensor; it gets no gradient.
void fuse_regions_backward(const Tensor& grad, const Tensor& winners, const Tensor& centres, const Tensor& weights,
                           const FaceParts& grad_parts, const Tensor& grad_hair, const Tensor& grad_background,
                           const Context& ctx = {});

// 2D convolution with bias and PReLU on channel-last arrays: x f32 [N,H,W,C], weight f32 [kh,kw,C,O],
// bias and slope f32 [O] (slope 1: no activation, 0: ReLU), out f32 [N,Ho,Wo,O] with
// Ho = (H + 2 pad - kh) / stride + 1. x and out may be channel slices of larger arrays, also of the same one.
void conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& slope, const Tensor& out,
            int stride = 1, int pad = 0, const Context& ctx = {});

// The same with x and weight rounded to bfloat16 where that is faster: on a processor with its dot product. Elsewhere,
// and on CUDA, it is conv2d.
void conv2d_bf16(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& slope, const Tensor& out,
                 int stride = 1, int pad = 0, const Context& ctx = {});

// Maximum over kernel x kernel windows of x f32 [N,H,W,C]. out f32 [N,Ho,Wo,C]; its size chooses whether a last
// window that the border cuts counts (ceil) or not (floor).
void max_pool2d(const Tensor& x, const Tensor& out, int kernel, int stride, const Context& ctx = {});

// Crops of image u8 [H,W,C] by adaptive averaging ("area" resize): boxes i32 [N,4] = x0,y0,x1,y1, half open, inside
// the image -> out f32 [N,h,w,C] = (mean - subtract) * multiply.
void crop_area(const Tensor& image, const Tensor& boxes, const Tensor& out, float subtract = 0, float multiply = 1,
               const Context& ctx = {});

// Crops of image u8 or f32 [H,W,C], C 1 or 3, by affine maps f64 [N,2,3] from crop to image pixel centres, with
// antialiasing bilinear taps -> out f32 [N,h,w,C] = (value - subtract) * multiply, 0 outside the image.
void crop_warp(const Tensor& image, const Tensor& to_image, const Tensor& out, float subtract = 0, float multiply = 1,
               const Context& ctx = {});

// Enlarges coarse f32 [h,w] in [0,1] to out u8 [H,W], its edges drawn to those of image u8 [H,W,3] by a guided
// filter: windows of 2 radius + 1 cells, epsilon the variance (of grey in [0,1]) that counts as an edge.
// gain steepens around 1/2.
void guided_upsample(const Tensor& coarse, const Tensor& image, const Tensor& out, int radius = 4,
                     float epsilon = 1e-3f, float gain = 1, const Context& ctx = {});

// Luma of image u8 [H,W,3] against its surroundings, f32 [H,W]: (L - mean) / sqrt(variance + flat^2), L in [-1,1], with
// the mean and variance of cells of cell x cell px, bilinear between their centres. H and W are whole cells.
void local_contrast(const Tensor& image, const Tensor& out, int cell, float flat, const Context& ctx = {});

// Blocks of 2 x 2 pixels side by side as channels: x f32 [K,H,W] with even sides -> out f32 [H/2,W/2,4K], of each plane
// upper left, upper right, lower left, lower right.
void pixel_unshuffle(const Tensor& x, const Tensor& out, const Context& ctx = {});

// Adds a map of half the resolution to x f32 [N,H,W,C] in place, then multiplies what is negative by slope (1: leaves
// it). coarse f32 [N,h,w,C]. Nearest: each of its pixels counts for four, h = ceil((top + H) / 2); top and left, 0 or
// 1, are where x begins in a block of 2 x 2. Bilinear (top = left = 0, H = 2 h, W = 2 w): between the centres of its
// pixels, beyond the outermost as they.
enum class Enlarged : int32_t { nearest, bilinear };
void add_upsampled(const Tensor& x, const Tensor& coarse, int top = 0, int left = 0, float slope = 1,
                   Enlarged how = Enlarged::nearest, const Context& ctx = {});

// Depthwise 2D convolution with bias on channel-last arrays, each channel with a kernel of its own: x f32 [N,H,W,C],
// weight f32 [kh,kw,C], bias f32 [C] -> out f32 [N,Ho,Wo,C]. The first window begins pad rows above and pad columns
// left of x; out says how many windows there are, each of which must meet x; beyond x are zeros. So paddings that
// differ at the two ends, as TensorFlow's "same" has them, need no copy. hard_swish(v) = v min(max(v + 3, 0), 6) / 6.
enum class MapActivation : int32_t { linear, relu, hard_swish };
void depthwise_conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& out, int stride = 1,
                      int pad = 0, MapActivation activation = MapActivation::linear, const Context& ctx = {});

// x f32 [N,H,W,C] = prelu(x + other) in place, with prelu(v) = v > 0 ? v : slope v and slope f32 [C] (1: none, 0:
// ReLU). other f32 [N,H,W,c], c <= C: channels that it lacks are zeros.
void add_prelu(const Tensor& x, const Tensor& other, const Tensor& slope, const Context& ctx = {});

// x f32 = hard_swish(x) in place, contiguous, any shape.
void hard_swish(const Tensor& x, const Context& ctx = {});

// Greedy non-maximum suppression: boxes f32 [N,4] = x0,y0,x1,y1 in falling order of score -> keep bool [N]. A box is
// dropped when its intersection with a kept one exceeds threshold times their union, or the smaller of the two
// (minimum). Sides are x1 - x0 + side.
void nms(const Tensor& boxes, const Tensor& keep, float threshold, float side = 0, bool minimum = false,
         const Context& ctx = {});

// The pointwise functions of StyleGAN2's bias_act; alpha is the slope of lrelu.
enum class Activation : int32_t { linear, relu, lrelu, tanh, sigmoid, elu, selu, softplus, swish };

struct ModulatedConvOptions {
  bool demodulate = true;
  int up = 1, down = 1;                        // 1 or 2, not both 2
  Activation activation = Activation::linear;  // linear, relu or lrelu
  float alpha = 0.2f, gain = 1, clamp = -1;    // clamp < 0: none
};

// Modulated convolution of StyleGAN2, fused [Karras et al. 2020, section 2.2; up and down as stylegan3's
// conv2d_resample with padding k / 2]: out = clamp(gain * act(d[n,o] * conv(styles[n,i] * x, weight) + noise + bias))
// with d = rsqrt(sum over i and taps of (styles * weight)^2 + 1e-8), or 1 without demodulation. x [N,I,H,W] f32 or
// bf16, any strides, channels last is fastest; weight [O,I,k,k] f32 or bf16, k 1 or 3; styles f32 [N,I]; out of x's
// dtype [N,O,H',W'], H' = H * up / down rounded down. up = 2, k = 3: transposed convolution of stride 2 with the weight
// as it stands, then the filter with gain 4; k = 1: the convolution first. down = 2: the filter, then the convolution
// of stride 2. filter f32 [f] (both axes) or [fh,fw] of rank one, on the CPU, up to 32 taps an axis; empty: identity.
// noise f32 [N or 1,1,H',W'], bias f32 [O], or empty. Sums are kept in float32; where the processor has bf16 dot
// products, bf16 operands (styles * x rounded to bf16) are multiplied by them, elsewhere as float32.
// On CUDA x and weight may be f16 too, and 16-bit operands are multiplied by tensor cores: styles * x and weight, or x
// and d * styles * weight, each rounded once. It needs a workspace.
void modulated_conv2d(const Tensor& x, const Tensor& weight, const Tensor& styles, const Tensor& filter,
                      const Tensor& noise, const Tensor& bias, const Tensor& out,
                      const ModulatedConvOptions& options = {}, const Context& ctx = {});

// The gradient of its weights: grad_weight[o,i,ky,kx] = sum over n, y, x of grad_scale[n,o] grad[n,o,y,x] times
// x_scale[n,i] x[n, i, y * stride + ky - pad, x * stride + kx - pad], zero outside x. grad [N,O,h,w] is that of the
// sums of the convolution, x [N,I,H,W] its input, both f32 or bf16 with any strides; scales f32 [N,O] (demodulation)
// and [N,I] (styles); grad_weight f32 [O,I,k,k], k 1 or 3; stride 1 or 2, pad 0 or 1. For the transposed convolution of
// up = 2 grad and x change places. The gradient of x needs no function of its own: it is modulated_conv2d of grad with
// the weight transposed (and turned by 180 degrees where nothing is resampled), grad_scale for styles, up and down
// exchanged. On CUDA grad and x may be f16 too, and it needs a workspace.
void modulated_conv2d_backward_weight(const Tensor& grad, const Tensor& grad_scale, const Tensor& x,
                                      const Tensor& x_scale, const Tensor& grad_weight, int stride = 1, int pad = 1,
                                      const Context& ctx = {});
// What bias_act does after the bias: clamp(gain * act(.), -clamp, clamp).
struct BiasAct {
  static constexpr double kNoClamp = -1;
  Activation activation = Activation::linear;
  double alpha = 0.2;
  double gain = 1;
  double clamp = kNoClamp;
};

// Bias, activation, gain and clamp of StyleGAN2 in one pass. x f32, bf16, f64 or (CUDA) f16, one to five axes, any
// strides; bias f32 or of x's dtype, [shape[dim]], or an empty u8 tensor for none -> out like x; it may be x itself.
// Computed in float32 (f64: float64). NaN stays NaN.
void bias_act(const Tensor& x, const Tensor& bias, const Tensor& out, const BiasAct& how, int dim = 1,
              const Context& ctx = {});

// out = grad times the derivative of bias_act. kept: its result, or, for swish and for lrelu with a negative alpha, its
// input x, which bias is added to (bias is not looked at otherwise). Where the result was clamped, or just reaches the
// bound, the derivative is 0. All of one shape and dtype; out may be grad or kept.
void bias_act_backward(const Tensor& grad, const Tensor& kept, const Tensor& bias, const Tensor& out,
                       const BiasAct& how, int dim = 1, const Context& ctx = {});

// Up- or downsampling by a filter: StyleGAN2's upfirdn2d. Of each pair the first is x, the second y.
struct Resampling {
  int up[2] = {1, 1};        // samples that one becomes: itself, then zeros
  int down[2] = {1, 1};      // every how manieth is kept
  int64_t padding[4] = {};   // left, right, top, bottom of the upsampled image; negative crops
  bool flip_filter = false;  // false: convolution, true: correlation
  double gain = 1;
};

// Upsamples x [N,C,H,W] with zeros, pads or crops, convolves with filter and keeps every down-th sample: out
// [N,C,Ho,Wo] of x's dtype with Wo = floor((W up + left + right - fw) / down) + 1, at least 1, likewise Ho.
// x f32, bf16, f64 or (CUDA) f16, any strides. filter f32 [fh,fw], [f] for both axes, or an empty u8 tensor for none.
// Sums are float32 (f64: float64); inserted and padded zeros take no part in them.
void upfirdn2d(const Tensor& x, const Tensor& filter, const Tensor& out, const Resampling& how,
               const Context& ctx = {});

// A convolution with a single output channel, the last layer of a drawing network.
enum class Padding : int32_t { zeros, reflect };
struct ConvToOne {
  int up = 1;       // 1: convolution of stride 1; 2 to 4: transposed convolution of that stride
  int padding = 0;  // of both axes, as in torch: taken off the output where transposed
  Padding mode = Padding::zeros;
  Activation activation = Activation::linear;  // lrelu with slope 0.2
};

// x [N,C,H,W] f32, bf16 or (CUDA) f16, any strides (channels last is fast); weight of these too, [1,C,kh,kw], or
// [C,1,kh,kw] where transposed, sides 1 to 16; bias f32 or of x's dtype [1], or an empty u8 tensor -> out f32 or of x's
// dtype [N,1,Ho,Wo], Ho = H + 2 padding - kh + 1, or (H - 1) up - 2 padding + kh where transposed. reflect: up = 1,
// padding < H and W. The weights are rounded to x's type; sums are float32.
void conv_to_one(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& out, const ConvToOne& how,
                 const Context& ctx = {});

// Instance normalisation: out = (x - mean) / sqrt(variance + eps) * weight + bias, with the mean and the biased
// variance of each map x[n,c] over its pixels. x [N,C,H,W] f32, bf16 or (CUDA) f16, any strides (channels last is
// fast); weight and bias f32 [C], or an empty u8 tensor for none -> out like x; it may be x itself. Sums are float64;
// no sample's result depends on the others. On CUDA it needs a workspace.
void instance_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& out, double eps = 1e-5,
                   const Context& ctx = {});

// How many worker threads a call with ctx.threads = 0 uses.
int default_threads();

}  // namespace pyapdraw
