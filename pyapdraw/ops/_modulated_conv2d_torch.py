"""Modulated convolution composed of torch operations: the definition, and the gradients.

The definition serves float64, filters that are not of rank one, and devices without a kernel. The gradients
are written with differentiable operations only, so that they can be differentiated again (path length regularisation
needs the gradient of a gradient). With g the gradient before activation, d the demodulation and z = d * conv(w, s x):

    x       s * A, A the adjoint convolution of d g: the same operator with the weight transposed
    styles  sum of x A, and through d:  -d^2/2 sum(g z) * dS/ds, S = sum of (w s)^2
    weight  modulated_conv2d_backward_weight of s x and d g, and through d in the same way
"""

from typing import Any

from pyapdraw.ops._torch import operators

EPS = 1e-8


def composed(
    x: Any,
    weight: Any,
    styles: Any,
    filter: Any,
    noise: Any,
    bias: Any,
    demodulate: bool,
    up: int,
    down: int,
    activation: str,
    gain: float,
    clamp: float,
) -> Any:
    """The layer in float32 (float64 for float64), rounded once to the dtype of x."""
    import torch

    work = torch.float64 if x.dtype == torch.float64 else torch.float32
    dtype, x, weight = x.dtype, x.to(work), weight.to(work)
    y = resampled_conv(x * styles[:, :, None, None], weight, filter, up, down)
    if demodulate:
        y = y * demodulation(weight, styles)[:, :, None, None]
    if noise is not None:
        y = y + noise
    if bias is not None:
        y = y + bias[:, None, None]
    return activated(y, activation, gain, clamp).to(dtype)


def demodulation(weight: Any, styles: Any) -> Any:
    """d [N, O] = rsqrt(sum over i, k of (weight * styles)^2 + 1e-8)."""
    squares = weight.to(styles.dtype).square().sum((2, 3))
    return (styles.square() @ squares.T + EPS).rsqrt()


def activated(y: Any, activation: str, gain: float, clamp: float) -> Any:
    """The fused activations, the gain, the clamp (none below 0)."""
    from torch.nn import functional

    if activation != "linear":
        y = functional.leaky_relu(y, 0.2) if activation == "lrelu" else functional.relu(y)
    y = y if gain == 1 else y * gain
    return y.clamp(-clamp, clamp) if clamp >= 0 else y


