"""modulated_conv2d beside oneDNN's bare convolution and the published formulations of the layer; then a whole network.

    python bench/bench_modulated_conv2d.py [--only 256] [--seconds 1] [--json FILE]     (threads: PYAPDRAW_THREADS)

A layer is modulation, convolution (and the filter of an up layer), demodulation, noise, bias, lrelu, gain and clamp, of
the shapes of StyleGAN2 config f. "conv only" is torch's bf16 channels_last convolution and nothing else: what a fusion
without any cost would take. "grouped" and "scale" are the published formulations (peer_stylegan.py), "lean" is the best
short version in torch: scale form, channels_last, bf16. Ours gets channels_last inputs, as its own outputs are.
"""

import statistics
import sys
from pathlib import Path

import torch
from peer_stylegan import filtered, grouped, scale
from record import OURS, Suite
from synthesis import TAPS, random_network, synthesis
from torch.nn.functional import conv2d, conv_transpose2d

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pyapdraw import _C, ops

# (inputs, outputs, side of x, up)
LAYERS = [
    (512, 512, 16, 1),
    (512, 512, 32, 1),
    (512, 512, 64, 1),
    (256, 256, 128, 1),
    (128, 128, 256, 1),
    (512, 512, 16, 2),
    (512, 512, 32, 2),
    (512, 256, 64, 2),
    (256, 128, 128, 2),
]
BARE = "conv only bf16"  # must: at most 1.15 times its time; aim: 1.05
GROUPED, GROUPED16, SCALE, SCALE16 = "grouped f32", "grouped bf16", "scale f32", "scale bf16"
LEAN = "lean bf16"
MUST32 = {GROUPED: 1.0, SCALE: 1.0}


def ours(x, weight, styles, *, noise, bias, taps, up=1, demodulate=True, activation="lrelu", clamp=256.0):
    return ops.modulated_conv2d(
        x, weight, styles, demodulate=demodulate, up=up, resample_filter=taps, noise=noise, bias=bias,
        activation=activation, clamp=clamp,
    )  # fmt: skip


def last(x):
    return x.contiguous(memory_format=torch.channels_last)


def bare(x, weight, up):
    """The convolution alone, on operands as oneDNN likes them."""
    if up == 1:
        weight = last(weight)
        return lambda: conv2d(x, weight, padding=1)
    weight = last(weight.transpose(0, 1))
    return lambda: conv_transpose2d(x, weight, stride=2)


def agree(candidates, exact, relative):
    """Every answer within `relative` of the largest value of the float32 one."""
    size = exact.abs().max()
    for name, run in candidates.items():
        error = (run().float() - exact).abs().max() / size
        assert error <= relative, f"{name}: {error:.1e} of the largest value, at most {relative} expected"


