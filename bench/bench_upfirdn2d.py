"""upfirdn2d beside the same in plain torch operations, float32.

    python bench/bench_upfirdn2d.py [--threads 1 2] [--seconds 1] [--quick]

The filter after the up-convolutions of a 1024 px generator, [1,3,3,1] squared, and the upsampling of its skip images.
"torch" is the usual formulation: zeros inserted by padding a reshaped view, torch padding, a convolution a channel.
"pyapdraw" writes into memory that is there; "operator, fresh output" makes its result anew each time, as torch does.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from cases_upfirdn2d import AFTER_UP, BINOMIAL
from record import Suite
from reference_upfirdn2d import in_torch

from pyapdraw import _C
from pyapdraw.ops import upfirdn2d


def compare(suite, case, x, f, up, padding, threads, must):
    import torch

    how = _C.Resampling([up, up], [1, 1], padding, False, 4.0)
    out = upfirdn2d(x, f, up=up, padding=padding, gain=4)
    context = _C.Context(threads=threads)
    expected = in_torch(x.float(), f, up, 1, padding, gain=4)

    def check():
        _C.upfirdn2d(x, f, out, how, context)
        tolerance = 1e-5 if x.dtype == torch.float32 else 2e-2
        torch.testing.assert_close(out.float(), expected, rtol=tolerance, atol=tolerance)

    candidates = {
        "pyapdraw": lambda: _C.upfirdn2d(x, f, out, how, context),
        "torch": lambda: in_torch(x, f, up, 1, padding, gain=4),
    }
    if threads == _C.default_threads():
        candidates["operator, fresh output"] = lambda: upfirdn2d(x, f, up=up, padding=padding, gain=4)
    moved = (x.numel() + out.numel()) * x.element_size()
    suite.compare(
        case, candidates, check=check, threads=threads, must=must, aim={"torch": 20} if must else None,
        pixels=out.numel(), moved_bytes=moved,
    )  # fmt: skip


def main() -> int:
    suite = Suite("upfirdn2d", __doc__)
    try:
        import torch
    except ImportError:
        print("the peer is torch code, and torch is not installed")
        return 0
    f = torch.from_numpy(BINOMIAL)
    must = {"torch": 8}
    for threads in suite.threads:
        torch.set_num_threads(threads)
        for channels, side in AFTER_UP:
            x = torch.randn(1, channels, side, side)
            last = x.contiguous(memory_format=torch.channels_last)
            compare(suite, f"{channels} x {side}²", x, f, 1, [1] * 4, threads, must)
            compare(suite, f"{channels} x {side}², channels last", last, f, 1, [1] * 4, threads, must)
            compare(suite, f"{channels} x {side}², bfloat16", last.bfloat16(), f, 1, [1] * 4, threads, None)
        for side in (256, 512):
            x = torch.randn(1, 3, side, side)
            compare(suite, f"skip image 3 x {side}² to {2 * side}²", x, f, 2, [2, 1, 2, 1], threads, must)
    return suite.finish()


if __name__ == "__main__":
    raise SystemExit(main())
