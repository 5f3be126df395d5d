"""Video files out. What is written survives whatever ends the program.

The output grows as a fragmented file (five fragments a second, flushed to the system), which plays as far as it
got; put_regular() lays it out anew as a regular file with the index in front and puts that in place in one step.
"""

from __future__ import annotations

import errno
import heapq
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from .errors import OutputError, Unsupported
from .files import beside, put_in_place, write_failed
from .frames import BT709, LIMITED, FromDrawing
from .tracks import Track, open_tracks
from .video_in import Source

SUFFIXES = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
_FRAGMENT_US = 200_000
_MOVIE_DEN = 90_000  # ticks of the edit lists, which are milliseconds otherwise: too coarse to keep the sound in step
_ENCODERS = ("libx264", "libopenh264", "h264_nvenc", "mpeg4")
# The disk's fault, not the stream's. (EPERM is left out: libav's muxers say it about a packet.)
_DISK_ERRNOS = (errno.ENOENT, errno.EIO, errno.EACCES, errno.EFBIG, errno.ENOSPC, errno.EROFS, errno.EDQUOT)


@dataclass(frozen=True)
class Encoding:
    """How drawings are encoded. encoder: "auto" or a libav name; crf: 0-51, smaller is better; preset: of libx264;
    threads: of the encoder."""

    encoder: str = "auto"
    crf: int = 20
    preset: str = "superfast"
    threads: int = 2


def choose_encoder(wanted: str) -> tuple[str, str]:
    """(name, why) of the encoder. Raises Unsupported when this libav has none, or not the wanted one."""
    for name in _ENCODERS if wanted == "auto" else (wanted,):
        try:
            av.Codec(name, "w")
        except Exception:
            continue
        return name, "asked for" if wanted != "auto" else f"first of {', '.join(_ENCODERS)} that this libav has"
    raise Unsupported(
        f"encoder: {wanted!r} is not in this build of libav; expected the name of an H.264 encoder or 'auto'"
    )


