"""Videos: every frame of a file drawn, sound and subtitles kept, times kept.

Three threads, joined by short queues: one reads and converts frames, the caller's thread draws, one converts and
encodes. libav and the native core release the GIL, so the three overlap; memory stays flat however long the video is.
"""

from __future__ import annotations

import gc
import os
import re
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from pyapdraw.clock import Clock
from pyapdraw.errors import BadInput, DeviceError, Error, OutputError
from pyapdraw.files import check_output
from pyapdraw.media.colour import ToRgb, check_drawing
from pyapdraw.media.encoders import Encoding
from pyapdraw.media.finish import cut_to_fragments, new_part, playable_s, put_in_order
from pyapdraw.media.hand_over import Queue, Stopped, Worker
from pyapdraw.media.kinds import MAX_PIXELS
from pyapdraw.media.reader import Source
from pyapdraw.media.writer import SUFFIXES, Sink

_QUEUE_FRAMES = 3
_PACKET_ROOM_BYTES = 8 << 20  # of sound in a queue, before it counts as full
_EARLY_BYTES = 64 << 20  # of sound before the first picture
_CLOCK_TIME = re.compile(r"(?:(?:(\d+):)?([0-5]?\d):(?=[0-5]?\d(?!\d)))?(\d+(?:\.\d*)?|\.\d+)")

DrawFrame = Callable[[np.ndarray, float], "np.ndarray | None"]


@dataclass(frozen=True)
class VideoOptions:
    """encoding: how the drawings are compressed. start, end: the part to draw, from where the file begins: seconds, or
    text like "1:02:03.5"; frames from start up to before end, and their sound. max_pixels: of one frame. draw_stages:
    function that gives the seconds that the caller's draw_frame has spent so far, by stage (for the report).
    Raises BadInput for times that are none."""

    encoding: Encoding = field(default_factory=Encoding)
    start: float | str | Fraction | None = None
    end: float | str | Fraction | None = None
    max_pixels: int = MAX_PIXELS
    draw_stages: Callable[[], dict[str, float]] | None = None

    def __post_init__(self) -> None:
        start_s, end_s = seconds(self.start, "start"), seconds(self.end, "end")
        if end_s is not None and end_s <= (start_s or 0):
            raise BadInput(f"end: {self.end} given, a time after the start ({self.start or 0}) expected")


def seconds(value: Any, name: str = "time") -> Fraction | None:
    """A time as a number of seconds: from a number, or from text (seconds, mm:ss, hh:mm:ss, each with a fraction).
    Raises BadInput.

    >>> seconds("1:02:03.5")
    Fraction(7447, 2)
    """
    if value is None:
        return None
    found = _CLOCK_TIME.fullmatch(str(value).strip()) if isinstance(value, str) else None
    if found:
        hours, minutes, rest = found.groups()
        return 3600 * int(hours or 0) + 60 * int(minutes or 0) + Fraction(rest)
    with suppress(TypeError, ValueError, OverflowError):
        number = Fraction(str(value)) if isinstance(value, float) else Fraction(value)
        if not isinstance(value, str) and number >= 0:
            return number
    raise BadInput(f"{name}: {value!r} given, seconds or hh:mm:ss expected")


_END = object()


@dataclass(frozen=True)
class _Frame:
    pixels: np.ndarray | None  # None: lost to damage, the drawing before it is shown again
    pts: int


def draw_frames(
    source_path: str | os.PathLike,
    output_path: str | os.PathLike,
    draw_frame: DrawFrame,
    *,
    overwrite: bool = False,
    progress: bool | None = None,
    report: dict | None = None,
    options: VideoOptions | None = None,
) -> dict:
    """Draw every frame of a video into a new one by its suffix: H.264 in .mp4, .m4v, .mov or .mkv, VP9 in .webm, or a
    moving .gif; returns the report.

    draw_frame(rgb uint8 [H, W, 3] upright, time_s) -> uint8 [H', W'] or [H', W', 3], of one size throughout, or None:
    the frame passes through as it is. It runs in the caller's thread, frame after frame in order of time; time_s counts
    from the start of the part that is drawn.
    progress: a bar on stderr; None: when stderr is a terminal. report: a dict to fill, for use after an exception.
    While it works, a file OUT.part.SUFFIX beside the output grows and can be played (OUT.part2.SUFFIX, ... where that
    name is taken); the output itself appears, or is replaced, in one step at the end, after it has been opened and its
    pictures and packets have been counted. An interrupt (KeyboardInterrupt is raised again) leaves that part file,
    closed. Damaged frames are shown as the last good drawing and counted.
    Raises BadInput (not a readable video), OutputError (cannot be written), DeviceError (not enough memory), and
    whatever draw_frame raises."""
    options = options or VideoOptions()
    job = _Job(Path(source_path), Path(output_path), draw_frame, options, {} if report is None else report)
    try:
        return job.run(overwrite, progress)
    except MemoryError as error:
        raise DeviceError(f"{source_path}: not enough memory to draw it ({error})") from error
    finally:
        del job
        gc.collect()  # PyAV's containers and streams hold each other, and with them all memory of the codecs


