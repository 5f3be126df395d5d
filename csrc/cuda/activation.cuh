#pragma once
// The activations of core/activation_math.h on several values, chosen at run time by a branch that all threads take
// alike.
#include <cuda_runtime.h>

#include "core/activation_math.h"

namespace pyapdraw {
namespace cuda {
namespace {

template <Activation A, int N, typename W>
__device__ void activate(W (&v)[N], W alpha) {
  for (int k = 0; k < N; ++k) v[k] = act::value<A>(v[k], alpha);
}

// v = act(v), before gain and clamp.
template <int N, typename W>
__device__ void activate(Activation activation, W (&v)[N], W alpha) {
  switch (activation) {
    case Activation::linear: return;
    case Activation::relu: return activate<Activation::relu>(v, alpha);
    case Activation::lrelu: return activate<Activation::lrelu>(v, alpha);
    case Activation::tanh: return activate<Activation::tanh>(v, alpha);
    case Activation::sigmoid: return activate<Activation::sigmoid>(v, alpha);
    case Activation::elu: return activate<Activation::elu>(v, alpha);
    case Activation::selu: return activate<Activation::selu>(v, alpha);
    case Activation::softplus: return activate<Activation::softplus>(v, alpha);
    case Activation::swish: return activate<Activation::swish>(v, alpha);
  }
}

}  // namespace
}  // namespace cuda
}  // namespace pyapdraw
