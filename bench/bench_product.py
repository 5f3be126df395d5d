"""The product as a user meets it: the speed table and the quality table, each from one command.

    python bench/bench_product.py speed [--frames 300 3000]
    python bench/bench_product.py quality [--shared FOLDER]

speed: cold start, import, a 720p clip with one face and sound from file to file, in fresh processes; single stages
are in bench_ink.py, bench_faces.py and bench_mask.py. quality: drawings against given ones, landmarks under roll, a
still head; needs the portraits and pairs of a shared/ folder.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))


def process_s(*words: str) -> float:
    """Wall seconds of one Python process."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def start_up(photo: Path) -> None:
    """Import time beyond a bare interpreter, and `pyapdraw draw photo` cold."""
    rounds = [
        (process_s("-c", "pass"), process_s("-c", "import numpy"), process_s("-c", "import pyapdraw")) for _ in range(9)
    ]
    bare, numpy_s, ours = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(
        f"import pyapdraw          {1e3 * (ours - bare):7.0f} ms   "
        f"(numpy alone {1e3 * (numpy_s - bare):.0f} ms; must 150 ms)"
    )
    out = photo.with_name("cold.png")
    cold = [process_s("-m", "pyapdraw", "draw", str(photo), "-o", str(out), "--overwrite") for _ in range(5)]
    print(f"draw one photo, cold     {statistics.median(cold):7.2f} s    (must 1.5 s)")


def write_clip(path: Path, portrait: np.ndarray, frames: int) -> None:
    """A 720p30 H.264 clip of one gently moving head with AAC sound."""
    import av
    from cases_faces import placed

    points = np.zeros((5, 2))
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=30, options={"preset": "veryfast", "crf": "20"})
        video.width, video.height, video.pix_fmt = 1280, 720, "yuv420p"
        sound = out.add_stream("aac", rate=48000, layout="mono")
        loop = []
        for i in range(60):  # there and back again, so that any length can be made
            turn = 2 * np.pi * i / 60
            centre = (640 + 60 * np.sin(turn), 360 + 15 * np.cos(turn))
            loop.append(placed(portrait, points, centre, scale=1.25, degrees=6 * np.sin(turn))[0])
        for i in range(frames):
            frame = av.VideoFrame.from_ndarray(loop[i % 60], format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, 30)
            out.mux(video.encode(frame))
        out.mux(video.encode())
        for start in range(0, 1600 * frames, 1024):
            tone = 0.1 * np.sin(2 * np.pi * 330 / 48000 * np.arange(start, start + 1024, dtype=np.float32))
            block = av.AudioFrame.from_ndarray(tone[None].astype(np.float32), format="fltp", layout="mono")
            block.rate, block.pts, block.time_base = 48000, start, Fraction(1, 48000)
            out.mux(sound.encode(block))
        out.mux(sound.encode())


def video(folder: Path, portrait: np.ndarray, lengths: list[int], rounds: int) -> None:
    """Frames per second from file to file, and peak memory."""
    for frames in lengths:
        clip, report = folder / f"{frames}.mp4", folder / "report.json"
        write_clip(clip, portrait, frames)
        rates = []
        for _ in range(rounds if frames <= 300 else 1):
            words = ["draw", str(clip), "-o", str(folder / "drawn.mp4"), "--overwrite", "--report", str(report), "-q"]
            subprocess.run([sys.executable, "-m", "pyapdraw", *words], check=True, cwd=ROOT)
            one = json.loads(report.read_text())["inputs"][0]
            rates.append(frames / one["wall_s"])
        details, seconds = one["details"], one["details"]["seconds"]
        per_frame = {k: round(1e3 * v / frames, 1) for k, v in {**seconds["draw_stages"], **seconds["threads"]}.items()}
        share = sum(seconds["main"].values()) / seconds["wall"]
        print(
            f"720p, {frames} frames, sound {statistics.median(rates):7.1f} fps  (must 24), "
            f"peak {details['peak_rss_mib']:.0f} MiB "
            f"(must 429 MiB = 450 MB), faces a frame {np.mean(details['faces_per_frame']):.2f}, "
            f"stages cover {share:.1%} of wall"
        )
        print(f"   ms a frame: {per_frame}")


