"""Slow float64 definition of conv_to_one."""

import numpy as np
from reference_bias_act import activate


def conv_to_one(x, weight, bias, up, padding, padding_mode, activation):
    """x [N,C,H,W]; weight [1,C,kh,kw], or [C,1,kh,kw] where up > 1."""
    x, weight = np.asarray(x, np.float64), np.asarray(weight, np.float64)
    taps = weight[0] if up == 1 else weight[:, 0]
    _, kh, kw = taps.shape
    n, _, h, w = x.shape
    if up == 1:
        edge = [(0, 0), (0, 0), (padding, padding), (padding, padding)]
        x = np.pad(x, edge, mode="reflect" if padding_mode == "reflect" else "constant")
        ho, wo = x.shape[2] - kh + 1, x.shape[3] - kw + 1
        y = np.zeros((n, ho, wo))
        for k in range(kh):
            for l in range(kw):
                y += np.einsum("nchw,c->nhw", x[:, :, k : k + ho, l : l + wo], taps[:, k, l])
    else:
        y = np.zeros((n, (h - 1) * up + kh, (w - 1) * up + kw))
        for k in range(kh):
            for l in range(kw):
                y[:, k : k + (h - 1) * up + 1 : up, l : l + (w - 1) * up + 1 : up] += np.einsum(
                    "nchw,c->nhw", x, taps[:, k, l]
                )
        y = y[:, padding : y.shape[1] - padding, padding : y.shape[2] - padding]
    return activate(y[:, None] + (0 if bias is None else float(bias[0])), activation, 0.2)
