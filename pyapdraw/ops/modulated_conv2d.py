"""Modulated convolution with everything around it: one synthesis layer of StyleGAN2 in one call
[Karras et al.: Analyzing and Improving the Image Quality of StyleGAN, CVPR 2020, section 2.2 and appendix B].

The weights are never copied per sample: y = d * conv(w, s * x) with d from s^2 and the sums of w^2, so that one packed
weight serves the whole batch. The definition in torch and the gradients are in _modulated_conv2d_torch.py.
"""

from typing import Any

import numpy as np

from pyapdraw import _C
from pyapdraw.errors import BadInput, DeviceError, Unsupported
from pyapdraw.need import need
from pyapdraw.ops._arrays import Array, ArrayView, all_torch, call, empty, takes_device_arrays
from pyapdraw.ops._torch import Operator, declare, operators
from pyapdraw.ops.bias_act import GAINS, bias_act

SLOPE = 0.2  # of lrelu
EMULATED = "emulated" in _C.cpu_backends()  # tests: CPU tensors go through the CUDA kernels
FUSED = ("linear", "relu", "lrelu")  # the activations that the kernel applies itself
_ABSENT = np.empty(0, np.float32)  # stands for a filter, noise or bias that is not given


@takes_device_arrays
def modulated_conv2d(
    x: Array,
    weight: Array,
    styles: Array,
    *,
    demodulate: bool = True,
    up: int = 1,
    down: int = 1,
    resample_filter: Array | None = None,
    noise: Array | None = None,
    bias: Array | None = None,
    activation: str = "linear",
    gain: float | None = None,
    clamp: float | None = None,
) -> Array:
    """``clamp(gain * activation(d * conv(weight, styles * x) + noise + bias))``, resampled by two where asked.

    Args:
        x: [N, I, H, W], float32 or bfloat16 (torch: float16 too, on the CPU computed in float32, and float64, without a
            kernel); any strides, channels_last is fastest.
        weight: [O, I, k, k] with k = 1 or 3, float32 or of x's dtype (torch: any floating point); used as given, no
            gain. On CUDA it is fastest in x's dtype and channels_last, or else packed anew in every call.
        styles: [N, I], one factor for each input channel of each sample.
        demodulate: scale each output channel by ``d = rsqrt(sum over i, k of (weight * styles)^2 + 1e-8)``.
        up: 1 or 2. Twice the size: k = 3 is a transposed convolution of stride 2 with the weight as stored, then the
            filter with gain 4; k = 1 is the convolution, then zero insertion and the filter with gain 4.
        down: 1 or 2. Half the size, rounded down: the filter, then a convolution of stride 2. Not together with up.
        resample_filter: [f], applied along both axes, or [fh, fw]; usually (1, 3, 3, 1) / 8. None: no smoothing, as
            filter (1). Constant: it gets no gradient. Not used when up and down are 1. The kernel is given its taps by
            the CPU, so for CUDA tensors a CPU tensor is best; one on the device is copied when it is first seen.
        noise: [N, 1, H', W'], [1, 1, H', W'] or [H', W'], already multiplied by its strength; added after d.
        bias: [O].
        activation: linear, relu, lrelu (slope 0.2), tanh, sigmoid, elu, selu, softplus or swish.
        gain: factor behind the activation; None: sqrt(2) for relu, lrelu and swish, otherwise 1.
        clamp: limit of the absolute value, applied last; None: no limit.

    Returns:
        [N, O, H', W'] of the kind, dtype and memory format of x, ``H' = H``, ``2 H`` or ``H // 2``. Sums are taken in
        float32 (float64 for float64). With torch it is differentiable twice in x, weight, styles, noise and bias;
        where ``|y|`` reaches clamp the gradient is zero.

    Raises:
        BadInput: wrong shape, dtype, kind, device or option.

    >>> x, weight = np.ones((1, 2, 1, 2), np.float32), np.ones((1, 2, 1, 1), np.float32)
    >>> modulated_conv2d(x, weight, np.array([[3, 4]], np.float32))
    array([[[[1.4, 1.4]]]], dtype=float32)
    """
    of_device = type(x) is ArrayView
    if of_device:
        _check_host_filter(resample_filter)
    same_kind = None if of_device else resample_filter
    in_torch = all_torch(x=x, weight=weight, styles=styles, noise=noise, bias=bias, resample_filter=same_kind)
    up, down = _factor(up, "up"), _factor(down, "down")
    if up == 2 and down == 2:
        raise BadInput("down: 2 given together with up 2, only one of them may be 2")
    if activation not in GAINS:
        raise BadInput(f"activation: {activation!r} given, one of {', '.join(GAINS)} expected")
    if clamp is not None and not clamp >= 0:
        raise BadInput(f"clamp: {clamp} given, None or a number from 0 up expected")
    if noise is not None and noise.ndim == 2:
        noise = noise[None, None]
    if up == down:
        resample_filter = None
    _check_shapes(x, weight, styles, resample_filter, noise, bias, up, down)
    cast = _torch_operands if in_torch else _numpy_operands
    operands = cast(x, weight, styles, resample_filter, noise, bias)
    gain, limit = GAINS[activation] if gain is None else float(gain), -1.0 if clamp is None else float(clamp)
    layer = operators().modulated_conv2d if in_torch else _run_numpy
    if activation in FUSED:
        y = layer(*operands, bool(demodulate), up, down, activation, gain, limit)
    else:
        y = layer(*operands, bool(demodulate), up, down, "linear", 1.0, -1.0)
        y = bias_act(y, act=activation, gain=gain, clamp=clamp)
    return y if operands[0] is x else y.to(x.dtype)  # float16 on the CPU was computed in float32


