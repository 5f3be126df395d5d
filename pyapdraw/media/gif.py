"""Moving GIFs out: drawings with a palette, the number of rounds, the length of the last picture."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

GIF_TIME_BASE = Fraction(1, 100)  # the format's own
LEAST_DELAY = 2  # hundredths of a second; players show anything shorter for ten
_LEVELS = 16  # of grey in a drawing: lines with soft edges look the same, and the file is half as large
_MARK = b"\x21\xf9\x04"  # graphic control extension: flags, delay (2 bytes), transparent colour


class ToPalette:
    """Drawings into pictures with a palette: uint8 [H, W] in 16 greys, [H, W, 3] in 256 colours chosen for each."""

    def __init__(self, height: int, width: int):
        self.height, self.width = height, width
        levels = np.rint(np.arange(_LEVELS) * (255 / (_LEVELS - 1))).astype(np.uint8)
        self._greys = np.zeros((256, 4), np.uint8)  # alpha first; the unused colours are transparent
        self._greys[:_LEVELS] = np.stack([np.full_like(levels, 255), levels, levels, levels], axis=1)
        self._index = np.rint(np.arange(256) * ((_LEVELS - 1) / 255)).astype(np.uint8)
        self._chooser: Any = None

    def __call__(self, drawing: np.ndarray):
        import av

        if drawing.ndim == 2:
            pair: Any = (self._index[drawing], self._greys)
            return av.VideoFrame.from_ndarray(pair, "pal8")
        return self._choose(av.VideoFrame.from_ndarray(np.ascontiguousarray(drawing), "rgb24"))

    def _choose(self, frame):
        if self._chooser is None:
            self._chooser = self._new_chooser(frame)
        frame.pts = 0
        self._chooser.push(frame)
        return self._chooser.pull()

    def _new_chooser(self, frame):
        from av.filter import Graph

        graph = Graph()
        source = graph.add_buffer(width=self.width, height=self.height, format=frame.format, time_base=GIF_TIME_BASE)
        both, palette = graph.add("split"), graph.add("palettegen", stats_mode="single")
        use, sink = graph.add("paletteuse", new="1", dither="none"), graph.add("buffersink")
        source.link_to(both)
        both.link_to(use, 0, 0)
        both.link_to(palette, 1, 0)
        palette.link_to(use, 0, 1)
        use.link_to(sink)
        graph.configure()
        return graph


def loop_count(path: Path, source_format: str) -> int:
    """What a GIF says of its rounds: 0 for ever, n: n rounds more after the first, -1 one round. As in a source that is
    a moving GIF or PNG; for ever for a video."""
    if source_format not in ("gif", "png"):
        return 0
    from PIL import Image

    try:
        with Image.open(path, formats=[source_format.upper()]) as image:
            loop = image.info.get("loop")
    except Exception:  # libav reads more damaged files than Pillow
        return 0
    if source_format == "png":  # counts the first round, too
        return 0 if not loop else loop - 1 if 1 < loop <= 65536 else -1
    return -1 if loop is None else min(int(loop), 65535)


def set_last_delay(path: Path, packet) -> None:
    """Write the length of the last picture, a packet of the GIF encoder in hundredths of a second, into a finished GIF;
    libav's muxer can only repeat the length of the one before."""
    content = bytes(packet)
    at = path.stat().st_size - 1 - len(content) + content.find(_MARK) + len(_MARK) + 1
    with open(path, "rb+") as file:
        file.seek(at - len(_MARK) - 1)
        if _MARK in content and file.read(len(_MARK)) == _MARK:
            file.seek(at)
            file.write(min(max(LEAST_DELAY, packet.duration), 65535).to_bytes(2, "little"))
