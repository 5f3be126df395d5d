"""Sound and subtitles on their way from one file to the other.

Packets are copied bit for bit where the container can hold them; text subtitles that MP4 cannot hold become its own
kind (mov_text), sound that it cannot hold becomes AAC; the rest is left out, and every track says what became of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av

_TEXT_CODECS = ("subrip", "srt", "text", "webvtt", "ass", "ssa")
_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)
_HELD_BYTES = 32 << 20
# QuickTime knows the bibliographic codes of ISO 639-2, MP4 and Matroska the terminological ones, where they differ.
_TERMS = "sqi hye eus mya zho ces nld fra kat deu ell isl mkd mri msa fas ron slk bod cym"
_BOOKS = "alb arm baq bur chi cze dut fre geo ger gre ice mac mao may per rum slo tib wel"
_QUICKTIME_NAMES = dict(zip(_TERMS.split(), _BOOKS.split()))
_MARKUP = re.compile(r"</?[a-zA-Z][^<>]*>|\{\\[^{}]*\}")
_ASS_FIELDS = (
    "Name Fontname Fontsize PrimaryColour SecondaryColour OutlineColour BackColour Bold Italic Underline StrikeOut "
    "ScaleX ScaleY Spacing Angle BorderStyle Outline Shadow Alignment MarginL MarginR MarginV Encoding"
)
_ASS_HEADER = "\r\n".join(  # what libav's mov_text encoder wants to see before it writes its own description
    [
        "[Script Info]\r\nScriptType: v4.00+\r\nPlayResX: 384\r\nPlayResY: 288\r\n",
        "[V4+ Styles]",
        f"Format: {_ASS_FIELDS.replace(' ', ', ')}",
        "Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1\r\n",
        "[Events]\r\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\r\n",
    ]
).encode()


@dataclass
class Track:
    """One track other than the pictures. how: "copied", "converted to mov_text" or "... subrip", "re-encoded as aac" or
    "left out".

    Captions of MP4 are deferred: held in memory and added when the file is finished. libav's muxer ends a caption by a
    sample of its own, which may cut a fragment while a packet of sound is in its hands, and it aborts over that."""

    index: int
    kind: str
    codec: str
    language: str | None
    how: str = "left out"
    reason: str = ""
    packets: int = 0
    mended_times: int = 0
    refused: int = 0
    stream: Any = field(default=None, repr=False)
    source: Any = field(default=None, repr=False)
    resampler: Any = field(default=None, repr=False)
    unwrap: Any = field(default=None, repr=False)
    last_dts: int | None = field(default=None, repr=False)
    deferred: bool = field(default=False, repr=False)
    held: list = field(default_factory=list, repr=False)
    held_bytes: int = field(default=0, repr=False)

    @property
    def kept(self) -> bool:
        return self.deferred or self.stream is not None

    def attach(self, container) -> None:
        """Give a deferred track its stream in the final file."""
        if self.how == "copied":
            self.stream = container.add_stream_from_template(self.source, opaque=True)
        else:
            self.stream = container.add_stream("mov_text")
            self.stream.codec_context.subtitle_header = _ASS_HEADER
            self.stream.codec_context.time_base = self.source.time_base
        _describe(self, container.format.name)

    def report(self) -> dict:
        names = ("index", "kind", "codec", "language", "how", "reason", "packets", "mended_times", "refused")
        return {name: getattr(self, name) for name in names}

    def convert(self, packet, shift_s: Fraction) -> Iterator[object]:
        """Packets for the output out of one packet (None: the end) of the input, their times mended and rising."""
        if self.how.startswith("re-encoded"):
            packets = self._recode(packet)
        elif self.how == "converted to subrip" and packet is not None:
            packets = self._to_subrip(packet)
        elif packet is None:
            return
        elif self.how == "copied":
            # An empty sample of MP4 says "the caption ends"; the muxer writes these itself.
            packets = [] if self.codec == "mov_text" and packet.size <= 2 else self._unwrapped(packet)
        else:
            packets = self._to_mov_text(packet)
        for made in packets:
            self._mend_times(made, shift_s)
            self.packets += 1
            if not self.deferred:
                made.stream = self.stream
                yield made
            elif self.held_bytes < _HELD_BYTES:
                self.held.append(made)
                self.held_bytes += made.size + 200
            else:
                self.reason = f"captions beyond {_HELD_BYTES >> 20} MiB are left out"

    def _unwrapped(self, packet) -> list:
        """The packet as it is, or for AAC of broadcast streams without its ADTS header, which MP4 does not have."""
        if self.unwrap is None:
            return [packet]
        try:
            return self.unwrap.filter(packet)
        except (av.FFmpegError, ValueError):
            self.refused += 1
            return []

    def _mend_times(self, packet, shift_s: Fraction) -> None:
        """Every packet gets a decoding time later than the last one's: muxers refuse anything else."""
        time_base = packet.time_base
        shift = round(shift_s / time_base) if shift_s else 0
        dts = packet.dts if packet.dts is not None else packet.pts
        if dts is not None:
            dts -= shift
        last = self.last_dts
        bad = dts is None or abs(dts) > 2**52 or (last is not None and not last < dts < last + 2**31 - 1)
        if bad and (dts is not None or last is not None):
            self.mended_times += 1
        if bad:
            dts = 0 if last is None else last + max(1, packet.duration or 0)
        pts = packet.pts - shift if packet.pts is not None and not bad else dts
        packet.dts, packet.pts = dts, max(pts, dts) if self.kind == "audio" else pts
        self.last_dts = dts

    def _recode(self, packet) -> list:
        try:
            frames = self.source.codec_context.decode(packet)
        except (av.FFmpegError, ValueError, IndexError):
            frames = []
        made = []
        for frame in frames:
            for piece in self.resampler.resample(frame):
                made += self.stream.encode(piece)
        if packet is None:
            for piece in self.resampler.resample(None):
                made += self.stream.encode(piece)
            made += self.stream.encode(None)
        return made

    def _to_mov_text(self, packet) -> list:
        """3GPP timed text (TS 26.245): two bytes of length, then UTF-8."""
        text = plain_text(bytes(packet).decode("utf-8", "replace"), self.codec).encode()[:65535]
        return [_new_packet(len(text).to_bytes(2, "big") + text, packet)]

    def _to_subrip(self, packet) -> list:
        content = bytes(packet)
        text = content[2 : 2 + int.from_bytes(content[:2], "big")]
        return [_new_packet(text, packet)] if text else []


