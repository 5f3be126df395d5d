#include "fuzz.h"

using namespace pyapdraw;

namespace {

const Tensor& some_landmarks(fuzz::Case& t, int64_t side) {
  const double s = static_cast<double>(side), reach = t.coin() ? 0.1 * s : 2 * s;
  std::vector<double> points{0.35 * s, 0.4 * s, 0.65 * s, 0.4 * s, 0.5 * s,
                             0.6 * s,  0.4 * s, 0.75 * s, 0.6 * s, 0.75 * s};
  for (size_t i = 4; i < points.size(); ++i) points[i] += t.real(-reach, reach);
  return t.coin() ? t.in<float>({5, 2}, points) : t.in<double>({5, 2}, points);
}

}  // namespace

PA_FUZZ(ink) {
  const int64_t side = t.pick(16, 70);
  const Tensor &pixels = t.in<uint8_t>({side, side, 3}, 0, 255), &mask = t.in<uint8_t>({side, side}, 0, 255);
  const Tensor &landmarks = some_landmarks(t, side), &drawing = t.out<uint8_t>({side, side});
  t.call([&] { ink(pixels, mask, landmarks, drawing, t.ctx); });
}

PA_FUZZ(ink_planes) {
  const int64_t side = t.pick(16, 70);
  const Tensor &pixels = t.in<uint8_t>({side, side, 3}, 200, 255), &mask = t.in<uint8_t>({side, side}, 0, 255);
  const Tensor &landmarks = some_landmarks(t, side), &drawing = t.out<uint8_t>({side, side});
  const Tensor& planes = t.out<float>({7, side, side});
  t.call([&] { ink_planes(pixels, mask, landmarks, drawing, planes, t.ctx); });
}

PA_FUZZ(flow_dog) {
  const std::vector<int64_t> shape{t.pick(1, 3), t.pick(2, 60), t.pick(2, 80)};
  const Tensor &image = t.in<float>(shape, -4, 4), &out = t.out<float>(shape);
  FlowDog options;
  options.fine = static_cast<float>(t.real(0, 2)), options.tensor = static_cast<float>(t.real(0, 6));
  options.flow = static_cast<float>(t.real(0, 3.5)), options.line = static_cast<float>(t.real(0, 6));
  options.reduce = static_cast<int>(t.pick(1, 4));
  t.call([&] { flow_dog(image, out, options, t.ctx); });
}
