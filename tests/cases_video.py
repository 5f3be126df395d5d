"""Small clips made on the spot with PyAV: the cases of test_video and test_fuzz_media."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np

from pyapdraw.video import draw_video


@dataclass(frozen=True)
class Clip:
    """What to make. times: tick of every frame in time_base (None: evenly at rate). rotate_deg: display matrix,
    counter-clockwise. tones: one sound track for each frequency. captions: subtitle codec or None."""

    frames: int = 24
    width: int = 96
    height: int = 64
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    rate: int = 24
    times: tuple[int, ...] | None = None
    time_base: Fraction | None = None
    options: tuple[tuple[str, str], ...] = (("preset", "ultrafast"),)
    b_frames: int = 0
    rotate_deg: int | None = None
    aspect: Fraction | None = None
    tones: tuple[int, ...] = ()
    sound_codec: str = "aac"
    sound_from_s: float = 0.0
    sound_until_s: float = 1e9
    captions: str | None = None
    container: str | None = None
    colour: tuple[int, int, int, int] | None = None  # matrix, range, primaries, transfer
    source: object = None  # function index -> uint8 [H, W, 3]


def picture(index: int, height: int, width: int) -> np.ndarray:
    """A smooth coloured picture that moves: uint8 [H, W, 3]; its grey mean rises with the index."""
    y, x = np.mgrid[:height, :width]
    red = 90 + 60 * np.sin((x + 3 * index) / 17.0)
    green = 90 + 60 * np.cos((y - 2 * index) / 13.0)
    blue = np.full_like(red, 40 + 3 * (index % 60))
    return np.clip(np.stack([red, green, blue], axis=2), 0, 255).astype(np.uint8)


def make_clip(path, clip: Clip):
    """Write a clip; returns path."""
    base = clip.time_base or Fraction(1, clip.rate)
    times = clip.times or tuple(range(clip.frames))
    with av.open(str(path), "w", format=clip.container) as container:
        stream = container.add_stream(clip.codec, rate=clip.rate, options=dict(clip.options), time_base=base)
        stream.width, stream.height, stream.pix_fmt = clip.width, clip.height, clip.pixel_format
        context = stream.codec_context
        context.time_base, context.max_b_frames, context.thread_count = base, clip.b_frames, 1
        if clip.aspect:
            context.sample_aspect_ratio = clip.aspect
        if clip.rotate_deg is not None:
            stream.set_display_rotation(clip.rotate_deg)
        if clip.colour:
            context.colorspace, context.color_range, context.color_primaries, context.color_trc = clip.colour
        sounds = [_Sound(container, clip, tone) for tone in clip.tones]
        captions = _captions(container, clip)
        for index, ticks in enumerate(times):
            frame = _frame(clip, index)
            frame.pts, frame.time_base = ticks, base
            container.mux(stream.encode(frame))
            seconds = float(ticks * base)
            for sound in sounds:
                sound.until(min(seconds, clip.sound_until_s))
            captions(seconds)
        container.mux(stream.encode(None))
        for sound in sounds:
            sound.finish()
    return path


def _frame(clip: Clip, index: int):
    pixels = clip.source(index) if clip.source else picture(index, clip.height, clip.width)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb24")
    matrix = {1: "itu709", 9: "bt2020"}.get(clip.colour[0], "itu601") if clip.colour else "itu601"
    full = 2 if clip.colour and clip.colour[1] == 2 else 1
    return frame.reformat(
        format=clip.pixel_format, src_colorspace=matrix, dst_colorspace=matrix, src_color_range=2, dst_color_range=full
    )


def _whole(wave: np.ndarray, sample_format: str) -> np.ndarray:
    wide = sample_format.startswith("s32")
    return (wave * (2**31 - 1 if wide else 2**15 - 1)).astype(np.int32 if wide else np.int16)


class _Sound:
    """A sine in its own track, written up to the time of the pictures."""

    def __init__(self, container, clip: Clip, tone: int):
        self.rate = 48000
        self.container, self.tone, self.start_s = container, tone, clip.sound_from_s
        self.stream = container.add_stream(clip.sound_codec, rate=self.rate, layout="mono")
        self.stream.metadata["language"] = "eng" if tone < 500 else "deu"
        self.format = self.stream.codec_context.format.name
        self.done = 0

    def until(self, seconds: float) -> None:
        while self.start_s + self.done / self.rate < seconds:
            wave = np.sin(2 * np.pi * self.tone * (self.done + np.arange(1024)) / self.rate) * 0.3
            data = wave.astype(np.float32) if self.format.startswith("flt") else _whole(wave, self.format)
            frame = av.AudioFrame.from_ndarray(data[None], self.format, "mono")
            frame.sample_rate, frame.time_base = self.rate, Fraction(1, self.rate)
            frame.pts = self.done + round(self.start_s * self.rate)
            self.container.mux(self.stream.encode(frame))
            self.done += 1024

    def finish(self) -> None:
        self.container.mux(self.stream.encode(None))


def _captions(container, clip: Clip):
    """Function that writes one caption a second, in the codec the clip asks for."""
    if clip.captions is None:
        return lambda seconds: None
    stream = container.add_stream(clip.captions)
    header = b"[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\n\n[Events]\n"
    stream.codec_context.subtitle_header = header
    stream.codec_context.time_base = Fraction(1, 1000)
    written: set[int] = set()

    def write(seconds: float) -> None:
        second = int(seconds)
        if second in written:
            return
        written.add(second)
        text = f"caption <i>{second}</i>".encode()
        if clip.captions == "mov_text":
            text = f"caption {second}".encode()
            text = len(text).to_bytes(2, "big") + text
        elif clip.captions == "ass":
            text = f"{second},0,Default,,0,0,0,,caption {{\\i1}}{second}{{\\i0}}".encode()
        packet = av.Packet(text)
        packet.stream, packet.time_base = stream, Fraction(1, 1000)
        packet.pts = packet.dts = second * 1000
        packet.duration = 800
        container.mux(packet)

    return write


def packets(path, kind: str = "audio") -> dict[int, list[tuple[float, str]]]:
    """(time in s, digest) of the packets of every track of a kind, by its number among the tracks of that kind."""
    found: dict[int, list[tuple[float, str]]] = {}
    with av.open(str(path)) as container:
        numbers = {s.index: n for n, s in enumerate(s for s in container.streams if s.type == kind)}
        for packet in container.demux():
            if packet.stream_index in numbers and packet.size:
                digest = hashlib.sha256(bytes(packet)).hexdigest()
                found.setdefault(numbers[packet.stream_index], []).append(
                    (float(packet.pts * packet.time_base), digest)
                )
    return found


def frame_times(path) -> list[float]:
    """Times in s of the decoded frames."""
    with av.open(str(path)) as container:
        return [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]


def frames(path) -> list[np.ndarray]:
    """Decoded frames in RGB, as libav converts them by the tags of the file: uint8 [H, W, 3]."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


# --- drawing a clip and comparing what came out


def same(rgb, time_s):
    """A drawing that changes nothing."""
    return rgb


def grey(rgb, time_s):
    """A drawing that is the green of the frame."""
    return rgb[:, :, 1].copy()


def run(tmp_path, clip: Clip, suffix=".mp4", out=".mp4", draw=same, **options):
    source = make_clip(tmp_path / f"in{suffix}", clip)
    output = tmp_path / f"out{out}"
    return source, output, draw_video(source, output, draw, overwrite=True, **options)


def assert_same_times(source, output, tolerance_s=0.001):
    given, expected = frame_times(output), frame_times(source)
    assert len(given) == len(expected)
    assert np.abs(np.array(given) - expected).max() <= tolerance_s


def assert_same_packets(source, output, kind="audio", tolerance_s=0.001, origin_s=0.0):
    given, expected = packets(output, kind), packets(source, kind)
    assert given.keys() == expected.keys() and expected
    for track, written in expected.items():
        assert [digest for _, digest in given[track]] == [digest for _, digest in written]
        assert max(abs(a - b - origin_s) for (a, _), (b, _) in zip(given[track], written)) <= tolerance_s
