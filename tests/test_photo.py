"""photo: every kind of picture is read right, every other file is refused by name, writing is all or nothing."""

import io
import os
import resource
import struct
import time
import zlib

import numpy as np
import pytest
from cases_photo import encoded, scene
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from pyapdraw.errors import BadInput, OutputError
from pyapdraw.media.photo import SUFFIXES, Photo, encode_image, read_photo, write_image

SCENE = scene()


def close(given, expected, tolerance):
    assert given.shape == expected.shape and given.dtype == np.uint8 and given.flags.c_contiguous
    assert np.abs(given.astype(int) - expected.astype(int)).mean() <= tolerance


@pytest.mark.parametrize(
    "name, options, tolerance",
    [
        ("PNG", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("BMP", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {}, 3),
        ("JPEG", {"quality": 95}, 2),
        ("JPEG", {"quality": 95, "progressive": True}, 2),
        ("AVIF", {"quality": 90}, 3),
        ("GIF", {}, 8),
    ],
)
def test_formats(tmp_path, name, options, tolerance):
    content = encoded(name, **options)
    path = tmp_path / "no_suffix"
    path.write_bytes(content)
    close(read_photo(path).pixels, SCENE, tolerance)
    close(read_photo(content).pixels, SCENE, tolerance)


def test_modes_of_png():
    rgba = Image.fromarray(np.dstack([SCENE, np.full(SCENE.shape[:2], 128, np.uint8)]))
    half = np.rint(SCENE * (128 / 255) + 255 * (127 / 255))
    close(read_photo(encoded("PNG", image=rgba)).pixels, half, 1)
    grey = Image.fromarray(SCENE).convert("L")
    expected = np.repeat(np.asarray(grey)[:, :, None], 3, axis=2)
    close(read_photo(encoded("PNG", image=grey)).pixels, expected, 0)
    grey_alpha = grey.copy()
    grey_alpha.putalpha(128)
    close(read_photo(encoded("PNG", image=grey_alpha)).pixels, np.rint(expected * (128 / 255) + 127), 1)
    bits = grey.point(lambda level: 255 * (level > 90)).convert("1")
    close(read_photo(encoded("PNG", image=bits)).pixels, np.where(expected > 90, 255, 0), 0)
    palette = Image.fromarray(SCENE).quantize(64)
    close(read_photo(encoded("PNG", image=palette)).pixels, np.asarray(palette.convert("RGB")), 0)


def test_transparent_palette_entry_is_white():
    image = Image.new("P", (4, 2), 1)
    image.putpalette([10, 20, 30, 200, 0, 0] + [0] * 30)
    image.putpixel((0, 0), 0)
    pixels = read_photo(encoded("PNG", image=image, transparency=0)).pixels
    assert pixels[0, 0].tolist() == [255, 255, 255] and pixels[1, 1].tolist() == [200, 0, 0]


@pytest.mark.parametrize("name", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled(name):
    levels = np.linspace(0, 65535, 64).astype(np.uint16).reshape(4, 16)
    pixels = read_photo(encoded(name, image=Image.fromarray(levels))).pixels
    close(pixels, np.repeat(np.rint(levels / 257.0)[:, :, None], 3, axis=2), 0)


def test_float_and_32_bit_tiff():
    ramp = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    for image in (Image.fromarray(ramp), Image.fromarray(ramp * 255)):
        close(read_photo(encoded("TIFF", image=image)).pixels, np.repeat(np.rint(ramp * 255)[:, :, None], 3, axis=2), 0)
    wide = Image.fromarray((ramp * 65535).astype(np.int32))
    close(read_photo(encoded("TIFF", image=wide)).pixels, np.repeat(np.rint(ramp * 255)[:, :, None], 3, axis=2), 1)


def test_cmyk_jpeg_with_inverted_levels():
    cmyk = Image.fromarray(SCENE).convert("CMYK")
    content = encoded("JPEG", image=cmyk, quality=98)
    assert b"Adobe" in content[:200]
    close(read_photo(content).pixels, SCENE, 3)


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_picture_is_read(name):
    options = {"lossless": True} if name == "WEBP" else {}
    close(read_photo(encoded(name, pictures=3, **options)).pixels, SCENE, 8)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["PNG", "TIFF", "AVIF"])
def test_exif_orientation(name, orientation):
    upright = Image.fromarray(SCENE)
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    close(read_photo(encoded(name, image=stored, exif=exif)).pixels, SCENE, 3)


def test_damaged_exif_costs_the_rotation_only():
    content = encoded("JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    close(read_photo(content).pixels, SCENE, 4)


def test_profile_is_applied():
    swapped = ImageCms.createProfile("sRGB")
    plain = read_photo(encoded("PNG", icc_profile=ImageCms.ImageCmsProfile(swapped).tobytes())).pixels
    close(plain, SCENE, 1)
    close(read_photo(encoded("PNG", icc_profile=b"no profile")).pixels, SCENE, 0)
    lab = Image.new("LAB", (3, 2), (128, 128, 128))
    assert np.ptp(read_photo(encoded("TIFF", image=lab)).pixels) <= 8


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1)])
def test_tiny_pictures(size):
    for name in ("PNG", "JPEG", "WEBP", "AVIF", "GIF"):
        photo = read_photo(encoded(name, image=Image.new("RGB", size, "red")))
        assert (photo.width, photo.height) == size


