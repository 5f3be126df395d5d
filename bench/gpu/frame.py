"""One 1080p NV12 frame on a GPU: crop of the face -> ink drawing -> composite -> NV12, beside the same in torch.

    python bench/gpu/frame.py [--json FILE] [--dry]

Ours: crop_yuv, nchw_to_rgb, ink, paste_yuv into the planes. "torch" converts and samples the crop (grid_sample), draws
flow-guided lines and two tones with convolutions and grid_sample, which is less than `ink` does (no skin label, jaw or
specks), samples the drawing and its opacity back into the frame and mixes the planes. Face and landmarks are given.
Crops are compared with each other and with the CPU, ours pasted with the CPU; the drawings of the two differ by design.
In a captured graph transform and landmarks are constants, so the first case is of a face that never moves; in the
second it moves every frame, which no graph can serve today: calls in a stream, the peer's grids made anew by
affine_grid on the device.
"""

import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from measure import OURS, Asked, Candidate, Suite, limit

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from cases_images import similarity, smooth_noise
from cases_ink import face

from pyapdraw import _C, ops
from pyapdraw.align import invert
from pyapdraw.ops._arrays import call

TORCH = "torch"
SIZE, SIDE = (1080, 1920), 512


class Scene:
    """A frame with a face in it, on the device, in several copies."""

    def __init__(self, suite: Suite):
        self.height, self.width = (160, 224) if suite.dry else SIZE
        self.side = suite.small(SIDE, 64)
        centre = (0.45 * self.width, 0.5 * self.height)
        scale = 0.8 if not suite.dry else 0.6
        self.to_crop = similarity(scale, 6, centre, (self.side / 2, self.side / 2))
        pixels, person, landmarks = face(self.side)
        picture = np.repeat(np.repeat(smooth_noise(self.height // 2, self.width // 2), 2, 0), 2, 1)
        inside = ops.warp_affine(np.ascontiguousarray(pixels), invert(self.to_crop), size=(self.height, self.width))
        covered = ops.warp_affine(np.full((self.side,) * 2, 255, np.uint8), invert(self.to_crop),
                                  size=(self.height, self.width), border=0)  # fmt: skip
        picture = np.where(covered[..., None] > 127, inside, picture)
        y, u, v = ops.rgb_to_yuv(picture)
        self.sets = suite.sets(1.5 * self.height * self.width, most=64)
        uv = np.stack([u, v], -1)
        planes = [torch.from_numpy(p).to(suite.device) for p in (y, uv)]
        self.frames = [tuple(torch.roll(p, i, 0) for p in planes) for i in range(self.sets)]
        self.person, self.landmarks = torch.from_numpy(person).to(suite.device), landmarks
        ramp = np.minimum(np.minimum(np.arange(self.side), np.arange(self.side)[::-1]) / 30, 1)
        alpha = np.round(255 * np.outer(ramp, ramp)).astype(np.uint8)
        self.alpha = torch.from_numpy(alpha).to(suite.device)
        self.moves = []  # of every set, a walk of a few pixels
        for i in range(self.sets):
            moved = self.to_crop.copy()
            moved[:, 2] += (4 * np.sin(i), 4 * np.cos(i))
            self.moves.append(moved)
        self.bytes = 1.5 * self.height * self.width * (self.side / (0.8 * self.height)) + 4 * 3 * self.side**2


class Ours:
    def __init__(self, scene: Scene, suite: Suite):
        self.scene = scene
        self.crop = torch.empty(1, 3, scene.side, scene.side, device=suite.device)
        self.drawing = torch.empty(scene.side, scene.side, dtype=torch.uint8, device=suite.device)

    def run(self, i: int, to_crop: np.ndarray | None = None) -> list[torch.Tensor]:
        s = self.scene
        to_crop = s.to_crop if to_crop is None else to_crop
        y, uv = s.frames[i]
        ops.crop_yuv(y, uv, to_crop=to_crop, size=s.side, out=self.crop)
        pixels = ops.nchw_to_rgb(self.crop)[0]
        call(_C.ink, pixels, s.person, s.landmarks, self.drawing, _C.InkOptions(), like=pixels)
        ops.paste_yuv(y, uv, drawing=self.drawing, alpha=s.alpha, to_crop=to_crop)
        return [y, uv]

    def run_moving(self, i: int) -> list[torch.Tensor]:
        return self.run(i, self.scene.moves[i])


def grid(affine: np.ndarray, size: tuple[int, int], source: tuple[int, int], device: torch.device) -> torch.Tensor:
    """Where each pixel of `size` lies in `source`, in grid_sample's coordinates (align_corners): [1, h, w, 2]."""
    y, x = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    at = [a[0] * x + a[1] * y + a[2] for a in affine]
    scaled = [2 * p / (n - 1) - 1 for p, n in zip(at, source[::-1])]
    return torch.stack(scaled, -1)[None].float().to(device)


def affine_grid(affine: np.ndarray, size: tuple[int, int], source: tuple[int, int], device: torch.device):
    """The same made on the device, for a map that is new in every frame."""
    h, w = ((n - 1) / 2 for n in size)
    sides = np.array([source[1] - 1, source[0] - 1]) / 2
    linear = affine[:, :2] * (w, h) / sides[:, None]
    shift = (affine[:, :2] @ (w, h) + affine[:, 2]) / sides - 1
    theta = torch.from_numpy(np.c_[linear, shift].astype(np.float32)).to(device, non_blocking=True)
    return F.affine_grid(theta[None], [1, 1, *size], align_corners=True)


class Torch:
    """What can be prepared for a camera that stands still is prepared: grids and kernels."""

    def __init__(self, scene: Scene, suite: Suite):
        self.scene, self.device, device, side = scene, suite.device, suite.device, scene.side
        self.place(scene.to_crop, grid)
        self.alpha = scene.alpha.float()[None, None] / 255
        self.base = torch.stack(torch.meshgrid(*[torch.linspace(-1, 1, side)] * 2, indexing="xy"), -1)[None].to(device)
        scale = side / 512
        self.blurs = {s: self._kernel(s * scale, device) for s in (0.6, 3.03, 1.98, 13.1, 45.0)}
        self.sobel = torch.tensor([[[[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]]], device=device) / 8.0
        self.step = 2.0 / (side - 1)

    def place(self, to_crop: np.ndarray, make_grid=affine_grid) -> None:
        """The grids of one place of the face."""
        side, frame = self.scene.side, (self.scene.height, self.scene.width)
        self.to_frame = make_grid(invert(to_crop), (side, side), frame, self.device)
        corners = np.array([(x, y, 1) for x in (0, side) for y in (0, side)]) @ invert(to_crop).T
        low = np.maximum(np.floor(corners.min(0)).astype(int) & ~1, 0)
        high = np.minimum((np.ceil(corners.max(0)).astype(int) + 2) & ~1, frame[::-1])
        self.rows, self.columns = slice(low[1], high[1]), slice(low[0], high[0])
        part = to_crop.copy()
        part[:, 2] += to_crop[:, :2] @ low
        self.from_crop = make_grid(part, (high[1] - low[1], high[0] - low[0]), (side, side), self.device)

    @staticmethod
    def _kernel(sigma: float, device: torch.device) -> torch.Tensor:
        radius = max(int(np.ceil(2.5 * sigma)), 1)
        weights = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma) ** 2)
        return (weights / weights.sum()).to(device)

    def blur(self, x: torch.Tensor, sigma: float) -> torch.Tensor:
        taps = self.blurs[sigma]
        n, c = len(taps) // 2, x.shape[1]
        x = F.conv2d(F.pad(x, (n, n, 0, 0), mode="replicate"), taps.expand(c, 1, 1, -1), groups=c)
        return F.conv2d(F.pad(x, (0, 0, n, n), mode="replicate"), taps[:, None].expand(c, 1, -1, 1), groups=c)

    def crop(self, y: torch.Tensor, uv: torch.Tensor) -> torch.Tensor:
        """float32 [1, 3, side, side] in [-1, 1]."""
        luma = F.grid_sample(y[None, None].float(), self.to_frame, align_corners=True, padding_mode="border")
        chroma = uv.permute(2, 0, 1)[None].float()
        u, v = F.grid_sample(chroma, self.to_frame, align_corners=False, padding_mode="border").split(1, 1)
        luma, u, v = 1.164383 * (luma - 16), u - 128, v - 128
        rgb = torch.cat([luma + 1.596027 * v, luma - 0.391762 * u - 0.812968 * v, luma + 2.017232 * u], 1)
        return rgb.clamp(0, 255) / 127.5 - 1

    def draw(self, crop: torch.Tensor) -> torch.Tensor:
        """Lines along the flow and two tones: float32 [1, 1, side, side], 0 = ink."""
        r, g, b = crop.split(1, 1)
        tone = (0.299 * r + 0.587 * g + 0.114 * b) * 0.5 + 0.5
        fine = F.pad(self.blur(tone, 0.6), (1, 1, 1, 1), mode="replicate")
        gx, gy = F.conv2d(fine, self.sobel), F.conv2d(fine, self.sobel.transpose(2, 3))
        xx, xy, yy = self.blur(torch.cat([gx * gx, gx * gy, gy * gy], 1), 3.03).split(1, 1)
        angle = 0.5 * torch.atan2(2 * xy, xx - yy) + np.pi / 2
        tangent = torch.cat([angle.cos(), angle.sin()], 1)
        total, weight_sum = tone.clone(), 1.0
        for sign in (1, -1):
            at, direction = self.base, sign * tangent
            for i in range(1, 5):
                at = at + self.step * direction.permute(0, 2, 3, 1)
                weight = float(np.exp(-0.5 * (i / 1.85) ** 2))
                total = total + weight * F.grid_sample(tone, at, align_corners=True, padding_mode="border")
                weight_sum += weight
                own = F.grid_sample(tangent, at, mode="nearest", align_corners=True, padding_mode="border")
                direction = torch.where((own * direction).sum(1, keepdim=True) < 0, -own, own)
        smooth = total / weight_sum
        line = self.blur(smooth, 1.98) - smooth
        wide = torch.log(tone + 0.0991)
        strand = self.blur(wide, 13.1) - wide
        mass = self.blur(wide, 45.0) - wide
        score = torch.maximum(line * 20 - 0.5, 2.5 * strand + mass - 0.6)
        return (0.5 - score).clamp(0, 1)

    def paste(self, y: torch.Tensor, uv: torch.Tensor, drawing: torch.Tensor) -> None:
        both = torch.cat([drawing * self.alpha, self.alpha], 1)
        ink, opacity = F.grid_sample(both, self.from_crop, align_corners=True, padding_mode="zeros").split(1, 1)
        luma = 16 * opacity + 219 * ink
        part = y[self.rows, self.columns]
        part.copy_((part.float() * (1 - opacity[0, 0]) + luma[0, 0] + 0.5).to(torch.uint8))
        half = F.avg_pool2d(opacity, 2)[0, 0, :, :, None]
        chroma = uv[self.rows.start // 2 : self.rows.stop // 2, self.columns.start // 2 : self.columns.stop // 2]
        chroma.copy_((chroma.float() * (1 - half) + 128 * half + 0.5).to(torch.uint8))

    def run(self, i: int) -> list[torch.Tensor]:
        y, uv = self.scene.frames[i]
        self.paste(y, uv, self.draw(self.crop(y, uv)))
        return [y, uv]

    def run_moving(self, i: int) -> list[torch.Tensor]:
        self.place(self.scene.moves[i])
        return self.run(i)


def main() -> int:
    suite = Suite("frame", __doc__)
    case = "1080p NV12, one face of 512²"
    moving = "1080p NV12, the face moves every frame"
    if not suite.wants(case) and not suite.wants(moving):
        return suite.finish()
    with torch.inference_mode():
        scene = Scene(suite)
        mine, theirs = Ours(scene, suite), Torch(scene, suite)

        def check() -> None:
            y, uv = (p.clone() for p in scene.frames[0])
            kept = scene.frames[0]
            crop = ops.crop_yuv(y.cpu(), uv.cpu(), to_crop=scene.to_crop, size=scene.side)
            off = float((theirs.crop(y, uv).cpu() - crop).abs().mean())
            assert off <= 0.08, f"torch's crop is {off} off on average"
            host = [p.cpu() for p in (y, uv)]
            pixels = ops.nchw_to_rgb(crop)[0]
            drawing = torch.empty(pixels.shape[:2], dtype=torch.uint8)
            _C.ink(pixels, scene.person.cpu(), scene.landmarks, drawing)
            ops.paste_yuv(*host, drawing=drawing, alpha=scene.alpha.cpu(), to_crop=scene.to_crop)
            scene.frames[0] = (y, uv)
            for name, found, expected in zip(["y", "uv"], mine.run(0), host):
                off = float((found.cpu().float() - expected.float()).abs().mean())
                assert off <= 0.05, f"{name}: {off} off on average"
            scene.frames[0] = tuple(p.clone() for p in kept)
            shown = theirs.draw(crop.to(suite.device))
            ink = float((shown < 0.5).float().mean())
            assert 0.005 <= ink <= 0.6, f"torch draws {100 * ink:.1f} % ink"

        known = {OURS: Candidate(mine.run), TORCH: Candidate(theirs.run)}
        of_limit = limit(500, 200)
        asked = {"graph, cold": Asked({TORCH: 4, **of_limit.must}, of_limit.aim), "stream": Asked({TORCH: 4})}
        suite.compare(case, known, sets=scene.sets, check=check, modes=("graph, cold", "stream", "call"), asked=asked,
                      moved_bytes=scene.bytes, pixels=scene.height * scene.width)  # fmt: skip
        known = {OURS: Candidate(mine.run_moving), TORCH: Candidate(theirs.run_moving)}
        asked = {"stream": Asked({TORCH: 4, **of_limit.must}, of_limit.aim)}
        suite.compare(moving, known, sets=scene.sets, modes=("stream",), asked=asked, moved_bytes=scene.bytes,
                      pixels=scene.height * scene.width)  # fmt: skip
    return suite.finish()


if __name__ == "__main__":
    raise SystemExit(main())
