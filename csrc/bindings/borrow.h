#pragma once
// How foreign arrays cross: a pybind11 type caster turns any array object into a Tensor that
// borrows its memory for the length of one call. Tried in this order: the DLPack exchange
// table (torch: a pointer read, no Python call), the buffer protocol (numpy, bytes, PyAV
// planes), __cuda_array_interface__ (pycuda, CuPy, Numba), __dlpack__ (everything else).
#include <pybind11/pybind11.h>

#include <cstring>
#include <string>

#include "bindings/dlpack.h"
#include "pyapdraw/error.h"
#include "pyapdraw/tensor.h"

namespace pyapdraw {
namespace borrow {

namespace py = pybind11;

inline DType dtype_from(uint8_t code, int bits, const char* what) {
  switch (code) {
    case dlpack::kBool:
      if (bits == 8) return DType::boolean;
      break;
    case dlpack::kUInt:
      if (bits == 8) return DType::u8;
      if (bits == 16) return DType::u16;
      break;
    case dlpack::kInt:
      if (bits == 32) return DType::i32;
      if (bits == 64) return DType::i64;
      break;
    case dlpack::kFloat:
      if (bits == 16) return DType::f16;
      if (bits == 32) return DType::f32;
      if (bits == 64) return DType::f64;
      break;
    case dlpack::kBfloat:
      if (bits == 16) return DType::bf16;
      break;
  }
  throw BadInput(std::string(what) +
                 ": this element type is not supported; bool, uint8, uint16, int32, int64, float16, bfloat16, float32 "
                 "or float64 expected");
}

// One character of the buffer protocol or of a numpy typestr, with its size.
inline DType dtype_from_kind(char kind, int bytes, const char* what) {
  switch (kind) {
    case '?':
    case 'b':
      if (kind == '?' || bytes == 1) return dtype_from(kind == '?' ? dlpack::kBool : dlpack::kInt, 8, what);
      break;
    case 'B':
    case 'H':
    case 'I':
    case 'L':
    case 'Q':
    case 'u': return dtype_from(dlpack::kUInt, bytes * 8, what);
    case 'h':
    case 'i':
    case 'l':
    case 'q': return dtype_from(dlpack::kInt, bytes * 8, what);
    case 'e':
    case 'f':
    case 'd': return dtype_from(dlpack::kFloat, bytes * 8, what);
    default: break;
  }
  return dtype_from(255, 0, what);
}

inline void set_axes(Tensor& t, int ndim, const char* what) {
  if (ndim > kMaxDims)
    throw BadInput(std::string(what) + ": " + std::to_string(ndim) + " axes given, at most 5 expected");
  t.ndim = ndim;
}

inline void set_contiguous(Tensor& t) {
  int64_t step = 1;
  for (int i = t.ndim - 1; i >= 0; --i) {
    t.stride[i] = step;
    step *= t.shape[i];
  }
}

inline Tensor from_dl(const dlpack::DLTensor& d, const char* what) {
  Tensor t;
  t.data = static_cast<char*>(d.data) + d.byte_offset;
  t.dtype = dtype_from(d.dtype.code, d.dtype.bits * d.dtype.lanes, what);
  if (d.device.type == dlpack::kCPU || d.device.type == dlpack::kCUDAHost)
    t.device = {DeviceType::cpu, 0};
  else if (d.device.type == dlpack::kCUDA || d.device.type == dlpack::kCUDAManaged)
    t.device = {DeviceType::cuda, d.device.index};
  else
    throw Unsupported(std::string(what) + ": lives on a device that is neither CPU nor CUDA");
  set_axes(t, d.ndim, what);
  for (int i = 0; i < t.ndim; ++i) t.shape[i] = d.shape[i];
  if (d.strides)
    for (int i = 0; i < t.ndim; ++i) t.stride[i] = d.strides[i];
  else
    set_contiguous(t);
  return t;
}

// Holds whatever keeps the borrowed memory valid until the call has returned.
class Borrowed {
 public:
  Tensor tensor;

  Borrowed() = default;
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;
  ~Borrowed() {
    if (has_buffer_) PyBuffer_Release(&buffer_);
    if (managed_ && managed_->deleter) managed_->deleter(managed_);
    if (versioned_ && versioned_->deleter) versioned_->deleter(versioned_);
  }

  bool take(py::handle object) {
    if (!take_exchange(object) && !take_buffer(object) && !take_cuda_interface(object) && !take_dlpack(object))
      return false;
    // Kernels read whole elements, and compilers may use instructions that fault on anything else.
    if (reinterpret_cast<uintptr_t>(tensor.data) % static_cast<uintptr_t>(item_bytes(tensor.dtype)))
      throw BadInput("array: data that is not aligned to its elements is not supported, a copy expected");
    return true;
  }

