// A crop straight out of the planes of a video frame.
#include "fuzz.h"

using namespace pyapdraw;

namespace {

const Tensor& some_map(fuzz::Case& t) {
  const double far = t.one_of({20.0, 1e9});
  return t.in<double>(
      {2, 3}, {t.real(0.2, 2), t.real(-1, 1), t.real(-far, far), t.real(-0.1, 0.1), t.real(0.2, 2), t.real(-far, far)});
}

}  // namespace

PA_FUZZ(crop_yuv) {
  const int64_t h = t.pick(1, 60), w = t.pick(1, 90);
  const std::vector<int64_t> luma{h, w}, chroma{t.coin() ? h : (h + 1) / 2, t.coin() ? w : (w + 1) / 2};
  const bool bytes = t.coin();
  const auto some = [&](const std::vector<int64_t>& shape) -> const Tensor& {
    return bytes ? t.in<uint8_t>(shape, 0, 255) : t.in<uint16_t>(shape, 0, 65535);
  };
  const YuvFormat format{t.one_of({YuvMatrix::bt601, YuvMatrix::bt709, YuvMatrix::bt2020}), t.coin(), bytes ? 8 : 10};
  const CropSampling sampling{t.one_of({Filter::bilinear, Filter::antialias}),
                              t.one_of({Border::constant, Border::edge}), 255.0};
  const Tensor &y = some(luma), &u = some(chroma), &v = some(chroma), &matrix = some_map(t);
  const Tensor& out = t.out<float>({3, t.pick(0, 50), t.pick(0, 70)});
  t.call([&] { crop_yuv(y, u, v, matrix, out, format, sampling, t.ctx); });
}

PA_FUZZ(paste_yuv) {
  const int64_t h = t.pick(1, 60), w = t.pick(1, 90), side = t.pick(1, 40);
  const std::vector<int64_t> chroma{t.coin() ? h : (h + 1) / 2, t.coin() ? w : (w + 1) / 2};
  const Tensor& drawing = t.coin() ? t.in<uint8_t>({side, side}, 0, 255) : t.in<uint8_t>({side, side, 3}, 0, 255);
  const Tensor &alpha = t.in<uint8_t>({side, side}, 0, 255), &to_crop = some_map(t);
  const Tensor &y = t.inout<uint8_t>({h, w}, 0, 255), &u = t.inout<uint8_t>(chroma, 0, 255);
  const Tensor& v = t.inout<uint8_t>(chroma, 0, 255);
  const YuvFormat format{t.one_of({YuvMatrix::bt601, YuvMatrix::bt709}), t.coin(), 8};
  t.call([&] { paste_yuv(drawing, alpha, to_crop, format, y, u, v, t.ctx); });
}
