"""Reading, drawing through and writing 720p video, beside the usual ways; interleaved, medians of the rounds.

    python bench/bench_video.py [--frames 120] [--rounds 5]

read: file -> upright RGB arrays. write: grey drawings -> H.264 file. whole: draw_video, the drawing free of cost
(sound kept). Peers: PyAV with to_ndarray and from_ndarray, OpenCV (its writer has no H.264, and drops the sound).
The answers are compared before anything is timed.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from pyapdraw.clock import Clock
from pyapdraw.frames import ToRgb
from pyapdraw.video import VideoOptions, draw_video
from pyapdraw.video_in import Source
from pyapdraw.video_out import Encoding, Sink

WIDTH, HEIGHT, RATE = 1280, 720, 30


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
    return draw_video(source, target, lambda rgb, t: rgb, overwrite=True, options=VideoOptions())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    try:
        import cv2  # noqa: F401

        peers = {"opencv": (read_opencv, write_opencv)}
    except ImportError:
        print("opencv: not installed, left out")
        peers = {}
    with tempfile.TemporaryDirectory() as folder:
        measure(
            Path(folder),
            args.frames,
            args.rounds,
            {"pyapdraw": (read_ours, write_ours), "pyav": (read_pyav, write_pyav), **peers},
        )


def measure(folder: Path, frames: int, rounds: int, ways: dict) -> None:
    source, target = folder / "in.mp4", folder / "out.mp4"
    make_source(source, frames)
    expected = read_pyav(source).astype(int)
    for name, (read, _) in ways.items():  # libav's own converter rounds coarsely; a wrong matrix is 10 and more apart
        assert np.abs(read(source).astype(int) - expected).mean() < 3, name
    drawings = [drawing(index) for index in range(30)] * (frames // 30)
    times: dict[str, list[tuple[float, float]]] = {}
    for _ in range(rounds):
        for name, (read, write) in ways.items():
            timed(times, f"read   {name}", frames, read, source)
            timed(times, f"write  {name}", len(drawings), write, source, folder / f"{name}.mp4", drawings)
        report = timed(times, "whole  pyapdraw", frames, whole, source, target)
        assert report["frames"]["drawn"] == frames and report["tracks"][0]["how"] == "copied"
    for name in sorted(times):
        wall_ms, cpu_ms = 1e3 * np.median(times[name], axis=0)
        print(f"{name:18s} {wall_ms:6.2f} ms a frame, {1e3 / wall_ms:6.1f} frames/s, {cpu_ms:6.2f} ms of CPU a frame")


def timed(times: dict, name: str, frames: int, work, *arguments):
    began, cpu = time.perf_counter(), time.process_time()
    result = work(*arguments)
    spent = (time.perf_counter() - began) / frames, (time.process_time() - cpu) / frames
    times.setdefault(name, []).append(spent)
    return result


if __name__ == "__main__":
    main()
