"""Slow float64 definition of instance normalisation."""

import numpy as np


def instance_norm(x, weight=None, bias=None, eps=1e-5):
    out = np.empty(x.shape, np.float64)
    for n, c in np.ndindex(x.shape[:2] if out.size else (0, 0)):
        plane = x[n, c].astype(np.float64)
        away = plane - plane.mean()
        out[n, c] = away / np.sqrt((away**2).mean() + eps)
        out[n, c] *= 1 if weight is None else float(weight[c])
        out[n, c] += 0 if bias is None else float(bias[c])
    return out