def _new_packet(content: bytes, like):
    made = av.Packet(content)
    made.time_base, made.pts, made.dts, made.duration = like.time_base, like.pts, like.dts, like.duration
    return made


def plain_text(text: str, codec: str) -> str:
    """Caption without markup. ASS events carry eight fields before their text, as Matroska stores them."""
    if codec in ("ass", "ssa"):
        text = text.split(",", 8)[-1].replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " ")
    return _MARKUP.sub("", text).replace("\r\n", "\n").strip("\n\0")


def open_tracks(others, container, copy: bool) -> list[Track]:
    """A Track for every stream in others, and its stream in the output container where it can be kept.

    copy: False converts what can be converted and leaves out the rest, for a container that refused the copies."""
    return [_open_track(stream, container, copy) for stream in others]


def _open_track(stream, container, copy: bool) -> Track:
    context = stream.codec_context
    codec = context.name if context is not None else "unknown"
    track = Track(stream.index, str(stream.type), codec, stream.metadata.get("language"), source=stream)
    if stream.type not in ("audio", "subtitle"):
        kind = "a second picture track or a cover" if stream.type == "video" else f"{stream.type} track"
        track.reason = f"{kind}: not carried over"
    elif context is None:
        track.reason = "unknown codec"
    elif container.format.name != "matroska" and codec in ("mov_text", *_TEXT_CODECS):
        track.deferred, track.how = True, "copied" if codec == "mov_text" else "converted to mov_text"
    elif codec == "mov_text" and container.format.name == "matroska":
        track.stream = container.add_mux_stream("subrip", time_base=stream.time_base)
        track.how = "converted to subrip"
    elif copy and _copy(track, container):
        track.how = "copied"
    elif stream.type == "audio":
        _recode_audio(track, container)
    else:
        track.reason = f"{container.format.name} cannot hold {codec}, and it is no text"
    if track.stream is not None:
        _describe(track, container.format.name)
    return track


def _describe(track: Track, container_format: str) -> None:
    if track.language:
        language = track.language
        if container_format == "mov":
            language = _QUICKTIME_NAMES.get(language, language)
        track.stream.metadata["language"] = language
    track.stream.disposition = track.source.disposition


def _copy(track: Track, container) -> bool:
    try:
        track.stream = container.add_stream_from_template(track.source, opaque=True)
        if track.codec == "aac" and not track.source.codec_context.extradata:
            track.unwrap = av.BitStreamFilterContext("aac_adtstoasc", track.source)
    except (ValueError, av.FFmpegError) as error:
        track.reason = str(error)
        return False
    return True


def _recode_audio(track: Track, container) -> None:
    context = track.source.codec_context
    rate = context.sample_rate if context.sample_rate in _AAC_RATES else 48000
    layout = "mono" if context.layout.nb_channels == 1 else "stereo"
    try:
        track.stream = container.add_stream("aac", rate=rate, layout=layout)
        track.resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate)
        track.how = "re-encoded as aac"
    except (ValueError, av.FFmpegError) as error:
        track.reason = f"{track.reason}; {error}"
