#include "core/backend.h"
#include "cpu/kernels.h"

#define PA_TEXT2(x) #x
#define PA_TEXT(x) PA_TEXT2(x)

namespace pyapdraw {
namespace PA_ISA {

const Backend& backend() {
  static const Backend table = [] {
    Backend b{};
    b.name = PA_TEXT(PA_ISA);
    b.distance_transform = distance_transform;
    b.conv2d = conv2d;
    b.max_pool2d = max_pool2d;
    b.crop_area = crop_area;
    b.crop_warp = crop_warp;
    b.nms = nms;
    return b;
  }();
  return table;
}

}  // namespace PA_ISA
}  // namespace pyapdraw