def test_what_cannot_be_read_is_refused_with_name_and_reason(tmp_path):
    jpeg = encoded("JPEG")
    cases = {
        "empty.jpg": (b"", "empty"),
        "text.jpg": (b"this is a text, not a picture", "not a picture"),
        "cut.jpg": (jpeg[: len(jpeg) // 2], "damaged or cut off"),
        "cut.png": (encoded("PNG")[:-30], "damaged or cut off"),
        "magic.png": (b"\x89PNG\r\n\x1a\n", "damaged"),
        "svg.png": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
    }
    for name, (content, reason) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadInput, match=f"{name}.*{reason}"):
            read_photo(tmp_path / name)
    for path, reason in ((tmp_path, "folder"), (tmp_path / "none.png", "no such file"), ("/dev/zero", "device")):
        with pytest.raises(BadInput, match=reason):
            read_photo(path)


def png_header(width: int, height: int, body: bytes = b"") -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def bombs() -> dict[str, bytes]:
    small = {name: bytearray(encoded(name)) for name in ("JPEG", "GIF", "BMP", "TIFF", "WEBP")}
    at = small["JPEG"].index(b"\xff\xc0")
    small["JPEG"][at + 5 : at + 9] = struct.pack(">HH", 65000, 65000)
    small["GIF"][6:10] = struct.pack("<HH", 65000, 65000)
    small["BMP"][18:26] = struct.pack("<ii", 60000, 60000)
    webp = encoded("WEBP", pictures=2)
    at = webp.index(b"VP8X")
    moving = bytearray(webp)
    moving[at + 12 : at + 18] = (16000).to_bytes(3, "little") * 2
    tiff = encoded("TIFF", image=Image.new("1", (30000, 30000)), compression="group4")
    zeros = zlib.compressobj(9)
    body = b"".join(zeros.compress(bytes(60001)) for _ in range(200)) + zeros.flush()
    return {
        "png": png_header(20000, 20000, body),
        "huge.png": png_header(2**31 - 1, 2**31 - 1),
        "jpeg": bytes(small["JPEG"]),
        "gif": bytes(small["GIF"]),
        "bmp": bytes(small["BMP"]),
        "webp": bytes(moving),
        "tiff": tiff,
    }


def test_bombs_are_refused_before_they_are_decoded():
    read_photo(encoded("PNG"))
    for name, content in bombs().items():
        before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
        with pytest.raises(BadInput):
            read_photo(content)
        assert time.perf_counter() - start < 1.0, name
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10, name


def test_max_pixels():
    with pytest.raises(BadInput, match="max_pixels"):
        read_photo(encoded("PNG"), max_pixels=2399)
    assert read_photo(encoded("PNG"), max_pixels=2400).pixels.shape == (40, 60, 3)


def test_the_limit_of_pixels_is_ours_alone(monkeypatch):
    """Pillow warns from 89 megapixels and refuses from 179; whoever allows more gets them, and its limit stays."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    for content in (encoded("PNG"), encoded("WEBP"), encoded("TIFF"), encoded("GIF")):
        with pytest.raises(BadInput, match=r"too many pixels, at most 0.0005 megapixels allowed \(max_pixels\)"):
            read_photo(content, max_pixels=500)
        assert read_photo(content).pixels.shape == (40, 60, 3)
    assert Image.MAX_IMAGE_PIXELS == 1000


def test_32_bit_grey_of_8_bit_levels():
    grey = Image.fromarray(SCENE).convert("L")
    close(read_photo(encoded("TIFF", image=grey.convert("I"))).pixels, np.repeat(np.asarray(grey)[:, :, None], 3, 2), 0)


def test_photo_checks_its_pixels():
    for wrong in (np.zeros((2, 2), np.uint8), np.zeros((2, 2, 3)), np.zeros((2, 2, 4), np.uint8)):
        with pytest.raises(BadInput, match="expected uint8"):
            Photo(wrong)


# --- writing


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".JPEG", ".webp", ".tif", ".TIFF", ".avif"])
@pytest.mark.parametrize("channels", [0, 3, 4])
def test_written_pictures_read_back(tmp_path, suffix, channels):
    array = SCENE[:, :, 0] if channels == 0 else SCENE
    if channels == 4:
        array = np.dstack([SCENE, np.full(SCENE.shape[:2], 255, np.uint8)])
    path = write_image(array, tmp_path / f"out{suffix}")
    expected = np.repeat(array[:, :, None], 3, axis=2) if channels == 0 else array[:, :, :3]
    close(read_photo(path).pixels, expected, 0 if suffix in (".png", ".tif", ".TIFF") else 4)
    assert os.listdir(tmp_path) == [path.name]


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([0, 3]), st.booleans())
@settings(max_examples=40, deadline=None)
def test_png_is_exact_for_any_shape_and_stride(height, width, channels, strided):
    rng = np.random.default_rng(height * 41 + width)
    shape = (2 * height, 2 * width) + ((channels,) if channels else ())
    array = rng.integers(0, 256, shape, np.uint8)
    array = array[::-2, ::2] if strided else array[:height, :width]
    pixels = read_photo(encode_image(array)).pixels
    expected = array if channels else np.repeat(array[:, :, None], 3, axis=2)
    np.testing.assert_array_equal(pixels, expected)


def test_no_metadata_is_written(tmp_path):
    path = write_image(SCENE, tmp_path / "out.jpg")
    with Image.open(path) as image:
        assert not image.getexif() and "exif" not in image.info


def test_refused_outputs(tmp_path):
    source = tmp_path / "in.png"
    write_image(SCENE, source)
    with pytest.raises(OutputError, match="exists already"):
        write_image(SCENE, source)
    with pytest.raises(OutputError, match="same file"):
        write_image(SCENE, source, overwrite=True, inputs=[source])
    with pytest.raises(OutputError, match="expected one of"):
        write_image(SCENE, tmp_path / "out.jp2")
    for wrong in (SCENE.astype(float), SCENE[None], SCENE[:0], SCENE[:, :, :2]):
        with pytest.raises(BadInput, match="expected uint8"):
            write_image(wrong, tmp_path / "out.png")
    with pytest.raises(BadInput, match="quality"):
        write_image(SCENE, tmp_path / "out.jpg", quality=0)
    assert os.listdir(tmp_path) == ["in.png"]


@pytest.mark.parametrize("suffix, most", [(".jpg", 65500), (".webp", 16383), (".avif", 32768)])
def test_sides_that_a_format_cannot_hold(tmp_path, capfd, suffix, most):
    path = write_image(np.zeros((1, most), np.uint8), tmp_path / f"most{suffix}")
    assert read_photo(path).pixels.shape == (1, most, 3)
    for shape in ((1, most + 1), (most + 1, 1)):
        with pytest.raises(
            OutputError, match=rf"out\{suffix}: {shape[1]} x {shape[0]} px .*at most {most} a side.*\.png"
        ):
            write_image(np.zeros(shape, np.uint8), tmp_path / f"out{suffix}")
    with pytest.raises(BadInput, match=f"at most {most}"):
        encode_image(np.zeros((1, most + 1), np.uint8), SUFFIXES[suffix])
    assert os.listdir(tmp_path) == [path.name] and capfd.readouterr().err == ""


def test_pillow_without_avif_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("PIL.features.check", lambda feature: False)
    with pytest.raises(OutputError, match=r"out\.avif: .*without AVIF"):
        write_image(SCENE, tmp_path / "out.avif")


def test_overwriting_keeps_nothing_of_the_old(tmp_path):
    path = write_image(SCENE, tmp_path / "out.png")
    write_image(255 - SCENE, path, overwrite=True)
    close(read_photo(path).pixels, 255 - SCENE, 0)
    assert io.BytesIO(path.read_bytes()).getbuffer().nbytes > 0
