"""Small clips made on the spot with PyAV: the cases of test_video and test_fuzz_media."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np

from pyapdraw.media.video import draw_frames


@dataclass(frozen=True)
class Clip:
    """What to make. times: tick of every frame in time_base (None: evenly at rate). rotate_deg: display matrix,
    counter-clockwise. tones: one sound track for each frequency, in all channels of layout; clicks: each full second
    is marked in it. captions: subtitle codec or None. last_ticks: how long the last picture is shown. chapters: title,
    start and end in ms."""

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
    sound_rate: int = 48000
    sound_gap_s: tuple[float, float] | None = None
    layout: str = "mono"
    clicks: bool = False
    sound_until_s: float = 1e9
    captions: str | None = None
    caption_texts: tuple[str, ...] | None = None
    container: str | None = None
    colour: tuple[int, int, int, int] | None = None  # matrix, range, primaries, transfer
    last_ticks: int | None = None
    tags: dict | None = None
    chapters: list | tuple = ()
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
        container.metadata.update(clip.tags or {})
        milli = Fraction(1, 1000)
        chapters = [
            {"id": i, "start": start, "end": end, "time_base": milli, "metadata": {"title": title}}
            for i, (title, start, end) in enumerate(clip.chapters)
        ]
        if chapters:
            container.set_chapters(chapters)
        put = _Pictures(container, clip)
        for index, ticks in enumerate(times):
            frame = _frame(clip, index)
            frame.pts, frame.time_base = ticks, base
            put(stream.encode(frame))
            seconds = float(ticks * base)
            for sound in sounds:
                sound.until(min(seconds, clip.sound_until_s))
            captions(seconds)
        put(stream.encode(None))
        put.finish()
        for sound in sounds:
            sound.finish()
    return path


class _Pictures:
    """Writes packets; the last one gets the length that the clip asks for."""

    def __init__(self, container, clip: Clip):
        self.container, self.ticks, self.base, self.held = container, clip.last_ticks, clip.time_base, []

    def __call__(self, packets) -> None:
        self.held += packets
        while len(self.held) > (self.ticks is not None):
            self.container.mux(self.held.pop(0))

    def finish(self) -> None:
        for packet in self.held:
            packet.duration = round(self.ticks * self.base / packet.time_base)
            self.container.mux(packet)


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
        self.rate, self.clip = clip.sound_rate, clip
        self.container, self.tone, self.start_s = container, tone, clip.sound_from_s
        self.stream = container.add_stream(clip.sound_codec, rate=self.rate, layout=clip.layout)
        self.stream.metadata["language"] = "eng" if tone < 500 else "deu"
        self.format = self.stream.codec_context.format.name
        self.done = 0

    def until(self, seconds: float) -> None:
        while self.start_s + self.done / self.rate < seconds:
            samples = self.done + np.arange(1024)
            wave = np.sin(2 * np.pi * self.tone * samples / self.rate) * 0.3
            if self.clip.clicks:
                wave[(samples % self.rate < 24) & (samples > 24)] = 1.0
            if self._in_gap():
                self.done += 1024
                continue
            data = wave.astype(np.float32) if self.format.startswith("flt") else _whole(wave, self.format)
            channels = av.AudioLayout(self.clip.layout).nb_channels
            data = np.repeat(data[None], channels, 0)
            if not self.format.endswith("p"):
                data = np.ascontiguousarray(data.T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(data, self.format, self.clip.layout)
            frame.sample_rate, frame.time_base = self.rate, Fraction(1, self.rate)
            frame.pts = self.done + round(self.start_s * self.rate)
            self.container.mux(self.stream.encode(frame))
            self.done += 1024

    def _in_gap(self) -> bool:
        gap = self.clip.sound_gap_s
        return gap is not None and gap[0] <= self.start_s + self.done / self.rate < gap[1]

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
        if clip.caption_texts is not None:
            text = clip.caption_texts[second].encode() if second < len(clip.caption_texts) else b""
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


def clicks(path) -> np.ndarray:
    """Times in s of the marks that `Clip.clicks` puts into the first sound track."""
    found: list[float] = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            sound = frame.to_ndarray()
            sound = sound / np.iinfo(sound.dtype).max if sound.dtype.kind == "i" else sound
            sound = sound[0] if frame.format.is_planar else sound.reshape(-1, frame.layout.nb_channels)[:, 0]
            for sample in np.nonzero(sound > 0.6)[0]:
                time_s = float(frame.pts * frame.time_base) + sample / frame.sample_rate
                if not found or time_s - found[-1] > 0.2:
                    found.append(time_s)
    return np.array(found)


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
    return source, output, draw_frames(source, output, draw, overwrite=True, **options)


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
