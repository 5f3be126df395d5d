#pragma once
// __cuda_array_interface__, versions 0 to 3: a dict with a pointer (pycuda, CuPy, Numba, JAX and others).
#include <pybind11/pybind11.h>

#include <cstdlib>
#include <string>

#include "bindings/dtypes.h"
#include "core/device.h"

namespace pyapdraw {
namespace borrow {

namespace py = pybind11;

constexpr intptr_t kNoStream = -1;  // nothing to wait for, or nobody says

struct CudaInterface {
  Tensor tensor;
  intptr_t stream = kNoStream;  // of the producer: 1 legacy, 2 per thread, or a handle
};

inline void read_layout(const py::dict& d, const std::string& what, Tensor& t, int bytes) {
  const auto shape = d["shape"].cast<py::tuple>();
  set_axes(t, static_cast<int>(shape.size()), what.c_str());
  for (int i = 0; i < t.ndim; ++i) {
    t.shape[i] = shape[i].cast<int64_t>();
    if (t.shape[i] < 0) throw BadInput(what + ": a negative side in its __cuda_array_interface__");
  }
  if (!d.contains("strides") || d["strides"].is_none()) return set_contiguous(t);
  const auto strides = d["strides"].cast<py::tuple>();
  if (static_cast<int>(strides.size()) != t.ndim)
    throw BadInput(what + ": as many strides as axes expected in its __cuda_array_interface__");
  for (int i = 0; i < t.ndim; ++i) {
    const auto step = strides[i].cast<int64_t>();
    if (step % bytes != 0)
      throw BadInput(what + ": strides that are no multiple of the element size are not supported, a copy expected");
    t.stride[i] = step / bytes;
  }
  settle_empty(t);
}

inline void read_memory(const py::dict& d, const std::string& what, Tensor& t) {
  const auto data = d["data"].cast<py::tuple>();
  if (data.size() != 2) throw py::cast_error("data");
  t.data = reinterpret_cast<void*>(data[0].is_none() ? 0 : data[0].cast<uintptr_t>());
  t.read_only = data[1].cast<bool>();
  t.device.type = DeviceType::cuda;
  if (t.numel() == 0) {
    t.device.index = device::current();
    return;
  }
  if (!t.data) throw BadInput(what + ": a null pointer given, memory of a CUDA device expected");
  t.device.index = device::owner(t.data, what.c_str());
}

inline CudaInterface read_cuda_interface(const py::object& given, const std::string& what) {
  CudaInterface out;
  try {
    const auto d = given.cast<py::dict>();
    if (d.contains("mask") && !d["mask"].is_none())
      throw BadInput(what + ": a masked array is not supported, an array without mask expected");
    const auto type = d["typestr"].cast<std::string>();
    const int bytes = type.size() < 3 ? 0 : std::atoi(type.c_str() + 2);
    if (bytes < 1 || type[0] == '>') dtype_from(255, 0, what.c_str());
    out.tensor.dtype = dtype_from_kind(type[1] == 'b' ? '?' : type[1], bytes, what.c_str());
    read_layout(d, what, out.tensor, bytes);
    read_memory(d, what, out.tensor);
    if (d.contains("stream") && !d["stream"].is_none()) {
      out.stream = static_cast<intptr_t>(d["stream"].cast<uintptr_t>());
      if (out.stream == 0)
        throw BadInput(what + ": stream 0 in its __cuda_array_interface__, 1, 2 or a handle expected");
    }
  } catch (const py::cast_error&) {
    throw BadInput(what + ": its __cuda_array_interface__ is not as the protocol defines it");
  } catch (const py::error_already_set&) {
    throw BadInput(what + ": its __cuda_array_interface__ lacks typestr, shape or data");
  }
  return out;
}

}  // namespace borrow
}  // namespace pyapdraw
