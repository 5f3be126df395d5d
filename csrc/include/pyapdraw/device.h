#pragma once
// The CUDA devices of this machine, or the reason why there are none.
#include <cstdint>
#include <string>
#include <vector>

namespace pyapdraw {

struct CudaDevice {
  std::string name;
  int major = 0, minor = 0;  // compute capability
  int64_t memory_bytes = 0;
};

struct CudaState {
  std::vector<CudaDevice> devices;
  std::string built_for, runtime, driver;  // "80,90"; versions, empty where there is none
  std::string reason;                      // why there are no devices, or empty
};
CudaState cuda_state();  // never throws

}  // namespace pyapdraw
