// A program of its own on a GPU: its own stream, its own memory, and one CUDA graph of crop -> fuse -> composite that
// is replayed for every frame. The results are compared with those of the CPU.
//   cmake -S . -B build -DCMAKE_PREFIX_PATH=<where pyapdraw was installed> && cmake --build build && build/embed_cuda
#include <cuda_runtime.h>
#include <pyapdraw/device.h>
#include <pyapdraw/ops.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

using pyapdraw::Tensor;
using pyapdraw::view;

namespace {

constexpr int kHeight = 720, kWidth = 1280, kSide = 512;
constexpr int kParts[4][2] = {{40, 64}, {40, 64}, {56, 48}, {40, 80}};  // eyes, nose, mouth: height, width in px
const double kToCrop[6] = {0.7, 0.05, -180, -0.05, 0.7, 30};            // frame to crop coordinates

void check(cudaError_t e, const char* what) {
  if (e != cudaSuccess) throw pyapdraw::DeviceError(std::string(what) + ": " + cudaGetErrorString(e));
}

// Memory of the host or of device 0, freed at the end.
class Memory {
 public:
  explicit Memory(bool on_device) : on_device_(on_device) {}
  ~Memory() {
    for (void* p : blocks_) on_device_ ? static_cast<void>(cudaFree(p)) : std::free(p);
  }

  void* bytes(int64_t count) {
    void* p = nullptr;
    if (on_device_)
      check(cudaMalloc(&p, static_cast<size_t>(count)), "cudaMalloc");
    else
      p = std::malloc(static_cast<size_t>(count));
    blocks_.push_back(p);
    return p;
  }

  template <typename T, typename... Sizes>
  Tensor array(Sizes... sizes) {
    Tensor t = view(static_cast<T*>(nullptr), sizes...);
    t.data = bytes(t.numel() * static_cast<int64_t>(sizeof(T)));
    if (on_device_) t.device = {pyapdraw::DeviceType::cuda, 0};
    return t;
  }

 private:
  bool on_device_;
  std::vector<void*> blocks_;
};

// Everything that the three steps read and write.
struct Work {
  explicit Work(bool on_device) : memory(on_device) {
    frame = memory.array<uint8_t>(kHeight, kWidth, 3);
    crop = memory.array<uint8_t>(kSide, kSide, 3);
    for (int i = 0; i < 4; ++i) parts.part[i] = memory.array<float>(1, 1, kParts[i][0], kParts[i][1]);
    centres = memory.array<int32_t>(1, 4, 2);
    hair = memory.array<float>(1, 1, kSide, kSide);
    background = memory.array<float>(1, 1, kSide, kSide);
    mask = memory.array<uint8_t>(1, 1, kSide, kSide);
    fused = memory.array<float>(1, 1, kSide, kSide);
    drawing = memory.array<uint8_t>(kSide, kSide, 1);
    alpha = memory.array<uint8_t>(kSide, kSide, 1);
    result = memory.array<uint8_t>(kSide, kSide, 3);
  }

  std::vector<Tensor*> inputs() {
    return {&frame,   &parts.part[0], &parts.part[1], &parts.part[2], &parts.part[3],
            &centres, &hair,          &background,    &mask,          &alpha};
  }