def layer_rows(suite, shape, batch):
    inputs, outputs, side, up = shape
    generator = torch.Generator().manual_seed(side)

    def normal(*size):
        return torch.randn(*size, generator=generator)

    x, weight = normal(batch, inputs, side, side), normal(outputs, inputs, 3, 3)
    styles, bias = 1 + 0.3 * normal(batch, inputs), normal(outputs)
    rest = {"noise": 0.1 * normal(1, 1, side * up, side * up), "bias": bias, "taps": torch.tensor(TAPS), "up": up}
    x16, weight16 = x.bfloat16(), weight.bfloat16()
    x_last, x16_last = last(x), last(x16)
    name = f"{'up ' if up == 2 else ''}{inputs}->{outputs} {side}{f'->{2 * side}' if up == 2 else ''} x {batch}"
    work = {"threads": _C.default_threads(), "flop": 2.0 * 9 * inputs * outputs * side * side * batch}
    # Read once, written once: x, the weights, the result.
    elements = batch * side * side * (inputs + outputs * up * up) + 9 * inputs * outputs
    f32 = {
        OURS: lambda: ours(x_last, weight, styles, **rest),
        GROUPED: lambda: grouped(x, weight, styles, **rest),
        SCALE: lambda: scale(x, weight, styles, **rest),
    }
    bf16 = {
        OURS: lambda: ours(x16_last, weight16, styles, **rest),
        GROUPED: f32[GROUPED],
        GROUPED16: lambda: grouped(x16, weight16, styles, **rest),
        SCALE16: lambda: scale(x16, weight16, styles, **rest),
        LEAN: lambda: scale(x16_last, weight16, styles, **rest),
    }
    row16 = suite.compare(
        f"bf16 {name}",
        bf16 | {BARE: bare(x16_last, weight16, up)},
        check=lambda: agree(bf16, f32[GROUPED](), 3e-2),
        must={BARE: 1 / 1.15, GROUPED: 2.0, GROUPED16: 1.05, SCALE16: 1.05},
        aim={BARE: 1 / 1.05},
        moved_bytes=2 * elements,
        **work,
    )
    row32 = suite.compare(
        f"f32 {name}", f32, check=lambda: agree(f32, f32[GROUPED](), 1e-4), must=MUST32, moved_bytes=4 * elements,
        **work,
    )  # fmt: skip
    return [row16, row32]


def means(suite, rows):
    """Geometric means over all layers, against the better of two peers where there are two."""
    for kind, peers, must, aim in (
        ("bf16", (BARE,), None, 1 / 1.05),
        ("bf16", (GROUPED,), None, 3.5),
        ("bf16", (GROUPED16, SCALE16), 1.6, 2.5),
        ("f32", (GROUPED, SCALE), 1.5, 2.0),
    ):
        chosen = [row for row in rows if row is not None and row.case.startswith(kind)]
        if not chosen:
            continue
        ratio = statistics.geometric_mean(min(row.ratio[peer] for peer in peers) for row in chosen)
        peer = " or ".join(peers)
        suite.summary(
            f"{kind}: geometric mean of {len(chosen)} layers", {peer: ratio},
            must={} if must is None else {peer: must}, aim={peer: aim},
        )  # fmt: skip


def published_widened(image, taps):
    return filtered(image, taps, [2, 1, 2, 1], gain=4, up=2)


def widened(image, taps):
    """The skip image by our own upfirdn2d."""
    return ops.upfirdn2d(image, taps, up=2, padding=(2, 1, 2, 1), gain=4)


def network_row(suite, size):
    """Random weights, one image, ours in bf16 throughout, the published formulation in float32."""
    constant, blocks = random_network(size)
    rows = 2 * len(blocks)
    latents = torch.randn(1, rows, 512, generator=torch.Generator().manual_seed(1))
    constant16, blocks16 = last(constant.bfloat16()), [block.to(torch.bfloat16) for block in blocks]
    candidates = {
        OURS: lambda: synthesis(constant16, blocks16, latents, ours, widened),
        GROUPED: lambda: synthesis(constant, blocks, latents, grouped, published_widened),
    }

    def same_image():
        image, exact = (run() for run in candidates.values())
        assert image.shape == exact.shape == (1, 3, size, size)
        error = (image - exact).norm() / exact.norm()
        assert error <= 2e-2, f"image: relative distance {error:.1e}, at most 2e-2 expected"

    suite.compare(
        f"synthesis {size} px",
        candidates,
        check=same_image,
        must={GROUPED: 3.0},
        aim={GROUPED: 5.0},
        threads=_C.default_threads(),
    )


@torch.inference_mode()
def main() -> int:
    suite = Suite("modulated_conv2d", __doc__)
    torch.set_num_threads(_C.default_threads())
    rows = []
    for shape in LAYERS:
        for batch in (1, 4):
            rows += layer_rows(suite, shape, batch)
    means(suite, rows)
    network_row(suite, 1024)
    return suite.finish()


if __name__ == "__main__":
    raise SystemExit(main())
