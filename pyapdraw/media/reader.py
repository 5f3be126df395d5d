"""Video files in: frames, sound and subtitles in file order, each frame with its time; damage is counted."""

from __future__ import annotations

import heapq
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from pyapdraw.errors import BadInput
from pyapdraw.files import regular_file
from pyapdraw.media.kinds import Kind, what_is
from pyapdraw.media.sound import Cut

_DISCONTINUOUS = 0x0200  # AVFMT_TS_DISCONT: clocks that start anywhere (MPEG-TS), so they are shifted to 0
_READ_FAILURES = 64  # in a row, after which a damaged file counts as ended
_FINE_DEN = 90_000
_SEEKABLE = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi")  # by an index that says where key frames are
_TELLS_LENGTHS = (*_SEEKABLE[:2], "gif", "png")  # of each picture; elsewhere libav guesses them
_SEEK_EARLY_S = (
    2  # pictures may be shown later than their key frame stands; then sound needs some packets to begin with
)
_AFTER_END_S = 10  # how far sound may lie behind the pictures in a file
# Not kept: everything else, because it may say where and with what the video was made.
_TAGS = ("title", "artist", "date", "creation_time", "comment", "copyright")
_CLOCK_TEXT = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d{1,9})?)")


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

    time_base: seconds per tick of the output's video track, fine enough for every time of the input (<= 1 ms error).
    start_s, end_s: what is read, in seconds from where the file begins: pictures from start_s up to before end_s."""

    path: Path
    max_pixels: int
    start_s: Fraction | None = None
    end_s: Fraction | None = None
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
        origin_s = Fraction(0)
        if self.container.format.flags & _DISCONTINUOUS and self.container.start_time:
            origin_s = Fraction(self.container.start_time, av.time_base)
        start_s, end_s = (None if s is None else origin_s + s for s in (self.start_s, self.end_s))
        self.cut = Cut(origin_s if start_s is None else start_s, start_s, end_s)
        self._length_s: Fraction | None = None
        scale = 1
        while self.time_base.denominator * scale < 10_000:  # as libav's MP4 makes slow clocks finer
            scale *= 2
        self._most = (2**31 - 1) // scale  # ticks between two pictures
        self._step = max(1, round(1 / self.rate / self.time_base))

    @property
    def frames_expected(self) -> int:
        """Frames the header announces, else an estimate from the duration, else 0; of the part that is read."""
        if self.stream.frames and self.start_s is self.end_s is None:
            return self.stream.frames
        end_s = self.duration_s if self.end_s is None else min(self.end_s, self.duration_s)
        return max(0, round(float((end_s - (self.start_s or 0)) * self.rate)))

    @property
    def duration_s(self) -> Fraction:
        """As the container states it, 0 where it does not."""
        return max(Fraction(0), Fraction(self.container.duration or 0, av.time_base))

    @property
    def tags(self) -> dict[str, str]:
        """What the file says of itself and is kept: title, artist, date, creation time, comment, copyright."""
        given = {name.lower(): text for name, text in self.container.metadata.items()}
        return {name: given[name] for name in _TAGS if given.get(name)}

    def chapters(self) -> list[dict]:
        """Chapters of the part that is read, in its times, as PyAV takes them."""
        try:
            found = self.container.chapters()
        except Exception:  # a title that is no text
            return []
        kept = []
        for number, chapter in enumerate(found):
            tick = chapter["time_base"] or Fraction(1, 1000)
            start_s, end_s = (chapter[name] * tick - self.cut.shift_s for name in ("start", "end"))
            if self.end_s is not None:
                end_s = min(end_s, self.end_s - (self.start_s or 0))
            start_ms, end_ms = max(0, round(start_s * 1000)), round(end_s * 1000)
            if start_ms < end_ms < 2**31:
                title = {k: v for k, v in chapter["metadata"].items() if k == "title"}
                milli = Fraction(1, 1000)
                kept.append({"id": number, "start": start_ms, "end": end_ms, "time_base": milli, "metadata": title})
        return kept

    @property
    def end(self) -> int:
        """Where the last picture ends, in ticks: as its file says, else after as long as one at the mean rate."""
        return (self._last or 0) + self._last_length()

    def _last_length(self) -> int:
        length_s = self._length_s
        said = _CLOCK_TEXT.match(self.stream.metadata.get("DURATION", ""))  # Matroska: where the track ends
        if said and self._last is not None:
            hours, minutes, seconds = said.groups()
            end_s = int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds) - self.cut.shift_s
            length_s = end_s - self._last * self.time_base
        if self.end_s is not None and length_s and self._last is not None:
            length_s = min(length_s, self.end_s - (self.start_s or 0) - self._last * self.time_base)
        ticks = round(length_s / self.time_base) if length_s else 0
        return ticks if 0 < ticks < self._most else self._step

    def items(self) -> Iterator[Item]:
        """Everything in the file, in its order; frames in order of time, times strictly rising. Damage is counted,
        never raised: a file that ends early just ends."""
        self._last: int | None = None
        self._lost: list[int] = []
        self._ended = False
        failures = packets = 0
        if self.start_s:
            self._seek()
        while failures < _READ_FAILURES:
            try:
                for packet in self.container.demux():  # a new generator goes on where the broken one stopped
                    if packet.size == 0:
                        continue  # the end marker of a track, or "frame dropped" in AVI: a decoder would end at it
                    failures = 0
                    if self._is_over(packet):
                        break
                    if packet.stream_index != self.stream.index:
                        yield Item("packet", packet=packet)
                    elif not self._ended:
                        packets += 1
                        yield from self._decode(packet)
                break
            except (av.FFmpegError, ValueError, IndexError):
                failures += 1
                self.damage.read_errors += 1
        if not self._ended:
            yield from self._decode(None)
            yield from self._flush_lost(None)
        if self.start_s is self.end_s is None:
            self.damage.missing_packets = max(0, self.stream.frames - packets)

    def _is_over(self, packet) -> bool:
        """Whether nothing of the part that is kept can come any more."""
        stamp = packet.dts if packet.dts is not None else packet.pts
        if self.cut.end_s is None or stamp is None or not self._ended:
            return False
        is_sound = packet.stream.type == "audio"
        waiting = sum(stream.type == "audio" for stream in self.others)
        over_s = stamp * packet.time_base - self.cut.end_s
        return over_s >= (0 if waiting == 0 or (is_sound and waiting == 1) else _AFTER_END_S)

    def _seek(self) -> None:
        """Go to a key frame safely before the start; where the index does not lead there, stay at the beginning."""
        if self.kind.format not in _SEEKABLE or self.cut.shift_s <= _SEEK_EARLY_S:
            return
        wanted = int((self.cut.shift_s - _SEEK_EARLY_S) * av.time_base)
        try:
            self.container.seek(wanted)
            first = next(p for p in self.container.demux(self.stream) if p.size)
            begin = first.pts if first.pts is not None else first.dts
            good = first.is_keyframe and begin is not None and begin * first.time_base <= self.cut.shift_s
            self.container.seek(wanted if good else self.container.start_time or 0)
        except (av.FFmpegError, ValueError, IndexError, StopIteration):
            self._reopen()

    def _reopen(self) -> None:
        self.container.close()
        self.__post_init__()

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
            if self.start_s is not None and ticks is not None and ticks < 0:
                continue
            if self._reaches_end(ticks):
                yield from self._flush_lost(ticks)
                self._ended = True
                return
            yield from self._flush_lost(ticks)
            if frame.is_corrupt:
                self.damage.pictures += 1
            if frame.duration and self.kind.format in _TELLS_LENGTHS:
                self._length_s = frame.duration * (frame.time_base or self.stream.time_base)
            yield self._stamped(None if frame.is_corrupt and self._last is not None else frame, ticks)

    def _reaches_end(self, ticks: int | None) -> bool:
        if self.end_s is None or ticks is None:
            return False
        return ticks * self.time_base >= self.end_s - (self.start_s or 0)

    def _flush_lost(self, before: int | None) -> Iterator[Item]:
        """Stand-ins for pictures lost before a time (None: all that are left), each at the time it had."""
        while self._lost and (before is None or self._lost[0] <= before):
            ticks = heapq.heappop(self._lost)
            if (self.start_s is not None and ticks < 0) or self._reaches_end(ticks):
                continue
            if (before is None or ticks < before) and (self._last is None or ticks > self._last):
                yield self._stamped(None, ticks)

    def _ticks(self, stamp: int, time_base: Fraction) -> int:
        return round((stamp * time_base - self.cut.shift_s) / self.time_base)

    def _stamped(self, frame, ticks: int | None) -> Item:
        """Item with a time after the last one and not absurdly later (the index of MP4 holds 32-bit gaps)."""
        if self._last is None:
            ticks = 0 if ticks is None or abs(ticks) >= self._most else ticks
        elif ticks is None or not self._last < ticks < self._last + self._most:
            self.damage.timestamps += 1
            ticks = self._last + self._step
        self._last = ticks
        return Item("frame", frame=frame, pts=ticks)

    def close(self) -> None:
        """Closes the file."""
        self.container.close()


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
