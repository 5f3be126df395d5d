"""The CUDA kernels of style `ink` and of flow_dog, run on the emulated device, give what the CPU gives.

Both sum in the same order and share their arithmetic (csrc/core/ink*_math.h), so that they differ only where rounding
decides: multiply-adds that the CPU fuses, and the class sums of the skin.
"""

import subprocess
import sys

import cases_ink as cases
import numpy as np
import pytest
from cases_flow_dog import waves
from emulated import module

from pyapdraw import _C
from pyapdraw.ops import flow_dog

SIDES = (16, 160, 333, 512, 777)
FIGURES = ((40, 16, True), (301, 170, True), (160, 333, True), (301, 170, False))
SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
from emulated import module
module.install(module.build())
import test_ink_agreement
test_ink_agreement.save({target!r})
"""

pytestmark = pytest.mark.skipif(module.missing() is not None, reason=str(module.missing()))


def scene(side_px: int, *, framed: bool):
    pixels, mask, landmarks_px = cases.face(side_px)
    if framed:  # white beyond a slanted edge, as an aligned crop has it
        grid = np.arange(side_px) * 512 / side_px
        v, u = np.meshgrid(grid, grid, indexing="ij")
        pixels[(u < 30 + v / 20) | (v + u / 8 > 500)] = 255
        mask[:] = 255
    return pixels, mask, landmarks_px


def draw_all() -> dict[str, np.ndarray]:
    made = {"flow_dog": flow_dog(waves(130, 201, 1, 0.05), reduce=2)}
    for side_px in SIDES:
        for framed in (False, True):
            pixels, mask, landmarks_px = scene(side_px, framed=framed)
            drawing, planes = np.empty((side_px, side_px), np.uint8), np.empty((7, side_px, side_px), np.float32)
            _C.ink_planes(pixels, mask, landmarks_px, drawing, planes)
            made[f"drawing {side_px} {framed}"], made[f"planes {side_px} {framed}"] = drawing, planes
    for height, width, figure in FIGURES:
        pixels, mask, landmarks_px = cases.figure(height, width)
        drawing = np.empty((height, width), np.uint8)
        options = _C.InkOptions(0.004 * width, 1.3, 0.8, figure, figure)
        _C.ink(pixels, mask, landmarks_px, drawing, options)
        made[f"drawing {height} {width} {figure}"] = drawing
    return made


def save(target: str) -> None:
    np.savez(target, **draw_all())


@pytest.fixture(scope="module")
def both(request, tmp_path_factory):
    if request.config.getoption("device") != "cpu":
        pytest.skip("compares the CPU with the emulated device, so it starts on the CPU")
    pytest.importorskip("pybind11", reason="builds a module with pybind11")
    target = tmp_path_factory.mktemp("ink") / "emulated.npz"
    script = SCRIPT.format(tests=str(module.ROOT / "tests"), target=str(target))
    done = subprocess.run([sys.executable, "-c", script], cwd=module.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return draw_all(), np.load(target)


def test_drawings_agree(both):
    """At least 99.9 % of the pixels are the same, and of the others hardly any by more than a grey level or two."""
    cpu, emulated = both
    for name in [name for name in cpu if name.startswith("drawing")]:
        difference = np.abs(cpu[name].astype(int) - emulated[name])
        assert (difference == 0).mean() >= 0.998, name
        assert (difference > 8).mean() <= 0.0005, name
        assert difference.mean() <= 0.05, name
    large = [np.abs(cpu[name].astype(int) - emulated[name]) for name in (f"drawing {s} False" for s in SIDES)]
    assert all((d == 0).mean() >= 0.999 and d.max() <= 8 for d in large)


def test_measurements_agree(both):
    cpu, emulated = both
    for name in [name for name in cpu if name.startswith("planes")]:
        difference = np.abs(cpu[name] - emulated[name])
        # Where no direction stands out rounding chooses the tangent, and so the way along it.
        assert (difference[:5] > 2e-4).mean() <= 1e-4 and difference[:5].max() <= 0.02, name
        assert (difference[5:] > 1e-3).mean() <= 1e-3, name
    assert np.abs(cpu["flow_dog"] - emulated["flow_dog"]).max() <= 1e-4
