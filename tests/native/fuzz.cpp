#include "fuzz.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <numeric>

namespace pyapdraw {
namespace fuzz {

namespace {

constexpr char kCanary = 0x5b;

// Calls f(offset in elements) for every element, in row-major order.
template <typename F>
void each_element(const Tensor& t, F&& f) {
  if (t.numel() == 0) return;
  int64_t at[kMaxDims] = {};
  for (;;) {
    int64_t offset = 0;
    for (int i = 0; i < t.ndim; ++i) offset += at[i] * t.stride[i];
    f(offset);
    int i = t.ndim - 1;
    while (i >= 0 && ++at[i] == t.shape[i]) at[i--] = 0;
    if (i < 0) return;
  }
}

uint16_t to_bf16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return static_cast<uint16_t>(bits >> 16);
}

}  // namespace

void failed(const std::string& what) { throw std::logic_error(what); }

std::vector<Entry>& entries() {
  static std::vector<Entry> all;
  return all;
}

Case::Held::~Held() { std::free(memory); }

Case::Case(uint64_t seed, int threads, bool with_refusals) : random(seed), with_refusals_(with_refusals) {
  ctx.threads = threads;
}

int64_t Case::pick(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(random); }

double Case::real(double low, double high) { return std::uniform_real_distribution<double>(low, high)(random); }

// Memory of exactly the bytes that the view reaches, so that one byte beside it is found.
Case::Held& Case::hold(const std::vector<int64_t>& shape, DType dtype, Layout layout, bool is_output) {
  held_.emplace_back();
  Held& h = held_.back();
  h.is_output = is_output;
  Tensor& t = h.tensor;
  t.dtype = dtype;
  t.ndim = static_cast<int32_t>(shape.size());
  t.read_only = !is_output;
  std::vector<int> order(shape.size());
  std::iota(order.rbegin(), order.rend(), 0);  // innermost first
  const size_t fixed = layout == Layout::any ? 0 : 1;
  if (layout != Layout::contiguous && shape.size() > fixed + 1 && coin()) {
    const size_t k = static_cast<size_t>(pick(static_cast<int64_t>(fixed), static_cast<int64_t>(shape.size()) - 2));
    std::swap(order[k], order[k + 1]);
  }
  int64_t step = 1, low = 0;
  for (size_t k = 0; k < order.size(); ++k) {
    const int axis = order[k];
    const bool free = layout == Layout::any || (layout == Layout::rows && k > 0);
    if (free && pick(0, 3) == 0) step = step * pick(1, 3) + (k ? pick(0, 3) : 0);
    t.shape[axis] = shape[static_cast<size_t>(axis)];
    t.stride[axis] = step;
    const int64_t reach = std::max<int64_t>(0, t.shape[axis] - 1) * step;
    if (free && pick(0, 3) == 0) t.stride[axis] = -step, low += reach;
    step = reach + step;
  }
  int64_t items = t.numel() ? 1 : 0;
  for (int i = 0; i < t.ndim && items; ++i) items += (t.shape[i] - 1) * std::abs(t.stride[i]);
  h.bytes = static_cast<size_t>(items * item_bytes(dtype));
  h.memory = static_cast<char*>(std::malloc(h.bytes ? h.bytes : 1));
  std::memset(h.memory, kCanary, h.bytes);
  t.data = h.memory + low * item_bytes(dtype) * (items ? 1 : 0);
  return h;
}

template <typename F>
void Case::fill(Held& h, F&& value) {
  each_element(h.tensor, [&](int64_t offset) { value(offset); });
  h.before.assign(h.memory, h.memory + h.bytes);
}

template <typename T>
const Tensor& Case::in(std::vector<int64_t> shape, double low, double high, Layout layout, bool wild) {
  Held& h = hold(shape, dtype_of<T>(), layout, false);
  fill(h, [&](int64_t offset) {
    double v = std::is_floating_point<T>::value ? real(low, high)
                                                : static_cast<double>(pick(std::lround(low), std::lround(high)));
    if (wild && std::is_floating_point<T>::value && pick(0, 19) == 0) {
      const double inf = std::numeric_limits<double>::infinity();
      v = one_of({inf, -inf, std::numeric_limits<double>::quiet_NaN()});
    }
    h.tensor.as<T>()[offset] = static_cast<T>(v);
  });
  return h.tensor;
}

template <typename T>
const Tensor& Case::in(std::vector<int64_t> shape, const std::vector<double>& values) {
  Held& h = hold(shape, dtype_of<T>(), Layout::contiguous, false);
  fill(h, [&](int64_t offset) { h.tensor.as<T>()[offset] = static_cast<T>(values[static_cast<size_t>(offset)]); });
  return h.tensor;
}

template <typename T>
const Tensor& Case::out(std::vector<int64_t> shape, Layout layout) {
  Held& h = hold(shape, dtype_of<T>(), layout, true);
  h.before.assign(h.memory, h.memory + h.bytes);
  return h.tensor;
}

template <typename T>
const Tensor& Case::inout(std::vector<int64_t> shape, double low, double high, Layout layout) {
  in<T>(shape, low, high, layout);
  held_.back().is_output = true;
  held_.back().tensor.read_only = false;
  return held_.back().tensor;
}

const Tensor& Case::in_bf16(std::vector<int64_t> shape, double low, double high, Layout layout) {
  Held& h = hold(shape, DType::bf16, layout, false);
  fill(h, [&](int64_t at) { h.tensor.as<uint16_t>()[at] = to_bf16(static_cast<float>(real(low, high))); });
  return h.tensor;
}

const Tensor& Case::out_bf16(std::vector<int64_t> shape, Layout layout) {
  Held& h = hold(shape, DType::bf16, layout, true);
  h.before.assign(h.memory, h.memory + h.bytes);
  return h.tensor;
}

const Tensor& Case::none() {
  Held& h = hold({0}, DType::u8, Layout::contiguous, true);
  return h.tensor;
}

template const Tensor& Case::in<bool>(std::vector<int64_t>, double, double, Layout, bool);
template const Tensor& Case::in<uint8_t>(std::vector<int64_t>, double, double, Layout, bool);
template const Tensor& Case::in<uint16_t>(std::vector<int64_t>, double, double, Layout, bool);
template const Tensor& Case::in<int32_t>(std::vector<int64_t>, double, double, Layout, bool);
template const Tensor& Case::in<int64_t>(std::vector<int64_t>, double, double, Layout, bool);
template const Tensor& Case::in<float>(std::vector<int64_t>, double, double, Layout, bool);
template const Tensor& Case::in<double>(std::vector<int64_t>, double, double, Layout, bool);
template const Tensor& Case::in<int32_t>(std::vector<int64_t>, const std::vector<double>&);
template const Tensor& Case::in<float>(std::vector<int64_t>, const std::vector<double>&);
template const Tensor& Case::in<double>(std::vector<int64_t>, const std::vector<double>&);
template const Tensor& Case::inout<uint8_t>(std::vector<int64_t>, double, double, Layout);
template const Tensor& Case::inout<float>(std::vector<int64_t>, double, double, Layout);
template const Tensor& Case::out<bool>(std::vector<int64_t>, Layout);
template const Tensor& Case::out<uint8_t>(std::vector<int64_t>, Layout);
template const Tensor& Case::out<uint16_t>(std::vector<int64_t>, Layout);
template const Tensor& Case::out<int32_t>(std::vector<int64_t>, Layout);
template const Tensor& Case::out<int64_t>(std::vector<int64_t>, Layout);
template const Tensor& Case::out<float>(std::vector<int64_t>, Layout);
template const Tensor& Case::out<double>(std::vector<int64_t>, Layout);

// Inputs as they were; between the elements of an output the canaries.
void Case::check_memory(const Held& h) const {
  if (!h.is_output) {
    if (h.bytes && std::memcmp(h.memory, h.before.data(), h.bytes) != 0) failed("an input was written");
    return;
  }
  std::vector<char> written(h.bytes, 0);
  const int64_t item = item_bytes(h.tensor.dtype);
  const int64_t start = static_cast<const char*>(h.tensor.data) - h.memory;
  each_element(h.tensor, [&](int64_t offset) {
    std::fill_n(written.begin() + (start + offset * item), item, static_cast<char>(1));
  });
  for (size_t i = 0; i < h.bytes; ++i)
    if (!written[i] && h.memory[i] != kCanary) failed("memory between the elements of an output was written");
}

void Case::call(const std::function<void()>& f) {
  f();
  for (const Held& h : held_) {
    check_memory(h);
    if (!h.is_output) continue;
    for (size_t i = 0; i < h.bytes; ++i)
      digest_ = (digest_ ^ static_cast<unsigned char>(h.memory[i])) * 1099511628211ull;
  }
  if (with_refusals_) refusals(f);
  held_.clear();
}

bool Case::refused(const std::function<void()>& f, const std::string& how, bool must) {
  try {
    f();
  } catch (const Error& e) {
    if (std::string(e.what()).size() < 10) failed(how + ": refused without a reason");
    return true;
  }
  if (must) failed(how + ": not refused");
  return false;
}

// Each tensor in turn made wrong in ways that never claim more memory than there is.
void Case::refusals(const std::function<void()>& f) {
  for (size_t k = 0; k < held_.size(); ++k) {
    Tensor& t = held_[k].tensor;
    const Tensor good = t;
    const std::string which = "tensor " + std::to_string(k);
    t.device.type = DeviceType::cuda;
    refused(f, which + " on another device", t.numel() > 0 && held_.size() > 1);
    t = good;
    if (held_[k].is_output && t.numel() > 0) {
      t.read_only = true;
      refused(f, which + " read-only", true);
      t = good;
    }
    for (const DType d : {DType::boolean, DType::u8, DType::u16, DType::f16, DType::i32, DType::f32, DType::i64}) {
      if (item_bytes(d) > item_bytes(good.dtype)) continue;
      t.dtype = d;
      refused(f, which + " of another dtype", false);
      t = good;
    }
    for (int axis = 0; axis < good.ndim; ++axis)
      for (const int64_t size : {good.shape[axis] - 1, int64_t{0}}) {
        if (size < 0 || size >= good.shape[axis]) continue;
        t.shape[axis] = size;
        refused(f, which + " smaller", false);
        t = good;
      }
    if (t.ndim > 0) {
      --t.ndim;
      refused(f, which + " with an axis less", false);
      t = good;
    }
    if (t.ndim < kMaxDims) {
      t.shape[t.ndim] = 1, t.stride[t.ndim] = 1, ++t.ndim;
      refused(f, which + " with an axis more", false);
      t = good;
    }
    if (held_[k].is_output && t.numel() > 1) {  // two elements in one place
      for (int axis = 0; axis < t.ndim; ++axis)
        if (t.shape[axis] > 1) {
          t.stride[axis] = 0;
          refused(f, which + " broadcast", true);
          t = good;
        }
    }
  }
}

}  // namespace fuzz
}  // namespace pyapdraw
