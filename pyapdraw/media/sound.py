"""Sound that is encoded anew: AAC for MP4 and MOV, Opus for WebM.

One libav graph does it: it cuts to the sample, fills gaps with silence so that the sound never slips, and makes the
rate and the channels that the encoder takes. The encoder's delay is in the times of its packets, and the container
hides it.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
from av.filter import Graph

_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)
_RATES = {"aac": _AAC_RATES, "libopus": (48000,)}
_BITS_PER_CHANNEL = {"aac": 96_000, "libopus": 64_000}  # a second
_USUAL = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}  # what every decoder knows
_MOST_GAP_S = 10  # of silence put in; a longer gap stays one of times


@dataclass(frozen=True)
class Cut:
    """What part of a file is kept, in seconds of its own clock. shift_s: taken off every time. Ends may be None."""

    shift_s: Fraction = Fraction(0)
    start_s: Fraction | None = None
    end_s: Fraction | None = None


def encoder_for(container_format: str) -> str:
    """The codec for sound that has to be encoded anew."""
    return "libopus" if container_format == "webm" else "aac"


class Recoder:
    """Packets of one track into packets of another codec."""

    def __init__(self, container: Any, source: Any, cut: Cut):
        """source: the stream to decode. Raises ValueError or FFmpegError where no layout of it can be encoded."""
        self.name = encoder_for(container.format.name)
        self._decoder, self._cut = source.codec_context, cut
        rate = self._decoder.sample_rate
        self._rate = rate if rate in _RATES[self.name] else 48000
        self._layout = self._layout_for(self._decoder.layout)
        channels = av.AudioLayout(self._layout).nb_channels
        self.stream = container.add_stream(self.name, rate=self._rate, layout=self._layout)
        self.stream.codec_context.bit_rate = _BITS_PER_CHANNEL[self.name] * channels
        self._sample_format = self.stream.codec_context.format.name
        self._graph: Graph | None = None
        self._made_for: tuple = ()
        self._next_s: Fraction | None = None

    def _layout_for(self, layout: Any) -> str:
        """The layout itself if the encoder takes it, else the usual one of as many channels, else stereo."""
        names = (layout.name.replace("(side)", ""), _USUAL.get(layout.nb_channels), "stereo")
        return next(name for name in names if name == "stereo" or (name and self._takes(name)))

    def _takes(self, layout: str) -> bool:
        try:
            trial: Any = av.CodecContext.create(self.name, "w")
            trial.sample_rate, trial.layout, trial.format = self._rate, layout, trial.codec.audio_formats[0]
            trial.open()
        except (av.FFmpegError, ValueError):
            return False
        return True

    def __call__(self, packet: Any) -> list:
        """Encoded packets that a packet (None: the end) brings. What cannot be decoded is silence."""
        made = []
        try:
            frames = self._decoder.decode(packet)
        except (av.FFmpegError, ValueError, IndexError, MemoryError):
            frames = []
        for frame in frames:
            made += self._take(frame)
        if packet is None:
            made += self._drain()
            made += self.stream.encode(None)
        return made

    def _take(self, frame: Any) -> list:
        made = []
        kind = (frame.format.name, frame.layout.name, frame.sample_rate, frame.time_base)
        if frame.sample_rate <= 0 or frame.samples <= 0 or frame.time_base is None:
            return []
        start_s = None if frame.pts is None else frame.pts * frame.time_base
        jump_s = 0 if start_s is None or self._next_s is None else start_s - self._next_s
        if kind != self._made_for or abs(jump_s) > _MOST_GAP_S:
            made += self._drain()
            self._graph, self._made_for = self._new_graph(frame), kind
        self._next_s = (self._next_s or Fraction(0)) if start_s is None else start_s
        self._next_s += Fraction(frame.samples, frame.sample_rate)
        assert self._graph is not None
        self._graph.push(frame)
        return made + self._pull()

    def _new_graph(self, frame: Any) -> Graph:
        graph = Graph()
        last = graph.add(
            "abuffer",
            sample_rate=str(frame.sample_rate),
            sample_fmt=frame.format.name,
            channel_layout=frame.layout.name,
            time_base=str(frame.time_base),
        )
        ends = {"start": self._cut.start_s, "end": self._cut.end_s}
        trim = {name: f"{float(value):.6f}" for name, value in ends.items() if value is not None}
        parts = [("atrim", trim)] if trim else []
        parts.append(("aresample", {"async": "1", "min_hard_comp": "0.01"}))
        wanted = {"sample_rates": str(self._rate), "sample_fmts": self._sample_format, "channel_layouts": self._layout}
        for name, arguments in [*parts, ("aformat", wanted), ("abuffersink", {})]:
            node = graph.add(name, **arguments)
            last.link_to(node)
            last = node
        graph.configure()
        return graph

    def _drain(self) -> list:
        if self._graph is None:
            return []
        self._graph.push(None)
        made, self._graph = self._pull(), None
        return made

    def _pull(self) -> list:
        made: list = []
        while True:
            try:
                frame = self._graph.pull()  # type: ignore[union-attr]
            except (av.error.BlockingIOError, av.error.EOFError):
                return made
            made += self.stream.encode(frame)