def resampled_conv(x: Any, weight: Any, filter: Any, up: int, down: int) -> Any:
    """Convolution with padding k // 2, with the filter where up or down is 2."""
    from torch.nn import functional

    k = weight.shape[2]
    size = [side * up // down for side in x.shape[2:]]
    if 0 in (*x.shape, *size):
        return x.new_zeros((x.shape[0], weight.shape[0], *size))
    if up == down:
        return functional.conv2d(x, weight, padding=k // 2)
    pads = _pads(filter, k, up)
    if down == 2:
        x = _fir(x, filter, pads)
        return functional.conv2d(x, weight, stride=2) if k == 3 else functional.conv2d(x[..., ::2, ::2], weight)
    if k == 3:
        z = functional.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    else:
        z = _spread(functional.conv2d(x, weight))
    return _fir(z, filter, pads, gain=4)


def _taps(filter: Any) -> tuple[int, int]:
    """Height and width of the filter."""
    return (1, 1) if filter is None else (filter.shape[0], filter.shape[-1])


def _pads(filter: Any, k: int, up: int) -> list[int]:
    """Zeros left, right, above and below, in front of the filter; a negative number cuts off."""
    pads = []
    for taps in reversed(_taps(filter)):
        if up == 1:
            pads += [k // 2 + (taps - 1) // 2, k // 2 + (taps - 2) // 2]
        else:
            pads += [(taps + 1) // 2 - k // 2, (taps - 2) // 2]
    return pads


def _adjoint_pads(filter: Any, pads: list[int]) -> list[int]:
    h, w = _taps(filter)
    return [taps - 1 - pad for taps, pad in zip((w, w, h, h), pads)]


def _spread(x: Any) -> Any:
    """A zero behind every element along both axes."""
    n, c, h, w = x.shape
    out = x.new_zeros((n, c, 2 * h, 2 * w))
    out[..., ::2, ::2] = x
    return out


def _fir(x: Any, filter: Any, pads: list[int], gain: float = 1.0, flip: bool = True) -> Any:
    """Padding, then the convolution (flip=False: the correlation) of every channel with gain * filter."""
    import torch
    from torch.nn import functional

    if x.dtype in (torch.float32, torch.bfloat16) or (x.is_cuda and x.dtype == torch.float16):
        return operators().upfirdn2d(x, filter, [1, 1], [1, 1], pads, not flip, gain)
    x = functional.pad(x, pads)
    if filter is None:
        return x * gain
    channels, filter = x.shape[1], filter.to(x)
    if filter.ndim == 1:
        filter = filter * gain**0.5
        shapes: list[tuple[int, ...]] = [(1, len(filter)), (len(filter), 1)]
    else:
        filter, shapes = filter * gain, [tuple(filter.shape)]
    filter = filter.flip(list(range(filter.ndim))) if flip else filter
    for shape in shapes:
        x = functional.conv2d(x, filter.reshape(1, 1, *shape).expand(channels, 1, *shape), groups=channels)
    return x


def gradients(grad: Any, saved: tuple, options: tuple, needed: tuple[bool, ...]) -> tuple:
    """Gradients of x, weight, styles, filter (never one), noise and bias; None where not needed."""
    x, weight, styles, filter, noise, bias, y = saved
    demodulate, up, down = options[:3]
    if grad.numel() == 0:
        tensors = (x, weight, styles, None, noise, bias)
        return tuple(t.new_zeros(t.shape) if want and t is not None else None for t, want in zip(tensors, needed))
    for_x, for_weight, for_styles, _, for_noise, for_bias = needed[:6]
    g, gy = _before_activation(grad, y, options)
    d = demodulation(weight, styles) if demodulate else None
    grads: list = [None] * 6
    sums: Any = g.sum((2, 3), dtype=styles.dtype) if for_bias or (demodulate and bias is not None) else None
    if for_x or for_styles:
        adjoint = _adjoint(g, weight, d, filter, (up, down, x.shape))
        grads[0] = adjoint * styles.to(x.dtype)[:, :, None, None] if for_x else None
        grads[2] = (x * adjoint).sum((2, 3), dtype=styles.dtype) if for_styles else None
    if for_weight:
        d_or_one = styles.new_ones(g.shape[:2]) if d is None else d
        grads[1] = _grad_weight((g, d_or_one), (x, styles), weight, filter, (up, down))
    if d is not None and (for_weight or for_styles):
        through = (gy * y).sum((2, 3), dtype=styles.dtype)  # sum of g * (z + noise + bias): see _before_activation
        if noise is not None:
            through = through - (g * noise).sum((2, 3), dtype=styles.dtype)
        if bias is not None:
            through = through - sums * bias
        _add_demodulation(grads, -0.5 * d * d * through, weight, styles, needed)
    if for_noise:
        grads[4] = g.sum(1, keepdim=True, dtype=styles.dtype)
        grads[4] = grads[4].sum(0, keepdim=True) if noise.shape[0] == 1 else grads[4]
    grads[5] = sums.sum(0) if for_bias else None
    return tuple(grads)


def _before_activation(grad: Any, y: Any, options: tuple) -> tuple[Any, Any]:
    """g, the gradient before activation, gain and clamp; and gy, for which gy * y = g * (the value before activation):
    wherever g is not zero, y is gain * slope times that value."""
    import torch

    activation, gain, clamp = options[3:]
    if clamp >= 0:
        grad = grad.masked_fill(y.detach().abs() >= clamp, 0)
    g = grad if gain == 1 else grad * gain
    if activation != "linear":
        slope = 0.2 if activation == "lrelu" else 0.0
        value = y.detach() if gain > 0 else -y.detach()
        g = torch.ops.aten.leaky_relu_backward(g, value, slope, True)
    return g, grad


def _add_demodulation(grads: list, grad_sum: Any, weight: Any, styles: Any, needed: tuple[bool, ...]) -> None:
    """Adds what comes through S [N, O], the sum of (weight * styles)^2, given its gradient."""
    wide = weight.to(styles.dtype)
    if needed[2]:
        grads[2] = grads[2] + 2 * styles * (grad_sum @ wide.square().sum((2, 3)))
    if needed[1]:
        grads[1] = (grads[1] + 2 * wide * (grad_sum.T @ styles.square())[:, :, None, None]).to(weight.dtype)


def _adjoint(g: Any, weight: Any, d: Any, filter: Any, where: tuple[int, int, Any]) -> Any:
    """The adjoint of the resampled convolution, of d * g, by the operator itself: up and down are each other's."""
    import torch
    from torch.nn import functional

    up, down, shape = where
    if d is None:
        d = torch.ones(g.shape[:2], dtype=torch.promote_types(g.dtype, torch.float32), device=g.device)
    weight = weight.transpose(0, 1)
    if up == down:
        weight, filter = weight.flip(2, 3), None
    else:
        filter = _even(filter, d).flip(list(range(1 if filter is None else filter.ndim)))
        filter = filter * ((2.0 if filter.ndim == 1 else 4.0) ** (1 if up == 2 else -1))
    odd = [side % 2 for side in shape[2:]] if down == 2 else [0, 0]
    if any(odd):  # the last row or column was not a centre, but the filter saw it
        g = functional.pad(g, [0, odd[1], 0, odd[0]])
    out = operators().modulated_conv2d(g, weight, d, filter, None, None, False, down, up, *_PLAIN[3:])
    return out[..., : shape[2], : shape[3]] if any(odd) else out


def _even(filter: Any, like: Any) -> Any:
    """The same filter with an even number of taps: one zero in front, which the paddings make up for."""
    import torch
    from torch.nn import functional

    if filter is None:
        filter = torch.ones(1, dtype=like.dtype)  # on the CPU, where the kernel wants it
    pads = [side for taps in reversed(filter.shape) for side in (taps % 2, 0)]
    return functional.pad(filter, pads)


def _grad_weight(g_scaled: tuple, x_scaled: tuple, weight: Any, filter: Any, factors: tuple[int, int]) -> Any:
    """The gradient of sum(d g * resampled_conv(s x, weight)) in weight, given (g, d) and (x, s)."""
    (g, d), (x, s), (up, down) = g_scaled, x_scaled, factors
    k, stride, pad = weight.shape[2], 1, weight.shape[2] // 2
    if up != down:
        pad, pads = 0, _pads(filter, k, up)
        stride = 2 if k == 3 else 1
        if down == 2:
            x = _fir(x, filter, pads)
            x = x if k == 3 else x[..., ::2, ::2]
        else:
            g = _fir(g, filter, _adjoint_pads(filter, pads), gain=4, flip=False)
            g = g if k == 3 else g[..., ::2, ::2]
    backward_weight = operators().modulated_conv2d_backward_weight
    if up == 2 and k == 3:  # the transposed convolution is the adjoint of the plain one: x and g change places
        return backward_weight(x, s, g, d, k, stride, pad).transpose(0, 1).to(weight.dtype)
    return backward_weight(g, d, x, s, k, stride, pad).to(weight.dtype)


def composed_backward_weight(grad: Any, grad_scale: Any, x: Any, x_scale: Any, k: int, stride: int, pad: int) -> Any:
    """The weight gradient of the convolution of x_scale x, where grad_scale grad is the gradient of its result."""
    import torch

    work = torch.promote_types(grad.dtype, x.dtype)
    grad, x = (a.to(work) * scale.to(work)[:, :, None, None] for a, scale in ((grad, grad_scale), (x, x_scale)))
    weight = grad.new_empty((grad.shape[1], x.shape[1], k, k))  # for its shape
    how = [[stride] * 2, [pad] * 2, [1, 1], False, [0, 0], 1, [False, True, False]]
    return torch.ops.aten.convolution_backward(grad, x, weight, None, *how)[1].to(grad_scale.dtype).contiguous()


def gradients_of_backward_weight(direction: Any, saved: tuple, stride: int, pad: int, needed: tuple) -> list:
    """Gradients of grad, grad_scale, x and x_scale: the weight gradient is linear in each of them."""
    grad, grad_scale, x, x_scale = saved
    grads: list = [None] * 4
    if needed[0] or needed[1]:
        a = _plain_conv(x, x_scale, direction, stride, pad)
        grads[0] = a * grad_scale.to(a.dtype)[:, :, None, None]
        grads[1] = (a * grad).sum((2, 3), dtype=grad_scale.dtype)
    if needed[2] or needed[3]:
        b = _plain_conv_adjoint(grad, grad_scale, direction, (stride, pad, x.shape))
        grads[2] = b * x_scale.to(b.dtype)[:, :, None, None]
        grads[3] = (b * x).sum((2, 3), dtype=x_scale.dtype)
    return grads


_PLAIN = (False, 1, 1, "linear", 1.0, -1.0)  # the options of the operator without anything around the convolution


def _plain_conv(x: Any, scale: Any, weight: Any, stride: int, pad: int) -> Any:
    from torch.nn import functional

    if stride == 1:
        return operators().modulated_conv2d(x, weight, scale, None, None, None, *_PLAIN)
    return functional.conv2d(x * scale.to(x.dtype)[:, :, None, None], weight.to(x.dtype), stride=stride, padding=pad)


def _plain_conv_adjoint(grad: Any, scale: Any, weight: Any, where: tuple[int, int, Any]) -> Any:
    from torch.nn import grad as torch_grad

    stride, pad, shape = where
    if stride == 1:
        turned = weight.transpose(0, 1).flip(2, 3)
        return operators().modulated_conv2d(grad, turned, scale, None, None, None, *_PLAIN)
    scaled = grad * scale.to(grad.dtype)[:, :, None, None]
    return torch_grad.conv2d_input(shape, weight.to(grad.dtype), scaled, stride=stride, padding=pad)