def _check_host_filter(filter: Any) -> None:
    """The kernel reads the filter on the host, so beside CUDA arrays it is a numpy array: no array of their kind."""
    if filter is not None and not isinstance(filter, np.ndarray):
        raise BadInput(f"resample_filter: {type(filter).__name__} given, a numpy array expected beside CUDA arrays")


def _factor(value: int, name: str) -> int:
    if value not in (1, 2):
        raise BadInput(f"{name}: {value!r} given, 1 or 2 expected")
    return int(value)


def _wrong_shape(name: str, array: Array, expected: str) -> BadInput:
    return BadInput(f"{name}: shape {list(array.shape)} given, {expected} expected")


def _check_shapes(x: Any, weight: Any, styles: Any, filter: Any, noise: Any, bias: Any, up: int, down: int) -> None:
    if x.ndim != 4:
        raise _wrong_shape("x", x, "[N, I, H, W]")
    n, inputs, h, w = x.shape
    kernel = weight.shape
    if len(kernel) != 4 or kernel[2] != kernel[3] or kernel[2] not in (1, 3):
        raise _wrong_shape("weight", weight, "[O, I, 1, 1] or [O, I, 3, 3]")
    if kernel[1] != inputs or inputs == 0:
        raise _wrong_shape("weight", weight, f"[O, {inputs}, k, k] with at least one input")
    if styles.shape != (n, inputs):
        raise _wrong_shape("styles", styles, f"[{n}, {inputs}]")
    if filter is not None and (filter.ndim not in (1, 2) or 0 in filter.shape):
        raise _wrong_shape("resample_filter", filter, "[f] or [fh, fw] with at least one tap")
    if noise is not None:
        h, w = _side(h, up, down), _side(w, up, down)
        if noise.shape not in ((1, 1, h, w), (n, 1, h, w)):
            raise _wrong_shape("noise", noise, f"[{n}, 1, {h}, {w}], [1, 1, {h}, {w}] or [{h}, {w}]")
    if bias is not None and bias.shape != (kernel[0],):
        raise _wrong_shape("bias", bias, f"[{kernel[0]}]")


def _side(side: int, up: int, down: int) -> int:
    return side * up // down


