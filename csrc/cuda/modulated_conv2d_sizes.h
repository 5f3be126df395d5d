#pragma once
// The tile sizes that the matrix kernel of modulated_conv2d is compiled for.
namespace pyapdraw {
namespace cuda {
namespace modconv {

// m output pixels (2x2 cells where phases is 4) x n output channels; rows of row_bytes of input channels in shared
// memory; part_m x part_n: sums of a warp (tensor cores) or of a thread (float32).
struct TileSize {
  int m, n, row_bytes, taps, phases, part_m, part_n;
  double efficiency;  // of the multipliers, relative to their peak: an estimate from the traffic of shared memory
};

template <typename T>
struct Tiles {
  static constexpr int kCount = 10;
  static constexpr TileSize kSizes[kCount] = {
      {128, 128, 128, 9, 1, 64, 64, 0.9}, {256, 64, 128, 9, 1, 64, 64, 0.88}, {128, 64, 128, 9, 1, 64, 32, 0.75},
      {64, 64, 128, 9, 1, 32, 32, 0.6},   {128, 32, 128, 9, 1, 32, 32, 0.6},  {128, 32, 64, 9, 1, 32, 32, 0.55},
      {128, 64, 128, 1, 1, 64, 32, 0.6},  {128, 32, 128, 1, 1, 32, 32, 0.5},  {64, 64, 128, 9, 4, 32, 32, 0.7},
      {128, 32, 128, 9, 4, 32, 32, 0.7},
  };
};
template <>
struct Tiles<float> {
  static constexpr int kCount = 4;
  static constexpr TileSize kSizes[kCount] = {
      {128, 64, 128, 9, 1, 8, 8, 0.8},
      {64, 32, 128, 9, 1, 4, 4, 0.6},
      {128, 64, 128, 1, 1, 8, 8, 0.7},
      {64, 64, 128, 9, 4, 8, 4, 0.8},
  };
};

}  // namespace modconv
}  // namespace cuda
}  // namespace pyapdraw
