#pragma once
// The error family of the core. The Python classes of the same names are raised from these.
#include <stdexcept>
#include <string>

namespace pyapdraw {

struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct BadInput : Error {  // an argument that can never work: wrong shape, dtype, range
  using Error::Error;
};
struct Unsupported : Error {  // a valid request that this build or backend cannot serve
  using Error::Error;
};
struct DeviceError : Error {  // the device failed or is not there
  using Error::Error;
};

}  // namespace pyapdraw
