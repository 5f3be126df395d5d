"""The end of a written video: laid out anew, opened and counted, and only then given its name.

put_in_order() does all three. What fails the count never replaces anything: the growing part stays where it is.
"""

from __future__ import annotations

import errno
import heapq
import itertools
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import av

from pyapdraw.errors import OutputError
from pyapdraw.files import put_in_place, shortened, temporary_name, write_failed
from pyapdraw.media.reader import Source
from pyapdraw.media.tracks import Track
from pyapdraw.media.writer import MOVIE_DEN, SUFFIXES, Sink, describe

_EMPTY_CAPTION_BYTES = 2  # of MP4: "the caption ends"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def new_part(path: Path) -> Path:
    """A new empty file OUT.part.SUFFIX beside path, of a name that was free: OUT.part2.SUFFIX, ... where it was not.
    Raises OutputError."""
    for number in itertools.count(1):
        ending = f".part{number if number > 1 else ''}{path.suffix}"
        part = path.with_name(shortened(path.stem, ending))
        try:
            os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
            return part
        except FileExistsError:
            continue
        except OSError as error:
            raise write_failed(part, error) from error
    raise AssertionError


def put_in_order(sink: Sink, path: Path, source: Source) -> str:
    """Give a finished part the name path, if all that was written is in it. MP4 and MOV are laid out anew before, as
    regular files with the index in front, with chapters and the captions that were held back. Returns "regular", or
    "fragmented" where there was no room for a second copy: the part itself plays, too, without captions and chapters.
    Raises OutputError; path is as it was then."""
    part, wanted = sink.part, Wanted(sink, path)
    try:
        if sink.format not in ("mp4", "mov"):  # their index, if any, was written when they were closed
            wanted.check(part)
            put_in_place(part, path)
            return "regular"
        temporary = temporary_name(path)
        try:
            _copy_regular(sink, temporary, source)
            wanted.check(temporary)
            put_in_place(temporary, path)
        except (av.FFmpegError, OSError) as error:
            if error.errno not in _NO_ROOM:
                raise
            temporary.unlink(missing_ok=True)
            _leave_out(sink.tracks)
            wanted.check(part)
            put_in_place(part, path)
            return "fragmented"
        finally:
            temporary.unlink(missing_ok=True)
        part.unlink()
        return "regular"
    except (av.FFmpegError, OSError, ValueError) as error:
        raise write_failed(path, error) from error


def _leave_out(tracks: list[Track]) -> None:
    for track in tracks:
        if track.deferred:
            track.how, track.reason, track.stream = "left out", "no room to lay the file out anew", None


def _copy_regular(sink: Sink, temporary: Path, source: Source) -> None:
    options = {"movflags": "+faststart", "movie_timescale": str(MOVIE_DEN)}
    deferred = [track for track in sink.tracks if track.deferred]
    with (
        av.open(str(sink.part.absolute()), format="mov") as given,
        av.open(str(temporary.absolute()), "w", format=sink.format, container_options=options) as target,
    ):
        streams = []
        for stream in given.streams:
            made = target.add_stream_from_template(stream, opaque=True)
            made.metadata.update({k: v for k, v in stream.metadata.items() if k == "language"})
            made.disposition = stream.disposition
            streams.append(made)
        for track in deferred:
            track.attach(target)
            track.written = 0
        describe(target, source, chapters=True)
        captions = heapq.merge(*([(p.dts * p.time_base, t.index, p, t) for p in t.waiting] for t in deferred))
        waiting = next(captions, None)
        for packet in given.demux():
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
    track.written += packet.size > _EMPTY_CAPTION_BYTES
    return next(captions, None)


# --- does it hold what was written? ----------------------------------------------------------------------------------


class Wanted:
    """What a finished file has to hold: the pictures and the tracks that a sink wrote."""

    def __init__(self, sink: Sink, output: Path):
        self._sink, self._output = sink, output

    def check(self, path: Path) -> None:
        """Open the file, count the pictures and the packets of every track, decode the first and the last picture.
        Raises OutputError with what is amiss; lost captions are only told of, in the report of their track."""
        amiss = "it cannot be opened"
        try:
            # without edit lists: what lies before the beginning is in the file all the same
            with av.open(str(path.absolute()), options={"ignore_editlist": "1"}) as container:
                amiss = "it cannot be read"
                amiss = self._amiss(container)
        except Exception as error:  # whatever a reader stumbles over, others would, too
            amiss = f"{amiss} ({getattr(error, 'strerror', None) or error})"
        if amiss:
            raise OutputError(f"{self._output}: not written, because the finished video would not play: {amiss}")

    def _amiss(self, container: Any) -> str:
        """What is wrong with an opened file; nothing: all is there."""
        packets: dict[int, int] = {}
        sizes: dict[int, int] = {}
        pictures = container.streams.video[0]
        end_mark = _EMPTY_CAPTION_BYTES if self._sink.format in ("mp4", "mov") else 0
        last_pts, key_pts = -(2**62), None
        for packet in container.demux():
            if packet.size <= (end_mark if packet.stream.type == "subtitle" else 0):
                continue
            index = packet.stream_index
            packets[index], sizes[index] = packets.get(index, 0) + 1, sizes.get(index, 0) + packet.size
            if index == pictures.index and packet.pts is not None:
                last_pts = max(last_pts, packet.pts)
                key_pts = packet.pts if packet.is_keyframe else key_pts
        count = packets.get(pictures.index, 0)
        if count != self._sink.pictures:
            return f"{count} pictures instead of {self._sink.pictures}"
        for track in self._sink.tracks:
            if track.stream is None or not track.written:
                continue
            index = track.stream.index
            found = packets.get(index, 0)
            if found == track.written or (track.kind == "audio" and sizes.get(index, 0) == track.written_bytes):
                continue
            amiss = f"{found} packets of track {track.index} ({track.codec}) instead of {track.written}"
            if track.kind == "audio":
                return amiss
            track.reason = amiss  # captions of no sense or no time: the film is whole without them
        return _pictures_amiss(container, pictures, key_pts, last_pts)


def _pictures_amiss(container: Any, stream: Any, key_pts: int | None, last_pts: int) -> str:
    """What is wrong with the first and the last picture."""
    which, shown = "first", None
    with suppress(av.FFmpegError):
        container.seek(container.start_time or 0)
        if next(container.decode(stream), None) is not None:
            which = "last"
            if key_pts is not None:
                container.seek(key_pts, stream=stream)
            for frame in container.decode(stream):
                shown = frame
    return "" if shown is not None and shown.pts == last_pts else f"its {which} picture cannot be decoded"


# --- after a failure -------------------------------------------------------------------------------------------------


def cut_to_fragments(part: Path) -> None:
    """Cut a part whose writing failed behind its last whole fragment (to nothing, if there is none)."""
    if SUFFIXES[part.suffix.lower()] not in ("mp4", "mov"):
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


def playable_s(part: Path) -> float | None:
    """Seconds from the first to the last picture of a part that can be read back; None: there is not one."""
    times: list[float] = []
    with suppress(Exception), av.open(str(part.absolute())) as container:
        stream = container.streams.video[0]
        if next(container.decode(stream), None) is None:
            return None
        container.seek(0)
        for packet in container.demux(stream):
            if packet.size and packet.pts is not None:
                times.append(float(packet.pts * packet.time_base))
    return max(times) - min(times) if times else None
