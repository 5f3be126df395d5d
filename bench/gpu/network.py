"""The whole 1024 px synthesis network of StyleGAN2 config f, batch 1, 16 bits, random weights, in a CUDA graph.

    python bench/gpu/network.py [--json FILE] [--dry]

Peers, each in a graph of its own: the published scale form in torch with channels_last tensors, in float16 and
bfloat16, the grouped form, the scale form compiled layer by layer, and the whole network compiled at once (mode max-
autotune; its tuning takes minutes). What is asked has to hold against the best of them. The floor is the sum over the
layers of the larger of their operations and their bytes at this run's ceilings.
"""

import torch
from measure import OURS, Asked, Candidate, Suite, limit, relative_error
from peer_stylegan import filtered, grouped, scale
from synthesis import TAPS, channels, random_network, synthesis

from pyapdraw import ops

SIZE = 1024


def ours_layer(x, weight, styles, *, noise, bias, taps, up, demodulate, activation, clamp):
    return ops.modulated_conv2d(
        x, weight, styles, demodulate=demodulate, up=up, resample_filter=taps, noise=noise, bias=bias,
        activation=activation, clamp=clamp,
    )  # fmt: skip


def floor_ms(suite: Suite, size: int) -> float:
    """Layer by layer; 16-bit activations are read and written once, weights read once."""
    total = 0.0
    for level in range(2, size.bit_length()):
        side = 1 << level
        inputs, outputs = channels(side // 2), channels(side)
        layers = [(outputs, outputs, side, side, 9)] + ([(inputs, outputs, side // 2, side, 9)] if side > 4 else [])
        layers.append((outputs, 3, side, side, 1))
        for i, o, from_side, to_side, taps in layers:
            moved = 2 * (i * from_side**2 + o * to_side**2 + taps * i * o)
            total += suite.floor_ms(moved, 2.0 * taps * i * o * from_side**2)
    return total


class Network:
    """The weights on the device in one element type."""

    def __init__(self, suite: Suite, size: int, dtype: torch.dtype):
        constant, blocks = random_network(size)
        last = torch.channels_last
        self.constant = constant.to(suite.device, dtype).contiguous(memory_format=last)
        self.blocks = [block.to(dtype) for block in blocks]
        for block in self.blocks:
            for layer in (block.conv0, block.conv1, block.to_rgb):
                if layer is not None:
                    layer.weight = layer.weight.to(suite.device)
                    for name in ("affine", "affine_bias", "bias"):
                        setattr(layer, name, getattr(layer, name).to(suite.device))
                    layer.noise = None if layer.noise is None else layer.noise.to(suite.device)

    def image(self, latents, layer, widen):
        return synthesis(self.constant, self.blocks, latents, layer, widen)


def latents_of(suite: Suite, blocks: list) -> list[torch.Tensor]:
    generator = torch.Generator(suite.device).manual_seed(1)
    return [torch.randn(1, 2 * len(blocks), 512, generator=generator, device=suite.device) for _ in range(4)]


def ours(suite: Suite):
    """One pass of our network in 16 bits, by the number of its latents."""
    taps = torch.tensor(TAPS, device=suite.device)
    net = Network(suite, suite.small(SIZE, 8), torch.bfloat16 if suite.dry else torch.float16)
    latents = latents_of(suite, net.blocks)

    def widened(image, _):
        return ops.upfirdn2d(image, taps, up=2, padding=(2, 1, 2, 1), gain=4)

    return lambda i: net.image(latents[i % 4], ours_layer, widened)


def main() -> int:
    suite = Suite("network", __doc__)
    torch.backends.cudnn.benchmark = True
    size = suite.small(SIZE, 8)
    half = torch.bfloat16 if suite.dry else torch.float16
    taps = torch.tensor(TAPS, device=suite.device)
    with torch.inference_mode():
        nets = {dtype: Network(suite, size, dtype) for dtype in {half, torch.bfloat16}}
        latents = latents_of(suite, nets[half].blocks)

        def peer(dtype, form):
            def layer(x, weight, styles, **options):
                return form(x, weight, styles, **{**options, "taps": taps})

            def widen(image, _):
                return filtered(image, taps, [2, 1, 2, 1], gain=4, up=2)

            return lambda i: nets[dtype].image(latents[i % 4], layer, widen)

        def widened(image, _):
            return ops.upfirdn2d(image, taps, up=2, padding=(2, 1, 2, 1), gain=4)

        compiled = torch.compile(scale, dynamic=False, **({"backend": "eager"} if suite.dry else {}))
        torch._dynamo.config.recompile_limit = 128  # a shape a layer
        peers = {
            "scale fp16": peer(half, scale),
            "scale bf16": peer(torch.bfloat16, scale),
            "grouped fp16": peer(half, grouped),
        }
        slow = {"compiled": {"compiled bf16": peer(torch.bfloat16, compiled)}}  # a minute or more of compilation
        how = {"backend": "eager"} if suite.dry else {"mode": "max-autotune-no-cudagraphs", "dynamic": False}
        whole = torch.compile(peer(torch.bfloat16, scale), **how)
        slow["compiled whole"] = {"whole bf16": lambda i: whole(i % 4)}
        own = {OURS: Candidate(lambda i: nets[half].image(latents[i % 4], ours_layer, widened))}
        known = own | {name: Candidate(run) for name, run in peers.items()}

        def check() -> None:
            expected = nets[half].image(latents[0], ours_layer, widened)
            exact = Network(suite, size, torch.float32)
            layer = peers["scale bf16"](0)
            wide = exact.image(latents[0], lambda x, w, s, **o: scale(x, w, s, **{**o, "taps": taps}),
                               lambda image, _: filtered(image, taps, [2, 1, 2, 1], gain=4, up=2))  # fmt: skip
            for name, answer in ((OURS, expected), ("scale bf16", layer)):
                assert answer.shape == wide.shape == (1, 3, size, size)
                error = relative_error(answer, wide)
                assert error <= 3e-2, f"{name}: relative error {error:.1e}"

        of_limit = limit(1000, 450)
        work = {"floor_ms": floor_ms(suite, size), "flop": 2 * 74.3e9, "moved_bytes": 654e6, "pixels": size * size}
        asked = {"graph, cold": Asked({**dict.fromkeys(peers, 1.5), **of_limit.must}, of_limit.aim)}
        case = f"config f, {SIZE}², batch 1"
        suite.compare(case, known, sets=4, check=check, asked=asked, **work)
        for form, of_form in slow.items():
            known = own | {name: Candidate(run) for name, run in of_form.items()}
            asked = {"graph, cold": Asked(dict.fromkeys(of_form, 1.5))}
            suite.compare(f"{case}, {form}", known, sets=4, check=check, asked=asked, **work)
    return suite.finish()


if __name__ == "__main__":
    raise SystemExit(main())
