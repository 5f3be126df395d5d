#include "fuzz.h"

using namespace pyapdraw;

namespace {

using Shape = std::vector<int64_t>;

struct Frame {
  Shape shape;
  Shape parts[4];
};

Frame frame(fuzz::Case& t) {
  const int64_t n = t.pick(0, 2), c = t.pick(1, 3);
  Frame f{{n, c, t.pick(1, 50), t.pick(1, 90)}, {}};
  for (Shape& part : f.parts) part = {n, c, t.pick(0, 20), t.pick(0, 40)};
  return f;
}

}  // namespace

PA_FUZZ(fuse_regions) {
  const Frame f = frame(t);
  const bool half = t.coin();
  const auto some = [&](const Shape& shape) -> const Tensor& {
    return half ? t.in_bf16(shape, -1, 1.2) : t.in<float>(shape, -1, 1.2, fuzz::Layout::any, true);
  };
  FaceParts parts;
  const Tensor *part[4], &hair = some(f.shape), &background = some(f.shape);
  for (int i = 0; i < 4; ++i) part[i] = &some(f.parts[i]);
  const double most = static_cast<double>(f.shape[3]) + 20;
  const Tensor& centres =
      t.coin() ? t.in<float>({f.shape[0], 4, 2}, -20, most) : t.in<int64_t>({f.shape[0], 4, 2}, -1e15, 1e15);
  const std::vector<int64_t> person{f.shape[0], 1, f.shape[2], f.shape[3]},
      weights{f.shape[0], 2, f.shape[2], f.shape[3]};
  const int64_t kind = t.pick(0, 2);
  const Tensor& mask = kind == 0 ? t.in<bool>(person, 0, 1) : t.in<float>(kind == 1 ? person : weights, 0, 1);
  const FuseMode mode = t.one_of({FuseMode::min, FuseMode::max});
  const Tensor& out = half ? t.out_bf16(f.shape) : t.out<float>(f.shape);
  const Tensor& winners = t.coin() ? t.out<uint8_t>(f.shape) : t.none();
  t.call([&] {
    for (int i = 0; i < 4; ++i) parts.part[i] = *part[i];
    fuse_regions(parts, centres, hair, background, mask, out, winners, mode, t.ctx);
  });
}

PA_FUZZ(fuse_regions_backward) {
  const Frame f = frame(t);
  const Tensor& grad = t.in<float>(f.shape, -1, 1);
  const Tensor& winners = t.in<uint8_t>(f.shape, 0, 255);  // also what the forward call never writes
  const Tensor& centres = t.in<double>({f.shape[0], 4, 2}, -20, 100);
  const Tensor& weights = t.coin() ? t.in<float>({f.shape[0], 2, f.shape[2], f.shape[3]}, 0, 1) : t.none();
  const Tensor* part[4];
  for (int i = 0; i < 4; ++i) part[i] = &t.out<float>(f.parts[i]);
  const Tensor &grad_hair = t.out<float>(f.shape), &grad_background = t.out<float>(f.shape);
  t.call([&] {
    const FaceParts parts{{*part[0], *part[1], *part[2], *part[3]}};
    fuse_regions_backward(grad, winners, centres, weights, parts, grad_hair, grad_background, t.ctx);
  });
}
