"""How drawings are compressed: which encoder a container gets, and its settings."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av

from pyapdraw.errors import BadInput, Unsupported
from pyapdraw.media.colour import BT709, LIMITED

_ENCODERS = {"webm": ("libvpx-vp9",), "gif": ("gif",)}
_H264 = ("libx264", "libopenh264", "h264_nvenc", "mpeg4")
_VP9_CRF = 1.5  # VP9 counts 0 to 63 where H.264 counts 0 to 51; drawings come out alike with this factor


@dataclass(frozen=True)
class Encoding:
    """How drawings are encoded. encoder: "auto" or a libav name; crf: 0-51, smaller is better, of H.264 and VP9;
    preset: of libx264; threads: of the encoder. Raises BadInput for a crf beyond that."""

    encoder: str = "auto"
    crf: int = 20
    preset: str = "superfast"
    threads: int = 2

    def __post_init__(self) -> None:
        if not (isinstance(self.crf, int) and 0 <= self.crf <= 51):
            raise BadInput(f"crf: {self.crf!r} given, a whole number from 0 (best) to 51 expected")


def choose_encoder(wanted: str, container_format: str = "mp4") -> tuple[str, str]:
    """(name, why) of the encoder. Raises Unsupported when this libav has none, or not the wanted one."""
    known = _ENCODERS.get(container_format, _H264)
    for name in known if wanted == "auto" else (wanted,):
        try:
            av.Codec(name, "w")
        except Exception:
            continue
        return name, "asked for" if wanted != "auto" else f"first of {', '.join(known)} that this libav has"
    raise Unsupported(
        f"encoder: {wanted!r} is not in this build of libav; expected the name of an encoder for {container_format}, "
        "or 'auto'"
    )


@dataclass(frozen=True)
class Picture:
    """The pictures to encode. aspect: of one pixel, or None for square ones."""

    width: int
    height: int
    rate: Fraction
    time_base: Fraction
    aspect: Fraction | None = None


def add_video(container: Any, encoder: str, picture: Picture, encoding: Encoding) -> Any:
    """The open video stream of an output. Raises Unsupported where encoder and container or size do not agree."""
    try:
        stream = container.add_stream(encoder, rate=picture.rate, time_base=picture.time_base)
    except (av.FFmpegError, ValueError) as error:
        raise Unsupported(f"encoder: {encoder} does not go with {container.format.name}: {error}") from error
    context = stream.codec_context
    context.width, context.height = picture.width, picture.height
    if encoder == "gif":
        context.pix_fmt = "pal8"
    else:
        _set_up(context, encoder, picture, encoding)
    if picture.aspect:
        context.sample_aspect_ratio = picture.aspect
    try:
        context.open()
    except (av.FFmpegError, ValueError) as error:
        size = f"{context.width} x {context.height}"
        raise Unsupported(f"encoder: {encoder} refuses {size} with {encoding}: {error}") from error
    return stream


def _set_up(context: Any, encoder: str, picture: Picture, encoding: Encoding) -> None:
    rate = picture.rate
    context.pix_fmt = "yuv420p"
    context.colorspace, context.color_primaries, context.color_trc = BT709, BT709, BT709
    context.color_range = LIMITED
    context.thread_count = encoding.threads if rate >= 8 else 1  # each thread holds a picture back
    context.gop_size = max(1, round(4 * rate))
    context.max_b_frames = 0  # decoding order = display order: no edit list for the pictures, and half the delay
    if encoder == "libx264":
        lookahead = min(8, int(rate / 4)) if rate >= 8 else 0  # pictures held back: 0.25 s at most
        # superfast leaves mbtree out; with it drawings come out 2 dB better for the same 8 to 16 ms of CPU at 720p
        params = f"mbtree={int(lookahead > 0)}:rc-lookahead={lookahead}:sync-lookahead=0:bframes=0"
        context.options = {"preset": encoding.preset, "crf": str(encoding.crf), "x264-params": params}
    elif encoder == "libvpx-vp9":
        context.bit_rate = 0  # quality alone decides
        speed = {"deadline": "realtime", "cpu-used": "8", "row-mt": "1", "lag-in-frames": "0"}
        context.options = {"crf": str(round(_VP9_CRF * encoding.crf)), **speed}
