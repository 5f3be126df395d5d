"""Every operation on the GPU once or twice, on small odd shapes, beside its answer on the CPU: for compute-sanitizer.

    compute-sanitizer --tool memcheck python bench/gpu/sanitize.py
    python bench/gpu/sanitize.py --dry          the same calls with memory of the CPU in place of the GPU's

Arrays reach the device by copies (tests/copy_to_device.py), so that no kernel but ours runs. The tensor-core kernels
take 16 bits: those calls are native ones with torch tensors, beside the same numbers in float32 on the CPU.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import cases_ink  # noqa: E402
import copy_to_device  # noqa: E402
from cases_distance_transform import CASES  # noqa: E402
from cases_fuse_regions import portrait  # noqa: E402
from cases_images import smooth_noise  # noqa: E402
from cases_valid_calls import VALID, results, run  # noqa: E402

from pyapdraw import _C, ops  # noqa: E402
from pyapdraw.errors import Unsupported  # noqa: E402
from pyapdraw.style import ink  # noqa: E402


def valid_calls() -> Iterator[tuple[str, Callable[[], list]]]:
    """The small call of every public operation; of one in place, its arrays afterwards."""
    for op, make in VALID.items():

        def call(op: str = op, make: Callable = make) -> list:
            given = make()
            arrays = {name: array.copy() for name, array in given.arrays.items()}
            answer = results(run(op, arrays, **given.options))
            return answer or [arrays[name] for name in sorted(given.inplace)]

        yield op, call


# Of modulated_conv2d, for every way through its kernels: n, inputs, outputs, height, width, k, up, down.
LAYERS = {
    "plain": (2, 40, 36, 20, 22, 3, 1, 1),
    "own weights": (4, 64, 32, 8, 8, 3, 1, 1),
    "up": (2, 40, 36, 12, 14, 3, 2, 1),
    "split": (2, 256, 48, 4, 4, 3, 1, 1),
    "up, split": (2, 256, 24, 4, 4, 3, 2, 1),
    "1x1": (1, 72, 3, 20, 18, 1, 1, 1),
    "down": (2, 40, 36, 24, 26, 3, 1, 2),
}
DTYPES = ("float32", "float16", "bfloat16")


class Half:
    """A native call with torch tensors of a dtype, and the same in float32: `run` and `reference`.

    arrays: each beside whether it gets the dtype; the others stay numpy arrays.
    """

    def __init__(self, op: str, dtype: str, arrays: list, shape: tuple[int, ...], options: tuple):
        import torch

        self.op, self.options, self.shape, self.dtype = op, options, shape, getattr(torch, dtype)
        self.last = torch.channels_last if op == "modulated_conv2d" else torch.contiguous_format  # the fast layout
        self.arrays = [torch.from_numpy(a).to(self.dtype, memory_format=self.last) if own else a for a, own in arrays]

    def run(self, wide: bool = False) -> list:
        import torch

        given = [a.float() if wide and isinstance(a, torch.Tensor) else a for a in self.arrays]
        dtype = torch.float32 if wide or self.op.endswith("weight") else self.dtype
        out = torch.zeros(self.shape, dtype=dtype).contiguous(memory_format=self.last)
        getattr(ink._C, self.op)(*given, out, *self.options)  # whichever module is installed
        return [out.float().numpy()]

    def reference(self) -> list:
        return self.run(wide=True)


def tensor_core_calls() -> Iterator[tuple[str, Half]]:
    rng = np.random.default_rng(1)
    taps = np.array([0.125, 0.375, 0.375, 0.125], np.float32)

    def random(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float32)

    for dtype in DTYPES:
        for name, (n, i, o, h, w, k, up, down) in LAYERS.items():
            size = (h * up // down, w * up // down)
            filter = taps if up * down > 1 else np.empty(0, np.float32)
            small = [random(n, i) + 1, filter, random(1, 1, *size), random(o)]
            arrays = [(random(n, i, h, w), True), (random(o, i, k, k), True), *((a, False) for a in small)]
            options = (True, up, down, "lrelu", 0.2, 2**0.5, 256.0)
            yield f"modulated_conv2d {dtype}, {name}", Half("modulated_conv2d", dtype, arrays, (n, o, *size), options)
        arrays = [(random(2, 36, 12, 14), True), (random(2, 36), False),
                  (random(2, 40, 12, 14), True), (random(2, 40), False)]  # fmt: skip
        yield (
            f"backward weight {dtype}",
            Half("modulated_conv2d_backward_weight", dtype, arrays, (36, 40, 3, 3), (1, 1)),
        )
    parts, centres, hair, background, mask = portrait(2, 96)
    for dtype in DTYPES[1:]:
        arrays = [*((p, True) for p in parts), (centres, False), (hair, True), (background, True), (mask, False)]
        yield f"fuse_regions {dtype}", Half("fuse_regions", dtype, arrays, hair.shape, (np.empty(0, np.uint8), "min"))


def larger_calls() -> Iterator[tuple[str, Callable[[], list]]]:
    """Shapes that fill more than one block and end within one."""
    rng = np.random.default_rng(0)
    sites = np.stack([CASES[name](150)[:, :131] for name in ("line drawing a", "circle", "no ink")])
    parts, centres, hair, background, mask = portrait(2, 96)
    yield "distance_transform", lambda: [ops.distance_transform(sites)]
    wide = CASES["line drawing a"](1100)[500:540]  # rows of more than 1024 px have coarse levels
    yield "distance_transform 40 x 1100", lambda: [ops.distance_transform(wide)]
    yield "distance_transform_pair", lambda: list(ops.distance_transform_pair(sites))
    yield "distance_transform, indices", lambda: list(ops.distance_transform(sites, return_indices=True))
    yield "fuse_regions", lambda: [ops.fuse_regions(parts, centres, hair, background, mask)]
    taps = np.array([0.125, 0.375, 0.375, 0.125], np.float32)
    for up, down, size in ((1, 1, 20), (2, 1, 12), (1, 2, 24)):
        x, weight = rng.standard_normal((2, 40, size, size + 2)), rng.standard_normal((36, 40, 3, 3))
        styles = rng.standard_normal((2, 40)) + 1
        arrays = [a.astype(np.float32) for a in (x, weight, styles)]
        yield (
            f"modulated_conv2d, up {up}, down {down}",
            lambda a=arrays, u=up, d=down: [
                ops.modulated_conv2d(*a, up=u, down=d, resample_filter=taps, activation="lrelu")
            ],
        )
    pixels, person, landmarks = cases_ink.face(130)
    yield "ink", lambda: [ink.Ink().draw_crop(pixels, person, landmarks)]
    picture = smooth_noise(95, 133)
    yield "resize", lambda: [ops.resize(picture, size=(70, 61)), ops.resize(picture, size=(200, 210))]
    planes = ops.rgb_to_yuv(smooth_noise(96, 134))
    yield "yuv_to_rgb", lambda: [ops.yuv_to_rgb(*planes), ops.yuv_to_nchw(*planes)]
    x = rng.standard_normal((1, 33, 31, 8)).astype(np.float32)
    weight, bias = rng.standard_normal((3, 3, 8, 5)).astype(np.float32), rng.standard_normal(5).astype(np.float32)

    def convolved() -> list:
        out, pooled = np.empty((1, 33, 31, 5), np.float32), np.empty((1, 16, 15, 8), np.float32)
        ink._C.conv2d(x, weight, bias, bias, out, 1, 1)  # whichever module is installed
        ink._C.max_pool2d(x, pooled, 3, 2)
        return [out, pooled]

    yield "conv2d, max_pool2d", convolved


def same(mine: list, expected: list, most: float = 1e-3) -> None:
    """To rounding; a drawing may differ in a few pixels at the edge of its lines."""
    for one, other in zip(mine, expected, strict=True):
        a, b = np.asarray(one, np.float64), np.asarray(other, np.float64)
        assert a.shape == b.shape and np.array_equal(np.isfinite(a), np.isfinite(b))
        finite = np.isfinite(b)
        if np.asarray(other).dtype == np.uint8:
            assert (np.abs(a - b) > 1).mean() <= 2e-3, "more than 0.2 % of the bytes differ by more than 1"
        else:
            scale = np.linalg.norm(b[finite]) or 1.0
            assert np.linalg.norm(a[finite] - b[finite]) <= most * scale, "other values than on the CPU"


def main() -> int:
    import torch

    dry = "--dry" in sys.argv[1:]
    if reason := copy_to_device.missing("cpu" if dry else "cuda"):
        sys.exit(f"not run: {reason}")
    available: dict[str, Any] = _C.backends()["cuda"]
    calls = [*valid_calls(), *larger_calls()]
    expected = [call() for _, call in calls]
    halves = [(name, call) for name, call in tensor_core_calls() if not dry or call.dtype != torch.float16]
    expected += [call.reference() for _, call in halves]
    calls += [(name, call.run) for name, call in halves]
    installed = copy_to_device.install("cpu" if dry else "cuda", poison=False)
    wrong, absent = [], []
    for (name, call), answer in zip(calls, expected, strict=True):
        try:
            same(call(), answer, 1e-2 if "float16" in name else 1e-3)
        except Unsupported as error:
            absent.append(f"{name}: {error}")
        except Exception as error:
            wrong.append(f"{name}: {type(error).__name__}: {error}")
    for line in absent:
        print("no kernel:", line)
    for line in wrong:
        print("WRONG:", line)
    in_16_bits = sum("float16" in name for name, _ in calls)
    print(
        f"{installed.calls} calls on the device, {in_16_bits} of them with 16-bit operands,"
        f" {sum(available.values())} of {len(available)} operations have kernels"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
