"""camera_raw: files of sensors are refused by name, never their thumbnail drawn; ordinary TIFF files are pictures."""

import struct

import numpy as np
import pytest
from cases_photo import encoded, scene
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pyapdraw.errors import BadInput
from pyapdraw.media.camera_raw import raw_kind
from pyapdraw.media.kinds import what_is
from pyapdraw.media.photo import read_photo

RGB, SENSOR, LINEAR = 2, 32803, 34892
MAKE, SUB_IFDS, DNG_VERSION = 0x10F, 0x14A, 0xC612


def tiff(*ifds, order="<", sub_ifds=(), extra=None):
    """A TIFF file of small pictures. ifds, sub_ifds: (NewSubfileType, photometric) each; those of the first row follow
    each other, the others lie below the first. extra: tag -> bytes or number, of the first."""
    content = bytearray((b"II*\0" if order == "<" else b"MM\0*") + bytes(4))
    strip = len(content)
    content += bytes(range(192))
    below = [directory(content, order, strip, kind) for kind in sub_ifds]
    link = 4
    for i, kind in enumerate(ifds):
        tags = dict(extra or {}) if i == 0 else {}
        if i == 0 and below:
            tags[SUB_IFDS] = struct.pack(f"{order}{len(below)}I", *below)
        at = directory(content, order, strip, kind, tags)
        struct.pack_into(order + "I", content, link, at)
        link = at + 2 + 12 * struct.unpack_from(order + "H", content, at)[0]
    return bytes(content)


def directory(content, order, strip, kind, extra=()):
    """Appends one directory of an 8 x 8 px picture; returns its offset."""
    subfile, photometric = kind
    channels = 3 if photometric == RGB else 1
    tags = {0xFE: subfile, 0x100: 8, 0x101: 8, 0x102: 8, 0x103: 1, 0x106: photometric, 0x111: strip, 0x115: channels,
            0x116: 8, 0x117: 64 * channels, **dict(extra)}  # fmt: skip
    entries = []
    for tag, value in sorted(tags.items()):
        if isinstance(value, bytes):
            form, size = (4, 4) if tag == SUB_IFDS else (1, 1) if tag == DNG_VERSION else (2, 1)
            field = value.ljust(4, b"\0")
            if len(value) > 4:
                field = struct.pack(order + "I", len(content))
                content += value + bytes(len(value) % 2)
            entries.append(struct.pack(order + "HHI", tag, form, len(value) // size) + field)
        else:
            entries.append(struct.pack(order + "HHII", tag, 4, 1, value))
    at = len(content)
    content += struct.pack(order + "H", len(entries)) + b"".join(entries) + bytes(4)
    return at


THUMBNAIL, WHOLE = (1, RGB), (0, RGB)
RAWS = {
    "DNG": tiff(THUMBNAIL, sub_ifds=[(0, SENSOR)], extra={DNG_VERSION: b"\1\4\0\0", MAKE: b"Google\0"}),
    "DNG, picture first": tiff((0, LINEAR), extra={DNG_VERSION: b"\1\4\0\0"}),
    "DNG, big end first": tiff(THUMBNAIL, order=">", sub_ifds=[(0, SENSOR)], extra={DNG_VERSION: b"\1\4\0\0"}),
    "NEF": tiff(THUMBNAIL, order=">", sub_ifds=[(1, RGB), (0, SENSOR)], extra={MAKE: b"NIKON CORPORATION\0"}),
    "ARW": tiff(THUMBNAIL, sub_ifds=[(0, SENSOR)], extra={MAKE: b"SONY\0"}),
    "PEF": tiff((0, SENSOR), (1, RGB), extra={MAKE: b"PENTAX \0"}),
    "SRW": tiff(THUMBNAIL, sub_ifds=[(0, SENSOR)], extra={MAKE: b"SAMSUNG\0"}),
    "CR2": b"II*\0\x10\0\0\0CR\2\0" + tiff(WHOLE)[12:],
    "TIFF layout": tiff(THUMBNAIL, sub_ifds=[WHOLE], extra={MAKE: b"Phase One\0"}),
    "TIFF layout, next": tiff(THUMBNAIL, WHOLE),
    "RAF": b"FUJIFILMCCD-RAW 0201FF389501" + bytes(100),
    "ORF": b"IIRO\x08\0\0\0" + bytes(100),
    "RW2": b"IIU\0\x18\0\0\0" + bytes(100),
    "CR3": b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(100),
    "CRW": b"II\x1a\0\0\0HEAPCCDR" + bytes(100),
    "X3F": b"FOVb" + bytes(100),
}


@pytest.mark.parametrize("name", RAWS)
def test_raw_files_are_refused_by_name(tmp_path, name):
    path = tmp_path / "photo.jpg"
    path.write_bytes(RAWS[name])
    kind = name.partition(",")[0]
    assert raw_kind(RAWS[name]) == kind
    with pytest.raises(BadInput, match=rf"photo\.jpg: is a camera raw file \({kind}\).*convert it to JPEG or TIFF"):
        read_photo(path)
    if RAWS[name][:4] not in (b"II*\0", b"MM\0*") or kind == "CR2":
        with pytest.raises(BadInput, match="camera raw"):
            what_is(path)


@pytest.mark.parametrize(
    "content",
    [
        tiff(WHOLE),
        tiff(WHOLE, WHOLE),  # pages
        tiff(WHOLE, THUMBNAIL),
        tiff(WHOLE, sub_ifds=[THUMBNAIL, THUMBNAIL], extra={MAKE: b"NIKON CORPORATION\0"}),  # a pyramid, an export
        tiff(THUMBNAIL),  # says so, but there is nothing else
        tiff(WHOLE, order=">", extra={MAKE: b"SONY\0"}),
    ],
)
def test_ordinary_tiff_files_are_read(content):
    assert raw_kind(content) is None
    expected = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
    np.testing.assert_array_equal(read_photo(content).pixels, expected)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "AVIF", "GIF", "TIFF", "BMP"])
def test_pictures_are_no_raw_files(name):
    assert raw_kind(encoded(name)) is None


def test_of_several_pages_the_first_is_read():
    upside_down = Image.fromarray(scene()[::-1])
    content = encoded("TIFF", save_all=True, append_images=[upside_down])
    np.testing.assert_array_equal(read_photo(content).pixels, scene())


@given(st.sampled_from(sorted(RAWS)), st.lists(st.tuples(st.integers(4, 2000), st.integers(0, 255)), max_size=8))
@settings(max_examples=300, deadline=None)
def test_damaged_directories_raise_nothing(name, changes):
    data = bytearray(RAWS[name])
    for at, value in changes:
        data[at % len(data)] = value
    assert raw_kind(bytes(data)) is None or raw_kind(bytes(data))
    raw_kind(bytes(data[: sum(at for at, _ in changes) % len(data)]))


def test_directories_in_a_circle_come_to_an_end():
    data = bytearray(tiff(WHOLE, WHOLE))
    first = struct.unpack_from("<I", data, 4)[0]
    data[-4:] = struct.pack("<I", first)
    assert raw_kind(bytes(data)) is None
