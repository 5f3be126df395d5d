"""Reading, drawing through and writing 720p video, beside the usual ways.

    python bench/bench_video.py [--threads 2] [--seconds 5] [--json rows.json]

read: file -> upright RGB arrays. write: grey drawings -> H.264 file. whole: draw_frames, the drawing free of cost
(sound kept). Peers: PyAV with to_ndarray and from_ndarray, OpenCV (its writer has no H.264, and drops the sound).
Codecs choose their own threads; OpenCV's colour conversion and ours run on those given. A call is a clip of 60 frames.
"""

import sys
import tempfile
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
from record import Suite

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pyapdraw.clock import Clock
from pyapdraw.media.colour import ToRgb
from pyapdraw.media.encoders import Encoding
from pyapdraw.media.reader import Source
from pyapdraw.media.video import VideoOptions, draw_frames
from pyapdraw.media.writer import Sink

WIDTH, HEIGHT, RATE, FRAMES = 1280, 720, 30, 60


def scene(index: int) -> np.ndarray:
    """A soft moving picture with sensor noise: uint8 [H, W, 3]."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    waves = [np.sin((x + 4 * index) / 90) * np.cos((y - 2 * index) / (40 + 20 * c)) for c in range(3)]
    noise = np.random.default_rng(index % 8).normal(0, 3, (HEIGHT, WIDTH, 1))
    return np.clip(128 + 90 * np.stack(waves, axis=2) + noise, 0, 255).astype(np.uint8)


def drawing(index: int) -> np.ndarray:
    """Dark moving lines on white: uint8 [H, W]."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    height = np.sin((x + 4 * index) / 60) * np.cos((y - 2 * index) / 45)
    return np.clip(255 * np.abs(height * 4 % 1 - 0.5) * 6, 0, 255).astype(np.uint8)


def make_source(path: Path, frames: int) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = 6, 1  # what the peers assume without a tag
        sound = container.add_stream("aac", rate=48000, layout="mono")
        pool = [av.VideoFrame.from_ndarray(scene(i), "rgb24").reformat(format="yuv420p") for i in range(16)]
        for index in range(frames):
            frame = pool[index % 16]
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            container.mux(stream.encode(frame))
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 1600), np.float32), "fltp", "mono")
            samples.sample_rate, samples.pts, samples.time_base = 48000, 1600 * index, Fraction(1, 48000)
            container.mux(sound.encode(samples))
        container.mux(stream.encode(None))
        container.mux(sound.encode(None))


def read_ours(path: Path) -> np.ndarray:
    source, to_rgb, pixels = Source(path, 50_000_000), ToRgb(), None
    for item in source.items():
        if item.kind == "frame":
            pixels = to_rgb(item.frame)
    source.close()
    return pixels


def read_pyav(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            pixels = frame.to_ndarray(format="rgb24")
    return pixels


def read_opencv(path: Path) -> np.ndarray:
    import cv2

    capture, pixels = cv2.VideoCapture(str(path)), None
    while True:
        there, found = capture.read()
        if not there:
            return pixels
        pixels = cv2.cvtColor(found, cv2.COLOR_BGR2RGB)


def write_ours(source_path: Path, target: Path, drawings: list[np.ndarray]) -> None:
    source, clock = Source(source_path, 50_000_000), Clock()
    sink = Sink(target.with_suffix(".part.mp4"), source, Encoding(), shape=drawings[0].shape, turned=False)
    step = round(1 / source.rate / source.time_base)
    for index, pixels in enumerate(drawings):
        sink.frame(pixels, index * step, clock)
    sink.close(clock)
    source.close()


def write_pyav(_: Path, target: Path, drawings: list[np.ndarray]) -> None:
    with av.open(str(target), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for pixels in drawings:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "gray")))
        container.mux(stream.encode(None))


def write_opencv(_: Path, target: Path, drawings: list[np.ndarray]) -> None:
    import cv2

    writer = cv2.VideoWriter(str(target), cv2.VideoWriter_fourcc(*"mp4v"), RATE, (WIDTH, HEIGHT))
    for pixels in drawings:
        writer.write(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR))
    writer.release()


def whole(source: Path, target: Path) -> dict:
    return draw_frames(source, target, lambda rgb, t: rgb, overwrite=True, options=VideoOptions())


def reads(source: Path, ways: dict) -> None:
    """Every reader gives the same pictures: libav's converter rounds coarsely; a wrong matrix is 10 and more apart."""
    expected = read_pyav(source).astype(int)
    for name, (read, _) in ways.items():
        apart = np.abs(read(source).astype(int) - expected).mean()
        assert apart < 3, f"{name} reads pictures {apart:.1f} apart on average"


def writes(source: Path, folder: Path, drawings: list[np.ndarray], ways: dict) -> None:
    """Every writer's file has all frames, and they look like the drawings."""
    for name, (_, write) in ways.items():
        target = folder / f"check-{name}.mp4"
        write(source, target, drawings)
        target = target if target.is_file() else target.with_suffix(".part.mp4")  # ours writes aside, then renames
        with av.open(str(target)) as container:
            frames = [f.to_ndarray(format="gray") for f in container.decode(video=0)]
        assert len(frames) == len(drawings), f"{name} wrote {len(frames)} of {len(drawings)} frames"
        apart = np.abs(frames[-1].astype(int) - drawings[-1]).mean()
        assert apart < 12, f"{name} wrote a picture {apart:.1f} apart on average"


def through(source: Path, target: Path, frames: int) -> None:
    report = whole(source, target)
    assert report["frames"]["drawn"] == frames and report["tracks"][0]["how"] == "copied"


def main() -> int:
    suite = Suite("video", __doc__)
    ways = {"pyapdraw": (read_ours, write_ours), "PyAV": (read_pyav, write_pyav)}
    try:
        import cv2

        cv2.setNumThreads(suite.threads[0])
        ways["OpenCV"] = (read_opencv, write_opencv)
    except ImportError:
        print("OpenCV: not installed, left out")
    threads, pixels = suite.threads[0], FRAMES * WIDTH * HEIGHT
    with tempfile.TemporaryDirectory() as name:
        folder, source, target = Path(name), Path(name) / "in.mp4", Path(name) / "out.mp4"
        make_source(source, FRAMES)
        drawings = [drawing(index) for index in range(30)] * (FRAMES // 30)
        readers = {n: partial(read, source) for n, (read, _) in ways.items()}
        writers = {n: partial(write, source, folder / f"{n}.mp4", drawings) for n, (_, write) in ways.items()}
        options = {"threads": threads, "pixels": pixels}
        suite.compare("read 60 frames of 720p", readers, check=partial(reads, source, ways), **options)
        check = partial(writes, source, folder, drawings, ways)
        suite.compare("write 60 grey frames of 720p", writers, check=check, **options)
        check = partial(through, source, target, FRAMES)
        suite.compare(
            "whole, drawing free of cost", {"pyapdraw": partial(whole, source, target)}, check=check, **options
        )
    return suite.finish()


if __name__ == "__main__":
    sys.exit(main())
