#include "fuzz.h"

using namespace pyapdraw;

namespace {

// A picture of some size and how it is drawn: as an aligned crop, or with a scale of its own.
struct Sheet {
  int64_t height, width;
  InkOptions options;
};
Sheet some_sheet(fuzz::Case& t) {
  const int64_t side = t.pick(16, 70);
  InkOptions options;
  options.light_hair = t.coin(), options.figure = t.coin();
  options.line = static_cast<float>(t.real(0.25, 4)), options.detail = static_cast<float>(t.real(0.25, 4));
  if (t.coin()) return {side, side, options};
  const int64_t width = t.pick(16, 90), longest = side > width ? side : width;
  const double scale = t.real(0.04, 1) * static_cast<double>(longest) / 512;
  options.scale = static_cast<float>(scale > 1.0 / 32 ? scale : 1.0 / 32);
  return {side, width, options};
}

const Tensor& some_landmarks(fuzz::Case& t, const Sheet& sheet) {
  const int64_t side = sheet.height > sheet.width ? sheet.height : sheet.width;
  const double s = static_cast<double>(side), reach = t.coin() ? 0.1 * s : 2 * s;
  std::vector<double> points{0.35 * s, 0.4 * s, 0.65 * s, 0.4 * s, 0.5 * s,
                             0.6 * s,  0.4 * s, 0.75 * s, 0.6 * s, 0.75 * s};
  for (size_t i = 4; i < points.size(); ++i) points[i] += t.real(-reach, reach);
  return t.coin() ? t.in<float>({5, 2}, points) : t.in<double>({5, 2}, points);
}

}  // namespace

PA_FUZZ(ink) {
  const Sheet s = some_sheet(t);
  const Tensor& pixels = t.in<uint8_t>({s.height, s.width, 3}, 0, 255);
  const Tensor& mask = t.in<uint8_t>({s.height, s.width}, 0, 255);
  const Tensor &landmarks = some_landmarks(t, s), &drawing = t.out<uint8_t>({s.height, s.width});
  t.call([&] { ink(pixels, mask, landmarks, drawing, s.options, t.ctx); });
}

PA_FUZZ(ink_planes) {
  const Sheet s = some_sheet(t);
  const Tensor& pixels = t.in<uint8_t>({s.height, s.width, 3}, 200, 255);
  const Tensor& mask = t.in<uint8_t>({s.height, s.width}, 0, 255);
  const Tensor &landmarks = some_landmarks(t, s), &drawing = t.out<uint8_t>({s.height, s.width});
  const Tensor& planes = t.out<float>({7, s.height, s.width});
  t.call([&] { ink_planes(pixels, mask, landmarks, drawing, planes, s.options, t.ctx); });
}

PA_FUZZ(strokes) {
  const int64_t count = t.pick(1, 40);
  const double far = t.coin() ? 60 : 1e5;
  std::vector<double> values;
  for (int64_t i = 0; i < count; ++i)
    for (double v : {t.real(-far, far), t.real(-far, far), t.real(-2, 20), t.coin() ? 1.0 : 0.0}) values.push_back(v);
  const Tensor &points = t.in<float>({count, 4}, values),
               &page = t.inout<uint8_t>({t.pick(1, 70), t.pick(1, 70)}, 0, 255);
  t.call([&] { strokes(points, page, t.ctx); });
}

PA_FUZZ(remove_specks) {
  const Tensor& drawing = t.inout<uint8_t>({t.pick(1, 90), t.pick(1, 90)}, 0, 255);
  const int speck = static_cast<int>(t.pick(0, 60)), pinhole = static_cast<int>(t.pick(0, 60));
  const int reach = static_cast<int>(t.pick(0, 5));
  t.call([&] { remove_specks(drawing, speck, pinhole, reach, t.ctx); });
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
