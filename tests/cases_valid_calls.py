"""The public operations: how each is called, and one small valid call, which test_bad_input.py spoils one argument at a
time.

A new operation of pyapdraw.ops needs a row here; a test fails without it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pyapdraw import ops


@dataclass(frozen=True)
class Call:
    """arrays: by argument, "parts[0]" for the first of a list. options: passed as they are.

    out: whether the operation takes out= (for one result). optional: arrays that may be None. dtypes: other dtypes that
    an argument takes. aliased: arrays that `out` may be, exactly. differentiable: arrays with a gradient in torch.
    numpy_only: arguments that stay numpy arrays beside torch tensors (or may be). inplace: arrays that are written.
    """

    arrays: Mapping[str, np.ndarray]
    options: Mapping[str, Any] = field(default_factory=dict)
    out: bool = True
    optional: frozenset[str] = frozenset()
    dtypes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    aliased: frozenset[str] = frozenset()
    differentiable: frozenset[str] = frozenset()
    numpy_only: frozenset[str] = frozenset()
    inplace: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Row:
    """signature: of the public contract, without annotations. make: the valid call."""

    signature: str
    make: Callable[[], Call]

    def __call__(self) -> Call:
        return self.make()


def _random(shape: tuple[int, ...], dtype: str = "uint8", seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng([seed, *shape])
    if dtype == "uint8":
        return rng.integers(0, 256, shape, np.uint8)
    if dtype == "bool":
        return rng.random(shape) < 0.3
    return rng.uniform(-1, 1, shape).astype(dtype)


def _sites() -> Call:
    return Call({"sites": _random((9, 13), "bool")}, dtypes={"sites": ("uint8",)})


def _ink() -> Call:
    return Call({"ink": _random((9, 13), "bool")}, out=False, dtypes={"ink": ("uint8",)})


def _composite() -> Call:
    arrays = {"drawing": _random((8, 11), "float32"), "alpha": _random((8, 11), "float32", 1) ** 2,
              "background": _random((8, 11), "float32", 2)}  # fmt: skip
    return Call(arrays, aliased=frozenset({"background"}), differentiable=frozenset(arrays))


def _fuse_regions() -> Call:
    sizes = [(4, 6), (4, 6), (5, 5), (3, 8)]
    arrays = {f"parts[{i}]": _random((1, 1, *s), "float32", i) for i, s in enumerate(sizes)}
    arrays["centres"] = np.array([[[6, 8], [14, 8], [10, 12], [10, 16]]], np.int64)
    arrays |= {name: _random((1, 1, 20, 22), "float32", 7) for name in ("hair", "background")}
    arrays["mask"] = _random((1, 1, 20, 22), "bool")
    return Call(arrays, dtypes={"centres": ("int32", "float32", "float64"), "mask": ("uint8", "float32")},
                differentiable=frozenset(arrays) - {"centres", "mask"})  # fmt: skip


def _nchw_to_rgb() -> Call:
    return Call({"image": _random((3, 10, 12), "float32")})


def _warp_affine() -> Call:
    matrix = np.array([[0.9, 0.1, 1], [-0.1, 0.9, 0.5]])
    numbers = ("float32", "float16", "int8", "int32", "int64", "uint8", "uint16", "uint32", "bool", "longdouble", ">f4")
    return Call({"image": _random((10, 12, 3), "float32"), "matrix": matrix}, {"size": (7, 9)},
                dtypes={"image": ("uint8",), "matrix": numbers}, differentiable=frozenset({"image"}),
                numpy_only=frozenset({"matrix"}))  # fmt: skip


def _yuv() -> Call:
    return Call({"y": _random((8, 12)), "u": _random((4, 6)), "v": _random((4, 6), seed=1)})


def _resize() -> Call:
    return Call({"image": _random((10, 12, 3), "float32")}, {"size": (7, 9)}, dtypes={"image": ("uint8",)},
                differentiable=frozenset({"image"}))  # fmt: skip


def _rgb_to_yuv() -> Call:
    return Call({"image": _random((10, 12, 3))}, out=False)


def _rgb_to_nchw() -> Call:
    return Call({"image": _random((10, 12, 3))})


def _bias_act() -> Call:
    return Call(
        {"x": _random((2, 3, 5, 7), "float32"), "b": _random((3,), "float32")},
        {"act": "lrelu"},
        out=False,
        optional=frozenset({"b"}),
        dtypes={"x": ("float64",)},
        differentiable=frozenset({"x", "b"}),
    )


def _upfirdn2d() -> Call:
    return Call(
        {"x": _random((2, 3, 5, 7), "float32"), "f": _random((4, 4), "float32")},
        {"up": 2, "padding": (2, 1)},
        out=False,
        optional=frozenset({"f"}),
        dtypes={"x": ("float64",)},
        differentiable=frozenset({"x"}),
    )


def _modulated_conv2d() -> Call:
    arrays = {"x": _random((2, 3, 6, 8), "float32"), "weight": _random((4, 3, 3, 3), "float32"),
              "styles": _random((2, 3), "float32"), "noise": _random((1, 1, 6, 8), "float32"),
              "bias": _random((4,), "float32")}  # fmt: skip
    cast = dict.fromkeys(("styles", "noise", "bias"), ("float16", "float64"))
    return Call(arrays, {"activation": "lrelu"}, out=False, optional=frozenset({"noise", "bias"}), dtypes=cast,
                differentiable=frozenset(arrays))  # fmt: skip


def _crop_yuv() -> Call:
    turned = np.array([[0.9, 0.1, 1], [-0.1, 0.9, 0.5]])
    return Call({"y": _random((8, 12)), "u": _random((4, 6)), "v": _random((4, 6), seed=1)},
                {"to_crop": turned, "size": (5, 6)})  # fmt: skip


def _paste_yuv() -> Call:
    turned = np.array([[0.9, 0.1, 1], [-0.1, 0.9, 0.5]])
    arrays = {"y": _random((8, 12)), "u": _random((4, 6)), "v": _random((4, 6), seed=1), "drawing": _random((6, 6)),
              "alpha": _random((6, 6))}  # fmt: skip
    return Call(arrays, {"to_crop": turned}, out=False, inplace=frozenset({"y", "u", "v"}))


def _conv_to_one() -> Call:
    arrays = {"x": _random((2, 3, 6, 8), "float32"), "weight": _random((1, 3, 3, 3), "float32"),
              "bias": _random((1,), "float32")}  # fmt: skip
    return Call(arrays, {"padding": 1}, optional=frozenset({"bias"}), differentiable=frozenset(arrays))


def _flow_dog() -> Call:
    return Call({"image": _random((8, 11), "float32")})


def _instance_norm() -> Call:
    arrays = {"x": _random((2, 3, 5, 7), "float32"), "weight": _random((3,), "float32"),
              "bias": _random((3,), "float32", 1)}  # fmt: skip
    return Call(arrays, optional=frozenset({"weight", "bias"}), aliased=frozenset({"x"}))


VALID: dict[str, Row] = {
    "bias_act": Row("(x, b=None, *, dim=1, act='linear', alpha=None, gain=None, clamp=None)", _bias_act),
    "composite": Row("(drawing, alpha, background, *, out=None)", _composite),
    "conv_to_one": Row(
        "(x, weight, bias=None, *, up=1, padding=0, padding_mode='zeros', activation='linear', out=None)",
        _conv_to_one,
    ),
    "crop_yuv": Row(
        "(y, u, v=None, *, to_crop, size, filter='antialias', border=255, matrix='bt601', full_range=False,"
        " bits=None, out=None)",
        _crop_yuv,
    ),
    "distance_transform": Row("(sites, *, squared=False, sampling=None, return_indices=False, out=None)", _sites),
    "distance_transform_chamfer": Row("(sites, *, out=None)", _sites),
    "distance_transform_pair": Row("(ink, *, squared=False)", _ink),
    "flow_dog": Row(
        "(image, *, fine_px=0.4, tensor_px=3.03, flow_px=1.85, line_px=1.98, reduce=1, out=None)",
        _flow_dog,
    ),
    "fuse_regions": Row("(parts, centres, hair, background, mask, *, mode='min', out=None)", _fuse_regions),
    "instance_norm": Row("(x, weight=None, bias=None, *, eps=1e-05, out=None)", _instance_norm),
    "modulated_conv2d": Row(
        "(x, weight, styles, *, demodulate=True, up=1, down=1, resample_filter=None, noise=None, bias=None,"
        " activation='linear', gain=None, clamp=None)",
        _modulated_conv2d,
    ),
    "nchw_to_rgb": Row("(image, *, out=None)", _nchw_to_rgb),
    "paste_yuv": Row("(y, u, v=None, *, drawing, alpha, to_crop, matrix='bt601', full_range=False)", _paste_yuv),
    "resize": Row("(image, size, *, out=None)", _resize),
    "rgb_to_nchw": Row("(image, *, out=None)", _rgb_to_nchw),
    "rgb_to_yuv": Row("(image, *, matrix='bt601', full_range=False, out=None)", _rgb_to_yuv),
    "upfirdn2d": Row("(x, f, *, up=1, down=1, padding=0, flip_filter=False, gain=1)", _upfirdn2d),
    "warp_affine": Row("(image, matrix, size, *, filter='bilinear', border=255, out=None)", _warp_affine),
    "yuv_to_nchw": Row("(y, u, v=None, *, matrix='bt601', full_range=False, bits=None, out=None)", _yuv),
    "yuv_to_rgb": Row("(y, u, v=None, *, matrix='bt601', full_range=False, bits=None, out=None)", _yuv),
}


def run(op: str, arrays: Mapping[str, Any], **options: Any) -> Any:
    """The operation with its arrays by name; "parts[0]", "parts[1]", ... become one list."""
    named: dict[str, Any] = {}
    for name, array in arrays.items():
        stem, bracket, _ = name.partition("[")
        if bracket:
            named.setdefault(stem, []).append(array)
        else:
            named[name] = array
    return getattr(ops, op)(**named, **options)


def results(answer: Any) -> list[Any]:
    """The arrays of an answer; none of an operation in place."""
    if answer is None:
        return []
    return list(answer) if isinstance(answer, tuple | list) else [answer]
