"""HEIF through the optional package pillow-heif; without it, a sentence that names it."""

import io
import sys

import numpy as np
import pytest
from cases_photo import scene
from PIL import Image

from pyapdraw.errors import BadInput
from pyapdraw.media.kinds import what_is
from pyapdraw.media.photo import read_photo

HEAD = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)


def test_without_the_package_it_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # as if it were not there
    path = tmp_path / "IMG_0001.jpg"
    path.write_bytes(HEAD)
    for call in (what_is, read_photo):
        with pytest.raises(BadInput, match=r"IMG_0001\.jpg: is a HEIF picture.*pip install pillow-heif"):
            call(path)


def heic(image, **options):
    pillow_heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    buffer = io.BytesIO()
    pillow_heif.from_pillow(image).save(buffer, quality=90, **options)
    return buffer.getvalue()


def test_with_the_package_it_is_read(tmp_path):
    path = tmp_path / "IMG_0001.jpg"
    path.write_bytes(heic(Image.fromarray(scene())))
    kind = what_is(path)
    assert (kind.what, kind.format) == ("photo", "heif")
    before = Image.registered_extensions().copy()
    pixels = read_photo(path).pixels
    assert pixels.shape == (40, 60, 3) and np.abs(pixels.astype(int) - scene()).mean() < 4
    assert Image.registered_extensions() == before  # Pillow of the program itself learns no new format
    with pytest.raises(BadInput, match="max_pixels"):
        read_photo(path, max_pixels=2399)


def test_turned_and_transparent():
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.fromarray(scene()).rotate(90, expand=True)
    pixels = read_photo(heic(stored, exif=exif.tobytes())).pixels
    assert pixels.shape == (40, 60, 3) and np.abs(pixels.astype(int) - scene()).mean() < 4
    clear = read_photo(heic(Image.new("RGBA", (64, 64), (10, 20, 30, 0)))).pixels
    assert clear.min() > 250


def test_damaged():
    content = heic(Image.fromarray(scene()))
    rng = np.random.default_rng(0)
    refused = 0
    for number in range(200):
        data = bytearray(content)
        for _ in range(1 + number % 12):
            data[int(rng.integers(12, len(data)))] ^= 1 << int(rng.integers(8))
        try:
            read_photo(bytes(data[: int(rng.integers(20, len(data)))] if number % 4 == 0 else data))
        except BadInput:
            refused += 1
    assert refused > 50