  Memory memory;
  Tensor frame, crop, centres, hair, background, mask, fused, drawing, alpha, result;
  pyapdraw::FaceParts parts;
};

// A grey image counts for all three channels: a view of stride 0.
Tensor three_channels(Tensor t) {
  t.shape[2] = 3;
  t.stride[2] = 0;
  return t;
}

Tensor one_image(Tensor t) {  // [1,1,H,W] as [1,H,W]
  t.ndim = 3;
  for (int i = 0; i < 3; ++i) t.shape[i] = t.shape[i + 1], t.stride[i] = t.stride[i + 1];
  return t;
}

using Step = std::function<void(const pyapdraw::Context&)>;

std::vector<Step> steps_of(const Work& w) {
  using pyapdraw::Context;
  const auto crop = [&w](const Context& ctx) {
    double matrix[6];
    std::memcpy(matrix, kToCrop, sizeof matrix);
    pyapdraw::warp_affine(w.frame, view(matrix, 2, 3), w.crop, pyapdraw::Filter::antialias, pyapdraw::Border::constant,
                          255, ctx);
  };
  // Here a network would draw the parts from the crop; in this program they are given.
  const auto fuse = [&w](const Context& ctx) {
    pyapdraw::fuse_regions(w.parts, w.centres, w.hair, w.background, w.mask, w.fused,
                           Tensor(view(static_cast<uint8_t*>(nullptr), 0)), pyapdraw::FuseMode::min, ctx);
  };
  const auto to_pixels = [&w](const Context& ctx) { pyapdraw::nchw_to_rgb(one_image(w.fused), w.drawing, ctx); };
  const auto composite = [&w](const Context& ctx) {
    pyapdraw::composite(three_channels(w.drawing), three_channels(w.alpha), w.crop, w.result, ctx);
  };
  return {crop, fuse, to_pixels, composite};
}

// How much scratch memory the steps need, one after the other: the same calls, of which nothing runs.
int64_t scratch_bytes(const std::vector<Step>& steps) {
  int64_t most = 0;
  for (const Step& step : steps) {
    int64_t needed = 0;
    pyapdraw::Context measure;
    measure.workspace_needed = &needed;
    step(measure);
    most = std::max(most, needed);
  }
  return most;
}

template <typename T>
void fill(const Tensor& t, T (*value)(uint32_t)) {
  uint32_t state = 1;
  for (int64_t i = 0; i < t.numel(); ++i) t.as<T>()[i] = value((state = state * 1664525u + 1013904223u) >> 8);
}

void make_inputs(Work& w, int turn) {
  fill<uint8_t>(w.frame, [](uint32_t r) { return static_cast<uint8_t>(r); });
  w.frame.as<uint8_t>()[0] = static_cast<uint8_t>(turn);
  const int32_t centres[8] = {190, 210, 320, 210, 256, 290, 256, 360};
  std::memcpy(w.centres.data, centres, sizeof centres);
  const auto ink = [](uint32_t r) { return static_cast<float>(r % 2001) / 1000.0f - 1.0f; };
  for (const Tensor& part : w.parts.part) fill<float>(part, ink);
  fill<float>(w.hair, ink);
  fill<float>(w.background, ink);
  fill<uint8_t>(w.mask, [](uint32_t r) { return static_cast<uint8_t>(r & 1); });
  fill<uint8_t>(w.alpha, [](uint32_t r) { return static_cast<uint8_t>(r); });
  for (int i = 0; i < turn; ++i) w.alpha.as<uint8_t>()[i] = 255;
}

int64_t size_of(const Tensor& t) { return t.numel() * pyapdraw::item_bytes(t.dtype); }

void upload(Work& to, Work& from, cudaStream_t stream) {
  const std::vector<Tensor*> device = to.inputs(), host = from.inputs();
  for (size_t i = 0; i < host.size(); ++i)
    check(cudaMemcpyAsync(device[i]->data, host[i]->data, static_cast<size_t>(size_of(*host[i])),
                          cudaMemcpyHostToDevice, stream),
          "upload");
}

cudaGraphExec_t captured(const std::vector<Step>& steps, const pyapdraw::Context& ctx) {
  const auto stream = static_cast<cudaStream_t>(ctx.stream);
  cudaGraph_t graph;
  cudaGraphExec_t exec;
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "capture");
  for (const Step& step : steps) step(ctx);
  check(cudaStreamEndCapture(stream, &graph), "capture");
  check(cudaGraphInstantiate(&exec, graph, 0), "instantiation");
  check(cudaGraphDestroy(graph), "graph");
  return exec;
}

int64_t differences(const Tensor& on_device, const Tensor& on_host, cudaStream_t stream) {
  std::vector<uint8_t> got(static_cast<size_t>(size_of(on_host)));
  check(cudaMemcpyAsync(got.data(), on_device.data, got.size(), cudaMemcpyDeviceToHost, stream), "download");
  check(cudaStreamSynchronize(stream), "frame");
  int64_t count = 0;
  for (size_t i = 0; i < got.size(); ++i)  // uint8 results may round differently by 1
    count += std::abs(got[i] - on_host.as<uint8_t>()[i]) > 1;
  return count;
}

int run() {
  const pyapdraw::CudaState cuda = pyapdraw::cuda_state();
  if (!cuda.reason.empty()) throw pyapdraw::DeviceError(cuda.reason);
  cudaStream_t stream;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "stream");
  Work host(false), device(true);
  const std::vector<Step> steps = steps_of(device);

  pyapdraw::Context ctx;
  ctx.stream = stream;
  ctx.workspace_bytes = scratch_bytes(steps);
  ctx.workspace = device.memory.bytes(ctx.workspace_bytes + 1);  // never of no bytes
  const cudaGraphExec_t graph = captured(steps, ctx);

  int64_t wrong = 0;
  for (int turn = 0; turn < 3; ++turn) {
    make_inputs(host, turn);
    upload(device, host, stream);
    check(cudaGraphLaunch(graph, stream), "replay");
    for (const Step& step : steps_of(host)) step({});
    wrong += differences(device.result, host.result, stream);
  }
  std::printf("%s: 3 replays of crop, fuse, composite; scratch %lld bytes; %lld values differ from the CPU\n",
              cuda.devices[0].name.c_str(), static_cast<long long>(ctx.workspace_bytes), static_cast<long long>(wrong));
  check(cudaGraphExecDestroy(graph), "graph");
  check(cudaStreamDestroy(stream), "stream");
  return wrong ? 1 : 0;
}

}  // namespace

int main() {
  try {
    return run();
  } catch (const pyapdraw::DeviceError& e) {
    std::printf("DeviceError: %s\n", e.what());
    return 3;
  }
}