def still_head(shared: Path) -> None:
    """Share of drawing pixels that change between frames of one photo with fresh sensor noise of sigma 4."""
    from cases_faces import noisy, portraits

    from pyapdraw.artist import Artist
    from pyapdraw.frame_artist import FrameArtist

    artist, rng, changes, jitter = Artist(), np.random.default_rng(0), [], []
    for _, photo, _ in portraits(shared)[::3]:
        frames = FrameArtist(artist)
        drawings, points = [], []
        for k in range(20):
            frame = noisy(photo, rng)
            drawings.append(frames(frame, k / 30) < 128)
            points.append(frames.tracker.tracks[0].face.landmarks_px)
        changes.append(np.mean([(a != b).mean() for a, b in itertools.pairwise(drawings[5:])]))
        late = np.array(points[5:])
        jitter.append(np.sqrt(((late - late.mean(0)) ** 2).sum(-1).mean()))
    print(f"still head: {np.mean(changes):.2%} of pixels change a frame, at most {max(changes):.2%} (must 2 %); "
          f"landmarks {np.mean(jitter):.3f} px rms, at most {max(jitter):.3f} (must 0.1)")  # fmt: skip


def quality(shared: Path) -> None:
    """The quality table."""
    import bench_faces
    from cases_faces import portraits

    from pyapdraw.evaluate import evaluate, items_of
    from pyapdraw.faces.masks import PersonMask

    pairs = shared / "data" / "pairs"
    for aligned in (True, False):
        items = items_of(pairs / "photo", pairs / "drawing")
        report = evaluate(items, aligned=aligned, options={"hair": "ink"})
        rows = [*report.rows, report.mean]
        way = "given as aligned" if aligned else "faces found     "
        print(
            f"ink, {way}: "
            + ", ".join(f"{row.name} {row.f:.3f}/{row.t:.4f}" for row in rows)
            + "  (F/T, must 0.72/0.056)"
        )
    segment, overlaps = PersonMask(), []
    for name, photo, _ in portraits(shared):
        from PIL import Image

        truth = np.asarray(Image.open(shared / "data" / "portraits" / "mask" / f"{name}.png").convert("L")) >= 128
        guess = segment(photo) >= 128
        overlaps.append((truth & guess).sum() / (truth | guess).sum())
    print(f"person mask, 22 portraits that its network never saw: IoU mean {np.mean(overlaps):.3f}, worst "
          f"{min(overlaps):.3f} (must 0.95, 0.80)")  # fmt: skip
    bench_faces.any_roll(portraits(shared), 2)
    still_head(shared)


def main() -> int:
    """One of the two tables, or both where the data is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", nargs="?", choices=("speed", "quality"))
    parser.add_argument("--frames", type=int, nargs="+", default=[300])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--shared", type=Path, default=next((p / "shared" for p in ROOT.parents if (p / "shared").is_dir()), None)
    )
    args = parser.parse_args()
    if args.table != "quality":
        import skimage.data
        from PIL import Image

        astronaut = np.ascontiguousarray(skimage.data.astronaut())
        with tempfile.TemporaryDirectory() as folder:
            photo = Path(folder) / "photo.jpg"
            Image.fromarray(astronaut).save(photo, quality=95)
            start_up(photo)
            video(
                Path(folder), np.kron(astronaut[:300, 80:380], np.ones((2, 2, 1), np.uint8)), args.frames, args.rounds
            )
    if args.table != "speed":
        if args.shared is None:
            print("no quality table: no shared/ folder with portraits and pairs beside this checkout")
        else:
            quality(args.shared)
    return 0


if __name__ == "__main__":
    sys.exit(main())
