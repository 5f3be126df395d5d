// Operations on whole pictures: resampling, colour, layout, composition.
#include "fuzz.h"

using namespace pyapdraw;

PA_FUZZ(resize) {
  const int64_t channels = t.pick(1, 4);
  const std::vector<int64_t> from{t.pick(1, 60), t.pick(1, 90), channels}, to{t.pick(0, 60), t.pick(0, 90), channels};
  const bool bytes = t.coin();
  const Tensor& image = bytes ? t.in<uint8_t>(from, 0, 255) : t.in<float>(from, -2, 2, fuzz::Layout::any, true);
  const Tensor& out = bytes ? t.out<uint8_t>(to) : t.out<float>(to);
  t.call([&] { resize(image, out, t.ctx); });
}

PA_FUZZ(warp_affine) {
  const int64_t channels = t.pick(1, 4);
  const std::vector<int64_t> from{t.pick(1, 60), t.pick(1, 90), channels}, to{t.pick(0, 60), t.pick(0, 90), channels};
  const bool bytes = t.coin();
  const Tensor& image = bytes ? t.in<uint8_t>(from, 0, 255) : t.in<float>(from, -2, 2, fuzz::Layout::any, true);
  const double far = t.one_of({30.0, 300.0, 1e12});
  const Tensor& matrix = t.in<double>({2, 3}, {t.real(0.1, 3), t.real(-1, 1), t.real(-far, far), t.real(-0.03, 0.03),
                                               t.real(0.1, 3), t.real(-far, far)});
  const Tensor& out = bytes ? t.out<uint8_t>(to) : t.out<float>(to);
  const Filter filter = t.one_of({Filter::bilinear, Filter::antialias});
  const Border border = t.one_of({Border::constant, Border::edge});
  t.call([&] { warp_affine(image, matrix, out, filter, border, 255.0, t.ctx); });
}

PA_FUZZ(composite) {
  const std::vector<int64_t> shape{t.pick(0, 40), t.pick(0, 120), t.pick(1, 4)};
  const bool bytes = t.coin();
  const auto some = [&]() -> const Tensor& {
    return bytes ? t.in<uint8_t>(shape, 0, 255) : t.in<float>(shape, -1, 2, fuzz::Layout::any, true);
  };
  const Tensor &drawing = some(), &alpha = some(), &background = some();
  const Tensor& out = bytes ? t.out<uint8_t>(shape) : t.out<float>(shape);
  t.call([&] { composite(drawing, alpha, background, out, t.ctx); });
}

PA_FUZZ(yuv_to_rgb) {
  const int64_t h = t.pick(1, 40), w = t.pick(1, 150);
  const std::vector<int64_t> luma{h, w}, chroma{t.coin() ? h : (h + 1) / 2, t.coin() ? w : (w + 1) / 2};
  const bool bytes = t.coin(), planes = t.coin();
  const YuvFormat format{t.one_of({YuvMatrix::bt601, YuvMatrix::bt709, YuvMatrix::bt2020}), t.coin(),
                         bytes ? 8 : static_cast<int>(t.pick(9, 16))};
  const auto some = [&](const std::vector<int64_t>& shape) -> const Tensor& {
    return bytes ? t.in<uint8_t>(shape, 0, 255) : t.in<uint16_t>(shape, 0, 65535);
  };
  const Tensor &y = some(luma), &u = some(chroma), &v = some(chroma);
  const Tensor& out = planes ? t.out<float>({3, h, w}) : t.out<uint8_t>({h, w, 3});
  t.call([&] { yuv_to_rgb(y, u, v, out, format, t.ctx); });
}

PA_FUZZ(rgb_to_yuv) {
  const int64_t h = t.pick(1, 40), w = t.pick(1, 150);
  const std::vector<int64_t> chroma{t.coin() ? h : (h + 1) / 2, t.coin() ? w : (w + 1) / 2};
  const Tensor& image = t.coin() ? t.in<uint8_t>({h, w, 3}, 0, 255) : t.in<uint8_t>({h, w}, 0, 255);
  const Tensor &y = t.out<uint8_t>({h, w}), &u = t.out<uint8_t>(chroma), &v = t.out<uint8_t>(chroma);
  const YuvFormat format{t.one_of({YuvMatrix::bt601, YuvMatrix::bt709, YuvMatrix::bt2020}), t.coin(), 8};
  t.call([&] { rgb_to_yuv(image, y, u, v, format, t.ctx); });
}

PA_FUZZ(rgb_to_nchw) {
  const int64_t h = t.pick(0, 40), w = t.pick(0, 150), channels = t.pick(1, 4);
  const Tensor& image = t.in<uint8_t>({h, w, channels}, 0, 255);
  const Tensor& out = t.out<float>({channels, h, w});
  t.call([&] { rgb_to_nchw(image, out, t.ctx); });
}

PA_FUZZ(nchw_to_rgb) {
  const int64_t h = t.pick(0, 40), w = t.pick(0, 150), channels = t.pick(1, 4);
  const Tensor& image = t.in<float>({channels, h, w}, -3, 3, fuzz::Layout::any, true);
  const Tensor& out = t.out<uint8_t>({h, w, channels});
  t.call([&] { nchw_to_rgb(image, out, t.ctx); });
}
