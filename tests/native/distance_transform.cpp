#include "fuzz.h"

using namespace pyapdraw;

PA_FUZZ(distance_transform) {
  const std::vector<int64_t> shape = t.coin() ? std::vector<int64_t>{t.pick(1, 90), t.pick(1, 90)}
                                              : std::vector<int64_t>{t.pick(0, 3), t.pick(0, 40), t.pick(0, 300)};
  const bool squared = t.coin(), sparse = t.coin();
  const Tensor& sites = sparse ? t.in<uint8_t>(shape, 0, 0) : t.in<bool>(shape, 0, 1);
  const Tensor& distance = t.out<float>(shape);
  t.call([&] { distance_transform(sites, distance, squared, t.ctx); });
}

PA_FUZZ(distance_transform_pair) {
  const std::vector<int64_t> shape{t.pick(0, 3), t.pick(0, 70), t.pick(0, 200)};
  const Tensor& ink = t.in<uint8_t>(shape, 0, t.one_of({0, 1, 1}));
  const Tensor &to_ink = t.out<float>(shape), &to_paper = t.out<float>(shape);
  const bool squared = t.coin();
  t.call([&] { distance_transform_pair(ink, to_ink, to_paper, squared, t.ctx); });
}

PA_FUZZ(distance_transform_nearest) {
  const std::vector<int64_t> shape{t.pick(0, 3), t.pick(0, 60), t.pick(0, 200)};
  const Tensor& sites = t.in<uint8_t>(shape, 0, t.one_of({0, 1, 1}));
  DistanceOptions options;
  options.squared = t.coin(), options.spacing_y = t.one_of({1.0, 0.3}), options.spacing_x = t.one_of({1.0, 7.0});
  const Tensor& distance = t.out<float>(shape);
  const Tensor& nearest = t.coin() ? t.out<int32_t>(shape) : t.coin() ? t.out<int64_t>(shape) : t.none();
  t.call([&] { distance_transform(sites, distance, nearest, options, t.ctx); });
}

PA_FUZZ(distance_transform_chamfer) {
  const std::vector<int64_t> shape{t.pick(0, 3), t.pick(0, 60), t.pick(0, 200)};
  const Tensor& sites = t.in<bool>(shape, 0, t.one_of({0, 1, 1}));
  const Tensor& distance = t.out<float>(shape);
  t.call([&] { distance_transform_chamfer(sites, distance, t.ctx); });
}
