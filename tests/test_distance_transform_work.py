"""The row pass of the CUDA distance transforms takes linear time whatever the image: its cost evaluations are counted.

The counts are those of the very kernels, run on the CPU. A search over the distance would need hundreds a pixel where
sites are far; here the worst images known need 25.
"""

import subprocess

import numpy as np
import pytest
from cases_distance_transform import CASES
from emulated import module

MOST = 32  # evaluations a pixel
SIZES = (64, 256)


def far_column(n: int) -> np.ndarray:
    """Sites in the first and last column only: nearest columns jump in the middle of every row."""
    sites = np.zeros((n, n), bool)
    sites[:, [0, -1]] = True
    return sites


def dome(n: int) -> np.ndarray:
    """A half circle of sites over the middle of the first row, where all of them are equally near."""
    y, x = np.mgrid[:n, :n]
    return np.abs(np.hypot(y, x - n / 2) - 0.5 * n + 1) < 0.7


def steps(n: int) -> np.ndarray:
    """Columns whose sites are at random heights over a few levels: runs of candidates of very different lengths."""
    rng = np.random.default_rng(0)
    sites = np.zeros((n, n), bool)
    x = np.arange(n)
    sites[np.repeat(rng.integers(0, n, n // 8 + 1), 8)[:n], x] = True
    sites[0, rng.random(n) < 0.03] = True
    return sites


IMAGES = {
    **CASES,
    "far columns": far_column,
    "dome": dome,
    "steps": steps,
    "row": lambda n: np.arange(n)[:, None] == np.zeros(n),
    "checkerboard": lambda n: np.indices((n, n)).sum(axis=0) % 2 == 0,
}


@pytest.fixture(scope="module")
def program():
    if reason := module.missing():
        pytest.skip(reason)
    return module.build("distance_transform_work")


@pytest.mark.parametrize("name", IMAGES)
def test_evaluations_a_pixel_are_bounded_and_do_not_grow(name, program):
    counts = {}
    for n in SIZES:
        image = IMAGES[name](n)
        done = subprocess.run(
            [program, str(n), str(n)], input=image.astype(np.uint8).tobytes(), capture_output=True, check=True
        )
        for line in done.stdout.decode().splitlines():
            metric, count = line.split()
            counts[metric, n] = int(count) / n**2
    assert {metric for metric, _ in counts} == {"squares", "pair", "spaced", "chamfer"}
    for (metric, n), each in counts.items():
        assert 1 <= each <= MOST, f"{metric}, {n} px: {each:.1f} evaluations a pixel"
        before = counts[metric, SIZES[0]]
        assert each <= before * 1.5, f"{metric}: {before:.1f} at {SIZES[0]} px, {each:.1f} at {n} px"
