// Context: how a call runs, with scratch memory from a function or an array of the caller.
#include <memory>
#include <vector>

#include "bindings/bind.h"
#include "bindings/borrow.h"

namespace py = pybind11;

namespace pyapdraw {

namespace {

using borrow::Borrowed;

struct CallContext : Context {
  py::object allocator;             // bytes -> array
  std::vector<py::object> buffers;  // what it gave, until this context goes
  int64_t needed = 0;

  void use(const py::object& array) {
    Borrowed b("workspace");
    if (!b.take(array)) throw BadInput("workspace: no array given, device memory expected");
    workspace = b.tensor.data;
    workspace_bytes = b.tensor.numel() * item_bytes(b.tensor.dtype);
    buffers.push_back(array);
  }

  void let_go() {
    if (!workspace) buffers.clear();
  }
};

void* ask(int64_t bytes, void* context) {
  const py::gil_scoped_acquire gil;
  auto* c = static_cast<CallContext*>(context);
  const py::object array = c->allocator(bytes);
  Borrowed b("workspace");
  if (!b.take(array) || b.tensor.numel() * item_bytes(b.tensor.dtype) < bytes || !b.tensor.contiguous())
    throw BadInput("allocate: no contiguous array of " + std::to_string(bytes) + " bytes returned, which is expected");
  c->buffers.push_back(array);
  return b.tensor.data;
}

std::unique_ptr<CallContext> make(int threads, uintptr_t stream, const py::object& allocator,
                                  const py::object& workspace, bool measure) {
  auto c = std::make_unique<CallContext>();
  c->threads = threads;
  c->stream = reinterpret_cast<void*>(stream);
  if (!allocator.is_none()) {
    c->allocator = allocator;
    c->allocate = ask;
    c->allocate_with = c.get();
  }
  if (!workspace.is_none()) c->use(workspace);
  if (measure) c->workspace_needed = &c->needed;
  return c;
}

}  // namespace

void bind_context(py::module_& m) {
  py::class_<Context>(m, "BareContext");  // for the default of operations, which are called without one
  py::class_<CallContext, Context>(
      m, "Context",
      "threads and, for CUDA arrays: the stream's handle; allocate(bytes), called for scratch memory, or a workspace\n"
      "(an array of bytes); measure: calls only note in `needed` how many bytes they would need.")
      .def(py::init(&make), py::arg("threads") = 0, py::arg("stream") = 0, py::arg("allocate") = py::none(),
           py::arg("workspace") = py::none(), py::arg("measure") = false)
      .def_readwrite("threads", &CallContext::threads)
      .def_readonly("needed", &CallContext::needed)
      .def("let_go", &CallContext::let_go, "Drops the scratch memory of the calls so far, where the context goes on.")
      .def_property_readonly("stream", [](const CallContext& c) { return reinterpret_cast<uintptr_t>(c.stream); });
}

}  // namespace pyapdraw
