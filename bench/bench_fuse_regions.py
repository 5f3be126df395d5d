"""fuse_regions beside the official torch sequence, forward and backward; answers are compared before anything is timed.

    python bench/bench_fuse_regions.py [--batches 1 4 16] [--threads 1 2] [--seconds 1]

"official" pads every part to the frame and takes nested minima, as partCombiner2_bg does; "lean" is the best short
version in torch: `where`, then in-place minima on slices.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from timing import interleaved, table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from cases_fuse_regions import portrait
from reference_fuse_regions import official_torch, start

from pyapdraw import _C
from pyapdraw.ops import fuse_regions
from pyapdraw.ops._arrays import EMPTY


def lean_torch(parts, centres, hair, background, mask):
    import torch

    corners = [[(start(x, p.shape[3]), start(y, p.shape[2])) for (x, y), p in zip(c, parts)] for c in centres.tolist()]
    person = mask >= 0.5
    out = torch.where(person, hair, background)
    for n, places in enumerate(corners):
        for (x, y), p in zip(places, parts):
            h, w = p.shape[-2:]
            inside = (slice(n, n + 1), slice(None), slice(y, y + h), slice(x, x + w))
            out[inside] = torch.where(person[inside], torch.ones(()), background[inside])
    out.clamp_(max=1)
    for n, places in enumerate(corners):
        for (x, y), p in zip(places, parts):
            view = out[n, :, y : y + p.shape[2], x : x + p.shape[3]]
            torch.minimum(view, p[n], out=view)
    return out


def forward_row(batch: int, threads: int, seconds: float) -> list[str]:
    import torch

    arrays = portrait(batch)
    parts, centres, hair, background, mask = arrays
    tensors = ([torch.from_numpy(p) for p in parts], *(torch.from_numpy(x) for x in arrays[1:]))
    out, context = np.empty_like(hair), _C.Context(threads=threads)
    expected = official_torch(*tensors).numpy()
    for answer in (fuse_regions(*arrays), lean_torch(*tensors).numpy()):
        np.testing.assert_array_equal(answer, expected)
    ms = interleaved(
        {
            "pyapdraw": lambda: _C.fuse_regions(*parts, centres, hair, background, mask, out, EMPTY, context),
            "official": lambda: official_torch(*tensors),
            "lean": lambda: lean_torch(*tensors),
        },
        seconds,
    )
    ours = ms.pop("pyapdraw")
    return [f"forward x {batch}", str(threads), f"{ours:.3f}", *(f"{m:.2f} ({m / ours:.0f}x)" for m in ms.values())]


def gradient_row(batch: int, threads: int, seconds: float) -> list[str]:
    import torch

    parts, centres, hair, background, mask = portrait(batch)
    leaf = [torch.from_numpy(x).requires_grad_() for x in (*parts, hair, background)]
    centres, mask = torch.from_numpy(centres), torch.from_numpy(mask)

    def step(fuse):
        return torch.autograd.grad(fuse(leaf[:4], centres, leaf[4], leaf[5], mask).sum(), leaf)

    for mine, theirs in zip(step(fuse_regions), step(official_torch)):
        assert torch.equal(mine, theirs)
    ms = interleaved({"pyapdraw": lambda: step(fuse_regions), "official": lambda: step(official_torch)}, seconds)
    ours = ms.pop("pyapdraw")
    return [
        f"with gradient x {batch}",
        str(threads),
        f"{ours:.3f}",
        f"{ms['official']:.2f} ({ms['official'] / ours:.0f}x)",
        "",
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=1.0, help="spent on each row")
    given = parser.parse_args()
    try:
        import torch
    except ImportError:
        print("the peers are torch code, and torch is not installed")
        return 0
    rows = [["512 px, 1 channel", "threads", "pyapdraw", "official torch", "lean torch"]]
    for threads in given.threads:
        torch.set_num_threads(threads)
        rows += [forward_row(b, threads, given.seconds) for b in given.batches]
    rows += [gradient_row(b, threads, given.seconds) for b in given.batches[:2]]
    print(table(rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
