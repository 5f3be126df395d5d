"""The demo: draws NASA's public-domain portrait of Eileen Collins (shipped with scikit-image) and a clip made from it.

The clip has sound and lasts ten seconds; the camera pans, zooms and rolls, and a second copy of the face comes in.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import skimage.data

from pyapdraw import ops
from pyapdraw.media.photo import write_image

FPS, SECONDS, WIDTH, HEIGHT, RATE = 30, 10, 1280, 720, 48000


def scene() -> np.ndarray:
    """The portrait in the middle of a wide wall, uint8 [720,1600,3]."""
    portrait = np.ascontiguousarray(skimage.data.astronaut())
    x = np.linspace(0, 1, 1600)[None, :, None]
    y = np.linspace(0, 1, HEIGHT)[:, None, None]
    wall = (np.array([92, 120, 138]) + 60 * x * y + 25 * np.sin(9 * x)).astype(np.uint8)
    wall = np.broadcast_to(wall, (HEIGHT, 1600, 3)).copy()
    wall[120:632, 544:1056] = portrait
    return wall


def camera(t: float) -> tuple[float, float, float, float]:
    """Where the camera looks at time t in s: centre x and y in scene px, zoom, roll in degrees."""
    both = min(1.0, max(0.0, t - 5.5))  # makes room for the second face
    x = 769 + 45 * math.sin(0.9 * t) + 115 * both
    zoom = 2.3 + 0.5 * math.sin(1.1 * t - 0.8) - 0.4 * both
    roll = 25 * math.sin(0.8 * t) + 60 * max(0.0, math.sin(1.2 * (t - 2.5))) * (1 - both)
    return x, 245.0, zoom, roll


def frame_at(wall: np.ndarray, t: float) -> np.ndarray:
    """One frame uint8 [720,1280,3]; from second 6 on the face is there twice, the second one mirrored."""
    if t >= 6:
        copy = wall[120:420, 654:884, :][:, ::-1]
        x0 = int(1370 - 480 * min(1.0, (t - 6) / 0.7))
        wall = wall.copy()
        wall[130:430, x0 : x0 + 230] = copy
    cx, cy, zoom, roll = camera(t)
    c, s = zoom * math.cos(math.radians(roll)), zoom * math.sin(math.radians(roll))
    to_frame = np.array([[c, -s, WIDTH / 2 - c * cx + s * cy], [s, c, HEIGHT / 2 - s * cx - c * cy]])
    return ops.warp_affine(wall, to_frame, (HEIGHT, WIDTH), filter="bilinear", border="edge")


def write_clip(path: Path) -> None:
    """Writes the clip: H.264, and a tune in AAC."""
    wall = scene()
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "20"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.time_base = Fraction(1, FPS)
        sound = out.add_stream("aac", rate=RATE, layout="mono")
        for i in range(FPS * SECONDS):
            frame = av.VideoFrame.from_ndarray(frame_at(wall, i / FPS), format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, FPS)
            out.mux(video.encode(frame))
        out.mux(video.encode())
        t = np.arange(RATE * SECONDS) / RATE
        notes = 220 * 2 ** (np.array([0, 4, 7, 12, 7, 4, 0, 5, 9, 12]) / 12)
        tune = 0.2 * np.sin(2 * np.pi * notes[np.minimum(t.astype(int), 9)] * t) * np.exp(-3 * (t % 1))
        for start in range(0, len(tune), 1024):
            block = tune[None, start : start + 1024].astype(np.float32)
            piece = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
            piece.rate, piece.pts, piece.time_base = RATE, start, Fraction(1, RATE)
            out.mux(sound.encode(piece))
        out.mux(sound.encode())


def main() -> int:
    """Makes the inputs, draws them by the command line as a user would, and says where things are."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--out", type=Path, default=Path("out/demo"))
    out = arguments.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    photo, clip = out / "portrait.png", out / "clip.mp4"
    write_image(np.ascontiguousarray(skimage.data.astronaut()), photo, overwrite=True)
    print(f"making {clip} ({SECONDS} s, {WIDTH}x{HEIGHT}, sound)")
    write_clip(clip)

    def pyapdraw(*words: str) -> None:
        subprocess.run([sys.executable, "-m", "pyapdraw", "draw", *words, "--overwrite"], check=True)

    pyapdraw(str(photo), "-o", str(out / "portrait_ink.png"))
    pyapdraw(str(photo), "-o", str(out / "portrait_both.png"), "--side-by-side", "-q")
    report = out / "clip_ink.json"
    pyapdraw(str(clip), "-o", str(out / "clip_ink.mp4"), "--report", str(report))
    record = json.loads(report.read_text())["inputs"][0]
    fps = record["details"]["frames"]["in"] / record["wall_s"]
    print(
        f"\nportrait: {out / 'portrait_ink.png'}\nclip:     {out / 'clip_ink.mp4'}  ({fps:.1f} fps)\nreport:   {report}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
