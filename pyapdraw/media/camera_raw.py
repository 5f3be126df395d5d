"""Files of cameras' sensors, told from pictures. Most are laid out as TIFF with a thumbnail where a picture would be.

Sources: TIFF 6.0; Adobe DNG 1.7 (chapter 2: the raw picture in a SubIFD); the others by their first bytes.

>>> raw_kind(b"FUJIFILMCCD-RAW 0201")
'RAF'
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_MAGIC = (
    (b"FUJIFILMCCD-RAW", "RAF"),
    (b"IIRO", "ORF"),
    (b"IIRS", "ORF"),
    (b"MMOR", "ORF"),
    (b"IIU\0", "RW2"),
    (b"II\x1a\0\0\0HEAPCCDR", "CRW"),
    (b"FOVb", "X3F"),
    (b"\0MRM", "MRW"),
)
_MAKERS = ((b"NIKON", "NEF"), (b"SONY", "ARW"), (b"PENTAX", "PEF"), (b"SAMSUNG", "SRW"), (b"Hasselblad", "3FR"))
_NEW_SUBFILE, _PHOTOMETRIC, _MAKE, _SUB_IFDS, _DNG_VERSION = 0xFE, 0x106, 0x10F, 0x14A, 0xC612
_REDUCED = 1  # bit of NewSubfileType: a smaller version of another picture in this file
_SENSOR = (32803, 34892)  # PhotometricInterpretation: colour filter array, linear raw
_MOST_IFDS = 32
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 13: 4}  # bytes a value of the types that are read here


def raw_kind(content: bytes) -> str | None:
    """Which camera's raw file this is ("DNG", "CR2", ...; "TIFF layout" for another); None for all else.

    content: of the whole file, or its first bytes, by which those that look like TIFF are not told.
    """
    for magic, name in _MAGIC:
        if content.startswith(magic):
            return name
    if content[4:12] == b"ftypcrx ":
        return "CR3"
    if content[:4] not in (b"II*\0", b"MM\0*"):
        return None
    if content[8:10] == b"CR":
        return "CR2"
    ifds = list(_ifds(content))
    if not ifds:
        return None
    first = ifds[0]
    if _DNG_VERSION in first:
        return "DNG"
    sensor = any(_number(content, ifd, _PHOTOMETRIC) in _SENSOR for ifd in ifds)
    thumbnail_first = len(ifds) > 1 and bool(_number(content, first, _NEW_SUBFILE) & _REDUCED)
    if not sensor and not thumbnail_first:
        return None
    make = first.get(_MAKE, b"")
    return next((name for maker, name in _MAKERS if make.upper().startswith(maker.upper())), "TIFF layout")


def _ifds(content: bytes) -> Iterator[dict[int, bytes]]:
    """Tags of the picture directories, those below others too: number -> bytes of the value."""
    order = "<" if content[:2] == b"II" else ">"
    pending = [_unpack(order + "I", content, 4)]
    seen: set[int] = set()
    while pending and len(seen) < _MOST_IFDS:
        at = pending.pop(0)
        count = _unpack(order + "H", content, at) if at else 0
        if not count or at in seen:
            continue
        seen.add(at)
        tags = dict(_tags(content, order, at + 2, count))
        yield tags
        below = tags.get(_SUB_IFDS, b"")
        pending += struct.unpack(f"{order}{len(below) // 4}I", below[: len(below) // 4 * 4])
        pending.append(_unpack(order + "I", content, at + 2 + 12 * count))


def _tags(content: bytes, order: str, at: int, count: int) -> Iterator[tuple[int, bytes]]:
    for entry in range(at, min(at + 12 * count, len(content) - 11), 12):
        tag, kind, length = struct.unpack_from(order + "HHI", content, entry)
        size = _SIZES.get(kind, 0) * length
        if tag in (_NEW_SUBFILE, _PHOTOMETRIC, _MAKE, _SUB_IFDS, _DNG_VERSION):
            start = entry + 8 if size <= 4 else _unpack(order + "I", content, entry + 8)
            yield tag, content[start : start + min(size, 256)]


def _unpack(form: str, content: bytes, at: int) -> int:
    """One number, 0 beyond the end."""
    return struct.unpack_from(form, content, at)[0] if at + struct.calcsize(form) <= len(content) else 0


def _number(content: bytes, ifd: dict[int, bytes], tag: int) -> int:
    return int.from_bytes(ifd.get(tag, b""), "little" if content[:2] == b"II" else "big")
