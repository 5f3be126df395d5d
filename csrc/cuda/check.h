#pragma once
// Every return code of the CUDA runtime passes through check().
#include <cuda_runtime.h>

#include <string>

#include "pyapdraw/error.h"

namespace pyapdraw {
namespace cuda {

std::string built_for();               // "sm_80, sm_90"
std::string explained(cudaError_t e);  // one sentence: what is wrong and what helps (errors.cu)

[[noreturn]] void fail(cudaError_t e, const char* what);  // DeviceError "what: explained"

inline void check(cudaError_t e, const char* what) {
  if (e != cudaSuccess) fail(e, what);
}

}  // namespace cuda
}  // namespace pyapdraw
