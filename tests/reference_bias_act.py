"""Slow float64 definition of bias_act and of its gradient."""

import numpy as np

GAINS = {"relu": 2**0.5, "lrelu": 2**0.5, "swish": 2**0.5}
SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def sigmoid(x):
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


def activate(x, act, alpha):
    with np.errstate(over="ignore", invalid="ignore"):
        return {
            "linear": lambda: x,
            "relu": lambda: np.where(x < 0, 0, x),
            "lrelu": lambda: np.where(x < 0, x * alpha, x),
            "tanh": lambda: np.tanh(x),
            "sigmoid": lambda: sigmoid(x),
            "elu": lambda: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
            "selu": lambda: SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * np.expm1(np.minimum(x, 0))),
            "softplus": lambda: np.logaddexp(x, 0),
            "swish": lambda: x * sigmoid(x),
        }[act]()


def slope(x, act, alpha):
    s = sigmoid(x)
    return {
        "linear": lambda: np.ones_like(x),
        "relu": lambda: np.where(x > 0, 1.0, 0.0),
        "lrelu": lambda: np.where(x > 0, 1.0, alpha),
        "tanh": lambda: 1 - np.tanh(x) ** 2,
        "sigmoid": lambda: s * (1 - s),
        "elu": lambda: np.where(x > 0, 1.0, np.exp(np.minimum(x, 0))),
        "selu": lambda: SELU_SCALE * np.where(x > 0, 1.0, SELU_ALPHA * np.exp(np.minimum(x, 0))),
        "softplus": lambda: s,
        "swish": lambda: s * (1 + x * (1 - s)),
    }[act]()


def biased(x, b, dim):
    x = np.asarray(x, np.float64)
    return x if b is None else x + np.asarray(b, np.float64).reshape([-1 if i == dim else 1 for i in range(x.ndim)])


def bias_act(x, b=None, dim=1, act="linear", alpha=None, gain=None, clamp=None):
    alpha, gain = 0.2 if alpha is None else alpha, GAINS.get(act, 1) if gain is None else gain
    y = activate(biased(x, b, dim), act, alpha) * gain
    return y if clamp is None else np.clip(y, -clamp, clamp)


def gradient(grad, x, b=None, dim=1, act="linear", alpha=None, gain=None, clamp=None):
    """grad times the derivative by x: zero where the result is clamped."""
    alpha, gain = 0.2 if alpha is None else alpha, GAINS.get(act, 1) if gain is None else gain
    v = biased(x, b, dim)
    g = grad * gain * slope(v, act, alpha)
    return g if clamp is None else np.where(np.abs(activate(v, act, alpha) * gain) < clamp, g, 0)
