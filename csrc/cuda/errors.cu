// What the codes of the CUDA runtime mean to a user: one sentence each.
#include <cstdlib>

#include "cuda/check.h"

namespace pyapdraw {
namespace cuda {

namespace {

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string quoted(cudaError_t e) { return std::string(cudaGetErrorName(e)) + ": " + cudaGetErrorString(e); }

// The runtime gives the same code for no driver and for one that is too old.
std::string driver_text() {
  int driver = 0, runtime = 0;
  if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0)
    return "no CUDA driver here (libcuda is not installed or cannot be loaded)";
  cudaRuntimeGetVersion(&runtime);
  return "the CUDA driver is too old: it serves CUDA " + version_text(driver) + ", this build needs " +
         version_text(runtime) + "; update the driver";
}

std::string no_device_text() {
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  return std::string("no CUDA device here") +
         (visible ? std::string(" (CUDA_VISIBLE_DEVICES is '") + visible + "')" : std::string());
}

std::string memory_text() {
  size_t free_bytes = 0, total = 0;
  const bool known = cudaMemGetInfo(&free_bytes, &total) == cudaSuccess && total > 0;
  return "no free memory on the CUDA device" +
         (known ? " (" + std::to_string(free_bytes >> 20) + " of " + std::to_string(total >> 20) + " MiB free)"
                : std::string());
}

std::string image_text() {
  int index = 0, major = 0, minor = 0;
  cudaGetDevice(&index);
  cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, index);
  cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, index);
  const std::string card = std::to_string(major * 10 + minor);
  return "this build has kernels for " + built_for() + ", the CUDA device is sm_" + card +
         (major < 8 ? "; compute capability 8.0 or newer is needed"
                    : "; build with PYAPDRAW_CUDA_ARCHITECTURES=" + card);
}

bool of_capture(cudaError_t e) {
  return e == cudaErrorStreamCaptureUnsupported || e == cudaErrorStreamCaptureInvalidated ||
         e == cudaErrorStreamCaptureMerge || e == cudaErrorStreamCaptureUnmatched ||
         e == cudaErrorStreamCaptureUnjoined || e == cudaErrorStreamCaptureIsolation ||
         e == cudaErrorStreamCaptureImplicit || e == cudaErrorCapturedEvent || e == cudaErrorStreamCaptureWrongThread;
}

// After these the context is gone: every later call of the process fails with the same code.
bool of_a_lost_device(cudaError_t e) {
  return e == cudaErrorIllegalAddress || e == cudaErrorLaunchFailure || e == cudaErrorLaunchTimeout ||
         e == cudaErrorECCUncorrectable || e == cudaErrorNvlinkUncorrectable || e == cudaErrorHardwareStackError ||
         e == cudaErrorIllegalInstruction || e == cudaErrorMisalignedAddress || e == cudaErrorInvalidAddressSpace ||
         e == cudaErrorInvalidPc || e == cudaErrorAssert || e == cudaErrorContextIsDestroyed ||
         e == cudaErrorDevicesUnavailable;
}

}  // namespace

std::string built_for() {
#if defined(__CUDA_ARCH_LIST__)  // of nvcc: 800,900
  std::string s;
  for (const int arch : {__CUDA_ARCH_LIST__}) s += (s.empty() ? "sm_" : ", sm_") + std::to_string(arch / 10);
  return s;
#else
  return "the emulated device";
#endif
}

std::string explained(cudaError_t e) {
  if (of_capture(e))
    return "a CUDA graph is being captured, and this cannot be part of it; allocate before the capture (out=), and use "
           "arrays of the captured stream only (" +
           quoted(e) + ")";
  if (of_a_lost_device(e))
    return "the CUDA device failed, in this call or in work submitted before it; this process cannot use it any more, "
           "start it again (" +
           quoted(e) + ")";
  switch (e) {
    case cudaErrorInsufficientDriver: return driver_text();
    case cudaErrorStubLibrary: return "no CUDA driver here (libcuda is the stub of the toolkit)";
    case cudaErrorNoDevice: return no_device_text();
    case cudaErrorMemoryAllocation: return memory_text();
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorUnsupportedPtxVersion:
    case cudaErrorInvalidKernelImage: return image_text();
    case cudaErrorInitializationError:
      return "CUDA cannot be initialised; a process that was forked after its parent used CUDA cannot use it: start "
             "workers with 'spawn' (" +
             quoted(e) + ")";
    default: return quoted(e);
  }
}

void fail(cudaError_t e, const char* what) {
  const std::string message = std::string(what) + ": " + explained(e);
  cudaGetLastError();  // the next launch must not report it again
  throw DeviceError(message);
}

}  // namespace cuda
}  // namespace pyapdraw
