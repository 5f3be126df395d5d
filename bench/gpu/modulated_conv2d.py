"""modulated_conv2d on a GPU: whole layers of StyleGAN2 config f beside torch, and the matrix core beside cuDNN.

    python bench/gpu/modulated_conv2d.py [--only "64²"] [--json FILE] [--dry]

A layer is modulation, convolution (and the filter of an up layer), demodulation, noise, bias, lrelu, gain and clamp.
"eager" is the scale form with channels_last tensors; "compiled" the same function compiled, mode max-autotune, in the
same kind of graph as ours; "grouped" is the form with weights of every sample as groups of one convolution, eager, at
batch 16. Everything in 16 bits. Ours gets and gives channels_last, and like the peers a channels_last weight, which is
fastest; it still modulates and demodulates a copy of the weight in every call. "phases" beside the up layers is
torch without the depthwise filter, in which the other forms spend their time: weight and filter composed into four
phases of 3x3 beforehand, one convolution, pixel_shuffle. The matrix core stands beside cuDNN's bare convolution with a
weight prepared in that way, and once more with a plain one, which has to be packed (4.7 MB read and written) in each
call. The checks are against float64 on the same inputs.
"""

import torch
from measure import OURS, Asked, Candidate, Suite, relative_error
from peer_stylegan import composed, grouped, phases, scale
from synthesis import TAPS, channels

from pyapdraw import ops

EAGER, COMPILED, GROUPED, CUDNN = "torch eager", "torch.compile", "torch grouped", "cuDNN convolution alone"
PHASES, PACKED = "torch phases", "ours, weight packed in the call"
MUST = {EAGER: 1.5, COMPILED: 1.2, GROUPED: 2.0, PHASES: 1.2}
# At 64² the measured matrix rate alone allows 1.75x of the compiled form and 4.0x of the grouped one.
AIM = {EAGER: 2.3, COMPILED: 1.4, GROUPED: 3.0, PHASES: 1.6}
SIDES = (64, 128, 256, 512, 1024)  # of the output
COMPILED_SIDES = (64, 256, 1024)  # each costs many seconds of tuning


class Layer:
    """One layer with several sets of inputs on the device."""

    def __init__(self, suite: Suite, inputs: int, outputs: int, side: int, up: int, batch: int, dtype: torch.dtype):
        inputs, outputs, side = suite.small(inputs, 16), suite.small(outputs, 16), suite.small(side, 8)
        self.up, self.dtype = up, torch.bfloat16 if suite.dry else dtype  # there is no float16 on the CPU
        out_side = side * up
        self.flop = 2.0 * 9 * inputs * outputs * side * side * batch
        item = 2
        self.bytes = item * (batch * (inputs * side * side + outputs * out_side**2) + 9 * inputs * outputs)
        self.sets = suite.sets(self.bytes, most=64)
        normal = torch.Generator(suite.device).manual_seed(side + up)

        def random(*shape: int) -> torch.Tensor:
            return torch.randn(*shape, generator=normal, device=suite.device)

        last = torch.channels_last
        self.x = [
            random(batch, inputs, side, side).to(self.dtype).contiguous(memory_format=last) for _ in range(self.sets)
        ]
        self.weight = random(outputs, inputs, 3, 3).to(self.dtype)
        self.weight_last = self.weight.contiguous(memory_format=last)
        self.styles = 1 + 0.3 * random(batch, inputs)
        self.noise, self.bias = 0.1 * random(1, 1, out_side, out_side), random(outputs)
        self.taps = torch.tensor(TAPS)
        self.peer_taps = self.taps.to(suite.device)
        if up == 2:
            of_phases = composed(self.weight.double(), self.peer_taps.double()).to(self.dtype)
            self.phases = of_phases.contiguous(memory_format=last)
            self.squares = self.weight.float().square().sum((2, 3))

    def ours(self, i: int) -> torch.Tensor:
        return ops.modulated_conv2d(
            self.x[i], self.weight_last, self.styles, up=self.up, resample_filter=self.taps, noise=self.noise,
            bias=self.bias, activation="lrelu", clamp=256.0,
        )  # fmt: skip

    def peer(self, form, i: int, weight: torch.Tensor | None = None) -> torch.Tensor:
        weight = self.weight if weight is None else weight
        return form(
            self.x[i], weight, self.styles, noise=self.noise, bias=self.bias, taps=self.peer_taps, up=self.up
        )  # fmt: skip

    def peer_phases(self, i: int) -> torch.Tensor:
        return phases(
            self.x[i], self.phases, self.styles, noise=self.noise, bias=self.bias, demodulated=self.squares
        )  # fmt: skip

    def exact(self) -> torch.Tensor:
        """float64 from the same 16-bit inputs."""
        return scale(
            self.x[0].double(), self.weight.double(), self.styles.double(), noise=self.noise.double(),
            bias=self.bias.double(), taps=self.peer_taps.double(), up=self.up,
        )  # fmt: skip

    def check(self, known: dict[str, Candidate]) -> None:
        expected = self.exact()
        for name, candidate in known.items():
            answer = candidate.run(0)
            assert answer.shape == expected.shape
            error = relative_error(answer, expected)
            most = 1e-2 if self.dtype == torch.bfloat16 else 3e-3
            assert error <= (most if name == OURS else 3e-2), f"{name}: relative error {error:.1e}"


