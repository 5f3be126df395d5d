"""fuse_regions beside the published torch sequence, forward and with gradient; answers are checked first.

    python bench/bench_fuse_regions.py [--threads 2] [--seconds 1] [--json FILE]

"published" is the sequence of torch operations of the published code (tests/reference_fuse_regions.py,
`published_torch`): masks by arithmetic, a ConstantPad2d a part and sample, five nested minima. The mask of the
rectangles, which its data loader makes, is not timed, though ours finds the rectangles by itself.
"lean" is the best short version in torch: `where`, then in-place minima on slices.
"""

import sys
from pathlib import Path

import numpy as np
from record import OURS, Suite

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from cases_fuse_regions import portrait
from reference_fuse_regions import official_torch, outside_rectangles, published_torch, start

from pyapdraw import _C
from pyapdraw.ops import fuse_regions
from pyapdraw.ops._arrays import EMPTY

MUST, AIM = {1: 50, 4: 80, 16: 25}, {1: 70, 4: 120, 16: 35}
SIDE = 512
BYTES = 4 * (3 + 1) * SIDE * SIDE  # hair, background, mask and out, float32


def lean_torch(parts, centres, hair, background, mask):
    import torch

    corners = [[(start(x, p.shape[3]), start(y, p.shape[2])) for (x, y), p in zip(c, parts)] for c in centres]
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


def forward(suite: Suite, batch: int, threads: int) -> None:
    import torch

    arrays = portrait(batch)
    parts, centres, hair, background, mask = arrays
    rectangles = [outside_rectangles([p[n] for p in parts], centres[n], SIDE, SIDE) for n in range(batch)]
    features = torch.from_numpy(np.stack(rectangles)[:, None].astype(np.float32))
    tensors = [torch.from_numpy(p) for p in parts]
    large = [torch.from_numpy(x) for x in (hair, background, mask)]
    given = (*tensors, torch.from_numpy(centres), *large)  # the peers' own tensors
    out, context, places = torch.empty_like(large[0]), _C.Context(threads=threads), centres.tolist()
    peers = {
        "published": lambda: published_torch(tensors, places, large[0], large[1], features, large[2]),
        "lean": lambda: lean_torch(tensors, places, *large),
    }

    def ours():
        _C.fuse_regions(*given, out, EMPTY, "min", context)
        return out.numpy()

    def allocated():
        fresh = torch.empty_like(out)
        _C.fuse_regions(*given, fresh, EMPTY, "min", context)
        return fresh.numpy()

    def check():
        for answer in (ours(), allocated(), peers["lean"]().numpy(), peers["published"]().numpy()):
            np.testing.assert_allclose(answer, official_torch(tensors, torch.tensor(places), *large), atol=2e-7)

    work = {"pixels": batch * SIDE * SIDE, "moved_bytes": batch * BYTES, "threads": threads, "check": check}
    asked = {"must": {"published": MUST[batch]}, "aim": {"published": AIM[batch]}}
    suite.compare(f"forward x {batch}, out given", {OURS: ours, **peers}, **asked, **work)
    suite.compare(f"forward x {batch}, fresh output", {OURS: allocated, **peers}, **work)
    through_torch = {OURS: lambda: fuse_regions(tensors, torch.from_numpy(centres), *large), **peers}
    suite.compare(f"forward x {batch}, torch operator", through_torch, **work)


def gradient(suite: Suite, batch: int, threads: int, dtype: str) -> None:
    import torch

    parts, centres, hair, background, mask = portrait(batch)
    leaf = [torch.from_numpy(x).to(getattr(torch, dtype)).requires_grad_() for x in (*parts, hair, background)]
    centres, mask = torch.from_numpy(centres), torch.from_numpy(mask)
    weight = torch.randn_like(leaf[4])

    def step(fuse):
        return torch.autograd.grad(fuse(leaf[:4], centres, leaf[4], leaf[5], mask), leaf, weight)

    def check():
        for mine, theirs in zip(step(fuse_regions), step(official_torch)):
            assert torch.equal(mine, theirs)

    suite.compare(
        f"with gradient x {batch}, {dtype}",
        {OURS: lambda: step(fuse_regions), "select, pad, min": lambda: step(official_torch)},
        check=check,
        threads=threads,
        pixels=batch * SIDE * SIDE,
    )


def main() -> int:
    suite = Suite("fuse_regions", __doc__)
    try:
        import torch
    except ImportError:
        print("the peers are torch code, and torch is not installed")
        return 0
    for threads in suite.threads:
        torch.set_num_threads(threads)
        with torch.no_grad():
            for batch in MUST:
                forward(suite, batch, threads)
    for batch in (1, 4):
        for dtype in ("float32", "bfloat16"):
            gradient(suite, batch, torch.get_num_threads(), dtype)
    return suite.finish()


if __name__ == "__main__":
    raise SystemExit(main())
