#pragma once
// How foreign arrays cross: a pybind11 type caster turns any array object into a Tensor that
// borrows its memory for the length of one call. Tried in this order: the DLPack exchange
// table (torch: a pointer read, no Python call), the buffer protocol (numpy, bytes, PyAV
// planes), DeviceArray, __cuda_array_interface__ (pycuda, CuPy, Numba), __dlpack__ (everything else).
#include <pybind11/pybind11.h>

#include <cstring>
#include <memory>
#include <string>

#include "bindings/cuda_interface.h"
#include "bindings/dlpack.h"
#include "bindings/dtypes.h"

namespace pyapdraw {
namespace borrow {

namespace py = pybind11;

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
  settle_empty(t);
  return t;
}

// The exchange table of a type, or null. Asking a type costs as much as a small operation, so the first ones are kept.
inline const dlpack::ExchangeTable* exchange_table(PyTypeObject* type) {
  struct Known {
    PyTypeObject* type;
    const dlpack::ExchangeTable* table;
  };
  static Known known[8];
  static int count = 0;
  for (int i = 0; i < count; ++i)
    if (known[i].type == type) return known[i].table;
  static PyObject* key = PyUnicode_InternFromString("__dlpack_c_exchange_api__");
  PyObject* capsule = PyObject_GetAttr(reinterpret_cast<PyObject*>(type), key);
  const dlpack::ExchangeTable* table = nullptr;
  if (capsule) {
    table = static_cast<const dlpack::ExchangeTable*>(PyCapsule_GetPointer(capsule, "dlpack_exchange_api"));
    Py_DECREF(capsule);
  }
  PyErr_Clear();
  if (table && (table->version.major != 1 || !table->borrow)) table = nullptr;
  if (count < 8) {
    Py_INCREF(type);  // or another type could come to live at its address
    known[count++] = {type, table};
  }
  return table;
}

// Device memory that Python code holds: another library's, or our own. bindings/device_arrays.cpp gives it to Python.
struct DeviceArray {
  Tensor tensor;
  std::shared_ptr<void> keep;
  intptr_t stream = kNoStream;  // on which the content is being written
  bool by_dlpack = false;
};

// Holds whatever keeps the borrowed memory valid until the call has returned.
class Borrowed {
 public:
  Tensor tensor;
  intptr_t stream = kNoStream;  // of the producer, where it told
  bool by_dlpack = false;

  explicit Borrowed(std::string what = "array") : what_(std::move(what)) {}
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;
  ~Borrowed() {
    if (has_buffer_) PyBuffer_Release(&buffer_);
    if (managed_ && managed_->deleter) managed_->deleter(managed_);
    if (versioned_ && versioned_->deleter) versioned_->deleter(versioned_);
  }

  // On the stream that the call runs on, which is taken to be the producer's.
  bool take(py::handle object) {
    return (take_exchange(object) || take_buffer(object) || take_device_array(object) || take_cuda_interface(object) ||
            take_dlpack(object, py::none())) &&
           aligned();
  }

  // Memory of a device, for use on `on`: by DLPack the producer makes that stream wait itself; otherwise `stream` says
  // for what it has to wait. Interfaces that say nothing of streams (version 2), or have no name for the element type
  // (bfloat16), are left for DLPack, where there is that as well.
  bool take_ordered(py::handle object, intptr_t on) {
    if (take_exchange(object)) return aligned();
    const py::object told = py::getattr(object, "__cuda_array_interface__", py::none());
    const bool enough = py::isinstance<py::dict>(told) && told.contains("stream") && !is_void(told);
    if (!told.is_none() && (enough || !py::hasattr(object, "__dlpack__"))) {
      take_told(told);
      return aligned();
    }
    return take_dlpack(object, py::int_(on ? on : 1)) && aligned();
  }

 private:
  // Kernels read whole elements, and compilers may use instructions that fault on anything else.
  bool aligned() const {
    if (reinterpret_cast<uintptr_t>(tensor.data) % static_cast<uintptr_t>(item_bytes(tensor.dtype)))
      throw BadInput(what_ + ": data that is not aligned to its elements is not supported, a copy expected");
    return true;
  }

  bool take_exchange(py::handle object) {
    const dlpack::ExchangeTable* table = exchange_table(Py_TYPE(object.ptr()));
    if (!table) return false;
    dlpack::DLTensor d;
    if (table->borrow(object.ptr(), &d) != 0) throw py::error_already_set();
    tensor = from_dl(d, what_.c_str());
    if (!tensor.data && tensor.numel() > 0)  // torch's zeros that are only written down
      throw py::buffer_error((what_ + ": a tensor without memory given, one of its own expected").c_str());
    void* current = nullptr;
    if (tensor.device.type == DeviceType::cuda && table->current_stream &&
        table->current_stream(d.device.type, d.device.index, &current) == 0)
      stream = current ? reinterpret_cast<intptr_t>(current) : 1;
    return true;
  }

