"""Sound and subtitles on their way from one file to the other.

Packets are copied bit for bit where the container can hold them and common players read them there; text subtitles that
a container cannot hold become its own kind, other sound becomes AAC or Opus (see sound.py); the rest is left out, and
every track says what became of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av

from pyapdraw.media.sound import Cut, Recoder

# What at least two of three read: browsers, QuickTime, the players that come with Windows. Matroska: whatever it holds.
_PLAYED = {
    "mp4": ("aac", "mp3", "mp3float", "alac", "ac3", "eac3", "flac", "opus", "libopus"),
    "mov": ("aac", "mp3", "mp3float", "alac", "ac3", "eac3", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be"),
    "webm": ("opus", "libopus", "vorbis", "libvorbis"),
}
_TEXT_OF = {"mp4": "mov_text", "mov": "mov_text", "matroska": "subrip", "webm": "webvtt"}
_TEXT_CODECS = ("subrip", "srt", "text", "webvtt", "ass", "ssa")
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
    """One track other than the pictures. how: "copied", "converted to mov_text", "... subrip" or "... webvtt",
    "re-encoded as aac" or "... opus", or "left out". written, written_bytes: what the muxer took.

    Captions of MP4 are deferred: they wait in memory, and are added when the file is finished. libav's muxer ends a
    caption by a sample of its own, which may cut a fragment while a packet of sound is in its hands, and it aborts over
    that."""

    index: int
    kind: str
    codec: str
    language: str | None
    how: str = "left out"
    reason: str = ""
    packets: int = 0
    mended_times: int = 0
    refused: int = 0
    written: int = field(default=0, repr=False)
    written_bytes: int = field(default=0, repr=False)
    stream: Any = field(default=None, repr=False)
    source: Any = field(default=None, repr=False)
    recode: Recoder | None = field(default=None, repr=False)
    primes: bool = field(default=False, repr=False)
    unwrap: Any = field(default=None, repr=False)
    last_dts: int | None = field(default=None, repr=False)
    deferred: bool = field(default=False, repr=False)
    waiting: list = field(default_factory=list, repr=False)
    held_bytes: int = field(default=0, repr=False)

    @property
    def kept(self) -> bool:
        """Whether the output has it, or will have."""
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
        """What became of it, for the report of a video."""
        names = ("index", "kind", "codec", "language", "how", "reason", "packets", "mended_times", "refused")
        return {name: getattr(self, name) for name in names}

    def convert(self, packet, cut: Cut) -> Iterator[object]:
        """Packets for the output out of one packet (None: the end) of the input, their times mended and rising."""
        if packet is not None and not self._falls_in(packet, cut):
            return
        if self.recode is not None:
            packets = self.recode(packet)
        elif packet is None:
            return
        elif self.how == "copied":
            # An empty sample of MP4 says "the caption ends"; the muxer writes these itself.
            packets = [] if self.codec == "mov_text" and packet.size <= 2 else self._unwrapped(packet)
        else:
            packets = self._to_text(packet)
        for made in packets:
            self._mend_times(made, cut.shift_s)
            self.packets += 1
            if not self.deferred:
                made.stream = self.stream
                yield made
            elif self.held_bytes < _HELD_BYTES:
                self.waiting.append(made)
                self.held_bytes += made.size + 200
            else:
                self.reason = f"captions beyond {_HELD_BYTES >> 20} MiB are left out"

    def _falls_in(self, packet, cut: Cut) -> bool:
        """Whether a packet belongs to the part that is kept. A caption that is on when it begins or ends is shortened.

        The sound of MP4 and MOV begins up to two packets early: an edit list hides them, and the decoder needs them to
        have the first sample right. Elsewhere it begins with the first whole packet. Recoded sound is cut later."""
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is None or cut.start_s is cut.end_s is None:
            return True
        begin_s, length_s = stamp * packet.time_base, (packet.duration or 0) * packet.time_base
        if cut.end_s is not None and begin_s >= cut.end_s:
            return False
        if cut.end_s is not None and self.kind == "subtitle" and begin_s + length_s > cut.end_s:
            length_s = cut.end_s - begin_s
            packet.duration = max(1, round(length_s / packet.time_base))
        if cut.start_s is None or begin_s >= cut.start_s:
            return True
        if self.kind == "audio":
            early_s = 1 if self.recode is not None else 2 * length_s if self.primes else 0
            return begin_s + early_s > cut.start_s
        if begin_s + length_s <= cut.start_s:
            return False
        late = round((cut.start_s - begin_s) / packet.time_base)
        packet.duration -= late
        packet.pts = packet.dts = stamp + late
        return True

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

    def _to_text(self, packet) -> list:
        """Text in the container's own kind. That of MP4 (3GPP TS 26.245): two bytes of length, then UTF-8."""
        content = bytes(packet)
        if self.codec == "mov_text":
            text = content[2 : 2 + int.from_bytes(content[:2], "big")]
            return [_new_packet(text, packet)] if text else []
        text = plain_text(content.decode("utf-8", "replace"), self.codec).encode()[:65535]
        return [_new_packet((len(text).to_bytes(2, "big") if self.deferred else b"") + text, packet)]


