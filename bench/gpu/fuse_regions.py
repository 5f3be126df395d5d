"""fuse_regions on a GPU beside the published torch sequence, eager and compiled, and a lean version of it.

    python bench/gpu/fuse_regions.py [--only "x 16"] [--json FILE] [--dry]

"torch eager" is the sequence of the published inference code (masks by arithmetic, a padding a part and sample, five
nested minima), its tensors on the GPU; the mask of the rectangles, which its data loader makes, is not timed, though
ours finds the rectangles by itself. "torch.compile" is the same function compiled, mode max-autotune, its kernels
captured in the same kind of graph as ours. Eager is compared in a stream, as it is used; compiled in a graph. There the
rectangles are constants of the compiled function, so that another face means another compilation; "torch.compile,
centres given" is what serves any face: the centres as a tensor, each part gathered and put in its place with
torch.where, compiled once. The rows in 16 bits stand beside ours in float32.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from measure import OURS, Asked, Candidate, Suite, limit

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from cases_fuse_regions import portrait
from reference_fuse_regions import official_torch, outside_rectangles, start

from pyapdraw import ops

EAGER, COMPILED, GIVEN, FLOAT32 = "torch eager", "torch.compile", "torch.compile, centres given", "ours in float32"
# With constants an empty node of a graph is a third of the peer's time at x 1, so no ratio is asked there.
MUST = {1: {COMPILED: 1.0, GIVEN: 1.3}, 16: {COMPILED: 3.0}}
SIDE = 512


def published(parts, corners, hair, background, features, person):
    """The operations of the published code in its order; corners: (x0, y0) of each part in each sample."""

    def white_outside(x, mask):
        return ((x / 2 + 0.5) * mask + (torch.ones_like(mask) - mask)) * 2 - 1

    hair = white_outside(hair, features * person)
    background = white_outside(background, torch.ones_like(person) - person)
    height, width = hair.shape[-2:]
    frames = [torch.ones_like(hair) for _ in parts]
    for n, of_sample in enumerate(corners):
        for frame, part, (x, y) in zip(frames, parts, of_sample):
            h, w = part.shape[-2:]
            pad = (x, width - x - w, y, height - y - h)
            frame[n] = torch.nn.functional.pad(part[n], pad, value=1.0)
    face = torch.min(torch.min(torch.min(frames[0], frames[1]), frames[2]), frames[3])
    return torch.min(background, torch.min(hair, face))


def for_any_face(parts, centres, hair, background, person):
    """The same with the centres [N, 4, 2] as a tensor of the device: one compilation serves every face."""
    n, _, height, width = hair.shape
    down = torch.arange(height, device=hair.device)[None, :, None]
    across = torch.arange(width, device=hair.device)[None, None]
    face, covered = torch.ones_like(hair), torch.zeros_like(person, dtype=torch.bool)
    for i, part in enumerate(parts):
        h, w = part.shape[-2:]
        corner = centres[:, i].to(torch.int64) - torch.tensor([(w + 1) // 2, (h + 1) // 2], device=hair.device)
        y, x = down - corner[:, 1, None, None], across - corner[:, 0, None, None]
        inside = ((y >= 0) & (y < h) & (x >= 0) & (x < w))[:, None]
        at = (y.clamp(0, h - 1) * w + x.clamp(0, w - 1)).reshape(n, -1)
        value = part.reshape(n, -1).gather(1, at).reshape(n, 1, height, width)
        face = torch.where(inside, torch.minimum(face, value), face)
        covered = covered | inside
    mine = person >= 0.5
    hair = torch.where(mine & ~covered, hair, 1.0)
    return torch.minimum(torch.minimum(torch.where(mine, 1.0, background), hair), face)


class Inputs:
    """One set on the device: what ours takes, and what the peers take. All sets have the same rectangles, which are
    constants of a compiled function."""

    def __init__(self, batch: int, side: int, seed: int, device: torch.device, dtype: torch.dtype = torch.float32):
        parts, centres, hair, background, mask = portrait(batch, side)
        rng = np.random.default_rng(seed)
        drawings = [rng.uniform(-1, 1, x.shape).astype(np.float32) for x in (*parts, hair, background)]
        self.corners = [[(start(x, p.shape[3]), start(y, p.shape[2])) for (x, y), p in zip(c, parts)] for c in centres]
        outside = [outside_rectangles([p[n] for p in parts], centres[n], side, side) for n in range(batch)]
        self.features = torch.stack([torch.from_numpy(o).float() for o in outside])[:, None].to(device)
        *self.parts, self.hair, self.background = (torch.from_numpy(x).to(device, dtype) for x in drawings)
        self.centres, self.mask = torch.from_numpy(centres).to(device), torch.from_numpy(mask).to(device)

    def ours(self):
        return ops.fuse_regions(self.parts, self.centres, self.hair, self.background, self.mask)

    def peer(self, function):
        return function(self.parts, self.corners, self.hair, self.background, self.features, self.mask)

    def any_face(self, function):
        return function(self.parts, self.centres, self.hair, self.background, self.mask)

    def exact(self):
        parts, *others = [p.cpu().float() for p in self.parts], self.centres.cpu(), self.mask.cpu()
        return official_torch(parts, others[0], self.hair.cpu().float(), self.background.cpu().float(), others[1])


def compare(suite: Suite, batch: int) -> None:
    case = f"x {batch}"
    if not suite.wants(case):
        return
    batch, side = suite.small(batch, min(batch, 2)), suite.small(SIDE, 96)
    moved = 4 * 4 * batch * side * side  # hair, background, mask and out, float32; parts instead of what they cover
    sets = suite.sets(moved)
    inputs = [Inputs(batch, side, seed, suite.device) for seed in range(sets)]
    how = {"backend": "eager"} if suite.dry else {"mode": "max-autotune-no-cudagraphs", "dynamic": False}
    compiled, given = torch.compile(published, **how), torch.compile(for_any_face, **how)
    known = {
        OURS: Candidate(lambda i: inputs[i].ours()),
        EAGER: Candidate(lambda i: inputs[i].peer(published)),
        COMPILED: Candidate(lambda i: inputs[i].peer(compiled)),
        GIVEN: Candidate(lambda i: inputs[i].any_face(given)),
    }

    def check() -> None:
        expected = inputs[0].exact()
        for name, candidate in known.items():
            answer = candidate.run(0).cpu()
            assert answer.shape == expected.shape
            off = float((answer - expected).abs().max())
            assert off <= (0 if name == OURS else 1e-6), f"{name} is {off} off"

    asked_of = MUST[16 if case == "x 16" else 1]
    floor_us = 1e3 * suite.floor_ms(moved, 0)
    must = limit(5) if batch == 1 else limit(round(2 * floor_us, 3), round(floor_us / 0.7, 3))
    asked = {"stream": Asked({EAGER: 20}), "graph, cold": Asked({**asked_of, **must.must}, must.aim)}
    modes = ("graph, cold", "graph, resident", "stream")
    suite.compare(
        case, known, sets=sets, check=check, modes=modes, asked=asked, moved_bytes=moved, pixels=batch * side * side
    )


def compare_16_bits(suite: Suite, batch: int, dtype: torch.dtype) -> None:
    """Half the bytes ought to take less time than ours in float32."""
    case = f"x {batch}, {'fp16' if dtype == torch.float16 else 'bf16'}"
    if not suite.wants(case):
        return
    if suite.dry:
        dtype = torch.bfloat16  # there is no float16 on the CPU
    batch, side = suite.small(batch, min(batch, 2)), suite.small(SIDE, 96)
    moved = (3 * 2 + 4) * batch * side * side
    sets = suite.sets(moved)
    inputs = [Inputs(batch, side, seed, suite.device, dtype) for seed in range(sets)]
    wide = [Inputs(batch, side, seed, suite.device) for seed in range(sets)]
    known = {OURS: Candidate(lambda i: inputs[i].ours()), FLOAT32: Candidate(lambda i: wide[i].ours())}

    def check() -> None:
        expected = inputs[0].exact().to(dtype)
        assert torch.equal(inputs[0].ours().cpu(), expected), "not the minimum of the given values"

    asked = {"graph, cold": Asked({FLOAT32: 1.0})}
    suite.compare(case, known, sets=sets, check=check, asked=asked, moved_bytes=moved, pixels=batch * side * side)


def main() -> int:
    suite = Suite("fuse_regions", __doc__)
    with torch.no_grad():
        for batch in (1, 16):
            compare(suite, batch)
            for dtype in (torch.bfloat16, torch.float16):
                compare_16_bits(suite, batch, dtype)
    return suite.finish()


if __name__ == "__main__":
    raise SystemExit(main())
