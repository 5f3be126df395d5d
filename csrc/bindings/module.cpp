// pyapdraw._C: the C++ API of ops.h under the same names. Arrays cross by borrow.h, outputs
// are given by the caller, the GIL is released around the work.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>

#include "bindings/bind.h"
#include "bindings/borrow.h"
#include "bindings/options.h"
#include "core/backend.h"
#include "core/peaks.h"

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

std::vector<std::string> inner_operations() {
  int count = 0;
  const OpEntry* entries = op_entries(&count);
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i)
    if (entries[i].use == Use::inner) names.push_back(entries[i].op);
  return names;
}

py::dict peaks(int threads, double seconds) {
  Peaks p;
  {
    py::gil_scoped_release release;
    p = machine_peaks(threads, seconds);
  }
  py::dict d;
  d["isa"] = p.isa;
  d["threads"] = p.threads;
  d["fma_f32_gflops"] = p.fma_f32_gflops;
  d["dot_bf16_gflops"] = p.dot_bf16_gflops;
  d["copy_l1_gbs"] = p.copy_l1_gbs;
  d["copy_l2_gbs"] = p.copy_l2_gbs;
  d["copy_l3_gbs"] = p.copy_l3_gbs;
  d["copy_dram_gbs"] = p.copy_dram_gbs;
  d["copy_dram_streaming_gbs"] = p.copy_dram_streaming_gbs;
  return d;
}

std::vector<std::string> cpu_backend_names() {
  const Backend* tables[3];
  const int count = cpu_backends(tables);
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) names.push_back(tables[i]->name);
  return names;
}

Resampling resampling(std::array<int, 2> up, std::array<int, 2> down, std::array<int64_t, 4> padding, bool flip_filter,
                      double gain) {
  return {{up[0], up[1]}, {down[0], down[1]}, {padding[0], padding[1], padding[2], padding[3]}, flip_filter, gain};
}

}  // namespace