 private:
  bool take_exchange(py::handle object) {
    static PyObject* key = PyUnicode_InternFromString("__dlpack_c_exchange_api__");
    PyObject* capsule = PyObject_GetAttr(reinterpret_cast<PyObject*>(Py_TYPE(object.ptr())), key);
    if (!capsule) {
      PyErr_Clear();
      return false;
    }
    auto* table = static_cast<dlpack::ExchangeTable*>(PyCapsule_GetPointer(capsule, "dlpack_exchange_api"));
    Py_DECREF(capsule);
    if (!table || table->version.major != 1 || !table->borrow) {
      PyErr_Clear();
      return false;
    }
    dlpack::DLTensor d;
    if (table->borrow(object.ptr(), &d) != 0) throw py::error_already_set();
    tensor = from_dl(d, "array");
    return true;
  }

  bool take_buffer(py::handle object) {
    if (!PyObject_CheckBuffer(object.ptr())) return false;
    if (PyObject_GetBuffer(object.ptr(), &buffer_, PyBUF_RECORDS_RO) != 0) {
      PyErr_Clear();
      return false;
    }
    has_buffer_ = true;
    const char* format = buffer_.format ? buffer_.format : "B";
    if (*format == '@' || *format == '=' || *format == '<') ++format;
    if (std::strlen(format) != 1) dtype_from(255, 0, "array");
    tensor.data = buffer_.buf;
    tensor.dtype = dtype_from_kind(*format, static_cast<int>(buffer_.itemsize), "array");
    tensor.read_only = buffer_.readonly != 0;
    set_axes(tensor, buffer_.ndim, "array");
    for (int i = 0; i < tensor.ndim; ++i) {
      tensor.shape[i] = buffer_.shape[i];
      if (buffer_.strides[i] % buffer_.itemsize != 0)
        throw BadInput("array: strides that are no multiple of the element size are not supported, a copy expected");
      tensor.stride[i] = buffer_.strides[i] / buffer_.itemsize;
    }
    return true;
  }

  bool take_cuda_interface(py::handle object) {
    if (!py::hasattr(object, "__cuda_array_interface__")) return false;
    py::dict d = object.attr("__cuda_array_interface__");
    const auto type = d["typestr"].cast<std::string>();
    const auto data = d["data"].cast<py::tuple>();
    const auto shape = d["shape"].cast<py::tuple>();
    if (type.size() < 3) dtype_from(255, 0, "array");
    const int bytes = std::atoi(type.c_str() + 2);
    const char kind = type[1] == 'b' ? '?' : type[1];
    tensor.dtype = dtype_from_kind(kind, bytes, "array");
    tensor.data = reinterpret_cast<void*>(data[0].cast<uintptr_t>());
    tensor.read_only = data[1].cast<bool>();
    tensor.device = {DeviceType::cuda, 0};  // the backend asks the driver which device owns the pointer
    set_axes(tensor, static_cast<int>(shape.size()), "array");
    for (int i = 0; i < tensor.ndim; ++i) tensor.shape[i] = shape[i].cast<int64_t>();
    if (d.contains("strides") && !d["strides"].is_none()) {
      const auto strides = d["strides"].cast<py::tuple>();
      for (int i = 0; i < tensor.ndim; ++i) tensor.stride[i] = strides[i].cast<int64_t>() / bytes;
    } else {
      set_contiguous(tensor);
    }
    return true;
  }

  bool take_dlpack(py::handle object) {
    if (!py::hasattr(object, "__dlpack__")) return false;
    py::object capsule = object.attr("__dlpack__")();
    if (PyCapsule_IsValid(capsule.ptr(), "dltensor_versioned")) {
      versioned_ =
          static_cast<dlpack::DLManagedTensorVersioned*>(PyCapsule_GetPointer(capsule.ptr(), "dltensor_versioned"));
      PyCapsule_SetName(capsule.ptr(), "used_dltensor_versioned");
      tensor = from_dl(versioned_->tensor, "array");
      tensor.read_only = (versioned_->flags & dlpack::kFlagReadOnly) != 0;
    } else {
      managed_ = static_cast<dlpack::DLManagedTensor*>(PyCapsule_GetPointer(capsule.ptr(), "dltensor"));
      if (!managed_) throw py::error_already_set();
      PyCapsule_SetName(capsule.ptr(), "used_dltensor");
      tensor = from_dl(managed_->tensor, "array");
    }
    return true;
  }

  Py_buffer buffer_{};
  bool has_buffer_ = false;
  dlpack::DLManagedTensor* managed_ = nullptr;
  dlpack::DLManagedTensorVersioned* versioned_ = nullptr;
};

}  // namespace borrow
}  // namespace pyapdraw

namespace pybind11 {
namespace detail {

template <>
struct type_caster<pyapdraw::Tensor> {
  static constexpr auto name = const_name("array");

  bool load(handle source, bool) { return source && !source.is_none() && borrowed_.take(source); }

  template <typename>
  using cast_op_type = const pyapdraw::Tensor&;
  operator const pyapdraw::Tensor&() const { return borrowed_.tensor; }

 private:
  pyapdraw::borrow::Borrowed borrowed_;
};

}  // namespace detail
}  // namespace pybind11
