"""Distance transforms beside OpenCV, edt and SciPy: same images, equal threads, answers checked first.

    python bench/bench_distance_transform.py [--threads 2] [--seconds 1] [--json FILE] [--quick]

"OpenCV" is its exact transform (DIST_MASK_PRECISE) with and without IPP: what is asked has to hold against both, so
against the better one. "OpenCV 5x5" is the approximation that the published training code used; the exact maps replace
it. Every peer that can writes into an array that is there already, as ours does.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from record import OURS, Suite

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from cases_distance_transform import CASES, circle

from pyapdraw import _C
from pyapdraw.ops import distance_transform

SIZES = [512, 1024, 2048, 4096]
LINES = ["line drawing a", "line drawing b"]
# Where a distance transform can be at its worst: dense, sparse, one site, all equally far, slanted, all sites, none.
PATTERNS = ["sparse 1 %", "random 50 %", "point", "circle", "diagonal", "all ink", "no ink"]

Call = Callable[[], object]


def opencv(sites: np.ndarray, threads: int, mask: int | None = None) -> dict[str, Call]:
    """Both ways of OpenCV: precise, or with a mask of that size."""
    try:
        import cv2
    except ImportError:
        return {}
    paper, out = (sites == 0).astype(np.uint8), np.empty(sites.shape, np.float32)
    images = [(paper, out)] if paper.ndim == 2 else list(zip(paper, out))
    size = cv2.DIST_MASK_PRECISE if mask is None else mask

    def call(ipp: bool) -> np.ndarray:
        cv2.setNumThreads(threads)
        cv2.ipp.setUseIPP(ipp)
        for image, to in images:
            cv2.distanceTransform(image, cv2.DIST_L2, size, dst=to)
        return out

    name = "OpenCV" if mask is None else f"OpenCV {mask}x{mask}"
    return {f"{name} IPP": lambda: call(True), f"{name} own": lambda: call(False)}


def edt(sites: np.ndarray, threads: int, spacing: tuple[float, float] = (1, 1)) -> dict[str, Call]:
    try:
        import edt
    except ImportError:
        return {}
    paper = (sites == 0).astype(np.uint8)
    images = [paper] if paper.ndim == 2 else list(paper)
    return {"edt": lambda: [edt.edt(i, anisotropy=spacing, parallel=threads) for i in images]}


def scipy(sites: np.ndarray, **options: object) -> dict[str, Call]:
    """SciPy has one thread only."""
    try:
        from scipy import ndimage
    except ImportError:
        return {}
    paper = sites == 0
    images = [paper] if paper.ndim == 2 else list(paper)
    return {"SciPy": lambda: [ndimage.distance_transform_edt(i, **options) for i in images]}


def check(ours: Call, peers: dict[str, Call], within: float = 2e-3) -> Callable[[], None]:
    """All peers agree with ours, within what their own float arithmetic loses."""

    def run() -> None:
        expected = ours()
        for name, peer in peers.items():
            if np.isposinf(expected).all():
                continue  # without a site every peer has a large number of its own
            off = np.abs(np.asarray(peer()).reshape(expected.shape) - expected).max()
            assert off <= within, f"{name} is {off} px off"

    return run


def asked(peers: dict[str, Call], least: float) -> dict[str, float]:
    return dict.fromkeys(peers, least)


def single_maps(suite: Suite, threads: int) -> None:
    for size in SIZES:
        for name in [*LINES, *PATTERNS]:
            sites = CASES[name](size)
            out, context = np.empty(sites.shape, np.float32), _C.Context(threads=threads)

            def ours(sites=sites, out=out, context=context) -> np.ndarray:
                _C.distance_transform(sites, out, False, context)
                return out

            peers = opencv(sites, threads)
            must, aim = (1.8, 3) if name in PATTERNS else (4, 8) if size == 512 else (3, 5)
            must, aim = asked(peers, must), asked(peers, aim)
            others = edt(sites, threads) if name in LINES and not suite.quick else {}
            exact = {**peers, **others}
            suite.compare(
                f"{size} {name}",
                {OURS: ours, **exact},
                check=check(ours, exact),
                threads=threads,
                must=must,
                aim=aim,
                pixels=sites.size,
                moved_bytes=5 * sites.size,
            )


def both_maps(suite: Suite, threads: int) -> None:
    """What a training step needs: to ink and to paper, of a batch. The peers take one image at a time."""
    for images, size in [(16, 512), (1, 512), (4, 1024)]:
        ink = np.stack([CASES[LINES[i % 2]](size) for i in range(images)])
        out, context = np.empty((2, *ink.shape), np.float32), _C.Context(threads=threads)

        def ours(ink=ink, out=out, context=context) -> np.ndarray:
            _C.distance_transform_pair(ink, *out, False, context)
            return out

        both = np.concatenate([ink, ~ink])
        approximate, exact = opencv(both, threads, mask=5), {**edt(both, threads), **scipy(both)}
        batch = images == 16
        must = {**asked(approximate, 3), **{p: {"edt": 12, "SciPy": 35}[p] for p in exact}} if batch else {}
        aim = {**asked(approximate, 5), **{p: {"edt": 20, "SciPy": 60}[p] for p in exact}} if batch else {}
        suite.compare(
            f"both maps, {images} x {size} line drawings",
            {OURS: ours, **approximate, **exact},
            check=check(ours, exact),
            threads=threads,
            must=must,
            aim=aim,
            pixels=ink.size,
            moved_bytes=9 * ink.size,
        )


def options(suite: Suite, threads: int) -> None:
    """Spacings, nearest sites, and the chamfer distance itself."""
    sites = CASES[LINES[0]](1024)
    out, nearest = np.empty(sites.shape, np.float32), np.empty(sites.shape, np.int32)
    context = _C.Context(threads=threads)
    spacing, empty = (1.5, 0.8), np.empty(0, np.int32)

    def with_spacing() -> np.ndarray:
        _C.distance_transform_nearest(sites, out, empty, False, *spacing, context)
        return out

    def with_indices() -> np.ndarray:
        _C.distance_transform_nearest(sites, out, nearest, False, 1.0, 1.0, context)
        return out

    peers = {**edt(sites, threads, spacing), **scipy(sites, sampling=spacing)}
    case = "1024 line drawing a, spacing (1.5, 0.8)"
    suite.compare(case, {OURS: with_spacing, **peers}, check=check(with_spacing, peers), threads=threads)
    same = check(with_indices, {"pyapdraw without indices": lambda: distance_transform(sites)}, within=0)
    peers = scipy(sites, return_indices=True)
    case = "1024 line drawing a, with indices"
    suite.compare(case, {OURS: with_indices, **peers}, check=same, threads=threads)

    for batch in (sites, np.stack([circle(512), *(CASES[LINES[i % 2]](512) for i in range(7))])):
        result = np.empty(batch.shape, np.float32)

        def chamfer(batch=batch, result=result) -> np.ndarray:
            _C.distance_transform_chamfer(batch, result, context)
            return result

        peers = opencv(batch, threads, mask=5)
        same = check(chamfer, {n: p for n, p in peers.items() if n.endswith("own")}, within=0)
        shape = " x ".join(map(str, batch.shape))
        suite.compare(f"chamfer 5x5, {shape}", {OURS: chamfer, **peers}, check=same, threads=threads, pixels=batch.size)


def main() -> int:
    suite = Suite("distance_transform", __doc__)
    for threads in suite.threads:
        single_maps(suite, threads)
        both_maps(suite, threads)
        options(suite, threads)
    return suite.finish()


if __name__ == "__main__":
    raise SystemExit(main())
