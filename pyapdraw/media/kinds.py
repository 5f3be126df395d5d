"""What a file is, told from its content, never from its name.

>>> what_is(b"\\xff\\xd8\\xff\\xe0")
Kind(what='photo', format='jpeg')
"""

from __future__ import annotations

import importlib.util
import io
import os
from dataclasses import dataclass

from pyapdraw.errors import BadInput
from pyapdraw.files import name_of, read_bytes
from pyapdraw.media.camera_raw import raw_kind
from pyapdraw.media.quiet import quiet_pillow

HEAD_BYTES = 4096
MAX_PIXELS = 50_000_000  # of a picture, unless asked otherwise

# Names of the demuxers, as libavformat spells them. A video is always opened with the demuxer that its own first bytes
# call for: a probing open would also try play lists (hls, concat, dash), which read other files and addresses.
_MOV, _MATROSKA = "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"
_PICTURES = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"BM", "bmp"),
)
_VIDEOS = (
    (b"\x1aE\xdf\xa3", _MATROSKA),
    (b"FLV\x01", "flv"),
    (b"OggS", "ogg"),
    (b"0&\xb2u\x8ef\xcf\x11", "asf"),
    (b"\0\0\x01\xba", "mpeg"),
    (b"\0\0\x01\xb3", "mpegvideo"),
    (b"DKIF\0\0", "ivf"),
    (b"YUV4MPEG2", "yuv4mpegpipe"),
    (b"\0\0\0\x01\x67", "h264"),
    (b"\0\0\0\x01\x09", "h264"),
    (b"\0\0\x01\x67", "h264"),
    (b"\0\0\0\x01\x40\x01", "hevc"),
)
_AVIF_BRANDS = (b"avif", b"avis")
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
_MOV_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")
_TS_PACKET_BYTES = 188
_SOUND_BRANDS = (b"M4A ", b"M4B ", b"M4P ")
_OGG_PICTURES = (b"\x80theora", b"BBCD", b"OVP80", b"\x01video", b"fishead")  # in the first page of their track


@dataclass(frozen=True)
class Kind:
    """What a file is. what: "photo", "animation" (a moving GIF, WebP or PNG: either may be meant) or "video"; format:
    for a picture Pillow's name in small letters, for a video the name of libavformat's demuxer."""

    what: str
    format: str


def what_is(source: str | os.PathLike | bytes) -> Kind:
    """Kind of a path or of a buffer, from its first bytes. Raises BadInput for what is no picture and no video."""
    head = read_bytes(source, HEAD_BYTES)
    refuse_unreadable(source, head)
    picture = picture_format(head)
    if picture in ("gif", "png", "webp") and _moves(source, picture, head):
        return Kind("animation", picture)
    if picture:
        return Kind("photo", picture)
    video = _video_format(head)
    if video:
        return Kind("video", video)
    raise BadInput(
        f"{name_of(source)}: is neither a picture nor a video (begins with {head[:12]!r}); "
        "expected JPEG, PNG, WebP, AVIF, GIF, TIFF, BMP, or MP4, MOV, MKV, WebM, AVI, MPEG, FLV, OGG"
    )


def refuse_unreadable(source, content: bytes) -> None:
    """Raises BadInput for pictures that are known but not read. content: of source, or its first bytes."""
    raw = raw_kind(content)
    if raw:
        raise BadInput(
            f"{name_of(source)}: is a camera raw file ({raw}), which is not read; convert it to JPEG or TIFF"
        )
    if picture_format(content[:HEAD_BYTES]) == "heif" and importlib.util.find_spec("pillow_heif") is None:
        raise BadInput(
            f"{name_of(source)}: is a HEIF picture, which is read with the package pillow-heif only "
            "(pip install pillow-heif); or save it as JPEG, PNG or AVIF"
        )


def is_video(head: bytes) -> bool:
    """Whether a file that begins so is a video."""
    return picture_format(head) is None and _video_format(head) is not None


def picture_format(head: bytes) -> str | None:
    """Pillow's name, in small letters, of the picture format whose files begin so, or "heif"; None for others."""
    for magic, name in _PICTURES:
        if head.startswith(magic):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp":
        size = max(16, min(int.from_bytes(head[:4], "big"), 256))
        brands = [head[8:12]] + [head[i : i + 4] for i in range(16, size, 4)]
        if any(brand in _AVIF_BRANDS for brand in brands):
            return "avif"
        if brands[0] in _HEIF_BRANDS:
            return "heif"
    return None


def _video_format(head: bytes) -> str | None:
    if head[4:12] in [b"ftyp" + brand for brand in _SOUND_BRANDS]:
        return None
    for magic, name in _VIDEOS:
        if head.startswith(magic):
            sound_alone = name == "ogg" and not any(mark in head for mark in _OGG_PICTURES)
            return None if sound_alone else name
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    if head[4:8] in _MOV_BOXES:
        return _MOV
    for start in (0, 4):  # 4: M2TS puts a time stamp before every packet
        step = _TS_PACKET_BYTES + start
        marks = head[start::step]
        if len(marks) >= 1 and len(head) > step and all(mark == 0x47 for mark in marks):
            return "mpegts"
    return None


def _moves(source, picture: str, head: bytes) -> bool:
    """Whether a GIF, PNG or WebP has more than one picture."""
    if picture == "webp":
        return head[12:16] == b"VP8X" and len(head) > 20 and bool(head[20] & 2)
    if picture == "png":
        return b"acTL" in head[: head.find(b"IDAT") if b"IDAT" in head else None]
    from PIL import Image

    try:
        with quiet_pillow(), Image.open(io.BytesIO(read_bytes(source)), formats=["GIF"]) as image:
            return bool(getattr(image, "is_animated", False))
    except Exception:
        return False  # whoever reads it will say what is wrong
