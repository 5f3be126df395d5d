#pragma once
// How options cross: a fixed set of strings on the Python side, an enum in C++.
#include <pybind11/pybind11.h>

#include <string>

#include "pyapdraw/ops.h"

namespace pyapdraw {
namespace options {

template <typename E>
struct Names;  // static constexpr const char* arg; values[]; in the order of the enum

template <>
struct Names<Filter> {
  static constexpr const char* arg = "filter";
  static constexpr const char* values[] = {"bilinear", "antialias"};
};
template <>
struct Names<Border> {
  static constexpr const char* arg = "border";
  static constexpr const char* values[] = {"constant", "edge"};
};
template <>
struct Names<YuvMatrix> {
  static constexpr const char* arg = "matrix";
  static constexpr const char* values[] = {"bt601", "bt709", "bt2020"};
};
template <>
struct Names<FuseMode> {
  static constexpr const char* arg = "mode";
  static constexpr const char* values[] = {"min", "max"};
};
template <>
struct Names<Activation> {
  static constexpr const char* arg = "activation";
  static constexpr const char* values[] = {"linear", "relu", "lrelu",    "tanh", "sigmoid",
                                           "elu",    "selu", "softplus", "swish"};
};
template <>
struct Names<Padding> {
  static constexpr const char* arg = "padding_mode";
  static constexpr const char* values[] = {"zeros", "reflect"};
};

template <>
struct Names<Enlarged> {
  static constexpr const char* arg = "how";
  static constexpr const char* values[] = {"nearest", "bilinear"};
};
template <>
struct Names<MapActivation> {
  static constexpr const char* arg = "activation";
  static constexpr const char* values[] = {"linear", "relu", "hard_swish"};
};

template <typename E>
E from_text(const std::string& text) {
  int i = 0;
  std::string expected;
  for (const char* v : Names<E>::values) {
    if (text == v) return static_cast<E>(i);
    expected += (i++ ? ", '" : "'") + std::string(v) + "'";
  }
  throw BadInput(std::string(Names<E>::arg) + ": '" + text + "' given, one of " + expected + " expected");
}

}  // namespace options
}  // namespace pyapdraw

namespace pybind11 {
namespace detail {

template <typename E>
struct option_caster {
  PYBIND11_TYPE_CASTER(E, const_name("str"));
  bool load(handle source, bool) {
    if (!isinstance<str>(source)) return false;
    value = pyapdraw::options::from_text<E>(source.cast<std::string>());
    return true;
  }
  static handle cast(E e, return_value_policy, handle) {
    return str(pyapdraw::options::Names<E>::values[static_cast<int>(e)]).release();
  }
};

template <>
struct type_caster<pyapdraw::Filter> : option_caster<pyapdraw::Filter> {};
template <>
struct type_caster<pyapdraw::Border> : option_caster<pyapdraw::Border> {};
template <>
struct type_caster<pyapdraw::YuvMatrix> : option_caster<pyapdraw::YuvMatrix> {};
template <>
struct type_caster<pyapdraw::FuseMode> : option_caster<pyapdraw::FuseMode> {};
template <>
struct type_caster<pyapdraw::Padding> : option_caster<pyapdraw::Padding> {};
template <>
struct type_caster<pyapdraw::Activation> : option_caster<pyapdraw::Activation> {};

template <>
struct type_caster<pyapdraw::Enlarged> : option_caster<pyapdraw::Enlarged> {};
template <>
struct type_caster<pyapdraw::MapActivation> : option_caster<pyapdraw::MapActivation> {};

}  // namespace detail
}  // namespace pybind11
