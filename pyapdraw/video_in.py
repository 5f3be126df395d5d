"""Video files in: frames, sound and subtitles in file order, each frame with its time; damage is counted."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from .errors import BadInput
from .files import Kind, regular_file, what_is

_DISCONTINUOUS = 0x0200  # AVFMT_TS_DISCONT: clocks that start anywhere (MPEG-TS), so they are shifted to 0
_READ_FAILURES = 64  # in a row, after which a damaged file counts as ended
_FINE_DEN = 90_000


@dataclass
class Damage:
    """What was wrong with an input, counted."""

    packets: int = 0  # video packets that no picture could be made of
    pictures: int = 0  # pictures the decoder marked as damaged
    timestamps: int = 0  # missing or backward times that were mended
    read_errors: int = 0
    missing_packets: int = 0  # announced by the header, not in the file


@dataclass(frozen=True)
class Item:
    """One thing read. kind "packet": packet of another track. kind "frame": frame (None: lost to damage) and its pts in
    units of Source.time_base."""

    kind: str
    packet: Any = None
    frame: Any = None
    pts: int = 0


@dataclass
class Source:
    """An open video file. Raises BadInput, naming the file and the reason, when it cannot be one.

    time_base: seconds per tick of the output's video track, fine enough for every time of the input (<= 1 ms error)."""

    path: Path
    max_pixels: int
    damage: Damage = field(default_factory=Damage)

    def __post_init__(self):
        kind = what_is(self.path)
        self.kind: Kind = kind
        if kind.what == "photo" or kind.format == "webp":
            raise BadInput(f"{self.path}: is a picture ({kind.format}), expected a video")
        demuxer = {"png": "apng"}.get(kind.format, kind.format)
        try:
            self.container = av.open(
                os.path.abspath(regular_file(self.path)),  # absolute: a name such as "http:x" is no address then
                format=demuxer,
                metadata_errors="replace",
                options={"max_pixels": str(self.max_pixels)},
            )
        except Exception as error:  # FFmpegError, and IndexError, UnicodeDecodeError, ... for damaged headers
            raise BadInput(f"{self.path}: cannot be read as a video ({demuxer}): {_reason(error)}") from error
        try:
            self._choose()
        except Exception:
            self.container.close()
            raise

    def _choose(self) -> None:
        """Pick the picture track and check its size before anything is decoded."""
        attached = av.stream.Disposition.attached_pic
        pictures = [s for s in self.container.streams if s.type == "video" and not s.disposition & attached]
        if not pictures:
            kinds = ", ".join(sorted({str(s.type) for s in self.container.streams})) or "nothing"
            raise BadInput(f"{self.path}: has no video track (found: {kinds})")
        usable: list[Any] = [
            s for s in pictures if s.codec_context is not None
        ]  # decoding without a context would crash
        if not usable:
            raise BadInput(f"{self.path}: no decoder for its video track")
        self.stream: Any = usable[0]
        self.others = [s for s in self.container.streams if s is not self.stream and s.index != self.stream.index]
        context: Any = self.stream.codec_context
        if context.width * context.height > self.max_pixels:
            size = f"{context.width} x {context.height}"
            raise BadInput(
                f"{self.path}: {size} pixels, at most {self.max_pixels / 1e6:g} megapixels allowed (max_pixels)"
            )
        context.thread_type = "SLICE"  # frame threads would report damage at the wrong picture
        context.thread_count = 1 if context.width * context.height <= 1920 * 1088 else 2
        context.options = {"max_pixels": str(self.max_pixels)}
        rate = self.stream.average_rate or self.stream.guessed_rate or Fraction(25)
        self.rate = rate if Fraction(1, 100) < rate <= 1000 else Fraction(25)
        den = self.stream.time_base.denominator if self.stream.time_base else 0
        self.time_base = Fraction(1, den if 1000 <= den <= 1_000_000 else _FINE_DEN)
        self.shift_s = Fraction(0)
        if self.container.format.flags & _DISCONTINUOUS and self.container.start_time:
            self.shift_s = Fraction(self.container.start_time, av.time_base)
        self._step = max(1, round(1 / self.rate / self.time_base))

    @property
    def frames_expected(self) -> int:
        """Frames the header announces, else an estimate from the duration, else 0."""
        if self.stream.frames:
            return self.stream.frames
        return round(float(self.duration_s * self.rate))

    @property
    def duration_s(self) -> Fraction:
        return max(Fraction(0), Fraction(self.container.duration or 0, av.time_base))

    def items(self) -> Iterator[Item]:
        """Everything in the file, in its order; frames in order of time, times strictly rising. Damage is counted,
        never raised: a file that ends early just ends."""
        self._last: int | None = None
        self._lost: list[int] = []
        failures = packets = 0
        while failures < _READ_FAILURES:
            try:
                for packet in self.container.demux():  # a new generator goes on where the broken one stopped
                    if packet.size == 0:
                        continue  # the end marker of a track, or "frame dropped" in AVI: a decoder would end at it
                    failures = 0
                    if packet.stream_index == self.stream.index:
                        packets += 1
                        yield from self._decode(packet)
                    else:
                        yield Item("packet", packet=packet)
                break
            except (av.FFmpegError, ValueError, IndexError):
                failures += 1
                self.damage.read_errors += 1
        yield from self._decode(None)
        yield from self._flush_lost(None)
        self.damage.missing_packets = max(0, self.stream.frames - packets)

    def _decode(self, packet) -> Iterator[Item]:
        """Frames that a packet (None: the end) brings out of the decoder."""
        try:
            frames = self.stream.codec_context.decode(packet)
        except (av.FFmpegError, ValueError, IndexError):
            if packet is not None:
                self.damage.packets += 1
                stamp = packet.pts if packet.pts is not None else packet.dts
                if stamp is not None:
                    heapq.heappush(self._lost, self._ticks(stamp, packet.time_base))
                else:
                    yield self._stamped(None, None)
            return
        for frame in frames:
            stamp = frame.pts if frame.pts is not None else frame.dts
            ticks = None if stamp is None else self._ticks(stamp, frame.time_base or self.stream.time_base)
            yield from self._flush_lost(ticks)
            if frame.is_corrupt:
                self.damage.pictures += 1
            yield self._stamped(None if frame.is_corrupt and self._last is not None else frame, ticks)

    def _flush_lost(self, before: int | None) -> Iterator[Item]:
        """Stand-ins for pictures lost before a time (None: all that are left), each at the time it had."""
        while self._lost and (before is None or self._lost[0] <= before):
            ticks = heapq.heappop(self._lost)
            if (before is None or ticks < before) and (self._last is None or ticks > self._last):
                yield self._stamped(None, ticks)

    def _ticks(self, stamp: int, time_base: Fraction) -> int:
        return round((stamp * time_base - self.shift_s) / self.time_base)

    def _stamped(self, frame, ticks: int | None) -> Item:
        """Item with a time after the last one and not absurdly later (the index of MP4 holds 32-bit gaps)."""
        if self._last is None:
            ticks = 0 if ticks is None or abs(ticks) >= 2**31 else ticks
        elif ticks is None or not self._last < ticks < self._last + 2**31 - 1:
            self.damage.timestamps += 1
            ticks = self._last + self._step
        self._last = ticks
        return Item("frame", frame=frame, pts=ticks)

    def close(self) -> None:
        self.container.close()


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