PYBIND11_MODULE(_C, m) {
  py::register_exception_translator(&translate);
  m.attr("__version__") = PYAPDRAW_VERSION;
  m.def("default_threads", &default_threads);
  m.def("backends", &backends);
  m.def("inner_operations", &inner_operations, "Those of the table that pyapdraw.ops has no function for.");
  m.def("cpu_backends", &cpu_backend_names);
  m.def("use_backend", &use_cpu_backend, py::arg("name"),
        "For tests: run CPU operations of the whole process on this table.");
  m.def("machine_peaks", &peaks, py::arg("threads") = 0, py::arg("seconds") = 0.5,
        "For benchmarks: the best measured GFLOP/s and copy GB/s of this machine, with the table in use.");

  bind_context(m);
  bind_device(m);

  py::class_<YuvFormat>(m, "YuvFormat")
      .def(py::init([](YuvMatrix matrix, bool full_range, int bits) { return YuvFormat{matrix, full_range, bits}; }),
           py::arg("matrix") = "bt601", py::arg("full_range") = false, py::arg("bits") = 8);

  py::class_<BiasAct>(m, "BiasAct")
      .def(py::init([](Activation activation, double alpha, double gain, double clamp) {
             return BiasAct{activation, alpha, gain, clamp};
           }),
           py::arg("activation") = "linear", py::arg("alpha") = 0.2, py::arg("gain") = 1.0,
           py::arg("clamp") = BiasAct::kNoClamp);

  py::class_<Resampling>(m, "Resampling")
      .def(py::init(&resampling), py::arg("up"), py::arg("down"), py::arg("padding"), py::arg("flip_filter") = false,
           py::arg("gain") = 1.0);

  py::class_<InkOptions>(m, "InkOptions")
      .def(py::init([](float scale, float line, float detail, bool light_hair, bool figure) {
             return InkOptions{scale, line, detail, light_hair, figure};
           }),
           py::arg("scale") = InkOptions{}.scale, py::arg("line") = InkOptions{}.line,
           py::arg("detail") = InkOptions{}.detail, py::arg("light_hair") = InkOptions{}.light_hair,
           py::arg("figure") = InkOptions{}.figure);

  py::class_<ConvToOne>(m, "ConvToOne")
      .def(py::init([](int up, int padding, Padding mode, Activation activation) {
             return ConvToOne{up, padding, mode, activation};
           }),
           py::arg("up") = 1, py::arg("padding") = 0, py::arg("padding_mode") = "zeros",
           py::arg("activation") = "linear");

  using nogil = py::call_guard<py::gil_scoped_release>;
  const py::arg_v ctx("ctx", Context{});
  m.def("distance_transform",
        py::overload_cast<const Tensor&, const Tensor&, bool, const Context&>(&distance_transform), py::arg("sites"),
        py::arg("distance"), py::arg("squared") = false, ctx, nogil());
  m.def(
      "distance_transform_nearest",
      [](const Tensor& sites, const Tensor& distance, const Tensor& nearest, bool squared, double spacing_y,
         double spacing_x,
         const Context& c) { distance_transform(sites, distance, nearest, {squared, spacing_y, spacing_x}, c); },
      py::arg("sites"), py::arg("distance"), py::arg("nearest"), py::arg("squared") = false, py::arg("spacing_y") = 1.0,
      py::arg("spacing_x") = 1.0, ctx, nogil());
  m.def("distance_transform_chamfer", &distance_transform_chamfer, py::arg("sites"), py::arg("distance"), ctx, nogil());
  const py::arg_v options("options", InkOptions{});
  m.def("ink", &ink, py::arg("pixels"), py::arg("mask"), py::arg("landmarks"), py::arg("drawing"), options, ctx,
        nogil());
  m.def("ink_planes", &ink_planes, py::arg("pixels"), py::arg("mask"), py::arg("landmarks"), py::arg("drawing"),
        py::arg("planes"), options, ctx, nogil());
  m.def("strokes", &strokes, py::arg("points"), py::arg("page"), ctx, nogil());
  m.def("remove_specks", &remove_specks, py::arg("drawing"), py::arg("speck"), py::arg("pinhole"), py::arg("reach") = 0,
        ctx, nogil());
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
  m.def("conv2d_bf16", &conv2d_bf16, py::arg("x"), py::arg("weight"), py::arg("bias"), py::arg("slope"), py::arg("out"),
        py::arg("stride") = 1, py::arg("pad") = 0, ctx, nogil());
  m.def("max_pool2d", &max_pool2d, py::arg("x"), py::arg("out"), py::arg("kernel"), py::arg("stride"), ctx, nogil());
  m.def("crop_area", &crop_area, py::arg("image"), py::arg("boxes"), py::arg("out"), py::arg("subtract") = 0,
        py::arg("multiply") = 1, ctx, nogil());
  m.def("crop_warp", &crop_warp, py::arg("image"), py::arg("to_image"), py::arg("out"), py::arg("subtract") = 0,
        py::arg("multiply") = 1, ctx, nogil());
  m.def("guided_upsample", &guided_upsample, py::arg("coarse"), py::arg("image"), py::arg("out"), py::arg("radius") = 4,
        py::arg("epsilon") = 1e-3f, py::arg("gain") = 1.0f, ctx, nogil());
  m.def("local_contrast", &local_contrast, py::arg("image"), py::arg("out"), py::arg("cell"), py::arg("flat"), ctx,
        nogil());
  m.def("pixel_unshuffle", &pixel_unshuffle, py::arg("x"), py::arg("out"), ctx, nogil());
  m.def("add_upsampled", &add_upsampled, py::arg("x"), py::arg("coarse"), py::arg("top") = 0, py::arg("left") = 0,
        py::arg("slope") = 1, py::arg("how") = "nearest", ctx, nogil());
  m.def("depthwise_conv2d", &depthwise_conv2d, py::arg("x"), py::arg("weight"), py::arg("bias"), py::arg("out"),
        py::arg("stride") = 1, py::arg("pad") = 0, py::arg("activation") = "linear", ctx, nogil());
  m.def("add_prelu", &add_prelu, py::arg("x"), py::arg("other"), py::arg("slope"), ctx, nogil());
  m.def("hard_swish", &hard_swish, py::arg("x"), ctx, nogil());
  m.def("nms", &nms, py::arg("boxes"), py::arg("keep"), py::arg("threshold"), py::arg("side") = 0,
        py::arg("minimum") = false, ctx, nogil());
  m.def(
      "modulated_conv2d",
      [](const Tensor& x, const Tensor& weight, const Tensor& styles, const Tensor& filter, const Tensor& noise,
         const Tensor& bias, const Tensor& out, bool demodulate, int up, int down, Activation activation, float alpha,
         float gain, float clamp, const Context& c) {
        modulated_conv2d(x, weight, styles, filter, noise, bias, out,
                         {demodulate, up, down, activation, alpha, gain, clamp}, c);
      },
      py::arg("x"), py::arg("weight"), py::arg("styles"), py::arg("filter"), py::arg("noise"), py::arg("bias"),
      py::arg("out"), py::arg("demodulate") = true, py::arg("up") = 1, py::arg("down") = 1,
      py::arg("activation") = "linear", py::arg("alpha") = 0.2f, py::arg("gain") = 1.0f, py::arg("clamp") = -1.0f, ctx,
      nogil());
  m.def("modulated_conv2d_backward_weight", &modulated_conv2d_backward_weight, py::arg("grad"), py::arg("grad_scale"),
        py::arg("x"), py::arg("x_scale"), py::arg("grad_weight"), py::arg("stride") = 1, py::arg("pad") = 1, ctx,
        nogil());
  m.def("bias_act", &bias_act, py::arg("x"), py::arg("bias"), py::arg("out"), py::arg("how"), py::arg("dim") = 1, ctx,
        nogil());
  m.def("bias_act_backward", &bias_act_backward, py::arg("grad"), py::arg("kept"), py::arg("bias"), py::arg("out"),
        py::arg("how"), py::arg("dim") = 1, ctx, nogil());
  m.def("upfirdn2d", &upfirdn2d, py::arg("x"), py::arg("filter"), py::arg("out"), py::arg("how"), ctx, nogil());
  m.def("conv_to_one", &conv_to_one, py::arg("x"), py::arg("weight"), py::arg("bias"), py::arg("out"), py::arg("how"),
        ctx, nogil());
  m.def("instance_norm", &instance_norm, py::arg("x"), py::arg("weight"), py::arg("bias"), py::arg("out"),
        py::arg("eps") = 1e-5, ctx, nogil());
}
