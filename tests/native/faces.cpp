// What finding faces and cutting them out is made of.
#include "fuzz.h"

using namespace pyapdraw;
using fuzz::Layout;

template <typename Run>
void convolution(fuzz::Case& t, Run run) {
  const int64_t k = t.pick(1, 4), c = t.pick(1, 40), o = t.pick(1, 40), pad = t.pick(0, 2), stride = t.pick(1, 3);
  const int64_t n = t.pick(0, 2), h = t.pick(4, 30), w = t.pick(4, 40);
  const Tensor& x = t.in<float>({n, h, w, c}, -1, 1, Layout::rows);
  const Tensor& weight = t.in<float>({k, k, c, o}, -1, 1, Layout::contiguous);
  const Tensor &bias = t.in<float>({o}, -1, 1, Layout::contiguous), &slope = t.in<float>({o}, 0, 1, Layout::contiguous);
  const Tensor& out =
      t.out<float>({n, (h + 2 * pad - k) / stride + 1, (w + 2 * pad - k) / stride + 1, o}, Layout::rows);
  t.call([&] { run(x, weight, bias, slope, out, static_cast<int>(stride), static_cast<int>(pad), t.ctx); });
}

PA_FUZZ(conv2d) { convolution(t, conv2d); }

PA_FUZZ(conv2d_bf16) { convolution(t, conv2d_bf16); }

PA_FUZZ(max_pool2d) {
  const int64_t n = t.pick(0, 2), h = t.pick(3, 30), w = t.pick(3, 40), c = t.pick(1, 40);
  const int64_t k = t.pick(1, 3), stride = t.pick(1, 3);
  const bool ceil = t.coin();  // a last window counts that the border cuts, but that starts inside
  const auto count = [&](int64_t side) {
    const int64_t more = (side - k + stride - 1) / stride;
    return (ceil && more * stride < side ? more : (side - k) / stride) + 1;
  };
  const Tensor& x = t.in<float>({n, h, w, c}, -1, 1, Layout::rows);
  const Tensor& out = t.out<float>({n, count(h), count(w), c}, Layout::rows);
  t.call([&] { max_pool2d(x, out, static_cast<int>(k), static_cast<int>(stride), t.ctx); });
}

PA_FUZZ(crop_area) {
  const int64_t h = t.pick(1, 60), w = t.pick(1, 90), c = t.pick(1, 4), n = t.pick(0, 4);
  std::vector<double> boxes;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t x = t.pick(0, w - 1), y = t.pick(0, h - 1);
    for (const int64_t v : {x, y, t.pick(x + 1, w), t.pick(y + 1, h)}) boxes.push_back(static_cast<double>(v));
  }
  const Tensor& image = t.in<uint8_t>({h, w, c}, 0, 255, Layout::rows);
  const Tensor& box = t.in<int32_t>({n, 4}, boxes);
  const Tensor& out = t.out<float>({n, t.pick(1, 30), t.pick(1, 30), c}, Layout::rows);
  t.call([&] { crop_area(image, box, out, 127.5f, 1 / 128.0f, t.ctx); });
}

PA_FUZZ(crop_warp) {
  const int64_t h = t.pick(1, 60), w = t.pick(1, 90), c = t.one_of<int64_t>({1, 3}), n = t.pick(0, 4);
  const bool bytes = t.coin();
  const Tensor& image =
      bytes ? t.in<uint8_t>({h, w, c}, 0, 255, Layout::rows) : t.in<float>({h, w, c}, -1, 1, Layout::rows);
  const double most = t.one_of({2.0, 50.0, 1e9});
  const Tensor& to_image = t.in<double>({n, 2, 3}, -most, most, Layout::contiguous);
  const Tensor& out = t.out<float>({n, t.pick(1, 30), t.pick(1, 30), c}, Layout::rows);
  t.call([&] { crop_warp(image, to_image, out, 127.5f, 1 / 128.0f, t.ctx); });
}

PA_FUZZ(guided_upsample) {
  const int64_t h = t.pick(0, 80), w = t.pick(0, 130);
  const Tensor& coarse = t.in<float>({t.pick(1, 40), t.pick(1, 40)}, 0, 1, Layout::any, t.coin());
  const Tensor& image = t.in<uint8_t>({h, w, 3}, 0, 255);
  const Tensor& out = t.out<uint8_t>({h, w});
  const int radius = static_cast<int>(t.pick(0, 9));
  t.call([&] { guided_upsample(coarse, image, out, radius, 1e-3f, t.one_of({1.0f, 4.0f}), t.ctx); });
}

