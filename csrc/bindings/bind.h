#pragma once
// The parts of the module beside the operations.
#include <pybind11/pybind11.h>

namespace pyapdraw {

void bind_context(pybind11::module_& m);  // Context
void bind_device(pybind11::module_& m);   // DeviceArray, Mark, order_streams, cuda_devices

}  // namespace pyapdraw
