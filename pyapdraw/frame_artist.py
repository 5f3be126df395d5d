"""The artist of videos: faces are tracked from frame to frame, and `pyapdraw.draw_video`."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from pyapdraw import composite
from pyapdraw.artist import FRAME, Artist, NoFace
from pyapdraw.clock import Clock
from pyapdraw.faces.tracking import Tracker
from pyapdraw.media.encoders import Encoding
from pyapdraw.media.video import VideoOptions, draw_frames
from pyapdraw.style.base import SteadyTools


class FrameArtist:
    """Draws the frames of one video in order: faces are tracked, the drawing of a still head stays still.

    Call it with (frame uint8 [H,W,3], time_s); it returns uint8 [H,W] or [H,W,3], or None where the frame passes
    through. `clock.seconds` has the stages, `faces_per_frame` what was drawn.
    """

    def __init__(self, artist: Artist) -> None:
        self.artist = artist
        self.tracker = Tracker(artist.detector)
        self.tools = SteadyTools(artist.tools)
        self.clock = Clock()
        self.faces_per_frame: list[int] = []

    def __call__(self, rgb: np.ndarray, time_s: float) -> np.ndarray | None:
        artist = self.artist
        with self.clock("faces"):
            found = artist.find(rgb) if artist.options.aligned else self.tracker.update(rgb, time_s)
            self.tools.dt_s = self.tracker.dt_s
        self.faces_per_frame.append(len(artist.choose(found)))
        try:
            drawing = artist.draw_found(rgb, found, FRAME, self.clock, {}, self.tools)
        except NoFace as error:
            raise NoFace(f"frame at {time_s:.3f} s: {error}") from None
        return None if drawing is rgb else drawing


def draw_video(source: str | os.PathLike, target: str | os.PathLike, style: str = "ink", **options: Any) -> dict:
    """See `pyapdraw.draw_video`."""
    encoding = Encoding(**_taken(options, "crf"))
    how = VideoOptions(encoding, **_taken(options, "start", "end", "max_pixels"))
    call = _taken(options, "overwrite", "progress")
    call |= _taken(options, "side_by_side")
    return draw_with(Artist(style, **options), source, target, options=how, **call)


def _taken(options: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: options.pop(name) for name in names if name in options}


def draw_with(
    artist: Artist,
    source: str | os.PathLike,
    target: str | os.PathLike,
    *,
    side_by_side: bool = False,
    overwrite: bool = False,
    progress: bool | None = None,
    options: VideoOptions | None = None,
) -> dict:
    """Draw a video with an artist: tracked faces, and the policy for frames without one. side_by_side: frame and
    drawing next to each other. Returns the report of `draw_frames`, with the number of faces of every frame. Raises as
    that does, and NoFace by policy."""
    frames, given = FrameArtist(artist), options or VideoOptions()

    def draw(rgb: np.ndarray, time_s: float) -> np.ndarray | None:
        drawing = frames(rgb, time_s)
        return composite.side_by_side(rgb, rgb if drawing is None else drawing) if side_by_side else drawing

    how = VideoOptions(given.encoding, given.start, given.end, given.max_pixels, lambda: frames.clock.seconds)
    try:
        report = draw_frames(source, target, draw, overwrite=overwrite, progress=progress, options=how)
    except NoFace as error:
        raise NoFace(f"{source}: {error}") from None
    return {"kind": "video", **report, "faces_per_frame": frames.faces_per_frame}