def _numpy_operands(x: Any, weight: Any, *small: Any) -> list:
    """x and weight as they are, the small operands in float32: cast where they are numpy arrays."""
    for name, a in zip(_SMALL[1:], small):
        if a is not None and not isinstance(a, np.ndarray) and a.dtype != np.float32:
            raise BadInput(f"{name}: dtype {a.dtype} given, float32 expected")
    return [x, weight, *(np.asarray(a, np.float32) if _is_numpy_float(a) else a for a in small)]


def _is_numpy_float(a: Any) -> bool:
    return isinstance(a, np.ndarray) and a.dtype.kind == "f"


_SMALL = ("weight", "styles", "resample_filter", "noise", "bias")


def _torch_operands(x: Any, *others: Any) -> list:
    """The small operands in float32, or float64 beside a float64 x; weight may also have the 16-bit dtype of x."""
    import torch

    dtype, device = x.dtype, x.device
    if dtype not in (torch.float32, torch.bfloat16, torch.float16, torch.float64):
        raise BadInput(f"x: dtype {dtype} given, float32, bfloat16, float16 or float64 expected")
    small = torch.float64 if dtype == torch.float64 else torch.float32
    out = [x.float() if dtype == torch.float16 and not _cuda_kernels(x) else x]
    for name, a in zip(_SMALL, others):
        if a is not None:
            given = a.dtype
            if not given.is_floating_point:
                raise BadInput(f"{name}: dtype {given} given, a floating-point dtype expected")
            if a.device != device and not (name == "resample_filter" and a.device.type == "cpu"):
                raise DeviceError(f"{name}: on {a.device}, the device of x, {device}, expected")
            if given != small and not (name == "weight" and given == out[0].dtype):
                a = a.to(small)
        out.append(a)
    if others[2] is not None and others[2].requires_grad:
        raise BadInput("resample_filter: requires a gradient, a constant expected (detach it)")
    return out


def _cuda_kernels(x: Any) -> bool:
    """Whether the kernels for x are those of CUDA, which take float16 and do the weight gradient in 16 bits."""
    return EMULATED or x.is_cuda


def _native(operands: tuple, options: tuple, out: Any) -> bool:
    """Whether a kernel has written out; False for what only the composed definition covers."""
    x, weight, styles, filter, noise, bias = operands
    filter = _ABSENT if filter is None else _on_cpu(filter)
    noise, bias = _ABSENT if noise is None else noise, _ABSENT if bias is None else bias
    demodulate, up, down, activation, gain, clamp = options
    try:
        call(
            _C.modulated_conv2d, x, weight, styles, filter, noise, bias, out,
            demodulate, up, down, activation, SLOPE, gain, clamp, like=x,
        )  # fmt: skip
    except Unsupported:
        return False
    return True


_on_cpu_already: Any = None  # CUDA filter -> (its version, its copy), for as long as the filter lives


def _on_cpu(filter: Any) -> Any:
    """A copy waits for the device, which a network of ten layers should not do ten times in each pass."""
    global _on_cpu_already
    if not getattr(filter, "is_cuda", False):
        return filter
    if _on_cpu_already is None:
        from torch.utils.weak import WeakTensorKeyDictionary

        _on_cpu_already = WeakTensorKeyDictionary()
    version, copy = _on_cpu_already.get(filter, (None, None))
    if version != filter._version:
        copy = filter.cpu()
        _on_cpu_already[filter] = filter._version, copy
    return copy


def _run_numpy(*arguments: Any) -> Any:
    operands, options = arguments[:6], arguments[6:]
    x, weight = operands[:2]
    n, channels, up, down = x.shape[0], weight.shape[0], options[1], options[2]
    h, w = (_side(side, up, down) for side in x.shape[2:])
    if isinstance(x, np.ndarray) and x.shape[1] > 1 and x.strides[1] == x.itemsize:
        out = np.moveaxis(np.empty((n, h, w, channels), x.dtype), 3, 1)
    else:
        out = empty((n, channels, h, w), x.dtype, like=x)
    if not _native(operands, options, out):
        if not isinstance(x, np.ndarray):
            raise Unsupported("modulated_conv2d: no CUDA kernel for these arguments; torch tensors expected")
        torch = need("torch", extra="train", why="a resample_filter that is not of rank one")
        as_torch = (None if a is None else torch.from_numpy(np.ascontiguousarray(a)) for a in operands)
        out[...] = _composed(*as_torch, *options).numpy()
    return out


