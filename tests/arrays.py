"""Array tools of the tests: unusual layouts, and outputs between guard bands."""

import numpy as np
from hypothesis import strategies as st

CANARY = 123


def laid_out(array: np.ndarray, layout: str) -> np.ndarray:
    """The same values in another memory layout."""
    if layout == "plain":
        return np.ascontiguousarray(array)
    if layout == "transposed":
        return np.ascontiguousarray(array.swapaxes(-1, -2)).swapaxes(-1, -2)
    if layout == "reversed":
        return np.ascontiguousarray(array[..., ::-1, ::-1])[..., ::-1, ::-1]
    if layout == "spaced":
        wide = np.zeros((*array.shape[:-2], array.shape[-2] * 2 + 1, array.shape[-1] * 3 + 2), array.dtype)
        view = wide[..., 1::2, 2::3]
        view[...] = array
        return view
    if layout == "channels_last":
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, -1)), -1, 1)
    raise ValueError(layout)


layouts = st.sampled_from(["plain", "transposed", "reversed", "spaced"])


class Guarded:
    """A writable view inside a larger array of canaries: `check()` fails if anything outside the view was touched."""

    def __init__(self, shape, dtype, layout="plain"):
        step = 3 if layout == "spaced" else 1
        inner = tuple(n * step for n in shape)
        self._whole = np.full([n + 6 for n in inner], CANARY, dtype)
        self._inside = np.zeros(self._whole.shape, bool)
        index = tuple(slice(3, 3 + n, step) for n in inner)
        self._inside[index] = True
        self.view = self._whole[index]
        if layout == "reversed":
            self.view = self.view[..., ::-1, ::-1]
        assert self.view.shape == tuple(shape)

    def check(self):
        assert (self._whole[~self._inside] == CANARY).all(), "memory outside the output was written"
