// Device memory as Python holds it: views of other libraries' arrays, arrays of our own, and what the machine has.
#include <pybind11/stl.h>

#include <vector>

#include "bindings/bind.h"
#include "bindings/borrow.h"
#include "core/device.h"

namespace py = pybind11;

namespace pyapdraw {

namespace {

using borrow::Borrowed;
using borrow::DeviceArray;
using borrow::kNoStream;

void* handle(intptr_t stream) { return reinterpret_cast<void*>(stream); }

// Both hold Python objects, which the deleter of a capsule may drop without the GIL.
struct Kept {
  std::unique_ptr<Borrowed> borrowed;
  py::object source;
};

void drop(Kept* kept) {
  const py::gil_scoped_acquire gil;
  delete kept;
}

DeviceArray borrowed(const py::object& source, const std::string& name, intptr_t stream) {
  auto b = std::make_unique<Borrowed>(name);
  if (!b->take_ordered(source, stream)) throw BadInput(name + ": no array of a CUDA device given, one expected");
  if (b->tensor.device.type != DeviceType::cuda)
    throw BadInput(name + ": memory of the host in an array of another library given, numpy.asarray of it expected");
  DeviceArray a{b->tensor, nullptr, b->stream, b->by_dlpack};
  a.keep = std::shared_ptr<void>(new Kept{std::move(b), source}, [](void* p) { drop(static_cast<Kept*>(p)); });
  return a;
}

DeviceArray view_of(const DeviceArray& of, int64_t offset, const std::vector<int64_t>& shape,
                    const std::vector<int64_t>& strides) {
  DeviceArray a = of;
  borrow::set_axes(a.tensor, static_cast<int>(shape.size()), "view");
  a.tensor.data = static_cast<char*>(of.tensor.data) + offset * item_bytes(of.tensor.dtype);
  for (size_t i = 0; i < shape.size(); ++i) {
    a.tensor.shape[i] = shape[i];
    a.tensor.stride[i] = strides.at(i);
  }
  borrow::settle_empty(a.tensor);
  return a;
}

DType dtype_named(const std::string& text) {
  for (const DType t :
       {DType::boolean, DType::u8, DType::u16, DType::i32, DType::i64, DType::f16, DType::bf16, DType::f32, DType::f64})
    if (text == name(t)) return t;
  throw BadInput("dtype: " + text + " given, a dtype of the core expected");
}

DeviceArray empty(const std::vector<int64_t>& shape, const std::string& dtype, int index) {
  DeviceArray a;
  a.tensor.dtype = dtype_named(dtype);
  a.tensor.device = {DeviceType::cuda, index};
  borrow::set_axes(a.tensor, static_cast<int>(shape.size()), "empty");
  for (size_t i = 0; i < shape.size(); ++i) a.tensor.shape[i] = shape[i];
  borrow::set_contiguous(a.tensor);
  const int64_t bytes = a.tensor.numel() * item_bytes(a.tensor.dtype);
  a.tensor.data = device::allocate(bytes > 0 ? bytes : 1, index);
  a.keep = std::shared_ptr<void>(a.tensor.data, [index](void* p) { device::release(p, index); });
  return a;
}

py::tuple numbers(const int64_t* values, int count, int64_t factor = 1) {
  py::tuple t(count);
  for (int i = 0; i < count; ++i) t[i] = values[i] * factor;
  return t;
}

const char* typestr(DType t) {
  switch (t) {
    case DType::boolean: return "|b1";
    case DType::u8: return "|u1";
    case DType::u16: return "<u2";
    case DType::i32: return "<i4";
    case DType::i64: return "<i8";
    case DType::f16: return "<f2";
    case DType::bf16: return "<V2";
    case DType::f32: return "<f4";
    case DType::f64: return "<f8";
  }
  return "|V1";
}

py::dict cuda_interface(const DeviceArray& a) {
  const Tensor& t = a.tensor;
  py::dict d;
  d["version"] = 3;
  d["typestr"] = typestr(t.dtype);
  d["shape"] = numbers(t.shape, t.ndim);
  d["strides"] = numbers(t.stride, t.ndim, item_bytes(t.dtype));
  d["data"] = py::make_tuple(t.numel() ? reinterpret_cast<uintptr_t>(t.data) : 0, t.read_only);
  d["stream"] = a.stream == kNoStream ? py::object(py::none()) : py::int_(a.stream ? a.stream : 1);
  return d;
}

// A DLPack capsule of either version: the managed tensor, and what it points to.
template <typename Managed>
struct Exported {
  Managed managed{};
  DeviceArray array;
};

dlpack::DLDataType dl_type(DType t) {
  const auto bits = static_cast<uint8_t>(item_bytes(t) * 8);
  switch (t) {
    case DType::boolean: return {dlpack::kBool, bits, 1};
    case DType::u8:
    case DType::u16: return {dlpack::kUInt, bits, 1};
    case DType::i32:
    case DType::i64: return {dlpack::kInt, bits, 1};
    case DType::bf16: return {dlpack::kBfloat, bits, 1};
    default: return {dlpack::kFloat, bits, 1};
  }
}

template <typename Managed>
py::object capsule_of(const DeviceArray& a, const char* name, Managed** made) {
  auto* e = new Exported<Managed>;
  e->array = a;
  Tensor& t = e->array.tensor;
  e->managed.tensor = {t.data, {dlpack::kCUDA, t.device.index}, t.ndim, dl_type(t.dtype), t.shape, t.stride, 0};
  e->managed.context = e;
  e->managed.deleter = [](Managed* m) { delete static_cast<Exported<Managed>*>(m->context); };
  *made = &e->managed;
  PyObject* capsule = PyCapsule_New(&e->managed, name, [](PyObject* c) {
    const char* mine = PyCapsule_GetName(c);
    if (!mine || std::strncmp(mine, "used_", 5) == 0) return;  // the consumer deletes it
    auto* m = static_cast<Managed*>(PyCapsule_GetPointer(c, mine));
    if (m) m->deleter(m);
  });
  if (!capsule) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(capsule);
}

// stream: the consumer's, None for the legacy default stream, -1 for no ordering.
py::object export_dlpack(const DeviceArray& a, const py::object& stream, const py::object& max_version,
                         const py::object& device, const py::object& copy) {
  if (!copy.is_none() && copy.cast<bool>()) throw Unsupported("copy: True given, None or False expected");
  if (!device.is_none() && device.cast<py::tuple>()[0].cast<int>() != dlpack::kCUDA)
    throw Unsupported("dl_device: another device than the array's given");
  const intptr_t on = stream.is_none() ? 1 : stream.cast<intptr_t>();
  if (on != -1 && a.stream != kNoStream) device::order(handle(on), handle(a.stream), a.tensor.device.index);
  if (!max_version.is_none() && max_version.cast<py::tuple>()[0].cast<int>() >= 1) {
    dlpack::DLManagedTensorVersioned* m = nullptr;
    py::object capsule = capsule_of(a, "dltensor_versioned", &m);
    m->version = {1, 0};
    m->flags = a.tensor.read_only ? dlpack::kFlagReadOnly : 0;
    return capsule;
  }
  dlpack::DLManagedTensor* m = nullptr;
  return capsule_of(a, "dltensor", &m);
}

void fill(const DeviceArray& a, const py::bytes& value, intptr_t stream) {
  const std::string bytes = value;
  if (static_cast<int64_t>(bytes.size()) != item_bytes(a.tensor.dtype)) throw BadInput("value: one element expected");
  device::set(a.tensor.data, bytes.data(), static_cast<int>(bytes.size()), handle(stream), a.tensor.device.index);
}

py::dict cuda_devices() {
  const CudaState s = cuda_state();
  py::list devices;
  for (size_t i = 0; i < s.devices.size(); ++i) {
    py::dict d;
    d["index"] = i;
    d["name"] = s.devices[i].name;
    d["capability"] = std::to_string(s.devices[i].major) + "." + std::to_string(s.devices[i].minor);
    d["memory_bytes"] = s.devices[i].memory_bytes;
    devices.append(d);
  }
  const auto text = [](const std::string& t) { return t.empty() ? py::object(py::none()) : py::str(t); };
  py::dict out;
  out["devices"] = devices;
  out["reason"] = text(s.reason);
  out["driver"] = text(s.driver);
  out["runtime"] = text(s.runtime);
  out["built_for"] = text(s.built_for);
  return out;
}

}  // namespace

void bind_device(py::module_& m) {
  m.def("cuda_devices", &cuda_devices, "The CUDA devices here, or the reason why there are none. Never raises.");
  m.def(
      "order_streams",
      [](intptr_t later, intptr_t earlier, int index) { device::order(handle(later), handle(earlier), index); },
      py::arg("later"), py::arg("earlier"), py::arg("device"),
      "What is given to `later` from now on waits for what `earlier` has been given so far; the host does not wait.");
  m.def("same_stream", [](intptr_t a, intptr_t b) { return device::same_stream(handle(a), handle(b)); });

  py::class_<device::Mark>(m, "Mark", "A point in a stream.")
      .def(py::init([](intptr_t stream, int index) { return std::make_unique<device::Mark>(handle(stream), index); }),
           py::arg("stream"), py::arg("device"))
      .def_property_readonly("passed", &device::Mark::passed);

  py::class_<DeviceArray>(m, "DeviceArray", "A strided view of CUDA memory: borrowed, or our own.")
      .def(py::init(&borrowed), py::arg("source"), py::arg("name") = "array", py::arg("stream") = 0)
      .def(py::init(&view_of), py::arg("of"), py::arg("offset"), py::arg("shape"), py::arg("strides"))
      .def_static("empty", &empty, py::arg("shape"), py::arg("dtype"), py::arg("device"))
      .def_property_readonly("shape", [](const DeviceArray& a) { return numbers(a.tensor.shape, a.tensor.ndim); })
      .def_property_readonly("steps", [](const DeviceArray& a) { return numbers(a.tensor.stride, a.tensor.ndim); })
      .def_property_readonly("ndim", [](const DeviceArray& a) { return a.tensor.ndim; })
      .def_property_readonly("dtype_name", [](const DeviceArray& a) { return name(a.tensor.dtype); })
      .def_property_readonly("device", [](const DeviceArray& a) { return a.tensor.device.index; })
      .def_property(
          "read_only", [](const DeviceArray& a) { return a.tensor.read_only; },
          [](DeviceArray& a, bool on) { a.tensor.read_only = on; })
      .def_property(
          "stream",
          [](const DeviceArray& a) { return a.stream == kNoStream ? py::object(py::none()) : py::int_(a.stream); },
          [](DeviceArray& a, intptr_t stream) { a.stream = stream; })
      .def_readonly("by_dlpack", &DeviceArray::by_dlpack)
      .def("set", &fill, py::arg("value"), py::arg("stream"), "Writes one element, given as bytes.")
      .def_property_readonly("__cuda_array_interface__", &cuda_interface)
      .def("__dlpack_device__",
           [](const DeviceArray& a) { return py::make_tuple(dlpack::kCUDA, a.tensor.device.index); })
      .def("__dlpack__", &export_dlpack, py::kw_only(), py::arg("stream") = py::none(),
           py::arg("max_version") = py::none(), py::arg("dl_device") = py::none(), py::arg("copy") = py::none());
}

}  // namespace pyapdraw