def layer_row(suite: Suite, side: int, up: int, batch: int, dtype: torch.dtype, with_compiled: bool = False) -> None:
    """side: of the output."""
    inputs, outputs = channels(side // up if up == 2 else side), channels(side)
    kind = "fp16" if dtype == torch.float16 else "bf16"
    case = f"{kind} {'up ' if up == 2 else ''}{inputs} -> {outputs}, {side}², x {batch}"
    case += ", compiled" if with_compiled else ""
    if not suite.wants(case):
        return
    layer = Layer(suite, inputs, outputs, side // up, up, batch, dtype)
    known = {OURS: Candidate(layer.ours)}
    if with_compiled:
        if suite.dry:
            compiled = torch.compile(scale, backend="eager", dynamic=False)
        else:
            compiled = torch.compile(scale, mode="max-autotune-no-cudagraphs", dynamic=False)
        known[COMPILED] = Candidate(lambda i: layer.peer(compiled, i, layer.weight_last))
        asked = {"graph, cold": Asked({COMPILED: MUST[COMPILED]}, {COMPILED: AIM[COMPILED]})}
    elif batch == 1:
        known[EAGER] = Candidate(lambda i: layer.peer(scale, i, layer.weight_last))
        if up == 2:
            known[PHASES] = Candidate(layer.peer_phases)
        peers = [name for name in known if name != OURS]
        asked = {"graph, cold": Asked({n: MUST[n] for n in peers}, {n: AIM[n] for n in peers})}
    else:
        known[GROUPED] = Candidate(lambda i: layer.peer(grouped, i))
        asked = {"graph, cold": Asked({GROUPED: MUST[GROUPED]}, {GROUPED: AIM[GROUPED]})}
    work = {"moved_bytes": layer.bytes, "flop": layer.flop, "pixels": batch * side * side}
    suite.compare(case, known, sets=layer.sets, check=lambda: layer.check(known), asked=asked, **work)


def matrix_core(suite: Suite, dtype: torch.dtype) -> None:
    """No demodulation, noise, bias or activation, styles of one: the convolution and the scaling of its input."""
    kind = "fp16" if dtype == torch.float16 else "bf16"
    case = f"matrix core, {kind} 512 -> 512, 64²"
    if not suite.wants(case):
        return
    layer = Layer(suite, 512, 512, 64, 1, 1, dtype)
    ones = torch.ones_like(layer.styles)
    known = {
        OURS: Candidate(lambda i: ops.modulated_conv2d(layer.x[i], layer.weight_last, ones, demodulate=False)),
        PACKED: Candidate(lambda i: ops.modulated_conv2d(layer.x[i], layer.weight, ones, demodulate=False)),
        CUDNN: Candidate(lambda i: torch.nn.functional.conv2d(layer.x[i], layer.weight_last, padding=1)),
    }

    def check() -> None:
        expected = torch.nn.functional.conv2d(layer.x[0].double(), layer.weight.double(), padding=1)
        for name, candidate in known.items():
            error = relative_error(candidate.run(0), expected)
            assert error <= 1e-2, f"{name}: relative error {error:.1e}"

    asked = {"graph, resident": Asked({CUDNN: 0.7}, {CUDNN: 0.85})}
    modes = ("graph, cold", "graph, resident")
    suite.compare(
        case, known, sets=layer.sets, check=check, modes=modes, asked=asked, moved_bytes=layer.bytes, flop=layer.flop
    )


def main() -> int:
    suite = Suite("modulated_conv2d", __doc__)
    torch.backends.cudnn.benchmark = True  # the peers choose their fastest algorithm
    with torch.inference_mode():
        for dtype in (torch.float16, torch.bfloat16):
            matrix_core(suite, dtype)
        for side in SIDES:
            for up in (1, 2):
                for dtype in (torch.float16, torch.bfloat16):
                    layer_row(suite, side, up, 1, dtype)
        for side in (64, 256):
            layer_row(suite, side, 1, 16, torch.float16)
        for side in COMPILED_SIDES:
            layer_row(suite, side, 1, 1, torch.bfloat16, with_compiled=True)
    return suite.finish()


if __name__ == "__main__":
    raise SystemExit(main())
