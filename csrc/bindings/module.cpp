// pyapdraw._C: the C++ API of ops.h under the same names. Arrays cross by borrow.h, outputs
// are given by the caller, the GIL is released around the work.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bindings/borrow.h"
#include "core/backend.h"

namespace py = pybind11;
using namespace pyapdraw;

namespace {

// The Python classes live in pyapdraw.errors; looked up when first needed.
void raise_as(const char* cls, const std::exception& e) {
  py::object type = py::module_::import("pyapdraw.errors").attr(cls);
  PyErr_SetString(type.ptr(), e.what());
}

void translate(std::exception_ptr p) {
  try {
    if (p) std::rethrow_exception(p);
  } catch (const BadInput& e) {
    raise_as("BadInput", e);
  } catch (const Unsupported& e) {
    raise_as("Unsupported", e);
  } catch (const DeviceError& e) {
    raise_as("DeviceError", e);
  } catch (const Error& e) {
    raise_as("Error", e);
  }
}

py::dict support(const Backend& b) {
  int count = 0;
  const OpEntry* entries = op_entries(&count);
  py::dict d;
  for (int i = 0; i < count; ++i) d[entries[i].op] = entries[i].available(b);
  return d;
}

py::dict backends() {
  py::dict d;
  d[py::str(cpu_backend().name)] = support(cpu_backend());
  if (const Backend* cuda = cuda_backend()) d[py::str(cuda->name)] = support(*cuda);
  return d;
}

}  // namespace

PYBIND11_MODULE(_C, m) {
  py::register_exception_translator(&translate);
  m.attr("__version__") = PYAPDRAW_VERSION;
  m.def("default_threads", &default_threads);
  m.def("backends", &backends);

  py::class_<Context>(m, "Context")
      .def(py::init([](int threads, uintptr_t stream) { return Context{threads, reinterpret_cast<void*>(stream)}; }),
           py::arg("threads") = 0, py::arg("stream") = 0)
      .def_readwrite("threads", &Context::threads);

  using nogil = py::call_guard<py::gil_scoped_release>;
  const py::arg_v ctx("ctx", Context{});
  m.def("distance_transform", &distance_transform, py::arg("sites"), py::arg("distance"), py::arg("squared") = false, ctx, nogil());
  m.def("ink", &ink, py::arg("pixels"), py::arg("mask"), py::arg("landmarks"), py::arg("drawing"), ctx, nogil());
}