class _Job:
    """One draw_frames call."""

    def __init__(self, source: Path, output: Path, draw_frame: DrawFrame, options: VideoOptions, report: dict):
        self.source_path, self.output_path, self.draw_frame = source, output, draw_frame
        self.options, self.report = options, report
        self.frames = dict.fromkeys(("in", "drawn", "passed", "concealed", "lost"), 0)
        self.main, self.reading, self.writing = Clock(), Clock(), Clock()
        self.sink: Sink | None = None
        self.encoder_thread: Worker | None = None
        self.part: Path | None = None  # once it is there, it is ours
        self.last: np.ndarray | None = None
        self.early: list = []
        self.first: int | None = None

    def run(self, overwrite: bool, progress: bool | None) -> dict:
        start = time.perf_counter()
        suffix = self.output_path.suffix
        if suffix.lower() not in SUFFIXES:
            raise OutputError(f"{self.output_path}: suffix {suffix!r} given, expected one of {', '.join(SUFFIXES)}")
        with self.main("open"):
            check_output(self.output_path, overwrite=overwrite, inputs=[self.source_path])
            start_s, end_s = seconds(self.options.start), seconds(self.options.end)
            self.source = Source(self.source_path, self.options.max_pixels, start_s, end_s)
        try:
            self._draw_all(progress)
        finally:
            self._fill_report(time.perf_counter() - start)
            self.source.close()
        return self.report

    def _draw_all(self, progress: bool | None) -> None:
        self.to_main, self.to_sink = Queue(_QUEUE_FRAMES), Queue(_QUEUE_FRAMES)
        reader = Worker("pyapdraw-read", self._read, self.to_main)
        reader.start()
        try:
            with _bar(self.source, progress) as bar:
                self._draw_loop(reader, bar)
            self.to_main.stop()
            reader.join()
            self._finish()
        except BaseException as error:
            self.to_main.stop()
            reader.join()
            self._break_off(error)
            raise

    # --- the three threads

    def _read(self) -> None:
        context: Any = self.source.stream.codec_context
        to_rgb = self.to_rgb = ToRgb(context.colorspace, context.color_range, context.color_trc)
        clock, items = self.reading, self.source.items()
        while True:
            with clock("decode"):
                item = next(items, None)
            if item is None:
                break
            if item.kind == "packet":
                self.to_main.put(item, item.packet.size / _PACKET_ROOM_BYTES)
                continue
            pixels = None
            if item.frame is not None:
                try:
                    with clock("colour_in"):
                        pixels = to_rgb(item.frame)
                except (
                    OSError,
                    ValueError,
                    MemoryError,
                ):  # a layout that libav cannot convert, a size that does not fit
                    self.source.damage.pictures += 1
            self.to_main.put(_Frame(pixels, item.pts))
        self.to_main.put(_END)

    def _draw_loop(self, reader: Worker, bar) -> None:
        while True:
            try:
                with self.main("wait_decode"):
                    item = self.to_main.get()
            except Stopped:
                assert reader.error is not None
                raise reader.error from None
            if item is _END:
                break
            if isinstance(item, _Frame):
                self.frames["in"] += 1
                drawing = self._drawing(item)
                if drawing is not None:
                    self._send((drawing, item.pts), 1.0)
                    self.first = item.pts if self.first is None else self.first
                bar.update(1)
            else:
                self._send(item.packet, item.packet.size / _PACKET_ROOM_BYTES)
        if self.sink is None:
            if self.source.start_s is None and self.source.end_s is None:
                raise BadInput(f"{self.source_path}: no frame of its video track could be decoded")
            length = f"has {float(self.source.duration_s):.2f} s"
            raise BadInput(f"{self.source_path}: no frame between start and end could be decoded; it {length}")

    def _drawing(self, item: _Frame) -> np.ndarray | None:
        """What is shown for a frame: its drawing, itself (draw_frame gave None), or the last drawing (it was lost)."""
        if item.pixels is None:
            self.frames["lost" if self.last is None else "concealed"] += 1
            return self.last
        with self.main("draw"):
            drawing = self.draw_frame(item.pixels, float(item.pts * self.source.time_base))
        self.frames["passed" if drawing is None else "drawn"] += 1
        self.last = check_drawing(
            item.pixels if drawing is None else drawing, None if self.last is None else self.last.shape
        )
        if self.sink is None:
            self._open_sink(self.last.shape)
        return self.last

    def _open_sink(self, shape: tuple[int, ...]) -> None:
        """The first drawing tells the size of the output; nothing is written before."""
        with self.main("open"):
            turned = bool(self.to_rgb.how and self.to_rgb.how[0])
            self.part = new_part(self.output_path)
            self.sink = Sink(self.part, self.source, self.options.encoding, shape=shape, turned=turned)
        self.encoder_thread = Worker("pyapdraw-write", self._write, self.to_sink)
        self.encoder_thread.start()
        for packet in self.early:
            self._send(packet, 0.0)
        self.early = []

    def _send(self, item, weight: float) -> None:
        if self.sink is None:  # sound before the first picture
            self.early.append(item)
            if sum(packet.size for packet in self.early) > _EARLY_BYTES:
                raise BadInput(f"{self.source_path}: no picture within the first {_EARLY_BYTES >> 20} MiB of sound")
            return
        try:
            with self.main("wait_encode"):
                self.to_sink.put(item, weight)
        except Stopped:
            assert self.encoder_thread is not None and self.encoder_thread.error is not None
            raise self.encoder_thread.error from None

    def _write(self) -> None:
        assert self.sink is not None
        while True:
            with self.writing("wait"):
                item = self.to_sink.get()
            if item is _END:
                break
            if isinstance(item, tuple):
                self.sink.frame(item[0], item[1], self.writing)
            else:
                with self.writing("mux"):
                    self.sink.packet(item)
        self.sink.close(self.writing)

    # --- the end, good or bad

    def _finish(self) -> None:
        assert self.sink is not None
        with self.main("wait_encode"):
            self._end_writing()
        with self.main("finish"):
            self.report["container"] = put_in_order(self.sink, self.output_path, self.source)

    def _end_writing(self) -> None:
        assert self.encoder_thread is not None
        with suppress(Stopped):
            self.to_sink.put(_END, 0.0)
        self.encoder_thread.join()
        if self.encoder_thread.error is not None:
            raise self.encoder_thread.error

    def _break_off(self, error: BaseException) -> None:
        """Close the part, so that it plays; remove it if it does not."""
        if self.part is None:
            return
        if self.encoder_thread is not None and self.encoder_thread.is_alive():
            with suppress(Exception):  # the first error is the one to tell
                self._end_writing()
        if self.sink is not None:
            self.sink.abandon()
        if not self.part.exists():
            return
        if isinstance(error, OutputError):
            cut_to_fragments(self.part)
        length_s = playable_s(self.part)
        if length_s is None:
            self.part.unlink(missing_ok=True)
            return
        self.report["part"] = str(self.part)
        note = f"what was drawn so far (about {length_s:.1f} s) stays in {self.part}"
        if isinstance(error, KeyboardInterrupt):
            error.args = (note,)
        elif isinstance(error, Error):
            error.args = (f"{error}; {note}",)

    def _duration_s(self) -> float:
        return float((self.source.end - self.first) * self.source.time_base) if self.first is not None else 0.0

    def _fill_report(self, wall_s: float) -> None:
        source, sink, report = self.source, self.sink, self.report
        main, threads = dict(self.main.seconds), {**self.reading.seconds, **self.writing.seconds}
        rate = self.frames["in"] / wall_s if wall_s > 0 else 0.0
        report |= {"source": str(self.source_path), "output": str(self.output_path), "frames": dict(self.frames)}
        if sink is not None and sink.format == "gif":
            report["frames"]["too_close"] = sink.too_close
        report |= {"damage": vars(source.damage).copy(), "duration_s": self._duration_s(), "fps": round(rate, 2)}
        if self.last is not None:
            report["size"] = list(self.last.shape[:2])
        if sink is not None:
            encoding = self.options.encoding
            report["encoder"] = {"name": sink.encoder, "why": sink.why, "preset": encoding.preset, "crf": encoding.crf}
            report["tracks"] = [track.report() for track in sink.tracks]
        stages = self.options.draw_stages() if self.options.draw_stages else {}
        report["seconds"] = {"wall": wall_s, "main": main, "draw_stages": dict(stages), "threads": threads}
        report["peak_rss_mib"] = _peak_rss_mib()


def _peak_rss_mib() -> float | None:
    """Largest memory of the process so far; None where the system does not tell.

    Linux: the high-water mark of this program; getrusage would also count what the parent had before it started us.
    """
    try:
        status = Path("/proc/self/status").read_text()
        return round(int(status.split("VmHWM:")[1].split()[0]) / 1024, 1)
    except (OSError, IndexError, ValueError):
        pass
    try:
        import resource
    except ImportError:
        return None
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1)


def _bar(source: Source, progress: bool | None):
    from tqdm import tqdm

    shown = sys.stderr.isatty() if progress is None else progress
    return tqdm(
        total=source.frames_expected or None, unit="frame", disable=not shown, file=sys.stderr, desc=source.path.name
    )