class Sink:
    """The growing output. Used by one thread at a time. Raises OutputError when writing fails."""

    def __init__(self, part: Path, source: Source, encoding: Encoding, *, shape: tuple[int, ...], turned: bool):
        """part: file to grow; its suffix decides the container. shape: [H, W, ...] of the drawings. turned: the
        pictures were turned by 90 degrees, so the sides of a non-square pixel change places."""
        self.part, self._source, self._encoding, self._turned = part, source, encoding, turned
        self.format = SUFFIXES[part.suffix.lower()]
        self.encoder, self.why = choose_encoder(encoding.encoder)
        self.to_frame = FromDrawing(shape[0], shape[1])
        self.time_base = source.time_base
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
        if self.format == "matroska":
            options["cluster_time_limit"] = str(_FRAGMENT_US // 1000)
        else:  # delay_moov: the index is written with the first fragment, when the edit lists are known
            options |= {"movflags": "+delay_moov+default_base_moof", "frag_duration": str(_FRAGMENT_US)}
            options["movie_timescale"] = str(_MOVIE_DEN)
        self.container = av.open(str(self.part.absolute()), "w", format=self.format, container_options=options)
        self._video = self._add_video()
        self.tracks: list[Track] = open_tracks(self._source.others, self.container, copy)
        self._duration = max(1, round(1 / self._source.rate / self.time_base))  # of the last picture
        self._held: dict[int, Any] = {}
        self._kept = {track.index: track for track in self.tracks if track.kept}
        self.container.start_encoding()

    def _add_video(self) -> Any:
        source, encoding = self._source, self._encoding
        stream: Any = self.container.add_stream(self.encoder, rate=source.rate, time_base=self.time_base)
        context: Any = stream.codec_context
        context.width, context.height, context.pix_fmt = self.to_frame.width, self.to_frame.height, "yuv420p"
        context.colorspace, context.color_primaries, context.color_trc = BT709, BT709, BT709
        context.color_range = LIMITED
        context.thread_count = encoding.threads if source.rate >= 8 else 1  # each thread holds a picture back
        context.gop_size = max(1, round(4 * source.rate))
        context.max_b_frames = 0  # decoding order = display order: no edit list for the pictures, and half the delay
        if self.encoder == "libx264":
            lookahead = min(8, int(source.rate / 4)) if source.rate >= 8 else 0  # pictures held back: 0.25 s at most
            # superfast leaves mbtree out; with it drawings come out 2 dB better for the same 8 to 16 ms of CPU at 720p
            params = f"mbtree={int(lookahead > 0)}:rc-lookahead={lookahead}:sync-lookahead=0:bframes=0"
            context.options = {"preset": encoding.preset, "crf": str(encoding.crf), "x264-params": params}
        aspect = source.stream.sample_aspect_ratio
        if aspect and aspect > 0 and aspect != 1:
            context.sample_aspect_ratio = 1 / Fraction(aspect) if self._turned else aspect
        try:
            context.open()
        except (av.FFmpegError, ValueError) as error:
            size = f"{context.width} x {context.height}"
            raise Unsupported(f"encoder: {self.encoder} refuses {size} with {encoding}: {error}") from error
        return stream

    def frame(self, drawing: np.ndarray, pts: int, clock) -> None:
        """Encode one drawing, shown from pts (in units of time_base)."""
        with clock("colour_out"):
            frame = self.to_frame(drawing)
        frame.pts, frame.time_base = pts, self.time_base
        with clock("encode"):
            packets = self._encode(frame)
        with clock("mux"):
            self._mux_pictures(packets)

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
            self._mux(self._delayed(packet))

    def _mux_track(self, track: Track, packet) -> None:
        """A packet that the muxer does not like costs itself, not the video."""
        for made in track.convert(packet, self._source.shift_s):
            made = self._delayed(made) if track.kind == "audio" else made
            if not self._mux(made, careful=False):
                track.refused += 1

    def _delayed(self, packet):
        """The packet before this one in its track (None: there is none), with the length that the two times give.

        A fragment ends where its last packets end, and the next one begins there: a length that is a guess would move
        the packet after it."""
        before, self._held[packet.stream_index] = self._held.get(packet.stream_index), packet
        if before is not None:
            before.duration = packet.dts - before.dts
        return before

    def _mux(self, packet, careful: bool = True) -> bool:
        """Whether the muxer took the packet. Raises OutputError for a failing disk, and if careful for anything."""
        if packet is None:
            return True
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
            for packet in self._held.values():
                packet.duration = packet.duration or self._duration
                self._mux(packet, careful=False)
            try:
                self.container.close()
            except (av.FFmpegError, OSError) as error:
                raise write_failed(self.part, error) from error

    def abandon(self) -> None:
        """Let go of the file after an error; it keeps the fragments written so far."""
        with suppress(Exception):  # the same error once more
            self.container.close()


def put_regular(part: Path, path: Path, tracks: list[Track]) -> str:
    """Give a finished part the name path, laid out as a regular file with its index in front, and with the captions
    that were held back. Returns "regular", or "fragmented" when there was no room for a second copy: the part itself
    plays, too, without captions. Raises OutputError."""
    container_format = SUFFIXES[part.suffix.lower()]
    try:
        if container_format == "matroska":  # its index was written when it was closed
            put_in_place(part, path)
            return "regular"
        temporary = beside(path)
        try:
            _copy_regular(part, temporary, container_format, [track for track in tracks if track.deferred])
            put_in_place(temporary, path)
            part.unlink()
            return "regular"
        except (av.FFmpegError, OSError, ValueError):
            temporary.unlink(missing_ok=True)
            put_in_place(part, path)
            for track in tracks:
                if track.deferred:
                    track.how, track.reason = "left out", "no room to lay the file out anew"
            return "fragmented"
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise write_failed(path, error) from error


def _copy_regular(part: Path, temporary: Path, container_format: str, deferred: list[Track]) -> None:
    options = {"movflags": "+faststart", "movie_timescale": str(_MOVIE_DEN)}
    with (
        av.open(str(part.absolute()), format="mov") as source,
        av.open(str(temporary.absolute()), "w", format=container_format, container_options=options) as target,
    ):
        streams = []
        for stream in source.streams:
            made = target.add_stream_from_template(stream, opaque=True)
            made.metadata.update({k: v for k, v in stream.metadata.items() if k == "language"})
            made.disposition = stream.disposition
            streams.append(made)
        for track in deferred:
            track.attach(target)
        captions = heapq.merge(*([(p.dts * p.time_base, t.index, p, t) for p in t.held] for t in deferred))
        waiting = next(captions, None)
        for packet in source.demux():
            if packet.size and packet.dts is not None:
                while waiting and waiting[0] <= packet.dts * packet.time_base:
                    waiting = _caption(target, waiting, captions)
                packet.stream = streams[packet.stream_index]
                target.mux_one(packet)
        while waiting:
            waiting = _caption(target, waiting, captions)


def _caption(target, waiting, captions):
    """Write one caption; gives the next one."""
    _, _, packet, track = waiting
    packet.stream = track.stream
    target.mux_one(packet)
    return next(captions, None)


def cut_to_fragments(part: Path) -> None:
    """Cut a part whose writing failed behind its last whole fragment (to nothing, if there is none)."""
    if SUFFIXES[part.suffix.lower()] == "matroska":
        return  # readers skip a torn cluster
    size, good, at = part.stat().st_size, 0, 0
    with open(part, "rb+") as file:
        while at + 8 <= size:
            file.seek(at)
            head = file.read(16)
            length, kind = int.from_bytes(head[:4], "big"), head[4:8]
            length = int.from_bytes(head[8:16], "big") if length == 1 else length
            if length < 8 or at + length > size:
                break
            at += length
            good = at if kind == b"mdat" else good
        file.truncate(good)


def is_playable(part: Path) -> bool:
    """Whether at least one picture can be read back from a part."""
    try:
        with av.open(str(part.absolute())) as container:
            return any(True for _ in container.decode(video=0))
    except Exception:
        return False
