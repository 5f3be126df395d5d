"""instance_norm beside torch.group_norm with one channel a group, at the maps of the published networks at 512 px.

    python bench/bench_instance_norm.py [--threads 1 2] [--seconds 1]

Channels last, as the networks run. There torch adds up in float32, so its answer is held against ours at 0.05 only;
"torch, planar" is as precise as ours: a contiguous copy first, which torch answers planar.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import reference_instance_norm as reference
from cases_instance_norm import LAYERS
from record import OURS, Suite

from pyapdraw import _C
from pyapdraw.ops import instance_norm

TORCH = "torch, channels last"


def compare(suite, channels, side, dtype, threads):
    import torch

    x = torch.randn(1, channels, side, side).to(dtype).to(memory_format=torch.channels_last)
    weight, bias, context = torch.rand(channels) + 0.5, torch.randn(channels), _C.Context(threads=threads)

    def mine():
        out = torch.empty_like(x)
        _C.instance_norm(x, weight, bias, out, 1e-5, context)
        return out

    def check():
        few = slice(0, 4)
        wanted = reference.instance_norm(x[:, few].float().numpy(), weight[few], bias[few])
        np.testing.assert_allclose(
            mine()[:, few].float().numpy(), wanted, rtol=1e-6 if dtype == torch.float32 else 1e-2, atol=3e-6
        )
        torch.testing.assert_close(candidates[TORCH]().float(), mine().float(), rtol=0.05, atol=0.05)

    candidates = {
        OURS: mine,
        TORCH: lambda: torch.group_norm(x, channels, weight, bias),
        "torch, planar": lambda: torch.group_norm(x.contiguous(), channels, weight, bias),
    }
    if threads == _C.default_threads():
        candidates["operator"] = lambda: instance_norm(x, weight, bias)
    moved = 3 * x.numel() * x.element_size()
    case = f"{channels} x {side}²{', bf16' if dtype == torch.bfloat16 else ''}"
    suite.compare(case, candidates, check=check, threads=threads, pixels=x.numel(), moved_bytes=moved)


def main() -> int:
    suite = Suite("instance_norm", __doc__)
    try:
        import torch
    except ImportError:
        print("the peer is torch code, and torch is not installed")
        return 0
    with torch.inference_mode():
        for threads in suite.threads:
            torch.set_num_threads(threads)
            for channels, side in LAYERS:
                for dtype in (torch.float32, torch.bfloat16):
                    compare(suite, channels, side, dtype, threads)
    return suite.finish()


if __name__ == "__main__":
    raise SystemExit(main())
