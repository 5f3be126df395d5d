"""distance_transform on a GPU beside CuPy's exact transform and a Triton one of ours (triton_edt.py, Felzenszwalb).

    python bench/gpu/distance_transform.py [--only 512] [--json FILE] [--dry]

CuPy takes one image a call and gets the inverted image, made before; its float32 option is used. The Triton baseline
takes a batch. Exact answers: ours and CuPy's agree with SciPy's on the first image of each set.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from measure import OURS, Asked, Candidate, Suite, limit

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from cases_distance_transform import CASES

from pyapdraw import ops

CUPY, TRITON = "CuPy", "Triton"
NAMES = ("line drawing a", "line drawing b", "sparse 1 %", "circle", "random 50 %")
ASKED = {
    (1, 512): {"graph, cold": limit(10, 5), "call": Asked({CUPY: 10}, {CUPY: 12})},
    (16, 512): {"stream": Asked({CUPY: 20}, {CUPY: 60}), "graph, cold": Asked({TRITON: 5})},
    (16, 1024): {"stream": Asked({CUPY: 20}, {CUPY: 60}), "graph, cold": Asked({TRITON: 5})},
    (1, 4096): {"stream": Asked({CUPY: 3}, {CUPY: 8})},
    (256, 1024): {"graph, cold": limit(6000, 2000)},
}


def images(count: int, side: int, sets: int, device: torch.device) -> list[torch.Tensor]:
    """bool [count, side, side] sets: line drawings and, every fifth, a hard pattern, each shifted by another amount."""
    kinds = [torch.from_numpy(CASES[name](side)).to(device) for name in NAMES]
    order = (0, 1, 0, 1, 2, 0, 1, 0, 1, 3, 0, 1, 0, 1, 4)

    def one(n: int) -> torch.Tensor:
        return torch.roll(kinds[order[n % len(order)]], (7 * n % side, 13 * n % side), (0, 1))

    return [torch.stack([one(s * count + i) for i in range(count)]) for s in range(sets)]


def cupy_peer(suite: Suite, sites: list[torch.Tensor]) -> dict[str, Candidate]:
    try:
        import cupy
        from cupyx.scipy.ndimage import distance_transform_edt
    except ImportError as error:
        suite.left_out(CUPY, str(error))
        return {}
    if suite.dry:
        suite.left_out(CUPY, "needs a GPU")
        return {}
    paper = [[cupy.asarray(~image) for image in batch] for batch in sites]

    def run(i: int) -> list:
        return [distance_transform_edt(image, float64_distances=False) for image in paper[i]]

    run(0)
    return {CUPY: Candidate(run, ("stream", "call"))}


def triton_peer(suite: Suite, sites: list[torch.Tensor]) -> dict[str, Candidate]:
    if suite.dry:
        suite.left_out(TRITON, "needs a GPU")
        return {}
    try:
        from triton_edt import edt
    except ImportError as error:
        suite.left_out(TRITON, str(error))
        return {}
    bytes_ = [batch.to(torch.uint8) for batch in sites]
    edt(bytes_[0])
    return {TRITON: Candidate(lambda i: edt(bytes_[i]))}


def exact(sites: torch.Tensor) -> np.ndarray:
    from scipy import ndimage

    return ndimage.distance_transform_edt(~sites.cpu().numpy()).astype(np.float32)


def compare(suite: Suite, count: int, side: int) -> None:
    case = f"{count} x {side}²"
    if not suite.wants(case):
        return
    asked = ASKED[count, side]
    count, side = suite.small(count, min(count, 2)), suite.small(side, 48)
    sets = suite.sets(5 * count * side * side, most=140)
    sites = images(count, side, sets, suite.device)
    outs = [torch.empty(s.shape, dtype=torch.float32, device=suite.device) for s in sites]
    known = {OURS: Candidate(lambda i: ops.distance_transform(sites[i], out=outs[i]))}
    if count * side * side <= 1 << 25:  # a loop of 256 calls adds nothing to the published figure
        known |= cupy_peer(suite, sites)
    known |= triton_peer(suite, sites)

    def check() -> None:
        expected = exact(sites[0][0])
        outs[0].fill_(-1)
        for name, candidate in known.items():
            answer = candidate.run(0)
            first = answer[0].get() if name == CUPY else answer[0].cpu().numpy()
            off = float(np.abs(first - expected).max())
            assert off <= 2e-3, f"{name} is {off} px off"
        last = float((outs[0][-1].cpu() - torch.from_numpy(exact(sites[0][-1]))).abs().max())
        assert last <= 2e-3, f"last image: {last} px off"

    modes = ("graph, cold", "graph, resident", "stream", "call")
    work = {"moved_bytes": 5 * count * side * side, "pixels": count * side * side}
    suite.compare(case, known, sets=sets, check=check, modes=modes, asked=asked, **work)


def pair(suite: Suite, count: int, side: int) -> None:
    """Both maps of a drawing in one call beside two calls."""
    count, side = suite.small(count, 2), suite.small(side, 48)
    sets = suite.sets(9 * count * side * side, most=64)
    ink = images(count, side, sets, suite.device)
    known = {
        OURS: Candidate(lambda i: ops.distance_transform_pair(ink[i])),
        "two calls": Candidate(lambda i: [ops.distance_transform(ink[i]), ops.distance_transform(~ink[i])]),
    }

    def check() -> None:
        for mine, other in zip(known[OURS].run(0), known["two calls"].run(0)):
            assert torch.equal(mine, other), "the pair is not two maps"

    work = {"moved_bytes": 9 * count * side * side, "pixels": count * side * side}
    suite.compare(f"both maps, {count} x {side}²", known, sets=sets, check=check, **work)


def main() -> int:
    suite = Suite("distance_transform", __doc__)
    for count, side in ASKED:
        compare(suite, count, side)
    pair(suite, 16, 512)
    return suite.finish()


if __name__ == "__main__":
    raise SystemExit(main())