PA_FUZZ(local_contrast) {
  const int cell = static_cast<int>(t.pick(1, 9));
  const int64_t h = cell * t.pick(0, 12), w = cell * t.pick(0, 14);
  const Tensor& image = t.in<uint8_t>({h, w, 3}, 0, 255);
  const Tensor& out = t.out<float>({h, w});
  t.call([&] { local_contrast(image, out, cell, 0.04f, t.ctx); });
}

PA_FUZZ(pixel_unshuffle) {
  const int64_t k = t.pick(0, 4), h = 2 * t.pick(0, 20), w = 2 * t.pick(0, 30);
  const Tensor& x = t.in<float>({k, h, w}, -1, 1);
  const Tensor& out = t.out<float>({h / 2, w / 2, 4 * k}, Layout::rows);
  t.call([&] { pixel_unshuffle(x, out, t.ctx); });
}

PA_FUZZ(add_upsampled) {
  const int64_t n = t.pick(0, 2), h = t.pick(0, 20), w = t.pick(0, 30), c = t.pick(0, 40);
  const int top = static_cast<int>(t.pick(0, 1)), left = static_cast<int>(t.pick(0, 1));
  const Tensor& x = t.inout<float>({n, h, w, c}, -1, 1, Layout::rows);
  const Tensor& coarse =
      t.in<float>({n, h ? (top + h + 1) / 2 : 0, w ? (left + w + 1) / 2 : 0, c}, -1, 1, Layout::rows);
  t.call([&] { add_upsampled(x, coarse, top, left, 0.1f, Enlarged::nearest, t.ctx); });
  const int64_t tall = t.pick(1, 9), wide = t.pick(1, 9);
  const Tensor& even = t.inout<float>({n, 2 * tall, 2 * wide, c}, -1, 1, Layout::rows);
  const Tensor& half = t.in<float>({n, tall, wide, c}, -1, 1, Layout::rows);
  t.call([&] { add_upsampled(even, half, 0, 0, 0, Enlarged::bilinear, t.ctx); });
}

PA_FUZZ(depthwise_conv2d) {
  const int64_t n = t.pick(0, 2), h = t.pick(1, 12), w = t.pick(1, 12), c = t.pick(0, 40);
  const int64_t kh = t.pick(1, 5), kw = t.pick(1, 5);
  const int stride = static_cast<int>(t.pick(1, 3)), pad = static_cast<int>(t.pick(0, (kh < kw ? kh : kw) - 1));
  const Tensor& x = t.in<float>({n, h, w, c}, -2, 2, Layout::rows, true);
  const Tensor& weight = t.in<float>({kh, kw, c}, -1, 1, Layout::contiguous);
  const Tensor& bias = t.in<float>({c}, -1, 1, Layout::contiguous);
  const Tensor& out =
      t.out<float>({n, t.pick(0, (h - 1 + pad) / stride + 1), t.pick(0, (w - 1 + pad) / stride + 1), c}, Layout::rows);
  const MapActivation activation = t.one_of({MapActivation::linear, MapActivation::relu, MapActivation::hard_swish});
  t.call([&] { depthwise_conv2d(x, weight, bias, out, stride, pad, activation, t.ctx); });
}

PA_FUZZ(add_prelu) {
  const int64_t n = t.pick(0, 2), h = t.pick(0, 12), w = t.pick(0, 12), c = t.pick(0, 40);
  const Tensor& x = t.inout<float>({n, h, w, c}, -1, 1, Layout::rows);
  const Tensor& other = t.in<float>({n, h, w, t.pick(0, c)}, -1, 1, Layout::rows);
  const Tensor& slope = t.in<float>({c}, -1, 1, Layout::contiguous);
  t.call([&] { add_prelu(x, other, slope, t.ctx); });
}

PA_FUZZ(hard_swish) {
  const Tensor& x = t.inout<float>({t.pick(0, 3), t.pick(0, 3000)}, -5, 5, Layout::contiguous);
  t.call([&] { hard_swish(x, t.ctx); });
}

PA_FUZZ(nms) {
  const int64_t n = t.pick(0, 200);
  const Tensor& boxes = t.in<float>({n, 4}, -10, 60, Layout::contiguous, t.coin());
  const Tensor& keep = t.out<bool>({n}, Layout::contiguous);
  const bool minimum = t.coin();
  t.call([&] { nms(boxes, keep, 0.5f, 1, minimum, t.ctx); });
}
