#include <string>

#include "core/check.h"

namespace pyapdraw {

namespace {

constexpr int64_t kMostPixels = int64_t{1} << 30;  // runs are counted in 32 bits

}  // namespace

void remove_specks(const Tensor& drawing, int speck, int pinhole, int reach, const Context& ctx) {
  check::ndim(drawing, "drawing", 2, 2);
  check::dtype(drawing, "drawing", {DType::u8});
  check::output(drawing, "drawing");
  PA_CHECK(drawing.numel() <= kMostPixels, "drawing",
           check::shape_text(drawing) + " given, 2^30 pixels at most expected");
  PA_CHECK(speck >= 0, "speck", std::to_string(speck) + " given, 0 or more pixels expected");
  PA_CHECK(pinhole >= 0, "pinhole", std::to_string(pinhole) + " given, 0 or more pixels expected");
  PA_CHECK(reach >= 0 && reach <= 64, "reach", std::to_string(reach) + " given, 0 to 64 pixels expected");
  const Backend& b = backend_for(drawing);
  const auto run = require(b, b.remove_specks, "remove_specks");
  if (drawing.numel() == 0) return;
  run(drawing, speck, pinhole, reach, ctx);
}

}  // namespace pyapdraw
