#pragma once
// The argument checks that every operation shares. Each throws BadInput with the argument's
// name, what was given and what was expected.
#include <cstdarg>
#include <initializer_list>
#include <string>

#include "core/backend.h"

// Refuses an argument unless ok. A macro, so that the text `what` is only put together where it is needed.
#define PA_CHECK(ok, arg, what)                        \
  do {                                                 \
    if (!(ok)) ::pyapdraw::check::fail((arg), (what)); \
  } while (false)

namespace pyapdraw {
namespace check {

inline std::string shape_text(const Tensor& t) {
  std::string s = "[";
  for (int i = 0; i < t.ndim; ++i) s += (i ? "," : "") + std::to_string(t.shape[i]);
  return s + "]";
}

[[noreturn]] inline void fail(const char* arg, const std::string& what) {
  throw BadInput(std::string(arg) + ": " + what);
}

inline void dtype(const Tensor& t, const char* arg, std::initializer_list<DType> allowed) {
  for (DType d : allowed)
    if (t.dtype == d) return;
  std::string s;
  for (DType d : allowed) s += (s.empty() ? "" : " or ") + std::string(name(d));
  fail(arg, std::string("dtype ") + name(t.dtype) + " given, " + s + " expected");
}

// The same for an operation of floats whose CUDA kernels know float16: allowed, and f16 where the backend has it.
inline void float_dtype(const Tensor& t, const char* arg, std::initializer_list<DType> allowed) {
  const bool has_f16 = backend_for(t).has_f16;
  if (t.dtype == DType::f16 && has_f16) return;
  for (DType d : allowed)
    if (t.dtype == d) return;
  std::string s;
  for (DType d : allowed) s += std::string(name(d)) + " or ";
  fail(arg, std::string("dtype ") + name(t.dtype) + " given, " + s +
                (has_f16 ? "float16 expected" : "(on a CUDA device) float16 expected"));
}

inline void ndim(const Tensor& t, const char* arg, int low, int high) {
  if (t.ndim >= low && t.ndim <= high) return;
  fail(arg, "shape " + shape_text(t) + " given, " + std::to_string(low) +
                (high != low ? " to " + std::to_string(high) : "") + " axes expected");
}

inline void shape(const Tensor& t, const char* arg, std::initializer_list<int64_t> expected) {
  bool ok = t.ndim == static_cast<int>(expected.size());
  for (int i = 0; ok && i < t.ndim; ++i) ok = t.shape[i] == expected.begin()[i];
  if (ok) return;
  std::string text;
  for (int64_t e : expected) text += (text.empty() ? "" : ",") + std::to_string(e);
  fail(arg, "shape " + shape_text(t) + " given, [" + text + "] expected");
}

// f32 [N,H,W,C] whose channels are adjacent.
inline void channels_last(const Tensor& t, const char* arg) {
  ndim(t, arg, 4, 4);
  dtype(t, arg, {DType::f32});
  PA_CHECK(t.shape[3] <= 1 || t.stride[3] == 1, arg, "channels are not adjacent in memory, layout [N,H,W,C] expected");
}

inline void same_shape(const Tensor& t, const char* arg, const Tensor& as, const char* as_arg) {
  bool ok = t.ndim == as.ndim;
  for (int i = 0; ok && i < t.ndim; ++i) ok = t.shape[i] == as.shape[i];
  if (!ok)
    fail(arg, "shape " + shape_text(t) + " given, the shape of " + as_arg + ", " + shape_text(as) + ", expected");
}

// Mixed devices are a matter of where things are, not of what they are: a DeviceError.
inline void same_device(const Tensor& t, const char* arg, const Tensor& as, const char* as_arg) {
  if (t.device.type == as.device.type && t.device.index == as.device.index) return;
  const auto text = [](Device d) {
    return d.type == DeviceType::cpu ? std::string("cpu") : "cuda:" + std::to_string(d.index);
  };
  throw DeviceError(std::string(arg) + ": on " + text(t.device) + ", the device of " + as_arg + ", " + text(as.device) +
                    ", expected");
}

// First and last byte that a view touches (last is exclusive).
inline void extent(const Tensor& t, const char** low, const char** high) {
  const int64_t item = item_bytes(t.dtype);
  int64_t a = 0, b = 0;
  for (int i = 0; i < t.ndim; ++i) {
    const int64_t reach = (t.shape[i] - 1) * t.stride[i];
    (reach < 0 ? a : b) += reach;
  }
  *low = static_cast<const char*>(t.data) + a * item;
  *high = static_cast<const char*>(t.data) + (b + 1) * item;
}

// An output: writable, and no two of its elements share memory: ordered by stride, every axis
// has to step over all that the smaller ones reach.
inline void output(const Tensor& t, const char* arg) {
  if (t.read_only) fail(arg, "is read-only, a writable array expected");
  if (t.numel() == 0) return;
  int64_t reach = 0;
  bool done[kMaxDims] = {};
  for (int n = 0; n < t.ndim; ++n) {
    int least = -1;
    int64_t step = 0;
    for (int i = 0; i < t.ndim; ++i) {
      const int64_t s = t.stride[i] < 0 ? -t.stride[i] : t.stride[i];
      if (!done[i] && (least < 0 || s < step)) least = i, step = s;
    }
    done[least] = true;
    if (t.shape[least] == 1) continue;
    if (step <= reach)
      fail(arg,
           "has elements that share memory (a broadcast or sliding view), an array with memory of its own expected");
    reach += (t.shape[least] - 1) * step;
  }
}

// Whether the same index is the same memory in both.
inline bool same_view(const Tensor& a, const Tensor& b) {
  bool same = a.data == b.data;
  for (int i = 0; same && i < a.ndim; ++i) same = a.shape[i] == 1 || a.stride[i] == b.stride[i];
  return same;
}

inline void no_overlap(const Tensor& out, const char* arg, const Tensor& in, const char* in_arg) {
  if (out.numel() == 0 || in.numel() == 0) return;
  const char *a, *b, *c, *d;
  extent(out, &a, &b);
  extent(in, &c, &d);
  if (a < d && c < b) fail(arg, std::string("shares memory with ") + in_arg + ", separate memory expected");
}

}  // namespace check
}  // namespace pyapdraw
