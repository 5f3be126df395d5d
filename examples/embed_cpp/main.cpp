// A program of its own that uses the installed core: the distance of every pixel to a line.
//   cmake -S . -B build -DCMAKE_PREFIX_PATH=<where pyapdraw was installed> && cmake --build build && build/embed
#include <pyapdraw/ops.h>

#include <cstdio>
#include <vector>

int main() {
  const int h = 5, w = 9;
  std::vector<uint8_t> ink(h * w, 0);
  for (int y = 0; y < h; ++y) ink[y * w + 4] = 1;
  std::vector<float> distance(h * w);
  pyapdraw::distance_transform(pyapdraw::view(ink.data(), h, w), pyapdraw::view(distance.data(), h, w));
  for (int y = 0; y < h; ++y) {
    for (int x = 0; x < w; ++x) std::printf("%4.1f", distance[y * w + x]);
    std::printf("\n");
  }
  try {
    pyapdraw::distance_transform(pyapdraw::view(ink.data(), h, w), pyapdraw::view(distance.data(), h, w - 1));
  } catch (const pyapdraw::BadInput& e) {
    std::printf("refused: %s\n", e.what());
  }
  return distance[0] == 4.0f ? 0 : 1;
}
