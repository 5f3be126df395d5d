#pragma once
// Kernels that test the emulated device itself. A check is right and gives true; a fault has one error on purpose, in
// the way that a kernel of the project would have it, and gives true when its results happen to be right.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <functional>
#include <string>
#include <vector>

#include "cuda/launch.cuh"
#include "cuda/ptx.cuh"
#include "cuda/workspace.cuh"

namespace checks {

struct Check {
  const char* name;
  std::function<bool()> run;
};
const std::vector<Check>& right();
const std::vector<Check>& faults();

}  // namespace checks
