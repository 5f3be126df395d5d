"""Video files out. What is written survives whatever ends the program.

The output grows as a fragmented file (five fragments a second, flushed to the system), which plays as far as it
got; finish.py lays it out anew as a regular file, looks whether all is in it, and puts it in place in one step.
"""

from __future__ import annotations

import errno
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from pyapdraw.errors import OutputError
from pyapdraw.files import write_failed
from pyapdraw.media.colour import FromDrawing
from pyapdraw.media.encoders import Encoding, Picture, add_video, choose_encoder
from pyapdraw.media.gif import GIF_TIME_BASE, LEAST_DELAY, ToPalette, loop_count, set_last_delay
from pyapdraw.media.reader import Source
from pyapdraw.media.tracks import Track, open_tracks

SUFFIXES = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm", ".gif": "gif"}
_FRAGMENT_US = 200_000
MOVIE_DEN = 90_000  # ticks of the edit lists, which are milliseconds otherwise: too coarse to keep the sound in step
# The disk's fault, not the stream's. (EPERM is left out: libav's muxers say it about a packet.)
_DISK_ERRNOS = (errno.ENOENT, errno.EIO, errno.EACCES, errno.EFBIG, errno.ENOSPC, errno.EROFS, errno.EDQUOT)


class Sink:
    """The growing output. Used by one thread at a time. Raises OutputError when writing fails."""

    def __init__(self, part: Path, source: Source, encoding: Encoding, *, shape: tuple[int, ...], turned: bool):
        """part: file to grow; its suffix decides the container. shape: [H, W, ...] of the drawings. turned: the
        pictures were turned by 90 degrees, so the sides of a non-square pixel change places."""
        self.part, self._source, self._encoding, self._turned = part, source, encoding, turned
        self.format = SUFFIXES[part.suffix.lower()]
        self.encoder, self.why = choose_encoder(encoding.encoder, self.format)
        is_gif = self.format == "gif"
        self.to_frame: Any = (ToPalette if is_gif else FromDrawing)(shape[0], shape[1])
        self.time_base = GIF_TIME_BASE if is_gif else source.time_base
        self.pictures = 0  # that the muxer took
        self._last_ticks: int | None = None
        self.too_close = 0  # left out of a GIF, whose pictures stand for at least 20 ms
        try:
            self._open(copy=True)
        except (av.FFmpegError, ValueError) as error:
            if getattr(error, "errno", None) in _DISK_ERRNOS:
                raise write_failed(part, error) from error
            self._open_again()

    def _open_again(self) -> None:
        """The muxer refused a track that it had said it could hold: convert instead of copying."""
        self.abandon()
        try:
            self._open(copy=False)
        except (av.FFmpegError, ValueError) as error:
            raise write_failed(self.part, error) from error

    def _open(self, copy: bool) -> None:
        # max_interleave_delta: how long pictures wait in memory for a track that has gone silent
        options = {"flush_packets": "1", "max_interleave_delta": str(_FRAGMENT_US)}
        if self.format in ("matroska", "webm"):
            options["cluster_time_limit"] = str(_FRAGMENT_US // 1000)
        elif self.format == "gif":
            options["loop"] = str(loop_count(self._source.path, self._source.kind.format))
        else:  # delay_moov: the index is written with the first fragment, when the edit lists are known
            options |= {"movflags": "+delay_moov+default_base_moof", "frag_duration": str(_FRAGMENT_US)}
            options["movie_timescale"] = str(MOVIE_DEN)
        self.container = av.open(str(self.part.absolute()), "w", format=self.format, container_options=options)
        self._video = add_video(self.container, self.encoder, self._picture(), self._encoding)
        self.tracks: list[Track] = open_tracks(self._source.others, self.container, self._source.cut, copy)
        self._waiting: dict[int, Any] = {}
        self._gaps: dict[int, int] = {}
        self._kept = {track.index: track for track in self.tracks if track.kept}
        describe(self.container, self._source, chapters=self.format in ("matroska", "webm"))
        self.container.start_encoding()

    def _picture(self) -> Picture:
        aspect = self._source.stream.sample_aspect_ratio
        aspect = Fraction(aspect) if aspect and aspect > 0 and aspect != 1 else None
        if aspect and self._turned:
            aspect = 1 / aspect
        return Picture(self.to_frame.width, self.to_frame.height, self._source.rate, self.time_base, aspect)

    def frame(self, drawing: np.ndarray, pts: int, clock) -> None:
        """Encode one drawing, shown from pts (in ticks of the source's time_base)."""
        ticks = self._ticks(pts)
        if ticks is None:
            return
        with clock("colour_out"):
            frame = self.to_frame(drawing)
        frame.pts, frame.time_base = ticks, self.time_base
        with clock("encode"):
            packets = self._encode(frame)
        with clock("mux"):
            self._mux_pictures(packets)

    def _ticks(self, pts: int) -> int | None:
        """The time in ticks of the output. None: in a GIF, too soon after the picture before."""
        if self.format != "gif":
            return pts
        ticks = round(pts * self._source.time_base / self.time_base)
        if self._last_ticks is not None and ticks < self._last_ticks + LEAST_DELAY:
            self.too_close += 1
            return None
        self._last_ticks = ticks
        return ticks

    def _encode(self, frame) -> list:
        try:
            return self._video.codec_context.encode(frame)
        except (av.FFmpegError, ValueError) as error:
            raise OutputError(f"{self.part}: could not be written: {self.encoder} failed: {error}") from error

    def packet(self, packet) -> None:
        """Write one packet of another track."""
        track = self._kept.get(packet.stream_index)
        if track is not None:
            self._mux_track(track, packet)

    def _mux_pictures(self, packets) -> None:
        for packet in packets:
            packet.stream = self._video
            self._mux_picture(self._delayed(packet))

    def _mux_picture(self, packet) -> None:
        if packet is not None:
            self._mux(packet)
            self.pictures += 1

    def _mux_track(self, track: Track, packet) -> None:
        """A packet that the encoder or the muxer does not like costs itself, not the video."""
        try:
            for made in track.convert(packet, self._source.cut):
                ready = self._delayed(made) if track.kind == "audio" else made
                if ready is not None:
                    self._mux_made(track, ready)
        except (av.FFmpegError, ValueError, MemoryError):
            track.refused += 1

    def _mux_made(self, track: Track, packet) -> None:
        size = packet.size
        if self._mux(packet, careful=False):
            track.written += 1
            track.written_bytes += size
        else:
            track.refused += 1

    def _delayed(self, packet):
        """The packet before this one in its track (None: there is none), with the length that the two times give.

        A fragment ends where its last packets end, and the next one begins there: a length that is a guess would move
        the packet after it."""
        before, self._waiting[packet.stream_index] = self._waiting.get(packet.stream_index), packet
        if before is not None:
            before.duration = self._gaps[packet.stream_index] = packet.dts - before.dts
        return before

    def _mux(self, packet, careful: bool = True) -> bool:
        """Whether the muxer took the packet. Raises OutputError for a failing disk, and if careful for anything."""
        try:
            self.container.mux_one(packet)
        except (av.FFmpegError, OSError) as error:
            if careful or error.errno in _DISK_ERRNOS:
                raise write_failed(self.part, error) from error
            return False
        return True

    def close(self, clock) -> None:
        """Write what the encoders still hold, and the end of the file: the part is whole then."""
        with clock("encode"):
            packets = self._encode(None)
        with clock("mux"):
            self._mux_pictures(packets)
            for track in self._kept.values():
                self._mux_track(track, None)
            last = self._waiting.pop(self._video.index, None)
            if last is not None:
                end = round(self._source.end * self._source.time_base / self.time_base)
                last.duration = max(1, end - last.pts)
                self._mux_picture(last)
            for track in self._kept.values():
                waiting = None if track.deferred else self._waiting.get(track.stream.index)
                if waiting is not None:  # one of no length is no part of the file for those who read edit lists
                    waiting.duration = waiting.duration or self._gaps.get(track.stream.index) or 1
                    self._mux_made(track, waiting)
                if track.packets and not (track.written or track.deferred):
                    track.how, track.reason = "left out", f"{self.format} took none of its packets"
            try:
                self.container.close()
                if self.format == "gif" and last is not None:
                    set_last_delay(self.part, last)
            except (av.FFmpegError, OSError) as error:
                raise write_failed(self.part, error) from error

    def abandon(self) -> None:
        """Let go of the file after an error; it keeps the fragments written so far."""
        with suppress(Exception):  # the same error once more
            self.container.close()


def describe(container: Any, source: Source, chapters: bool) -> None:
    """Give an output the tags and, if wanted, the chapters of its input, before its header is written."""
    if container.format.name == "gif":
        return
    container.metadata.update(source.tags)
    if chapters:
        container.set_chapters(source.chapters())