def _new_packet(content: bytes, like):
    made = av.Packet(content)
    made.time_base, made.pts, made.dts, made.duration = like.time_base, like.pts, like.dts, like.duration
    return made


def plain_text(text: str, codec: str) -> str:
    """Caption without markup. ASS events carry eight fields before their text, as Matroska stores them."""
    if codec in ("ass", "ssa"):
        text = text.split(",", 8)[-1].replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " ")
    return _MARKUP.sub("", text).replace("\r\n", "\n").strip("\n\0")


def open_tracks(others, container, cut: Cut, copy: bool) -> list[Track]:
    """A Track for every stream in others, and its stream in the output container where it can be kept.

    copy: False converts what can be converted and leaves out the rest, for a container that refused the copies."""
    return [_open_track(stream, container, cut, copy) for stream in others]


def _open_track(stream, container, cut: Cut, copy: bool) -> Track:
    context, form = stream.codec_context, container.format.name
    codec = context.name if context is not None else "unknown"
    track = Track(stream.index, str(stream.type), codec, stream.metadata.get("language"), source=stream)
    if stream.type not in ("audio", "subtitle"):
        kind = "a second picture track or a cover" if stream.type == "video" else f"{stream.type} track"
        track.reason = f"{kind}: not carried over"
    elif context is None:
        track.reason = "unknown codec"
    elif stream.type == "audio":
        _open_sound(track, container, cut, copy)
    else:
        _open_text(track, container, copy)
    if track.stream is not None:
        _describe(track, form)
    return track


def _open_sound(track: Track, container, cut: Cut, copy: bool) -> None:
    form = container.format.name
    if form == "gif":
        track.reason = "a GIF has no sound"
    elif copy and track.codec in _PLAYED.get(form, (track.codec,)) and _copy(track, container):
        track.how, track.primes = "copied", form in ("mp4", "mov")
    else:
        try:
            track.recode = Recoder(container, track.source, cut)
            track.stream, track.how = track.recode.stream, f"re-encoded as {track.recode.name.removeprefix('lib')}"
        except (ValueError, av.FFmpegError) as error:
            track.reason = f"{track.reason}; {error}".removeprefix("; ")


def _open_text(track: Track, container, copy: bool) -> None:
    form, codec = container.format.name, track.codec
    own = _TEXT_OF.get(form)
    is_text = codec in ("mov_text", *_TEXT_CODECS)
    if own == "mov_text" and is_text:
        track.deferred, track.how = True, "copied" if codec == own else f"converted to {own}"
    elif own and is_text and (codec == "mov_text" or form == "webm") and codec != own:
        track.stream = container.add_mux_stream(own, time_base=track.source.time_base)
        track.how = f"converted to {own}"
    elif own and own != "mov_text" and copy and _copy(track, container):
        track.how = "copied"
    else:
        track.reason = f"{form} cannot hold {codec}" + ("" if is_text else ", and it is no text")


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
