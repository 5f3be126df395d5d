#pragma once
// Tensor: a borrowed, strided view. It owns nothing, and is itself the kernel argument on
// every backend, so it holds plain arrays only.
#include <cstdint>

// Members that kernels call on the device as well.
#if defined(__CUDACC__)
#define PYAPDRAW_DEVICE __host__ __device__
#else
#define PYAPDRAW_DEVICE
#endif

namespace pyapdraw {

constexpr int kMaxDims = 5;

enum class DType : int32_t { boolean, u8, u16, i32, i64, f16, bf16, f32, f64 };
enum class DeviceType : int32_t { cpu, cuda };

struct Device {
  DeviceType type = DeviceType::cpu;
  int32_t index = 0;
};

struct Tensor {
  void* data = nullptr;
  DType dtype = DType::u8;
  Device device;
  int32_t ndim = 0;
  bool read_only = false;  // outputs must not be
  int64_t shape[kMaxDims] = {};
  int64_t stride[kMaxDims] = {};  // in elements, may be negative

  template <typename T>
  PYAPDRAW_DEVICE T* as() const {
    return static_cast<T*>(data);
  }

  // Axis counted from the end: 1 is the innermost.
  PYAPDRAW_DEVICE int64_t size_back(int i) const { return shape[ndim - i]; }
  PYAPDRAW_DEVICE int64_t stride_back(int i) const { return stride[ndim - i]; }

  PYAPDRAW_DEVICE int64_t numel() const {
    int64_t n = 1;
    for (int i = 0; i < ndim; ++i) n *= shape[i];
    return n;
  }
  bool contiguous() const {
    if (numel() == 0) return true;  // whatever its strides
    int64_t expected = 1;
    for (int i = ndim - 1; i >= 0; --i) {
      if (shape[i] != 1 && stride[i] != expected) return false;
      expected *= shape[i];
    }
    return true;
  }
};

// How a call runs. threads: 0 = the process default (PYAPDRAW_THREADS, else all cores).
// The rest is for CUDA tensors and ignored on the CPU. stream: a cudaStream_t. Some operations need scratch memory on
// the device, which is the caller's like any output: workspace, of workspace_bytes, 256-byte aligned, free for reuse by
// later work of the same stream. workspace_needed: where given, the call only checks its arguments and writes there
// how many bytes the same call would need (nothing where that is none, so start from 0); nothing runs.
// allocate: asked for the workspace by a call that needs one and was given none, with allocate_with as it is here.
struct Context {
  int threads = 0;
  void* stream = nullptr;
  void* workspace = nullptr;
  int64_t workspace_bytes = 0;
  int64_t* workspace_needed = nullptr;
  void* (*allocate)(int64_t bytes, void* allocate_with) = nullptr;
  void* allocate_with = nullptr;
};

inline int64_t item_bytes(DType t) {
  switch (t) {
    case DType::boolean:
    case DType::u8: return 1;
    case DType::u16:
    case DType::f16:
    case DType::bf16: return 2;
    case DType::i32:
    case DType::f32: return 4;
    case DType::i64:
    case DType::f64: return 8;
  }
  return 0;
}

inline const char* name(DType t) {
  switch (t) {
    case DType::boolean: return "bool";
    case DType::u8: return "uint8";
    case DType::u16: return "uint16";
    case DType::i32: return "int32";
    case DType::i64: return "int64";
    case DType::f16: return "float16";
    case DType::bf16: return "bfloat16";
    case DType::f32: return "float32";
    case DType::f64: return "float64";
  }
  return "?";
}

// A contiguous CPU view over the caller's memory: the usual way in from C++.
template <typename T>
inline constexpr DType dtype_of();
template <>
inline constexpr DType dtype_of<bool>() {
  return DType::boolean;
}
template <>
inline constexpr DType dtype_of<uint8_t>() {
  return DType::u8;
}
template <>
inline constexpr DType dtype_of<uint16_t>() {
  return DType::u16;
}
template <>
inline constexpr DType dtype_of<int32_t>() {
  return DType::i32;
}
template <>
inline constexpr DType dtype_of<int64_t>() {
  return DType::i64;
}
template <>
inline constexpr DType dtype_of<float>() {
  return DType::f32;
}
template <>
inline constexpr DType dtype_of<double>() {
  return DType::f64;
}

template <typename T, typename... Sizes>
Tensor view(T* data, Sizes... sizes) {
  static_assert(sizeof...(Sizes) <= kMaxDims, "at most five axes");
  Tensor t;
  t.data = data;
  t.dtype = dtype_of<T>();
  t.ndim = static_cast<int32_t>(sizeof...(Sizes));
  const int64_t s[] = {static_cast<int64_t>(sizes)..., 0};
  int64_t step = 1;
  for (int i = t.ndim - 1; i >= 0; --i) {
    t.shape[i] = s[i];
    t.stride[i] = step;
    step *= s[i];
  }
  return t;
}

}  // namespace pyapdraw
