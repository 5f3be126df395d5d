// pyapdraw._C: the C++ API of ops.h under the same names. Arrays cross by borrow.h, outputs
// are given by the caller, the GIL is released around the work.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bindings/borrow.h"
#include "bindings/options.h"
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

std::vector<std::string> cpu_backend_names() {
  const Backend* tables[3];
  const int count = cpu_backends(tables);
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) names.push_back(tables[i]->name);
  return names;
}

}  // namespace

PYBIND11_MODULE(_C, m) {
  py::register_exception_translator(&translate);
  m.attr("__version__") = PYAPDRAW_VERSION;
  m.def("default_threads", &default_threads);
  m.def("backends", &backends);
  m.def("cpu_backends", &cpu_backend_names);
  m.def("use_backend", &use_cpu_backend, py::arg("name"),
        "For tests: run CPU operations of the whole process on this table.");

  py::class_<Context>(m, "Context")
      .def(py::init([](int threads, uintptr_t stream) { return Context{threads, reinterpret_cast<void*>(stream)}; }),
           py::arg("threads") = 0, py::arg("stream") = 0)
      .def_readwrite("threads", &Context::threads);

  py::class_<YuvFormat>(m, "YuvFormat")
      .def(py::init([](YuvMatrix matrix, bool full_range, int bits) { return YuvFormat{matrix, full_range, bits}; }),
           py::arg("matrix") = "bt601", py::arg("full_range") = false, py::arg("bits") = 8);

  using nogil = py::call_guard<py::gil_scoped_release>;
  const py::arg_v ctx("ctx", Context{});
  m.def("distance_transform", &distance_transform, py::arg("sites"), py::arg("distance"), py::arg("squared") = false,
        ctx, nogil());
  m.def("ink", &ink, py::arg("pixels"), py::arg("mask"), py::arg("landmarks"), py::arg("drawing"), ctx, nogil());
  m.def("ink_planes", &ink_planes, py::arg("pixels"), py::arg("mask"), py::arg("landmarks"), py::arg("drawing"),
        py::arg("planes"), ctx, nogil());
  m.def(
      "flow_dog",
      [](const Tensor& image, const Tensor& out, float fine, float tensor, float flow, float line, int reduce,
         const Context& c) { flow_dog(image, out, {fine, tensor, flow, line, reduce}, c); },
      py::arg("image"), py::arg("out"), py::arg("fine"), py::arg("tensor"), py::arg("flow"), py::arg("line"),
      py::arg("reduce"), ctx, nogil());
  m.def("warp_affine", &warp_affine, py::arg("image"), py::arg("matrix"), py::arg("out"),
        py::arg("filter") = "bilinear", py::arg("border") = "constant", py::arg("border_value") = 255.0, ctx, nogil());
  m.def("resize", &resize, py::arg("image"), py::arg("out"), ctx, nogil());
  m.def("yuv_to_rgb", &yuv_to_rgb, py::arg("y"), py::arg("u"), py::arg("v"), py::arg("out"), py::arg("format"), ctx,
        nogil());
  m.def("rgb_to_yuv", &rgb_to_yuv, py::arg("image"), py::arg("y"), py::arg("u"), py::arg("v"), py::arg("format"), ctx,
        nogil());
  m.def(
      "crop_yuv",
      [](const Tensor& y, const Tensor& u, const Tensor& v, const Tensor& to_crop, const Tensor& out,
         const YuvFormat& format, Filter filter, Border border, double border_value,
         const Context& c) { crop_yuv(y, u, v, to_crop, out, format, {filter, border, border_value}, c); },
      py::arg("y"), py::arg("u"), py::arg("v"), py::arg("to_crop"), py::arg("out"), py::arg("format"),
      py::arg("filter") = "antialias", py::arg("border") = "constant", py::arg("border_value") = 255.0, ctx, nogil());
  m.def("paste_yuv", &paste_yuv, py::arg("drawing"), py::arg("alpha"), py::arg("to_crop"), py::arg("format"),
        py::arg("y"), py::arg("u"), py::arg("v"), ctx, nogil());
  m.def("rgb_to_nchw", &rgb_to_nchw, py::arg("image"), py::arg("out"), ctx, nogil());
  m.def("nchw_to_rgb", &nchw_to_rgb, py::arg("image"), py::arg("out"), ctx, nogil());
  m.def("composite", &composite, py::arg("drawing"), py::arg("alpha"), py::arg("background"), py::arg("out"), ctx,
        nogil());
  m.def("distance_transform_pair", &distance_transform_pair, py::arg("ink"), py::arg("to_ink"), py::arg("to_paper"),
        py::arg("squared") = false, ctx, nogil());
  m.def(
      "fuse_regions",
      [](const Tensor& eyel, const Tensor& eyer, const Tensor& nose, const Tensor& mouth, const Tensor& centres,
         const Tensor& hair, const Tensor& background, const Tensor& mask, const Tensor& out, const Tensor& winners,
         FuseMode mode, const Context& c) {
        fuse_regions({{eyel, eyer, nose, mouth}}, centres, hair, background, mask, out, winners, mode, c);
      },
      py::arg("eyel"), py::arg("eyer"), py::arg("nose"), py::arg("mouth"), py::arg("centres"), py::arg("hair"),
      py::arg("background"), py::arg("mask"), py::arg("out"), py::arg("winners"), py::arg("mode") = "min", ctx,
      nogil());
  m.def(
      "fuse_regions_backward",
      [](const Tensor& grad, const Tensor& winners, const Tensor& centres, const Tensor& weights, const Tensor& eyel,
         const Tensor& eyer, const Tensor& nose, const Tensor& mouth, const Tensor& hair, const Tensor& background,
         const Context& c) {
        fuse_regions_backward(grad, winners, centres, weights, {{eyel, eyer, nose, mouth}}, hair, background, c);
      },
      py::arg("grad"), py::arg("winners"), py::arg("centres"), py::arg("weights"), py::arg("grad_eyel"),
      py::arg("grad_eyer"), py::arg("grad_nose"), py::arg("grad_mouth"), py::arg("grad_hair"),
      py::arg("grad_background"), ctx, nogil());
  m.def("conv2d", &conv2d, py::arg("x"), py::arg("weight"), py::arg("bias"), py::arg("slope"), py::arg("out"),
        py::arg("stride") = 1, py::arg("pad") = 0, ctx, nogil());
  m.def("max_pool2d", &max_pool2d, py::arg("x"), py::arg("out"), py::arg("kernel"), py::arg("stride"), ctx, nogil());
  m.def("crop_area", &crop_area, py::arg("image"), py::arg("boxes"), py::arg("out"), py::arg("subtract") = 0,
        py::arg("multiply") = 1, ctx, nogil());
  m.def("crop_warp", &crop_warp, py::arg("image"), py::arg("to_image"), py::arg("out"), py::arg("subtract") = 0,
        py::arg("multiply") = 1, ctx, nogil());
  m.def("guided_upsample", &guided_upsample, py::arg("coarse"), py::arg("image"), py::arg("out"), py::arg("radius") = 4,
        py::arg("epsilon") = 1e-3f, py::arg("gain") = 1.0f, ctx, nogil());
  m.def("nms", &nms, py::arg("boxes"), py::arg("keep"), py::arg("threshold"), py::arg("side") = 0,
        py::arg("minimum") = false, ctx, nogil());
}
