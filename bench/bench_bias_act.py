"""bias_act beside the same in plain torch operations, at the layers of a 1024 px generator.

    python bench/bench_bias_act.py [--threads 1 2] [--seconds 1]

"torch" adds the bias, activates, multiplies by the gain and clamps, one operation each.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from cases_bias_act import LAYERS
from record import Suite

from pyapdraw import _C
from pyapdraw.ops import bias_act


def in_torch(x, b, act, gain, clamp):
    import torch
    from torch.nn import functional as F

    y = x + b.reshape(1, -1, 1, 1)
    y = F.leaky_relu(y, 0.2) if act == "lrelu" else torch.tanh(y) if act == "tanh" else F.silu(y)
    y = y if gain == 1 else y * gain
    return y if clamp is None else y.clamp(-clamp, clamp)


def compare(suite, case, x, act, clamp, threads):
    import torch

    gain = 1.0 if act == "tanh" else 2**0.5
    b, out, context = torch.randn(x.shape[1]).to(x.dtype), torch.empty_like(x), _C.Context(threads=threads)
    how = _C.BiasAct(act, 0.2, gain, -1.0 if clamp is None else clamp)

    def check():
        _C.bias_act(x, b, out, how, 1, context)
        expected = in_torch(x.float(), b.float(), act, gain, clamp)
        tolerance = 1e-5 if x.dtype == torch.float32 else 1e-2
        torch.testing.assert_close(out.float(), expected, rtol=tolerance, atol=tolerance)

    candidates = {
        "pyapdraw": lambda: _C.bias_act(x, b, out, how, 1, context),
        "torch": lambda: in_torch(x, b, act, gain, clamp),
    }
    if threads == _C.default_threads():
        candidates["operator, fresh output"] = lambda: bias_act(x, b, act=act, clamp=clamp)
    moved = 2 * x.numel() * x.element_size()
    suite.compare(case, candidates, check=check, threads=threads, pixels=x.numel(), moved_bytes=moved)


def main() -> int:
    suite = Suite("bias_act", __doc__)
    try:
        import torch
    except ImportError:
        print("the peer is torch code, and torch is not installed")
        return 0
    for threads in suite.threads:
        torch.set_num_threads(threads)
        for channels, side in LAYERS:
            x = torch.randn(1, channels, side, side)
            compare(suite, f"{channels} x {side}², lrelu, clamp", x, "lrelu", 256.0, threads)
        x = torch.randn(1, 128, 256, 256)
        last = x.contiguous(memory_format=torch.channels_last)
        compare(suite, "128 x 256², lrelu, channels last", last, "lrelu", None, threads)
        compare(suite, "128 x 256², lrelu, bfloat16, channels last", last.bfloat16(), "lrelu", None, threads)
        compare(suite, "128 x 256², tanh", x, "tanh", None, threads)
        compare(suite, "128 x 256², swish", x, "swish", None, threads)
    return suite.finish()


if __name__ == "__main__":
    raise SystemExit(main())