def _composed(*arguments: Any) -> Any:
    from pyapdraw.ops._modulated_conv2d_torch import composed

    return composed(*arguments)


def _fake(x: Any, weight: Any, *rest: Any) -> Any:
    up, down = rest[5], rest[6]
    n, channels, h, w = x.shape
    shape = (n, weight.shape[0], _side(h, up, down), _side(w, up, down))
    if not x.is_contiguous() and channels > 1 and x.stride(1) == 1:
        import torch

        return torch.empty(*shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
    return x.new_empty(*shape)


def _run(*arguments: Any) -> Any:
    import torch

    x = arguments[0]
    out = _fake(*arguments)
    dtype = x.dtype
    kernel_dtype = dtype in (torch.float32, torch.bfloat16) or (dtype == torch.float16 and _cuda_kernels(x))
    if not (kernel_dtype and _native(arguments[:6], arguments[6:], out)):
        out.copy_(_composed(*arguments))
    return out


def _save(ctx: Any, inputs: tuple, output: Any) -> None:
    demodulate, _, _, activation, _, clamp = inputs[6:]
    kept = output if demodulate or activation != "linear" or clamp >= 0 else None
    ctx.save_for_backward(*inputs[:6], kept)
    ctx.options = inputs[6:]


def _backward(ctx: Any, grad: Any) -> tuple:
    from pyapdraw.ops._modulated_conv2d_torch import gradients

    grads = gradients(grad, ctx.saved_tensors, ctx.options, ctx.needs_input_grad)
    return *grads, *[None] * 6


def _fake_weight(grad: Any, grad_scale: Any, x: Any, x_scale: Any, k: int, stride: int, pad: int) -> Any:
    return grad_scale.new_empty((grad.shape[1], x.shape[1], k, k))


def _run_weight(grad: Any, grad_scale: Any, x: Any, x_scale: Any, k: int, stride: int, pad: int) -> Any:
    import torch

    from pyapdraw.ops._modulated_conv2d_torch import composed_backward_weight

    operands = (grad, grad_scale, x, x_scale)
    # On the CPU torch's library is twice as fast in bfloat16.
    if torch.float64 not in (x.dtype, grad.dtype) and (torch.float32 in (x.dtype, grad.dtype) or _cuda_kernels(x)):
        out = _fake_weight(*operands, k, stride, pad)
        try:
            call(_C.modulated_conv2d_backward_weight, *operands, out, stride, pad, like=x)
            return out
        except Unsupported:
            pass
    return composed_backward_weight(*operands, k, stride, pad)


def _save_weight(ctx: Any, inputs: tuple, output: Any) -> None:
    ctx.save_for_backward(*inputs[:4])
    ctx.stride, ctx.pad = inputs[5:]


def _backward_weight(ctx: Any, grad: Any) -> tuple:
    from pyapdraw.ops._modulated_conv2d_torch import gradients_of_backward_weight

    grads = gradients_of_backward_weight(grad, ctx.saved_tensors, ctx.stride, ctx.pad, ctx.needs_input_grad)
    return *grads, None, None, None


declare(
    Operator(
        "modulated_conv2d_backward_weight(Tensor grad, Tensor grad_scale, Tensor x, Tensor x_scale,"
        " int k, int stride, int pad) -> Tensor",
        _run_weight,
        _fake_weight,
        save=_save_weight,
        backward=_backward_weight,
    )
)
declare(
    Operator(
        "modulated_conv2d(Tensor x, Tensor weight, Tensor styles, Tensor? filter, Tensor? noise, Tensor? bias,"
        " bool demodulate, int up, int down, str activation, float gain, float clamp) -> Tensor",
        _run,
        _fake,
        save=_save,
        backward=_backward,
    )
)
