"""flow_dog beside the same formulation in plain torch (conv2d for the Gaussians, grid_sample along the flow) and numpy.

python bench/bench_flow_dog.py [--threads 2] [--seconds 1] [--json FILE]
"""

import sys
from pathlib import Path

import numpy as np
from record import OURS, Suite

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from cases_flow_dog import waves
from reference_flow_dog import flow_dog as numpy_flow_dog

from pyapdraw import _C

OPTIONS = (0.4, 3.03, 1.85, 1.98, 1)


def torch_flow_dog(image, fine, tensor, flow, line):
    """image [1,1,H,W]; reduce 1. Sampling clamps at the border as ours does, but for a thousandth of a pixel."""
    import torch
    import torch.nn.functional as F

    h, w = image.shape[-2:]

    def blur(x, sigma):
        radius = int(np.ceil(2.5 * sigma))
        k = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma) ** 2)
        k = k / k.sum()
        channels = x.shape[1]
        x = F.pad(x, (radius, radius, radius, radius), mode="replicate")
        x = F.conv2d(x, k.expand(channels, 1, 1, -1), groups=channels)
        return F.conv2d(x, k[:, None].expand(channels, 1, -1, -1), groups=channels)

    picture = blur(image, fine)
    sobel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8
    g = F.conv2d(F.pad(picture, (1, 1, 1, 1), mode="replicate"), torch.stack([sobel, sobel.T])[:, None])
    u, v = g[:, :1], g[:, 1:]
    a, b, c = blur(torch.cat([u * u, u * v, v * v], 1), tensor).split(1, 1)
    angle = 0.5 * torch.atan2(2 * b, a - c)
    tangent = torch.cat([-torch.sin(angle), torch.cos(angle)], 1)
    steps = int(2 * flow + 0.5)
    y, x = torch.meshgrid(torch.arange(h, dtype=torch.float32), torch.arange(w, dtype=torch.float32), indexing="ij")
    start, size = torch.stack([x, y], -1)[None], torch.tensor([w, h])
    total, weights = picture.clone(), 1.0
    for sign in (1, -1):
        at, way = start, sign * tangent.permute(0, 2, 3, 1)
        for i in range(1, steps + 1):
            at = torch.minimum((at + way).clamp(min=0), size - 1.0)
            grid = (2 * at + 1) / size - 1
            weight = float(np.exp(-0.5 * (i / flow) ** 2))
            total += weight * F.grid_sample(picture, grid, align_corners=False, padding_mode="border")
            own = F.grid_sample(tangent, grid, mode="nearest", align_corners=False, padding_mode="border")
            own = own.permute(0, 2, 3, 1)
            way = torch.where((own * way).sum(-1, keepdim=True) < 0, -own, own)
            weights += weight
    smooth = total / weights
    return blur(smooth, line) - smooth


def compare(suite: Suite, side: int, threads: int) -> None:
    image = waves(side, side, 1, 0.03)
    out, context = np.empty_like(image), _C.Context(threads=threads)

    def ours():
        _C.flow_dog(image, out, *OPTIONS, context)
        return out

    candidates = {OURS: ours, "numpy": lambda: numpy_flow_dog(image, *OPTIONS)}
    try:
        import torch

        torch.set_num_threads(threads)
        tensor = torch.from_numpy(image)[None, None]
        candidates["torch"] = lambda: torch_flow_dog(tensor, *OPTIONS[:4])
    except ImportError:
        print("torch is not installed: numpy is the only peer")

    def check():
        expected = candidates["numpy"]()
        for name, run in candidates.items():
            difference = np.abs(np.asarray(run()).reshape(side, side) - expected)
            assert np.quantile(difference, 0.98) < 1e-3, f"{name} differs by {np.quantile(difference, 0.98)}"

    suite.compare(
        f"{side} px", candidates, check=check, threads=threads, pixels=side * side, moved_bytes=8 * side * side
    )


def main() -> int:
    suite = Suite("flow_dog", __doc__)
    for threads in suite.threads:
        for side in (256, 512):
            compare(suite, side, threads)
    return suite.finish()


if __name__ == "__main__":
    raise SystemExit(main())