  bool take_buffer(py::handle object) {
    if (!PyObject_CheckBuffer(object.ptr())) return false;
    if (PyObject_GetBuffer(object.ptr(), &buffer_, PyBUF_RECORDS_RO) != 0) {
      PyErr_Clear();
      return false;
    }
    has_buffer_ = true;
    const char* what = what_.c_str();
    const char* format = buffer_.format ? buffer_.format : "B";
    if (*format == '@' || *format == '=' || *format == '<') ++format;
    if (std::strlen(format) != 1) dtype_from(255, 0, what);
    tensor.data = buffer_.buf;
    tensor.dtype = dtype_from_kind(*format, static_cast<int>(buffer_.itemsize), what);
    tensor.read_only = buffer_.readonly != 0;
    set_axes(tensor, buffer_.ndim, what);
    for (int i = 0; i < tensor.ndim; ++i) {
      tensor.shape[i] = buffer_.shape[i];
      if (buffer_.strides[i] % buffer_.itemsize != 0)
        throw BadInput(what_ + ": strides that are no multiple of the element size are not supported, a copy expected");
      tensor.stride[i] = buffer_.strides[i] / buffer_.itemsize;
    }
    settle_empty(tensor);
    return true;
  }

  bool take_device_array(py::handle object) {
    if (!py::isinstance<DeviceArray>(object)) return false;
    tensor = object.cast<const DeviceArray&>().tensor;
    return true;
  }

  bool take_cuda_interface(py::handle object) {
    const py::object told = py::getattr(object, "__cuda_array_interface__", py::none());
    if (told.is_none()) return false;
    take_told(told);
    return true;
  }

  void take_told(const py::object& interface) {
    const CudaInterface read = read_cuda_interface(interface, what_);
    tensor = read.tensor;
    stream = read.stream;
  }

  static bool is_void(const py::dict& interface) {
    const auto type = py::str(interface.attr("get")("typestr", "")).cast<std::string>();
    return type.size() > 1 && type[1] == 'V';
  }

  bool take_dlpack(py::handle object, const py::object& on) {
    if (!py::hasattr(object, "__dlpack__")) return false;
    return take_capsule(dlpack_capsule(object, on));
  }

  // With a stream where the array is on a CUDA device, and versioned where the producer can. One that takes no stream
  // has made its content safe for the legacy default stream, so that is what the call has to wait for.
  py::object dlpack_capsule(py::handle object, const py::object& on) {
    const py::object export_ = object.attr("__dlpack__");
    const py::dict nothing, versioned(py::arg("max_version") = py::make_tuple(1, 1));
    if (!on.is_none() && on_cuda(object)) {
      for (const py::dict& how : {versioned, nothing}) {
        py::dict ordered = how.attr("copy")();
        ordered["stream"] = on;
        if (py::object capsule = asked(export_, ordered)) return capsule;
      }
      stream = 1;
    }
    if (py::object capsule = asked(export_, versioned)) return capsule;
    return export_();
  }

  static bool on_cuda(py::handle object) {
    if (!py::hasattr(object, "__dlpack_device__")) return false;
    const int type = object.attr("__dlpack_device__")().cast<py::tuple>()[0].cast<int>();
    return type == dlpack::kCUDA || type == dlpack::kCUDAManaged;
  }

  // None for a producer that does not know, or does not take, one of the arguments.
  static py::object asked(const py::object& export_, const py::dict& how) {
    try {
      return export_(**how);
    } catch (py::error_already_set& e) {
      if (!e.matches(PyExc_TypeError) && !e.matches(PyExc_NotImplementedError)) throw;
    }
    return {};
  }

  bool take_capsule(const py::object& capsule) {
    by_dlpack = true;
    if (PyCapsule_IsValid(capsule.ptr(), "dltensor_versioned")) {
      versioned_ =
          static_cast<dlpack::DLManagedTensorVersioned*>(PyCapsule_GetPointer(capsule.ptr(), "dltensor_versioned"));
      PyCapsule_SetName(capsule.ptr(), "used_dltensor_versioned");
      if (versioned_->version.major != 1)
        throw Unsupported(what_ + ": DLPack version " + std::to_string(versioned_->version.major) +
                          " given, version 1 expected");
      tensor = from_dl(versioned_->tensor, what_.c_str());
      tensor.read_only = (versioned_->flags & dlpack::kFlagReadOnly) != 0;
    } else {
      managed_ = static_cast<dlpack::DLManagedTensor*>(PyCapsule_GetPointer(capsule.ptr(), "dltensor"));
      if (!managed_) throw py::error_already_set();
      PyCapsule_SetName(capsule.ptr(), "used_dltensor");
      tensor = from_dl(managed_->tensor, what_.c_str());
    }
    return true;
  }

  std::string what_;
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
